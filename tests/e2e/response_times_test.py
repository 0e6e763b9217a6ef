"""Requests and response times of real servers, with no change to them: each request counts once, handshakes do not
count, and what has no turns is labelled instead of timed."""

import os
import shutil
import socket
import ssl
import subprocess
import sys

import rig as e2e
from rig import check, wait_until
from turns import Client, Counts, ask, check_parts, wait_for_port

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
  keepalive_timeout 1h;
  client_header_timeout 1h;
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


def ask_redis(port, pipeline):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(CONNECTIONS * REQUESTS // pipeline):
            connection.sendall(b"*1\r\n$4\r\nPING\r\n" * pipeline)
            read = b""
            while len(read) < 7 * pipeline:
                read += connection.recv(65536)


def test(rig):
    rig.start_collector()
    rig.start_agent()
    ports, redis_port, sleeper_port = start_nginx(rig), start_redis(rig), start_sleeper(rig)
    host = wait_until(lambda: (rig.host() or {}).get("capture") and rig.host(), 30, "the host is known")
    if "socket storage" not in host["capture"]:
        e2e.skip(f"no BPF here: {host['capture']}")

    nginx, all_requests = Counts(rig, "nginx"), CONNECTIONS * REQUESTS

    held = []  # stays open while others of the same server are timed

    def multiplexed():
        held.append(socket.create_connection(("127.0.0.1", ports["http2"])))
        held[-1].sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        held[-1].recv(4096)

    nginx.rise(multiplexed, requests=0, labelled=1)
    nginx.check_quality("unparsed", 1)
    check_parts(nginx.rise(lambda: ask(ports["plain"], b"/small", CONNECTIONS, REQUESTS), requests=all_requests,
                           errors=0, labelled=0))
    check_parts(nginx.rise(lambda: [ask(ports["plain"], b"/small", 1, 1, words=b"Connection: close\r\n")
                                    for _ in range(100)], requests=100, errors=0))
    check_parts(nginx.rise(lambda: ask(ports["plain"], b"/large", CONNECTIONS, 25), requests=100, full=100))
    check_parts(nginx.rise(lambda: ask(ports["plain"], b"/nothing", CONNECTIONS, 10), requests=40, errors=40))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        check_parts(nginx.rise(lambda: ask(ports["tls"], b"/small", CONNECTIONS, 25, version), requests=100,
                               unanswered=0, labelled=0))

    client = Client(ports["plain"])

    def pipelined():
        client.socket.sendall(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n" * 4)
        for _ in range(4):
            client.answer()

    nginx.rise(pipelined, requests=1, labelled=1)
    # The first of them was answered before it was known that more came with it. Then that connection alone goes on.
    wait_until(lambda: pipelined() or nginx.row("10s")["response_time"]["quality"] == "unparsed", 40,
               "what is pipelined has no times")
    time_of = nginx.row("10s")["response_time"]
    check((time_of["window_seconds"], time_of["open_connections_without_times"]) == (10, 2), time_of)
    # Beside both, what takes turns is exact.
    check_parts(nginx.rise(lambda: ask(ports["plain"], b"/small", CONNECTIONS, REQUESTS), requests=all_requests,
                           labelled=0))
    row = nginx.row("10s")
    check(row["response_time"]["quality"] == "exact" and row["throughput_at_least"], row)
    client.socket.close()

    redis = Counts(rig, "redis")
    redis.rise(lambda: ask_redis(redis_port, 16), requests=0, labelled=1)
    redis.check_quality("unparsed", 1)
    check_parts(redis.rise(lambda: ask_redis(redis_port, 1), requests=all_requests, errors=0, labelled=0))
    redis.check_quality("exact", 1)
    table = rig.cli("applications").stdout
    check("\u2265" in next(line for line in table.splitlines() if line.startswith("redis")), table)
    check("\u2265: at least" in table, table)

    took = []
    sleeper = Counts(rig, "sleeper")
    rise = sleeper.rise(lambda: took.append(ask(sleeper_port, b"/", CONNECTIONS, 25)), requests=100, errors=0)
    check_parts(rise)
    sleeper.check_quality("exact", 0)
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
