"""Names made to break a page, a metric or a terminal, and clients made to break the collector: neither does, and a good
agent beside them notices nothing.
"""

import json
import random
import shutil
import socket
import subprocess
import time

import rig as e2e
from machines import Machine
from rig import check, wait_until
from wire_client import WireClient, batch, field, hello

HOST = b"we\"b\x1b[31m\\<script>alert(1)</script>\xff\n"
NAMES = (b"new\nline", b"esc\x1b[2Jape", b"bell\x07\x00"[:5], b"no\xff\xfeutf8", b'quo"te\'s', b"back\\slash",
         b"<script>alert(1)</script>"[:20], b"long" * 60, b"csi\xc2\x9b31m", b"\xe2\x80\xaertl", b"{}${jndi:x}", b"  ",
         b"~other",
         # Pairs that a careless way of writing names makes one.
         "日bin".encode(), "本bin".encode(), b"\xe6\x97bin", b"\xe6\x98bin", b"___bin", b"esc\\x1b[2Jape", b"long" * 60 + b"er",
         "zero\u200bwidth".encode(), b"zerowidth")


def start_hostile_machine(rig):
    machine = Machine(rig, "hostile", host_name=HOST)
    for number, name in enumerate(NAMES):
        machine.run(500 + number, b"/opt/ppmm-e2e/" + name.replace(b"/", b"|"), name, b"--flag=" + name, comm=name)
    machine.start()
    return machine


def sent_name(raw):
    """As docs/inventory.md says; nothing of what is cut."""
    raw = raw.replace(b"/", b"|")
    if len(raw) > 128:
        return None
    hidden = {*range(32), *range(0x7f, 0xa0), 0x200b, 0x202e}
    out = ""
    for character in raw.decode(errors="surrogateescape"):
        if ord(character) in hidden or 0xdc80 <= ord(character) <= 0xdcff:
            out += "".join(f"\\x{byte:02x}" for byte in character.encode(errors="surrogateescape"))
        else:
            out += "\\\\" if character == "\\" else character
    return f"\\x{ord(out[0]):02x}{out[1:]}" if out[0] in "~ " else out


def is_clean(text, what):
    """No control characters but the ends of lines, none that turn the direction of text or that nobody sees."""
    bad = [at for at, code in enumerate(map(ord, text))
           if (code < 32 and code != 10) or 127 <= code < 160 or code == 0x200b or 0x202a <= code <= 0x202e]
    check(not bad, f"{what} has control characters: {[text[max(0, at - 60):at + 60] for at in bad[:3]]!r}")


def check_names(rig, machine):
    def seen():
        found = (rig.get_json("/api/v1/applications?window=60s") or {"applications": []})["applications"]
        return [row for row in found if "hostile" not in row["name"] and machine.label() in row["hosts"]]

    wait_until(lambda: len(seen()) >= len(NAMES), 90, f"{len(NAMES)} applications: {[row['name'] for row in seen()]}")
    names = {row["name"] for row in seen()}
    expected = {sent_name(name) for name in NAMES} - {None}
    check(expected <= names, f"each program is an application of its own: {expected - names} are not in {names}")
    cut = {name for name in names if name.startswith("longlong")}
    check(len(cut) == 2 and max(map(len, cut)) <= 128, f"cut, and still two: {cut}")
    for path in ("/api/v1/applications", "/api/v1/hosts", "/api/v1/inventory", "/api/v1/rating", "/api/v1/status"):
        status, body = rig.get(path)
        check(status == 200, f"{path}: {status}")
        json.loads(body)
        is_clean(body, path)
    for words in (["applications"], ["hosts"], ["status"], ["doctor"], ["rating"], ["--json", "applications"]):
        is_clean(rig.cli(*words).stdout, f"ppmm {' '.join(words)}")
    once = subprocess.run([e2e.BUILD / "agent/ppmm-agent", "--once", "--no-bpf", "--root", machine.root, "--data",
                           rig.folder / "once"], capture_output=True, timeout=60, check=False)
    is_clean(once.stdout.decode(), "ppmm-agent --once")
    is_clean(machine.process.text(), "the agent's log")
    is_clean(rig.collector.text(), "the collector's log")
    status, page = rig.get("/")
    check(status == 200 and "<script" not in page, f"the page is escaped: {status}")
    is_clean(page, "the page")
    promtool = shutil.which("promtool")
    for path in ("/metrics", "/metrics/hosts"):
        text = rig.get(path)[1]
        is_clean(text, path)
        if promtool is None:
            print("left out: promtool is not installed")
            continue
        judged = subprocess.run([promtool, "check", "metrics"], input=text, text=True, timeout=60, capture_output=True,
                                check=False)
        check(judged.returncode == 0 and not judged.stdout + judged.stderr,
              f"promtool on {path}: {judged.stdout}{judged.stderr}")


