"""Requests and response times of real servers, with no change to them: each request counts once, handshakes do not
count, and what has no turns is labelled instead of timed."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time

import rig as e2e
from rig import check, wait_until

CONNECTIONS = 4
REQUESTS = 250  # of each connection
SLEEP_SECONDS = 0.02

NGINX = """
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  log_not_found off;
  keepalive_requests 100000;
  sendfile on;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  root {folder}/www;
  server {{
    listen 127.0.0.1:{plain};
    listen 127.0.0.1:{tls} ssl;
    listen 127.0.0.1:{http2} http2;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
  }}
}}
"""

SLEEPER = """
import http.server, sys, time
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(%s)
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\\n")
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
""" % SLEEP_SECONDS


def wait_for_port(port, what):
    def open_now():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(open_now, 20, f"{what} listens")


def start_nginx(rig):
    if not shutil.which("nginx") and not os.path.exists("/usr/sbin/nginx"):
        e2e.skip("nginx is not installed")
    ports = {name: e2e.free_port() for name in ("plain", "tls", "http2")}
    www = rig.folder / "www"
    www.mkdir()
    (www / "small").write_bytes(b"nginx\n")
    (www / "large").write_bytes(os.urandom(200_000))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                    "-keyout", rig.folder / "server.key", "-out", rig.folder / "server.pem"],
                   check=True, capture_output=True)
    rig.folder.chmod(0o755)  # workers read as another user
    config = rig.folder / "nginx.conf"
    config.write_text(NGINX.format(folder=rig.folder, **ports))
    rig.start("nginx", [shutil.which("nginx") or "/usr/sbin/nginx", "-e", rig.folder / "nginx-start.log", "-c", config])
    wait_for_port(ports["plain"], "nginx")
    return ports


def start_redis(rig):
    port = e2e.free_port()
    rig.start("redis", ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", rig.folder])
    wait_for_port(port, "redis")
    return port


def start_sleeper(rig):
    port = e2e.free_port()
    script = rig.folder / "sleeper.py"
    script.write_text(SLEEPER)
    rig.start("sleeper", [sys.executable, script, str(port)])
    wait_for_port(port, "sleeper")
    return port


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

    def get(self, path, words=b""):
        self.socket.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + words + b"\r\n")
        return self.answer()


def ask(port, path, connections=CONNECTIONS, requests=REQUESTS, version=None, words=b""):
    """Returns the seconds that the answers took, at the clients."""
    clients = [Client(port, version) for _ in range(connections)]
    started = time.monotonic()
    for _ in range(requests):
        for client in clients:
            client.get(path, words)
    took = time.monotonic() - started
    for client in clients:
        client.socket.close()
    return took


def ask_redis(port, pipeline):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(CONNECTIONS * REQUESTS // pipeline):
            connection.sendall(b"*1\r\n$4\r\nPING\r\n" * pipeline)
            read = b""
            while len(read) < 7 * pipeline:
                read += connection.recv(65536)


class Counts:
    """What the collector says of an application."""

    def __init__(self, rig, application):
        self.rig, self.application = rig, application

    def read(self):
        series = self.rig.series()
        hosts = self.rig.series("/metrics/hosts")
        time_of = f'ppmm_application_response_time_seconds_%s{{application="{self.application}",kind="%s"}}'
        without = [value for name, value in hosts.items()
                   if name.startswith("ppmm_instance_connections_without_times_total{")
                   and f'application="{self.application}"' in name]
        return {
            "requests": series.get(f'ppmm_application_requests_total{{application="{self.application}"}}', 0),
            "errors": series.get(f'ppmm_application_errors_total{{application="{self.application}"}}', 0),
            "labelled": sum(without),
            **{kind: series.get(time_of % ("count", kind), 0) for kind in ("total", "wait", "service", "full")},
            **{f"{kind} seconds": series.get(time_of % ("sum", kind), 0) for kind in ("total", "wait", "service")},
        }

    def rise(self, work, **expected):
        """Does the work and waits until these counts rose by as much; then none may have risen further."""
        before = self.read()
        work()

        def risen():
            now = self.read()
            return {name: now[name] - before[name] for name in now}

        def arrived():
            return all(risen()[name] >= value for name, value in expected.items())

        try:
            wait_until(arrived, 20, f"{self.application}: {expected}")
        except AssertionError as error:
            raise AssertionError(f"{error}, rose by {risen()}") from error
        time.sleep(2 * e2e.POLL_SECONDS + 1)  # what comes too much would come with the next batch
        rise = risen()
        for name, value in expected.items():
            check(rise[name] == value, f"{self.application} {name}: {value} expected, rose by {rise}")
        return rise


def check_parts(rise):
    check(rise["total"] == rise["wait"] == rise["service"] == rise["requests"], f"each request has its times: {rise}")
    parts = rise["wait seconds"] + rise["service seconds"]
    check(abs(parts - rise["total seconds"]) <= 0.01 * rise["total seconds"], f"wait and service are the whole: {rise}")


def test(rig):
    rig.start_collector()
    rig.start_agent()
    ports, redis_port, sleeper_port = start_nginx(rig), start_redis(rig), start_sleeper(rig)
    host = wait_until(lambda: (rig.host() or {}).get("capture") and rig.host(), 30, "the host is known")
    if "socket storage" not in host["capture"]:
        e2e.skip(f"no BPF here: {host['capture']}")

    nginx, all_requests = Counts(rig, "nginx"), CONNECTIONS * REQUESTS
    check_parts(nginx.rise(lambda: ask(ports["plain"], b"/small"), requests=all_requests, errors=0, labelled=0))
    check_parts(nginx.rise(lambda: [ask(ports["plain"], b"/small", 1, 1, words=b"Connection: close\r\n")
                                    for _ in range(100)], requests=100, errors=0))
    check_parts(nginx.rise(lambda: ask(ports["plain"], b"/large", requests=25), requests=100, full=100))
    check_parts(nginx.rise(lambda: ask(ports["plain"], b"/nothing", requests=10), requests=40, errors=40))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        check_parts(nginx.rise(lambda: ask(ports["tls"], b"/small", requests=25, version=version), requests=100))

    def pipelined():
        client = Client(ports["plain"])
        client.socket.sendall(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n" * 4)
        for _ in range(4):
            client.answer()

    nginx.rise(pipelined, requests=1, labelled=1)

    def multiplexed():
        with socket.create_connection(("127.0.0.1", ports["http2"])) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            connection.recv(4096)

    nginx.rise(multiplexed, requests=0, labelled=1)
    check_parts(nginx.rise(lambda: ask(ports["plain"], b"/small"), requests=all_requests, labelled=0))

    redis = Counts(rig, "redis")
    check_parts(redis.rise(lambda: ask_redis(redis_port, 1), requests=all_requests, errors=0, labelled=0))
    redis.rise(lambda: ask_redis(redis_port, 16), requests=0, labelled=1)

    took = []
    sleeper = Counts(rig, "sleeper")
    rise = sleeper.rise(lambda: took.append(ask(sleeper_port, b"/", requests=25)), requests=100, errors=0)
    check_parts(rise)
    check(100 * SLEEP_SECONDS <= rise["total seconds"] <= took[0], f"between the sleep and the clients' {took}: {rise}")

    row = next(row for row in rig.get_json("/api/v1/applications")["applications"] if row["name"] == "sleeper")
    response = row["response_time"]
    check((response["source"], response["vantage"], response["clock"]) == ("kernel", "server", "arrival"), response)
    check(SLEEP_SECONDS <= response["p50_seconds"] <= response["p99_seconds"] <= response["max_seconds"], response)
    table = rig.cli("applications").stdout
    line = next(line for line in table.splitlines() if line.startswith("sleeper"))
    check("ms" in line and "req/s" in line, table)


if __name__ == "__main__":
    e2e.main(test)
