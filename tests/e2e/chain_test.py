"""Both daemons, two applications, each command: what was measured here reaches every place where it is read."""

import json
import shutil
import subprocess
import sys
import time
import urllib.request

import rig as e2e
from rig import check, wait_until

COMMANDS = (["rating"], ["applications"], ["hosts"], ["status"], ["explain", "MON-001"], ["next-steps"],
            ["activities"])
REQUESTS = 50

OWN_PROGRAM = """
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"one of ours\\n")
    def log_message(self, *words):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "nginx\\n"; }} }}
}}
"""


def fetch(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            return answer.status == 200
    except OSError:
        return False


def start_nginx(rig):
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        print("left out: nginx is not installed")
        return None
    port = e2e.free_port()
    config = rig.folder / "nginx.conf"
    config.write_text(NGINX.format(folder=rig.folder, port=port))
    rig.start("nginx", [program, "-e", rig.folder / "nginx-start.log", "-c", config])
    wait_until(lambda: fetch(port), 20, "nginx answers")
    return port


def start_own_program(rig):
    port = e2e.free_port()
    folder = rig.folder / "orders"
    folder.mkdir()
    (folder / "orders_server.py").write_text(OWN_PROGRAM)
    rig.start("orders", [sys.executable, folder / "orders_server.py", port], cwd=folder)
    wait_until(lambda: fetch(port), 20, "our own program answers")
    return port


def check_pages(rig):
    host = wait_until(rig.host, 60, "this host is known")["host"]
    name = f'ppmm_host_cpu_seconds_total{{cpu="0",host="{host}",mode="user"}}'

    def own_cpu():
        return [series for series in rig.series("/metrics/hosts") if series.startswith("ppmm_host_cpu_seconds_total{")
                and f'host="{host}"' in series and 'mode="user"' in series]

    wait_until(own_cpu, 60, f"/metrics/hosts holds {name}")
    wait_until(lambda: rig.series()['ppmm_samples_total{outcome="committed"}'] > 0, 60, "/metrics counts samples")
    promtool = shutil.which("promtool")
    if promtool is None:
        print("left out: promtool is not installed, no page was judged by it")
        return
    for page in ("/metrics", "/metrics/hosts"):
        judged = subprocess.run([promtool, "check", "metrics"], input=rig.get(page)[1], text=True, timeout=60,
                                capture_output=True, check=False)
        said = judged.stdout + judged.stderr
        check(judged.returncode == 0 and not said, f"promtool on {page}: {judged.returncode} {said[:2000]}")


def check_commands(rig):
    for words in COMMANDS:
        shown = rig.cli(*words)
        check(shown.returncode == 0 and shown.stdout and not shown.stderr,
              f"ppmm {' '.join(words)}: exit {shown.returncode}, {shown.stderr or shown.stdout[:500]}")
        as_json = rig.cli("--json", *words)
        check(as_json.returncode == 0, f"ppmm --json {' '.join(words)}: exit {as_json.returncode}, {as_json.stderr}")
        check(isinstance(json.loads(as_json.stdout), dict), f"ppmm --json {' '.join(words)} is one object")


def application_at(rig, port):
    found = rig.get_json("/api/v1/applications?window=60s") or {"applications": []}
    for application in found["applications"]:
        if port in [p["port"] if isinstance(p, dict) else p for p in application["ports"]]:
            return application
    return None


def check_application(rig, port, origin):
    application = wait_until(lambda: application_at(rig, port), 60, f"an application at port {port}")
    wait_until(lambda: (application_at(rig, port) or {}).get("origin") == origin, 60,
               f"the application at port {port} is {origin}: {json.dumps(application_at(rig, port))[:1500]}")
    name = application["name"]

    def connections():
        return sum(value for series, value in rig.series().items()
                   if series.startswith("ppmm_application_connections_total{")
                   and f'application="{name}"' in series)

    before = wait_until(lambda: [connections()], 10, "connections are counted")[0]
    for _ in range(REQUESTS):
        check(fetch(port), f"{name} answers")
    wait_until(lambda: connections() >= before + REQUESTS, 30,
               f"{REQUESTS} connections of {name} are counted, from {before} on")
    print(f"{name}: {origin}, port {port}, {connections() - before:.0f} connections after {REQUESTS} requests")


def test(rig):
    started = time.monotonic()
    rig.start_collector()
    rig.start_agent()
    nginx = start_nginx(rig)
    own = start_own_program(rig)
    wait_until(rig.ready, 60, "/-/ready is 200")
    check_pages(rig)
    check(time.monotonic() - started < 60, "within a minute of the start both pages hold this host")
    check_application(rig, own, "in_house")
    if nginx is not None:
        check_application(rig, nginx, "off_the_shelf")
    check_commands(rig)
    check(rig.agent.stop() == 0, "the agent ends with 0 on SIGTERM")
    check(rig.collector.stop() == 0, "the collector ends with 0 on SIGTERM")


if __name__ == "__main__":
    e2e.main(test)