def now_us():
    return time.time_ns() // 1000


def check_clients(rig, good):
    """What is no protocol, no gRPC, no frame, no batch; oversized, endless and half sent."""
    since = good.status()["collector"]["since"]
    before = rig.series()
    noise = random.Random(7)
    for bytes_sent in (b"GET / HTTP/1.1\r\n\r\n", noise.randbytes(100_000), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
                       noise.randbytes(100_000), b"\x16\x03\x01\x02\x00" + noise.randbytes(600)):
        with socket.create_connection(("127.0.0.1", rig.grpc_port), timeout=20) as raw:
            try:
                raw.sendall(bytes_sent)
            except OSError:
                pass  # it hung up, as it should
    ended = 0
    # First frames that are no Hello, or none that this collector takes.
    for first in (b"", noise.randbytes(1000), field(15, now_us()), batch(now_us()), hello(now_us(), agent=b"short"),
                  hello(now_us() + 600_000_000), hello(now_us(), name="n" * 300), hello(now_us(), epoch=0)):
        client = WireClient(rig.grpc_port)
        client.send(first)
        client.until_end()
        client.close()
        ended += 1
    # A good Hello, and then what no agent sends.
    for then in (noise.randbytes(1000), hello(now_us()), batch(0), b"x" * (2 << 20)):
        client = WireClient(rig.grpc_port)
        client.send(hello(now_us()))
        check(client.welcomed(), "a good Hello is welcomed")
        client.send(then)
        client.until_end()
        client.close()
        ended += len(then) < 1 << 20  # a message larger than 1 MiB does not get as far as where streams are counted
    # Batches that are refused, one after the other; the stream goes on.
    client = WireClient(rig.grpc_port)
    client.send(hello(now_us()))
    check(client.welcomed(), "a good Hello is welcomed")
    columns = b"\1\2\3"
    client.send(batch(now_us(), columns=columns, crc=1, samples=5))  # damaged
    client.send(batch(now_us(), columns=b"x" * (300 << 10)))         # too large
    client.send(batch(now_us(), seq=0))                              # malformed
    client.send(batch(now_us(), seq=2))                              # of an epoch without a dictionary

    def refused():
        after = rig.series()
        grown = {}
        for reason in ("damaged", "too_large", "malformed", "unknown_id"):
            name = f'ppmm_ingest_refused_batches_total{{reason="{reason}"}}'
            grown[reason] = after[name] - before[name]
        return grown

    wait_until(lambda: set(refused().values()) == {1}, 30, f"each is refused and counted once: {refused()}")
    # Messages half sent, and a claim of 4 GB.
    client.send(b"half", length=1000)
    endless = WireClient(rig.grpc_port)
    endless.send(b"x" * 100, length=0xffffffff)
    endless.until_end()
    client.close()
    endless.close()
    name = "ppmm_ingest_streams_refused_total"
    wait_until(lambda: rig.series()[name] - before[name] >= ended, 30,
               f"{ended} streams are counted as refused: {rig.series()[name] - before[name]}")
    unheard = "ppmm_ingest_connections_without_stream_total"
    wait_until(lambda: rig.series()[unheard] - before[unheard] == 4, 30,
               f"what is no gRPC is counted: {rig.series()[unheard] - before[unheard]}")
    acknowledged = good.acknowledged()
    wait_until(lambda: good.acknowledged() > acknowledged, 30, "the good agent goes on")
    check(good.status()["collector"]["since"] == since, "on the stream it had")
    check(good.status()["collector"]["batches_refused"] == 0, "and nothing of it was refused")
    hosts = {host["host"]: host for host in rig.get_json("/api/v1/hosts")["hosts"]}
    check(not any(host["duplicate"] for host in hosts.values()), "nobody is accused")


def test(rig):
    rig.start_collector()
    good = Machine(rig, "good")
    good.start()
    machine = start_hostile_machine(rig)
    wait_until(good.acknowledged, 60, "the good agent sends")
    wait_until(machine.acknowledged, 60, "the hostile one sends")
    check_clients(rig, good)
    check_names(rig, machine)
    check(rig.ready(), "the collector is well")
    check(rig.collector.stop() == 0, "and ends with 0")


if __name__ == "__main__":
    e2e.main(test)
