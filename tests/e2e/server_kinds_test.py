"""Requests of the servers that Debian has: databases, caches, proxies, scripts. Each counts once, errors are told by the
responses, signing on and saying good-bye do not count, and a pipelined connection is labelled while the others keep
their times."""

import pathlib
import pwd
import shutil
import socket
import struct
import subprocess

import rig as e2e
from rig import check
from turns import Counts, ask, check_parts, rise_together, wait_for_port

CONNECTIONS = 2
REQUESTS = 50  # of each connection

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  keepalive_requests 100000;
  sendfile on;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream php {{ server 127.0.0.1:{php}; keepalive 2; }}
  server {{
    listen 127.0.0.1:{nginx};
    root {folder}/www;
    include /etc/nginx/fastcgi_params;
    fastcgi_param SCRIPT_FILENAME {folder}/www$fastcgi_script_name;
    location /once/ {{ rewrite /once(/.*) $1 break; fastcgi_pass 127.0.0.1:{php}; }}
    location /unix/ {{ rewrite /unix(/.*) $1 break; fastcgi_pass unix:{folder}/php.socket; }}
    location /kept/ {{ rewrite /kept(/.*) $1 break; fastcgi_pass php; fastcgi_keep_conn on; }}
  }}
}}
"""

PHP = """
[global]
error_log = {folder}/php-errors.log
[www]
user = www-data
group = www-data
listen = 127.0.0.1:{php}
pm = static
pm.max_children = 2
[unix]
user = www-data
group = www-data
listen = {folder}/php.socket
listen.mode = 0666
pm = static
pm.max_children = 2
"""

HAPROXY = """
defaults
  mode http
  option splice-auto
  option splice-response
  timeout connect 5s
  timeout client 20s
  timeout server 20s
listen front
  bind 127.0.0.1:{haproxy}
  server nginx 127.0.0.1:{nginx}
"""

# Who signs on without a password is one whose protocol the test speaks itself.
POSTGRES_ACCESS = """
local all all trust
host all plain 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


def program(package, *names):
    for name in names:
        for folder in ("/usr/sbin", "/usr/bin", "/usr/lib/postgresql/*/bin"):
            found = sorted(pathlib.Path("/").glob(f"{folder[1:]}/{name}"))
            if found:
                return found[-1]
    return e2e.skip(f"{package} is not installed")


def folder_of(rig, name, user):
    folder = rig.folder / name
    folder.mkdir()
    shutil.chown(folder, user)
    return folder


def exchange(port, *requests):
    """Sends each request when the one before has this answer; the connection, still open."""
    connection = socket.create_connection(("127.0.0.1", port))
    for request, answer in requests:
        connection.sendall(request)
        read = b""
        while len(read) < len(answer):
            read += connection.recv(65536)
        check(read == answer, f"{request}: {read}")
    return connection


