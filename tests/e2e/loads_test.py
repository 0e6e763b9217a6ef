"""Loads by the tools that know a protocol: what is pipelined or multiplexed is labelled and has no times, what takes
turns counts exactly, also beside the others on the same listener; a slow upload counts from its first byte."""

import shutil
import socket
import ssl
import subprocess
import time

import rig as e2e
from response_times_test import start_redis
from rig import check, wait_until
from turns import Client, Counts, ask, check_parts, wait_for_port

CONNECTIONS = 4
REQUESTS = 2000  # of each load
PAUSE_SECONDS = 0.3
BENCHMARKS = "ping_mbulk,set,get,incr,lpush,rpop,sadd,hset,spop,mset"

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  root {folder}/www;
  ssl_certificate {folder}/server.pem;
  ssl_certificate_key {folder}/server.key;
  server {{
    listen 127.0.0.1:{plain};
    listen 127.0.0.1:{http2} http2;
    location /upload/ {{ root {folder}; dav_methods PUT; }}
  }}
  server {{
    listen 127.0.0.1:{tls12} ssl http2;
    ssl_protocols TLSv1.2;
  }}
  server {{
    listen 127.0.0.1:{tls13} ssl http2;
    ssl_protocols TLSv1.3;
  }}
}}
"""


def start_nginx(rig):
    server = shutil.which("nginx", path="/usr/sbin:/usr/bin") or e2e.skip("nginx is not installed")
    ports = {name: e2e.free_port() for name in ("plain", "http2", "tls12", "tls13")}
    for name in ("www", "upload"):
        (rig.folder / name).mkdir()
    (rig.folder / "upload").chmod(0o777)
    (rig.folder / "www/small").write_bytes(b"nginx\n")
    (rig.folder / "www/large").write_bytes(bytes(50_000))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                    "-keyout", rig.folder / "server.key", "-out", rig.folder / "server.pem"],
                   check=True, capture_output=True)
    config = rig.folder / "nginx.conf"
    config.write_text(NGINX.format(folder=rig.folder, **ports))
    rig.start("nginx", [server, "-e", rig.folder / "nginx-start.log", "-c", config])
    wait_for_port(ports["plain"], "nginx")
    return ports


def h2load(url, *words):
    done = subprocess.run(["h2load", "-n", str(REQUESTS), "-c", str(CONNECTIONS), *words, url], capture_output=True,
                          text=True, timeout=60, check=False)
    check(f" {REQUESTS} succeeded" in done.stdout, f"h2load {words} {url}: {done}")


def benchmark(port, pipelined):
    done = subprocess.run(["redis-benchmark", "-p", str(port), "-n", str(REQUESTS), "-c", str(CONNECTIONS), "-q", "-t",
                           BENCHMARKS, "-P", pipelined], capture_output=True, text=True, timeout=60, check=False)
    check(done.returncode == 0, f"redis-benchmark -P {pipelined}: {done}")


def upload(port, pauses, words=b""):
    """A body in pieces, with a pause in seconds before each. Returns how long that took."""
    client = Client(port)
    piece = bytes(10_000)
    started = time.monotonic()
    client.socket.sendall(b"PUT /upload/file HTTP/1.1\r\nHost: localhost\r\n" + words
                          + b"Content-Length: %d\r\n\r\n" % (len(pauses) * len(piece)))
    for pause in pauses:
        time.sleep(pause)
        client.socket.sendall(piece)
    if words:
        while b"100 Continue\r\n\r\n" not in client.waiting:
            client.receive()
        client.waiting = client.waiting.split(b"100 Continue\r\n\r\n")[1]
    while b"\r\n\r\n" not in client.waiting:
        client.receive()
    check(client.waiting.split()[1] in (b"201", b"204"), client.waiting)
    client.close()
    return time.monotonic() - started


def test(rig):
    for tool in ("h2load", "redis-benchmark"):
        if not shutil.which(tool):
            e2e.skip(f"{tool} is not installed")
    rig.start_collector()
    rig.start_agent()
    ports, redis_port = start_nginx(rig), start_redis(rig)
    host = wait_until(lambda: (rig.host() or {}).get("capture") and rig.host(), 30, "the host is known")
    if "socket storage" not in host["capture"]:
        e2e.skip(f"no BPF here: {host['capture']}")
    nginx, redis = Counts(rig, "nginx"), Counts(rig, "redis")
    exact = {"requests": REQUESTS, "labelled": 0, "unanswered": 0}

    for scheme, name in (("http", "http2"), ("https", "tls12"), ("https", "tls13")):
        for streams in ("1", "10", "100"):
            nginx.rise(lambda: h2load(f"{scheme}://127.0.0.1:{ports[name]}/large", "-m", streams), requests=0, total=0,
                       labelled=CONNECTIONS)
    for url in (f"http://127.0.0.1:{ports['plain']}", f"https://127.0.0.1:{ports['tls12']}",
                f"https://127.0.0.1:{ports['tls13']}"):
        check_parts(nginx.rise(lambda: h2load(f"{url}/small", "--h1", "-m", "1"), **exact))
    # The first of each connection has a true time.
    nginx.rise(lambda: h2load(f"http://127.0.0.1:{ports['plain']}/small", "--h1", "-m", "10"), requests=CONNECTIONS,
               labelled=CONNECTIONS)

    def beside_streams():
        load = subprocess.Popen(["h2load", "-D", "120", "-c", str(CONNECTIONS), "-m", "100",
                                 f"https://127.0.0.1:{ports['tls13']}/large"], stdout=subprocess.DEVNULL)
        ask(ports["tls13"], b"/small", CONNECTIONS, 50, ssl.TLSVersion.TLSv1_3)
        check(load.poll() is None, "the load goes on")
        load.terminate()
        load.wait(60)

    check_parts(nginx.rise(beside_streams, requests=CONNECTIONS * 50, labelled=CONNECTIONS, unanswered=0))

    # Each has a connection that asks for two settings at once.
    tests = len(BENCHMARKS.split(","))
    redis.rise(lambda: benchmark(redis_port, "1"), requests=tests * REQUESTS, total=tests * REQUESTS, labelled=1)
    for pipelined in ("4", "16", "64"):
        redis.rise(lambda: benchmark(redis_port, pipelined), requests=0, total=0, labelled=tests * CONNECTIONS + 1)

    for words in (b"", b"Expect: 100-continue\r\n"):
        for pauses in (4 * [PAUSE_SECONDS], [0, 1.2]):
            took = []
            rise = nginx.rise(lambda: took.append(upload(ports["plain"], pauses, words)), requests=1, errors=0,
                              labelled=0, unanswered=0)
            check_parts(rise)
            check(sum(pauses) <= rise["total seconds"] <= took[0], f"{pauses} {took}: {rise}")


if __name__ == "__main__":
    e2e.main(test)
