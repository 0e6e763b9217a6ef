"""Both daemons, servers of Debian, a program and a script of ours, each command: what was measured here reaches every
place where it is read."""

import contextlib
import glob
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time

import rig as e2e
from rig import check, wait_until

COMMANDS = (["rating"], ["applications"], ["hosts"], ["status"], ["explain", "MON-001"], ["next-steps"],
            ["activities"])
REQUESTS = 50

OWN_PROGRAM = """
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int count, char** words) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(words[count - 1]))};
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr*)&at, sizeof at) != 0 || listen(listener, 64) != 0) return 1;
  while (1) close(accept(listener, 0, 0));
}
"""

OWN_SCRIPT = """
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


def touch(port):
    """Whether a connection to `port` is taken; it carries nothing."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        return True
    except OSError:
        return False


def find(program):
    return shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


def listens(rig, name, command, port, cwd=None):
    """Starts a server; returns its port when it takes connections."""
    rig.start(name, command, cwd)
    wait_until(lambda: touch(port), 30, f"{name} listens")
    return port


def start_nginx(rig):
    program, port, config = find("nginx"), e2e.free_port(), rig.folder / "nginx.conf"
    if program is None:
        return None
    config.write_text(NGINX.format(folder=rig.folder, port=port))
    return listens(rig, "nginx", [program, "-e", rig.folder / "nginx-start.log", "-c", config], port)


def start_redis(rig):
    program, port = find("redis-server"), e2e.free_port()
    return program and listens(rig, "redis", [program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir",
                                              rig.folder], port)


def start_postgresql(rig):
    """One cluster, made here; PostgreSQL refuses to be root."""
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not programs:
        return None
    data, port = rig.folder / "postgresql", e2e.free_port()
    data.mkdir()
    user = []
    if os.geteuid() == 0:
        shutil.chown(data, "postgres", "postgres")
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    made = subprocess.run([*user, f"{programs[-1]}/initdb", "-D", data / "main", "-A", "trust", "-U", "tester",
                           "--no-sync"], capture_output=True, text=True, timeout=60, check=False, cwd="/")
    check(made.returncode == 0, f"initdb: {made.stderr}")
    command = [*user, f"{programs[-1]}/postgres", "-D", data / "main", "-p", port, "-c", "listen_addresses=127.0.0.1",
               "-c", f"unix_socket_directories={data}"]
    return listens(rig, "postgresql", command, port, "/")


def start_script(rig):
    folder, port = rig.folder / "orders", e2e.free_port()
    folder.mkdir()
    (folder / "orders_server.py").write_text(OWN_SCRIPT)
    return listens(rig, "orders", [sys.executable, folder / "orders_server.py", port], port, folder)


def start_program(rig):
    compiler, folder, port = find("cc"), rig.folder / "ledger", e2e.free_port()
    if compiler is None:
        return None
    folder.mkdir()
    (folder / "ledger.c").write_text(OWN_PROGRAM)
    subprocess.run([compiler, "-o", folder / "ledger", folder / "ledger.c"], check=True, timeout=60)
    return listens(rig, "ledger", [folder / "ledger", port], port)


# What is started, the name it must get, and whose it is.
SERVERS = ((start_script, "orders_server", "in_house"), (start_program, "ledger", "in_house"),
           (start_nginx, "nginx", "off_the_shelf"), (start_redis, "redis", "off_the_shelf"),
           (start_postgresql, "postgresql", "off_the_shelf"))


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


def check_applications(rig, servers, began):
    """Name, origin, version, port and throughput of each, as the command line tells them within a minute of `began`."""
    def rows():
        shown = rig.cli("--json", "applications")
        found = json.loads(shown.stdout)["applications"] if shown.returncode == 0 else []
        return {port: row for row in found for port in row["ports"]}

    def missing():
        for port in servers.values():
            touch(port)
        by_port, wrong = rows(), []
        for (name, origin), port in servers.items():
            row = by_port.get(port)
            if row is None or row["name"] != name or row["origin"] != origin or not row["throughput_per_second"] or (
                    origin == "off_the_shelf" and not row["version"]):
                told = row and {key: row[key] for key in ("name", "origin", "version", "throughput_per_second",
                                                          "origin_evidence", "name_evidence")}
                wrong.append(f"{name} at {port}: {told}")
        return wrong

    try:
        wait_until(lambda: not missing(), began + 60 - time.monotonic(), "")
    except AssertionError:
        check(False, "within a minute not known as they are: " + "; ".join(missing()))
    for port, row in rows().items():
        if port in servers.values():
            print(f"{row['name']}: {row['origin']}, {row['version'] or 'no version'}, port {port}, "
                  f"{row['throughput_per_second']:.1f} connections/s, {time.monotonic() - began:.0f} s after the start")


def check_names_of_this_host(rig):
    """It answers to its address, localhost and this host's name, and says what to do about any other."""
    def get(host):
        connection = http.client.HTTPConnection("127.0.0.1", rig.http_port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/-/healthy", headers={"Host": f"{host}:{rig.http_port}"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    for host in ("127.0.0.1", "localhost", socket.gethostname()):
        check(get(host)[0] == 200, f"it answers to {host}: {get(host)}")
    status, body = get("other.example.org")
    check(status == 421 and "http.names" in body, f"it does not answer to any name: {status} {body}")


def check_counts(rig, servers):
    """Each connection is counted, and none twice."""
    def connections():
        return {name: sum(value for series, value in rig.series().items()
                          if series.startswith("ppmm_application_connections_total{")
                          and f'application="{name}"' in series) for name, _ in servers}

    time_of = [time.monotonic()]
    before = [connections()]

    def quiet():
        now = connections()
        if now != before[0]:
            before[0], time_of[0] = now, time.monotonic()
        return time.monotonic() - time_of[0] > 3

    wait_until(quiet, 60, "what was connected before is counted")
    for port in servers.values():
        for _ in range(REQUESTS):
            check(touch(port), f"port {port} takes connections")
    wanted = {name: count + REQUESTS for name, count in before[0].items()}
    wait_until(lambda: connections() == wanted, 30, f"{wanted} connections, not {connections()}")


def test(rig):
    started = time.monotonic()
    rig.start_collector()
    rig.start_agent()
    wait_until(rig.ready, 60, "/-/ready is 200")
    check_pages(rig)
    check_names_of_this_host(rig)
    check(time.monotonic() - started < 60, "within a minute of the start both pages hold this host")
    servers, began = {}, time.monotonic()
    for start, name, origin in SERVERS:
        port = start(rig)
        if port is None:
            print(f"left out: what {name} needs is not installed")
        else:
            servers[name, origin] = port
    check_applications(rig, servers, began)
    check_counts(rig, servers)
    check_commands(rig)
    check(rig.agent.stop() == 0, "the agent ends with 0 on SIGTERM")
    check(rig.collector.stop() == 0, "the collector ends with 0 on SIGTERM")


if __name__ == "__main__":
    e2e.main(test)
