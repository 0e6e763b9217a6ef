"""Requests in flight and response times of real servers under load: what the collector's minutes hold of both obeys
Little's law, also where connections shake hands more than they ask, and where clients give up."""

import pathlib
import re
import ssl
import threading
import time

import rig as e2e
from response_times_test import SLEEP_SECONDS, start_nginx, start_sleeper
from server_kinds_test import Mariadb, Memcached, Postgres, Redis, Web
from rig import check, wait_until
from turns import Client, ask

LOAD_SECONDS = 25
DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/rating.md"


def intervals(rig):
    """Of each application the whole intervals of the documented SQL, and those of them within 25 %."""
    queries = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text().split("### RSP-005")[1].split("\n### ")[0], re.DOTALL)
    found = {}
    for key, _, count, within, _ in rig.rows(queries[1]):
        found[key.split("/")[-1]] = [old + new for old, new in zip(found.get(key.split("/")[-1], [0, 0]), [count, within])]
    return found


def ratios(rig):
    """Of each application the time in flight that was seen, in seconds, and that over what its times account for."""
    rows = rig.rows("SELECT a.key, sum(in_flight_sum), sum(in_flight_count) FROM application_minute m "
                    "JOIN application a ON a.id = (m.id & 16777215) GROUP BY 1 HAVING sum(in_flight_count) > 0")
    return {key.split("/")[-1]: (seen / 1e6, seen / elapsed) for key, seen, elapsed in rows}


class Beside:
    """A folder of their own for servers whose files have the names of others."""

    def __init__(self, rig, name):
        self.folder = rig.folder / name
        self.folder.mkdir()
        self.start = lambda server, command: rig.start(f"{name}-{server}", command)


def under_load(*works):
    """Does each work again and again, all of them side by side."""
    end = time.monotonic() + LOAD_SECONDS

    def repeat(work):
        while time.monotonic() < end:
            work()

    threads = [threading.Thread(target=repeat, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LOAD_SECONDS + 60)
        check(not thread.is_alive(), "a client goes on for ever")


def give_up(port):
    client = Client(port)
    client.socket.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    time.sleep(SLEEP_SECONDS / 2)
    client.socket.close()


def test(rig):
    servers = [Postgres(rig), Mariadb(rig), Memcached(rig), Redis(rig), Web(rig)]
    ports, sleeper_port = start_nginx(Beside(rig, "tls")), start_sleeper(rig)
    rig.start_collector()
    rig.start_agent()
    host = wait_until(lambda: (rig.host() or {}).get("capture") and rig.host(), 30, "the host is known")
    if "socket storage" not in host["capture"]:
        e2e.skip(f"no BPF here: {host['capture']}")

    under_load(*(server.work for server in servers),
               lambda: ask(sleeper_port, b"/", 1, 50),
               lambda: give_up(sleeper_port),
               lambda: ask(ports["tls"], b"/small", 1, 1, ssl.TLSVersion.TLSv1_2))  # mostly handshakes
    time.sleep(3)

    found, whole = ratios(rig), intervals(rig)
    print("time in flight, in seconds, and over what the times say:", found, "intervals, within:", whole)
    for application in ("haproxy", "mariadb", "memcached", "nginx", "postgresql", "redis", "sleeper"):
        check(application in found, f"{application} is not among {found}")
        seen, ratio = found[application]
        check(seen > 0 and 0.75 <= ratio <= 1.25, f"{application}: {ratio:.2f} of what its times say is in flight")
    full, within = whole.get("sleeper", [0, 0])
    check(0 < full == within, f"intervals of the sleeper, and those within: {full}, {within}")


if __name__ == "__main__":
    e2e.main(test)
