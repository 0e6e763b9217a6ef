"""Times of calls at the client's side: nginx that passes requests on, a client of Redis and psql. Each call counts once, and
its times lie between what the server and what the caller know."""

import json
import shutil
import subprocess
import sys
import time

import rig as e2e
from rig import check, wait_until
from server_kinds_test import Postgres
from turns import Client, wait_for_port

CALLS = 200
SLACK = 0.011  # half a bucket
SETTLED_SECONDS = 7  # then a process is identified

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  keepalive_requests 100000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{nginx};
    location /kept {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    location /once {{ proxy_pass http://127.0.0.1:{backend}; }}
  }}
}}
"""

# Waits as long as its seed says, and writes down how long each request was in its hands.
BACKEND = """
import http.server, json, random, sys, time
delays, took = random.Random(7), []
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        begun = time.monotonic()
        time.sleep(delays.lognormvariate(-4.6, 0.6))
        took.append(time.monotonic() - begun)
        self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nok\\n")
        if len(took) == int(sys.argv[2]):
            with open(sys.argv[3], "w") as file:
                json.dump(took, file)
    def log_message(self, *words):
        pass
http.server.HTTPServer.request_queue_size = 64
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""

# Calls Redis once a line of its input: so many times, so many commands at a time.
CALLER = """
import json, socket, sys, time
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for line in sys.stdin:
    times, at_once = map(int, line.split())
    took = []
    for _ in range(times):
        begun = time.monotonic()
        connection.sendall(b"*1\\r\\n$4\\r\\nPING\\r\\n" * at_once)
        read = 0
        while read < 7 * at_once:
            read += len(connection.recv(65536))
        took.append(time.monotonic() - begun)
    print(json.dumps(took), flush=True)
"""


def quantile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(q * 1000) * len(ordered) // 1000) - 1))]


def calls_of(rig, application, port):
    name = f'ppmm_application_call_time_seconds_%s{{application="{application}",address="127.0.0.1",port="{port}"}}'
    series = rig.series()
    return series.get(name % "count", 0), series.get(name % "sum", 0)


def dependency(rig, port, application):
    rows = [row for row in rig.get_json("/api/v1/dependencies")["dependencies"]
            if row["remote"]["port"] == port and row["application"] == application]
    return rows[0] if rows else None


def expect_calls(rig, application, port, calls, at_least, at_most):
    """As many calls more as there were, whose times lie between these."""
    wait_until(lambda: calls_of(rig, application, port)[0] >= calls, 20, f"{calls} calls of {application}")
    time.sleep(2 * e2e.POLL_SECONDS + 1)
    count, seconds = calls_of(rig, application, port)
    check(count == calls, f"{application}: {calls} calls expected, {count} counted")
    check(at_least <= seconds <= at_most, f"{application}: {at_least} <= {seconds} <= {at_most}")


def test(rig):
    for program in ("nginx", "redis-server"):
        if not shutil.which(program, path="/usr/sbin:/usr/bin"):
            e2e.skip(f"{program} is not installed")
    rig.folder.chmod(0o755)  # servers read as other users
    postgres = Postgres(rig)
    rig.start_collector()
    rig.start_agent()
    host = wait_until(lambda: (rig.host() or {}).get("capture") and rig.host(), 30, "the host is known")
    if "socket storage" not in host["capture"]:
        e2e.skip(f"no BPF here: {host['capture']}")

    backend_port, nginx_port, redis_port = e2e.free_port(), e2e.free_port(), e2e.free_port()
    backend, caller = rig.folder / "pricing.py", rig.folder / "caller.py"
    backend.write_text(BACKEND)
    caller.write_text(CALLER)
    log = rig.folder / "took.json"
    rig.start("backend", [sys.executable, backend, str(backend_port), str(2 * CALLS), log])
    wait_for_port(backend_port, "backend")
    config = rig.folder / "nginx.conf"
    config.write_text(NGINX.format(folder=rig.folder, backend=backend_port, nginx=nginx_port))
    rig.start("nginx", ["/usr/sbin/nginx", "-e", rig.folder / "nginx-start.log", "-c", config])
    wait_for_port(nginx_port, "nginx")
    rig.start("redis", ["redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--dir",
                        rig.folder])
    wait_for_port(redis_port, "redis")
    redis_client = subprocess.Popen([sys.executable, caller, str(redis_port)], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True)
    psql = subprocess.Popen([postgres.psql, "-X", "-q", "-A", "-t"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True, env={**postgres.environment, "PGHOST": "127.0.0.1"})
    try:
        time.sleep(SETTLED_SECONDS)

        took = []
        client = Client(nginx_port)
        for path in (b"/kept", b"/once"):
            for _ in range(CALLS):
                begun = time.monotonic()
                client.get(path)
                took.append(time.monotonic() - begun)
        in_its_hands = json.loads(wait_until(lambda: log.exists() and log.read_text(), 5, "the backend's log"))
        row = wait_until(lambda: (dependency(rig, backend_port, "nginx") or {}).get("call_time", {}).get("count")
                         == 2 * CALLS and dependency(rig, backend_port, "nginx"), 90, "the calls of nginx")
        expect_calls(rig, "nginx", backend_port, 2 * CALLS, sum(in_its_hands), sum(took))
        for q in (0.5, 0.9, 0.99):
            shown = row["call_time"][f"p{q * 100:.0f}_seconds"]
            check(quantile(in_its_hands, q) * (1 - SLACK) <= shown <= quantile(took, q) * (1 + SLACK),
                  f"p{q}: {quantile(in_its_hands, q)} <= {shown} <= {quantile(took, q)}")
        check((row["call_time"]["vantage"], row["call_time"]["clock"]) == ("client", "write"), row)
        check(row["remote"]["application"] == "pricing", row)
        line = next(line for line in rig.cli("dependencies").stdout.splitlines()
                    if f":{backend_port}" in line and line.startswith("nginx"))
        check("ms" in line, line)

        def ask_redis(times, at_once):
            redis_client.stdin.write(f"{times} {at_once}\n")
            redis_client.stdin.flush()
            return json.loads(redis_client.stdout.readline())

        asked = ask_redis(CALLS, 1)
        expect_calls(rig, "caller", redis_port, CALLS, 0, sum(asked))
        ask_redis(5, 16)  # pipelined: labelled, from there on without times
        ask_redis(5, 1)
        label = (f'ppmm_instance_call_connections_without_times_total{{', f'port="{redis_port}"', 'reason="pipelined"')
        wait_until(lambda: any(all(part in name for part in label) and value == 1
                               for name, value in rig.series("/metrics/hosts").items()), 20, "the label")
        expect_calls(rig, "caller", redis_port, CALLS, 0, sum(asked))

        begun = time.monotonic()
        psql.stdin.write("select 'done' from pg_sleep(0.005);\n" * CALLS)
        psql.stdin.flush()
        for _ in range(CALLS):
            check(psql.stdout.readline() == "done\n", "psql answers")
        elapsed = time.monotonic() - begun
        expect_calls(rig, "postgresql", postgres.port, CALLS, CALLS * 0.005, elapsed)
        psql.stdin.close()  # says good-bye, which has no answer
        psql.wait(10)
        time.sleep(2 * e2e.POLL_SECONDS + 1)
        unanswered = [name for name, value in rig.series("/metrics/hosts").items()
                      if name.startswith("ppmm_instance_calls_unanswered_total{") and value
                      and f'port="{postgres.port}"' in name]
        check(not unanswered, unanswered)
    finally:
        psql.kill()
        redis_client.stdin.close()
        redis_client.wait(10)


if __name__ == "__main__":
    e2e.main(test)