class Postgres:
    """A cluster whose user `secret` needs its password."""

    # Of its work, twice: over TCP and over its Unix socket. The last: in the mode `prepared` each connection prepares its
    # statement first.
    requests, errors = 2 * (3 + 3 * CONNECTIONS * REQUESTS + CONNECTIONS), 2
    answered_before_label = 2

    def __init__(self, rig):
        server, initdb = program("postgresql", "postgres"), program("postgresql", "initdb")
        self.psql, self.pgbench = program("postgresql-client", "psql"), program("postgresql-contrib", "pgbench")
        self.port, self.rig = e2e.free_port(), rig
        self.data = data = folder_of(rig, "postgres", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        subprocess.run([*as_user, initdb, "-D", data, "-N", "-A", "trust", "-E", "UTF8", "--locale=C"],
                       check=True, capture_output=True, cwd=data)
        (data / "pg_hba.conf").write_text(POSTGRES_ACCESS)
        rig.start("postgres", [*as_user, server, "-D", data, "-p", str(self.port), "-k", data, "-c", "fsync=off",
                               "-c", "listen_addresses=127.0.0.1", "-c", "autovacuum=off"])
        wait_for_port(self.port, "postgres")
        for command in ("create user secret superuser password 'word'", "create user plain"):
            subprocess.run([self.psql, "-X", "-h", data, "-p", str(self.port), "-U", "postgres", "-c", command],
                           check=True, capture_output=True)
        self.environment = {"PGPORT": str(self.port), "PGUSER": "secret", "PGPASSWORD": "word",
                            "PGDATABASE": "postgres", "PATH": "/usr/bin:/bin"}

    def run(self, host, *words):
        return subprocess.run(words, env={**self.environment, "PGHOST": host}, capture_output=True, text=True, timeout=60,
                              check=False)

    def work(self):
        script = self.rig.folder / "bench.sql"
        script.write_text("select 1;\n")
        for host in ("127.0.0.1", str(self.data)):
            self.run(host, self.psql, "-X", "-c", "select 1", "-c", "select 1/0", "-c", "select generate_series(1, 100000)")
            for mode in ("simple", "extended", "prepared"):
                done = self.run(host, self.pgbench, "-n", "-M", mode, "-f", script, "-c", str(CONNECTIONS), "-t",
                                str(REQUESTS))
                check(f"transactions actually processed: {CONNECTIONS * REQUESTS}" in done.stdout, f"pgbench: {done}")

    def pipelined(self):
        connection = socket.create_connection(("127.0.0.1", self.port))
        hello = struct.pack("!I", 3 << 16) + b"user\0plain\0database\0postgres\0\0"
        connection.sendall(struct.pack("!I", len(hello) + 4) + hello)

        def until_ready(times):
            read = b""
            while read.count(b"Z\0\0\0\5I") < times:
                read += connection.recv(65536)

        until_ready(1)
        query = b"select 1\0"
        message = b"Q" + struct.pack("!I", len(query) + 4) + query
        connection.sendall(message)
        until_ready(1)
        connection.sendall(4 * message)
        until_ready(4)
        return connection


class Mariadb:
    """A server without tables of its own, where everybody may do everything."""

    requests, errors = CONNECTIONS * (2 * REQUESTS + 3), CONNECTIONS * 3
    answered_before_label = 1

    def __init__(self, rig):
        server = program("mariadb-server", "mariadbd")
        self.client, self.port = program("mariadb-client", "mariadb"), e2e.free_port()
        data = folder_of(rig, "mariadb", "mysql")
        rig.start("mariadb", [server, "--no-defaults", "--user=mysql", f"--datadir={data}", "--skip-grant-tables",
                              "--skip-innodb", "--default-storage-engine=Aria", f"--port={self.port}",
                              "--bind-address=127.0.0.1", f"--socket={data}/socket", f"--pid-file={data}/pid"])
        wait_for_port(self.port, "mariadb")

    def run(self, script):
        return subprocess.run([self.client, "--no-defaults", "-h", "127.0.0.1", "-P", str(self.port), "-u", "root",
                               "--force"], input=script, capture_output=True, text=True, timeout=60, check=False)

    def work(self):
        script = "select 1;\n" * REQUESTS + "do 1;\n" * REQUESTS + "no statement;\n" * 3
        for _ in range(CONNECTIONS):
            check("no statement" in self.run(script).stderr, "the client of MariaDB tells of its errors")

    def pipelined(self):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.recv(4096)
        # Protocol 4.1, plain password (none).
        hello = struct.pack("<IIB23x", 0x00008200, 1 << 24, 33) + b"root\0\0"
        connection.sendall(struct.pack("<I", len(hello) | 1 << 24) + hello)
        connection.recv(4096)
        command = b"\3do 1"
        packet = struct.pack("<I", len(command)) + command
        connection.sendall(4 * packet)
        read = b""
        while len(read) < 4 * 11:
            read += connection.recv(4096)
        return connection


class Memcached:
    requests, errors = CONNECTIONS * (3 * REQUESTS + 2), CONNECTIONS * 2
    answered_before_label = 1

    def __init__(self, rig):
        self.port = e2e.free_port()
        rig.start("memcached", [program("memcached", "memcached"), "-u", "nobody", "-l", "127.0.0.1", "-p",
                                str(self.port), "-m", "8", "-t", "1"])
        wait_for_port(self.port, "memcached")

    def work(self):
        value = b"x" * 100
        requests = [(b"set a 0 0 100\r\n" + value + b"\r\n", b"STORED\r\n"),
                    (b"get a\r\n", b"VALUE a 0 100\r\n" + value + b"\r\nEND\r\n"), (b"get b\r\n", b"END\r\n")]
        wrong = [(b"nonsense\r\n", b"ERROR\r\n"),
                 (b"get " + 300 * b"k" + b"\r\n", b"CLIENT_ERROR bad command line format\r\n")]
        for _ in range(CONNECTIONS):
            connection = exchange(self.port, *(requests * REQUESTS), *wrong)
            connection.sendall(b"quit\r\n")
            check(connection.recv(1) == b"", "memcached closes")
            connection.close()

    def pipelined(self):
        return exchange(self.port, (4 * b"get b\r\n", 4 * b"END\r\n"))


class Redis:
    requests, errors = 3 + 2 * REQUESTS, 1
    answered_before_label = 1
    WORDS = [b"word%d" % i for i in range(10, 30)]

    def __init__(self, rig):
        self.port = e2e.free_port()
        rig.start("redis", [program("redis-server", "redis-server"), "--port", str(self.port), "--bind", "127.0.0.1",
                            "--save", "", "--dir", rig.folder])
        wait_for_port(self.port, "redis")

    def work(self):
        fill = b"RPUSH list " + b" ".join(self.WORDS) + b"\r\n"
        exchange(self.port, (b"LTRIM list 1 0\r\n", b"+OK\r\n"), (fill, b":20\r\n"),
                 *[self.read_list(1)] * REQUESTS, *[(b"PING\r\n", b"+PONG\r\n")] * REQUESTS,
                 (b"NONSENSE\r\n", b"-ERR unknown command 'NONSENSE', with args beginning with: \r\n")).close()

    def read_list(self, times):
        answer = b"*20\r\n" + b"".join(b"$6\r\n" + word + b"\r\n" for word in self.WORDS)
        return times * b"LRANGE list 0 -1\r\n", times * answer

    def pipelined(self):
        return exchange(self.port, self.read_list(1), self.read_list(4))


class Web:
    """nginx with files and php-fpm behind it, and HAProxy before it."""

    def __init__(self, rig):
        self.php = program("php-fpm", "php-fpm[0-9]*")
        proxy, server = program("haproxy", "haproxy"), program("nginx", "nginx")
        self.ports = {name: e2e.free_port() for name in ("nginx", "php", "haproxy")}
        www = rig.folder / "www"
        www.mkdir()
        (www / "large").write_bytes(bytes(200_000))
        (www / "page.php").write_text("<?php header('Content-Length: 2'); echo 'ok';")
        (www / "wrong.php").write_text("<?php http_response_code(500); header('Content-Length: 2'); echo 'no';")
        for name, text in (("nginx", NGINX), ("php", PHP), ("haproxy", HAPROXY)):
            (rig.folder / f"{name}.conf").write_text(text.format(folder=rig.folder, **self.ports))
        rig.start("php", [self.php, "-F", "-y", rig.folder / "php.conf"], cwd=rig.folder)
        rig.start("nginx", [server, "-e", rig.folder / "nginx-start.log", "-c", rig.folder / "nginx.conf"])
        rig.start("haproxy", [proxy, "-db", "-f", rig.folder / "haproxy.conf"])
        for name, port in self.ports.items():
            wait_for_port(port, name)

    def work(self):
        ask(self.ports["haproxy"], b"/large", CONNECTIONS, REQUESTS)
        for way in (b"/once", b"/kept", b"/unix"):
            ask(self.ports["nginx"], way + b"/page.php", CONNECTIONS, REQUESTS)
            ask(self.ports["nginx"], way + b"/wrong.php", 1, 5)


def test(rig):
    servers = [(Counts(rig, "postgresql"), Postgres(rig)), (Counts(rig, "mariadb"), Mariadb(rig)),
               (Counts(rig, "memcached"), Memcached(rig)), (Counts(rig, "redis"), Redis(rig))]
    web = Web(rig)
    rig.start_collector()
    rig.start_agent()  # after the servers, so that what was asked to make them ready does not count
    host = e2e.wait_until(lambda: (rig.host() or {}).get("capture") and rig.host(), 30, "the host is known")
    if "socket storage" not in host["capture"]:
        e2e.skip(f"no BPF here: {host['capture']}")

    pages, wrong = CONNECTIONS * REQUESTS, 5
    none = {"labelled": 0, "unanswered": 0}
    expected = [(counts, {"requests": server.requests, "errors": server.errors, **none}) for counts, server in servers]
    expected.append((Counts(rig, "haproxy"), {"requests": pages, "errors": 0, **none}))
    expected.append((Counts(rig, web.php.name), {"requests": 3 * (pages + wrong), "errors": 3 * wrong, **none}))
    expected.append((Counts(rig, "nginx"), {"requests": 4 * pages + 3 * wrong, "errors": 3 * wrong, **none}))

    def work():
        for _, server in servers:
            server.work()
        web.work()

    for rise in rise_together(work, *expected):
        check_parts(rise)
    for counts, _ in expected:
        counts.check_quality("exact", 0)

    # The first request of the others was answered before it was known that more came with it. They stay open: the others
    # of the same server keep their times beside them.
    held = []
    rise_together(lambda: held.extend(server.pipelined() for _, server in servers),
                  *((counts, {"labelled": 1, "requests": server.answered_before_label}) for counts, server in servers))
    for counts, _ in servers:
        counts.check_quality("exact", 1)
    for rise in rise_together(work, *expected):
        check_parts(rise)
    for counts, _ in expected:
        check(counts.row()["response_time"]["quality"] == "exact", f"{counts.application}: {counts.row()}")
    for connection in held:
        connection.close()


if __name__ == "__main__":
    e2e.main(test)
