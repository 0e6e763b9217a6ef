"""What the end-to-end tests share: both daemons in a folder of their own, their ports, and how to wait.

Everything started here dies with the test: each process leads its own group, which is killed at exit, and the kernel
kills it when the test itself is killed. Ports are those the daemons were given by the kernel.
"""

import atexit
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

mounted_folders = []
BUILD = pathlib.Path(os.environ["PPMM_BUILD"])
SKIP = 77
POLL_SECONDS = 0.1
PR_SET_PDEATHSIG = 1
CLONE_NEWNS = 0x00020000

_libc = ctypes.CDLL(None, use_errno=True)


def skip(reason):
    print(f"skipped: {reason}", flush=True)
    sys.exit(SKIP)


def check(holds, what):
    """Ends the test with `what` unless it holds; counts it otherwise."""
    if not holds:
        raise AssertionError(what)
    check.passed += 1


check.passed = 0


def wait_until(condition, timeout, what):
    """The first true value of `condition`, asked again and again for at most `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(POLL_SECONDS)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def agent_status(path):
    """What an agent's status socket says, or None."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            text = b""
            while piece := client.recv(65536):
                text += piece
        return json.loads(text)
    except (OSError, ValueError):
        return None


class Process:
    """A program with its output in a file; leads its own process group."""

    def __init__(self, name, command, log, cwd=None, environment=None):
        self.name, self.log = name, log
        self.offset = log.stat().st_size if log.exists() else 0
        parent = os.getpid()

        def die_with_parent():
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd,
                env={**os.environ, **(environment or {})}, start_new_session=True, preexec_fn=die_with_parent)

    def text(self):
        """What this run of the program printed."""
        return self.log.read_bytes()[self.offset:].decode(errors="replace")

    def wait(self, timeout):
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {timeout} s:\n{self.text()[-2000:]}") from None

    def stop(self, timeout=10):
        """SIGTERM; the exit code."""
        self.popen.terminate()
        return self.wait(timeout)

    def kill(self):
        """SIGKILL to the whole group."""
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


class Rig:
    """One collector and one agent under a temporary folder. One thread; reading over HTTP may be done by more."""

    def __init__(self):
        self.agent_program = BUILD / "agent/ppmm-agent"
        self.collector_program = BUILD / "collector/ppmm-collector"
        self.counted = None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ppmm-e2e-"))
        self.folder.chmod(0o755)  # servers started here may change their user
        self.collector_data = self.folder / "collector"
        self.database = self.collector_data / "ppmm.db"
        self.agent_data = self.folder / "agent"
        self.agent_socket = self.folder / "agent.sock"
        self.config = self.folder / "collector.yaml"
        self.config.write_text(f"data: {self.collector_data}\nsocket: {self.folder}/collector.sock\n")
        self.http_port = self.grpc_port = 0
        self.processes = []
        self.collector = self.agent = None
        atexit.register(self._clean_up)
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, lambda number, frame: sys.exit(128 + number))

    def _clean_up(self):
        for process in self.processes:
            process.kill()
        for folder in mounted_folders:
            subprocess.run(["umount", folder], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def use_killable_programs(self):
        """Those with failpoints, the agent with a series that counts its own samples (values.py)."""
        self.agent_program = BUILD / "tests/e2e/ppmm-agent-killable"
        self.collector_program = BUILD / "tests/e2e/ppmm-collector-killable"
        self.counted = self.folder / "counted"

    def start(self, name, command, cwd=None, environment=None):
        process = Process(name, command, self.folder / f"{name}.log", cwd, environment)
        self.processes.append(process)
        return process

    def begin_collector(self, environment=None, flags=()):
        """Does not wait. The first start is given its ports by the kernel, later ones keep them."""
        self.collector = self.start("collector", [
            self.collector_program, "--config", self.config, "--http-listen", f"127.0.0.1:{self.http_port}",
            "--grpc-listen", f"127.0.0.1:{self.grpc_port}", *flags], environment=environment)
        return self.collector

    def start_collector(self, timeout=20, flags=()):
        """Returns once it listens."""
        collector = self.begin_collector(flags=flags)

        def ports():
            found = re.search(r"HTTP port (\d+), gRPC port (\d+)", collector.text())
            if not found and collector.popen.poll() is not None:
                raise AssertionError(f"the collector ended with {collector.popen.returncode}: {collector.text()}")
            return found

        found = wait_until(ports, timeout, "the collector listens")
        self.http_port, self.grpc_port = int(found[1]), int(found[2])

    def start_agent(self, environment=None, flags=()):
        """Does not wait; the collector must have been started once."""
        self.agent = self.start("agent", [
            self.agent_program, "--collector", f"127.0.0.1:{self.grpc_port}", "--data", self.agent_data,
            "--socket", self.agent_socket, *flags],
            environment={**({"PPMM_COUNTED": str(self.counted)} if self.counted else {}), **(environment or {})})

    def get(self, path):
        """(status, body) of the collector; (0, reason) if it cannot be reached."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (OSError, ValueError, http.client.HTTPException) as error:
            return 0, str(error)

    def get_json(self, path):
        """The answer as JSON, or None."""
        status, body = self.get(path)
        return json.loads(body) if status == 200 else None

    def ready(self):
        return self.get("/-/ready")[0] == 200

    def series(self, page="/metrics"):
        """Name with labels -> value, of a page of metrics; empty if it cannot be had."""
        status, body = self.get(page)
        if status != 200:
            return {}
        lines = (line.rsplit(" ", 1) for line in body.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def agent_status(self):
        return agent_status(self.agent_socket)

    def host(self):
        """The only host's row of the API, or None."""
        hosts = (self.get_json("/api/v1/hosts") or {}).get("hosts", [])
        return hosts[0] if len(hosts) == 1 else None

    def cli(self, *words):
        return subprocess.run(
            [BUILD / "cli/ppmm", "--collector", f"http://127.0.0.1:{self.http_port}", *words],
            capture_output=True, text=True, timeout=30, check=False)

    def rows(self, query, *values):
        """Of the collector's database, read only."""
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchall()


def small_file_system(folder, size):
    """Mounts a file system of memory on `folder`, seen by this process and its children only, gone with them."""
    if os.geteuid() != 0:
        skip("mounting a small file system needs root")
    if not small_file_system.apart:
        if _libc.unshare(CLONE_NEWNS) != 0:
            skip(f"no mount namespace of our own: {os.strerror(ctypes.get_errno())}")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        small_file_system.apart = True
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
                             capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        skip(f"mount: {mounted.stderr.strip()}")
    mounted_folders.append(folder)


small_file_system.apart = False


def main(test):
    """Runs the test; 0 and a count, or 1 with what failed and the ends of the logs."""
    rig = Rig()
    started = time.monotonic()
    try:
        test(rig)
    except AssertionError as error:
        print(f"FAILED: {error}")
        for log in sorted(rig.folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}")
        sys.exit(1)
    print(f"{check.passed} checks held, {time.monotonic() - started:.1f} s")
