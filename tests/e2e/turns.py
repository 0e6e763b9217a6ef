"""What the tests of response times share: clients that ask and count, and what the collector counted."""

import socket
import ssl
import time

import rig as e2e
from rig import check, wait_until


def wait_for_port(port, what):
    def open_now():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(open_now, 20, f"{what} listens")


class Client:
    """A connection that asks and reads whole HTTP/1 answers."""

    def __init__(self, port, version=None):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if version:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.minimum_version = context.maximum_version = version
            self.socket = context.wrap_socket(self.socket)
        self.waiting = b""

    def answer(self):
        while b"\r\n\r\n" not in self.waiting:
            self.receive()
        head, self.waiting = self.waiting.split(b"\r\n\r\n", 1)
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                      if line.startswith(b"content-length"))
        while len(self.waiting) < length:
            self.receive()
        self.waiting = self.waiting[length:]
        return int(head.split()[1])

    def receive(self):
        read = self.socket.recv(65536)
        if not read:
            raise AssertionError("the server closed the connection")
        self.waiting += read

    def close(self):
        if isinstance(self.socket, ssl.SSLSocket):
            try:
                self.socket = self.socket.unwrap()
            except ssl.SSLEOFError:  # the server took the notice, and closed without one of its own
                pass
        self.socket.close()

    def get(self, path, words=b""):
        self.socket.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + words + b"\r\n")
        return self.answer()


def ask(port, path, connections, requests, version=None, words=b""):
    """Returns the seconds that the answers took, at the clients. TLS is closed as it should be, with notices."""
    clients = [Client(port, version) for _ in range(connections)]
    started = time.monotonic()
    for _ in range(requests):
        for client in clients:
            client.get(path, words)
    took = time.monotonic() - started
    for client in clients:
        client.close()
    return took


class Counts:
    """What the collector says of an application."""

    def __init__(self, rig, application):
        self.rig, self.application = rig, application

    def read(self):
        series = self.rig.series()
        hosts = self.rig.series("/metrics/hosts")
        time_of = f'ppmm_application_response_time_seconds_%s{{application="{self.application}",kind="%s"}}'

        def of_instances(metric):
            return sum(value for name, value in hosts.items()
                       if name.startswith(f"{metric}{{") and f'application="{self.application}"' in name)

        return {
            "requests": series.get(f'ppmm_application_requests_total{{application="{self.application}"}}', 0),
            "errors": series.get(f'ppmm_application_errors_total{{application="{self.application}"}}', 0),
            "labelled": of_instances("ppmm_instance_connections_without_times_total"),
            "unanswered": of_instances("ppmm_instance_requests_unanswered_total"),
            **{kind: series.get(time_of % ("count", kind), 0) for kind in ("total", "wait", "service", "full")},
            **{f"{kind} seconds": series.get(time_of % ("sum", kind), 0) for kind in ("total", "wait", "service")},
        }

    def row(self, window="60s"):
        """What the API says of it."""
        rows = self.rig.get_json(f"/api/v1/applications?window={window}")["applications"]
        return next((row for row in rows if row["shown_as"] == self.application), {"response_time": {}})

    def check_quality(self, quality, without_times):
        """`without_times`: connections that were found to have none in the last minute."""
        row = self.row()
        time_of = row["response_time"]
        check(time_of.get("quality") == quality, f"{self.application} is {quality}: {time_of}")
        check(time_of["connections_without_times"] == without_times, f"{self.application}: {time_of}")
        check((time_of["count"] is None) == (quality != "exact"), f"{self.application}: {time_of}")
        check(bool(time_of["reason"]) == (quality != "exact"), f"{self.application}: {time_of}")
        at_least = row["throughput_of"] == "requests" and without_times > 0
        check(row["throughput_at_least"] == at_least, f"{self.application} has served {row['throughput_per_second']}: {row}")

    def rise(self, work, **expected):
        """Does the work and waits until these counts rose by as much; then none may have risen further."""
        return rise_together(work, (self, expected))[0]


def rise_together(work, *expectations):
    """As Counts.rise, for the work of several applications. Returns what rose, of each."""
    before = [counts.read() for counts, _ in expectations]
    work()

    def risen():
        now = [counts.read() for counts, _ in expectations]
        return [{name: new[name] - old[name] for name in new} for new, old in zip(now, before)]

    def arrived():
        return all(rise[name] >= value for rise, (_, expected) in zip(risen(), expectations)
                   for name, value in expected.items())

    try:
        wait_until(arrived, 30, "the counts rise")
    except AssertionError as error:
        raise AssertionError(f"{error}: " + "; ".join(
            f"{counts.application}: {expected} expected, rose by {rise}"
            for rise, (counts, expected) in zip(risen(), expectations))) from error
    time.sleep(2 * e2e.POLL_SECONDS + 1)  # what comes too much would come with the next batch
    # Times are sent at the end of each ten seconds.
    wait_until(lambda: all(rise["total"] >= rise["requests"] for rise in risen()), 15, "times of all requests")
    rises = risen()
    for rise, (counts, expected) in zip(rises, expectations):
        for name, value in expected.items():
            check(rise[name] == value, f"{counts.application} {name}: {value} expected, rose by {rise}")
    return rises


def check_parts(rise):
    check(rise["total"] == rise["wait"] == rise["service"] == rise["requests"], f"each request has its times: {rise}")
    parts = rise["wait seconds"] + rise["service seconds"]
    check(abs(parts - rise["total seconds"]) <= 0.01 * rise["total seconds"], f"wait and service are the whole: {rise}")
