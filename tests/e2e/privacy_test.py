"""What leaves a host: `ppmm-agent privacy` prints all of it, and none of what a request, an answer, a command line, an
environment or a file says is in it, in the spool, in the store or in a log."""

import http.client
import pathlib
import re
import subprocess
import sys
import threading

import rig as e2e
from rig import check, wait_until

PLANTS = {what: f"planted-{what}-4711" for what in ("argument", "environment", "path", "header", "request", "answer",
                                                    "file")}
SERVER = """
import http.server, os, sys
text = open(sys.argv[2]).read() + os.environ["PLANTED"]
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"%s"
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
""" % PLANTS["answer"]


def call_until(stopped, port):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    while not stopped.wait(0.05):
        client.request("POST", "/" + PLANTS["path"], body=PLANTS["request"], headers={"X-Planted": PLANTS["header"]})
        client.getresponse().read()


def test(rig):
    folder = rig.folder / "plants"
    folder.mkdir()
    (folder / "till.py").write_text(SERVER)
    (folder / "settings").write_text(PLANTS["file"])
    port = e2e.free_port()
    rig.start_collector()
    rig.start_agent()
    rig.start("till", [sys.executable, folder / "till.py", port, folder / "settings", PLANTS["argument"]], cwd=folder,
              environment={"PLANTED": PLANTS["environment"]})
    wait_until(lambda: e2e.is_open(port), 20, "the server listens")
    stopped = threading.Event()
    caller = threading.Thread(target=call_until, args=(stopped, port), daemon=True)
    caller.start()

    elsewhere = rig.folder / "no-data-yet"
    said = subprocess.run([rig.agent_program, "privacy", "--data", elsewhere, "--collector", "127.0.0.1:7"],
                          capture_output=True, text=True, timeout=120, check=True).stdout
    check(not elsewhere.exists(), "asking makes no data directory")
    check("to     127.0.0.1:7, in plain text" in said, said[:500])
    check(re.search(r'name: "till"', said), "the server is named")
    for title in ("HELLO", "DICTIONARY", "BATCH", "GOODBYE"):
        check(f"\n{title}, " in said, f"{title} is told")

    if not wait_until(rig.host, 20, "the agent is heard of")["response_clock"]["arrival"]:
        e2e.skip("this kernel tells no response times")

    def shown():
        return [row for row in rig.get_json("/api/v1/applications")["applications"] if row["name"] == "till"]

    try:
        wait_until(lambda: [row for row in shown() if row["response_time"].get("p50_seconds")], 30,
                   "the server is timed")
    except AssertionError as error:
        alive = "alive" if caller.is_alive() else "gone"
        labels = [name for name in rig.series("/metrics/hosts") if "connections_without_times" in name]
        raise AssertionError(f"{error}; its client is {alive}, {shown()}, {labels}") from None
    stopped.set()
    caller.join()
    check(rig.agent.stop() == 0 and rig.collector.stop() == 0, "both daemons end cleanly")

    sent = {name for (name,) in rig.rows("SELECT DISTINCT metric FROM series")}
    missing = sorted(name for name in sent if name not in said)
    check(len(sent) > 50 and not missing, f"{len(sent)} metrics arrived, not told of before: {missing}")

    kept = [path for folder in (rig.agent_data, rig.collector_data) for path in folder.rglob("*") if path.is_file()]
    kept += [rig.agent.log, rig.collector.log]
    check(any("till" in path.read_bytes().decode(errors="replace") for path in kept), "the store knows the server")
    for what, plant in PLANTS.items():
        check(plant not in said, f"{what} leaves the host")
        for path in kept:
            check(plant.encode() not in path.read_bytes(), f"{what} is in {pathlib.Path(path).name}")
    print(f"{len(sent)} metrics of the store, each told of; no plant in {len(kept)} files")


if __name__ == "__main__":
    e2e.main(test)
