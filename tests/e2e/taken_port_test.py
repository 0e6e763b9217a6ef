"""A daemon that cannot start says what is in its way and what to do, and leaves with the right code."""

import contextlib
import os
import re
import sqlite3
import subprocess

import rig as e2e
from rig import check, wait_until

EX_UNAVAILABLE = 69
EX_CONFIG = 78


def run(program, *words):
    try:
        return subprocess.run([e2e.BUILD / program, *map(str, words)], capture_output=True, text=True, timeout=30,
                              check=False)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{program} was not to start, and runs: {words}") from None


def run_collector(*words):
    return run("collector/ppmm-collector", *words)


def check_taken_port(rig, flag, port, other_flag):
    config = rig.folder / "second.yaml"
    config.write_text(f"data: {rig.folder}/second\nsocket: {rig.folder}/second.sock\n")
    second = run_collector("--config", config, flag, f"127.0.0.1:{port}", other_flag, "127.0.0.1:0")
    check(second.returncode == EX_UNAVAILABLE, f"{flag} taken: exit {second.returncode}, {second.stderr}")
    for part in (flag, f"pid {rig.collector.popen.pid}", f"port {port}"):
        check(part in second.stderr, f"{flag} taken: \"{part}\" is not in: {second.stderr}")


def check_second_on_same_data(rig):
    config = rig.folder / "same.yaml"
    config.write_text(f"data: {rig.collector_data}\nsocket: {rig.folder}/same.sock\n")
    second = run_collector("--config", config, "--http-listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0")
    check(second.returncode == EX_UNAVAILABLE, f"data taken: exit {second.returncode}, {second.stderr}")
    for part in ("--data", str(rig.collector_data), f"pid {rig.collector.popen.pid}"):
        check(part in second.stderr, f"data taken: \"{part}\" is not in: {second.stderr}")


def check_second_agent(rig):
    """On the same data with a socket of its own, then with the same socket."""
    rig.start_agent()
    wait_until(rig.agent_status, 30, "the agent answers")
    for data, socket, named in ((rig.agent_data, rig.folder / "other.sock", rig.agent_data),
                                (rig.folder / "other", rig.agent_socket, rig.agent_socket)):
        second = run("agent/ppmm-agent", "--data", data, "--socket", socket)
        check(second.returncode == EX_UNAVAILABLE, f"second agent: exit {second.returncode}, {second.stderr}")
        for part in ("--data", str(named), f"pid {rig.agent.popen.pid}"):
            check(part in second.stderr, f"second agent: \"{part}\" is not in: {second.stderr}")
    check(rig.agent_status() is not None, "the first agent was not disturbed")
    check(rig.agent.stop() == 0, "the agent ends with 0 on SIGTERM")


def check_bad_config(rig, text, *places):
    config = rig.folder / "bad.yaml"
    config.write_text(text)
    for extra in ([], ["--check-config"]):
        bad = run_collector("--config", config, *extra)
        check(bad.returncode == EX_CONFIG, f"{text!r}: exit {bad.returncode}, {bad.stderr}")
        for place in places:
            check(f"{config}:{place}" in bad.stderr, f"{text!r}: no {config}:{place} in: {bad.stderr}")


def check_open_http(rig):
    """On another address than loopback it runs, and says who reads."""
    config = rig.folder / "open.yaml"
    config.write_text(f"data: {rig.folder}/open\nsocket: {rig.folder}/open.sock\n")
    collector = rig.start("open", [rig.collector_program, "--config", config, "--http-listen", "0.0.0.0:0",
                                   "--grpc-listen", "127.0.0.1:0"])
    found = wait_until(lambda: re.search(r"HTTP port (\d+)", collector.text()), 20, "the collector listens")
    said = "whoever reaches 0.0.0.0:0 reads everything"
    check(said in collector.text(), f"the log says who reads: {collector.text()}")
    rig.http_port = int(found[1])
    check(said in " ".join(rig.cli("status").stdout.split()), "ppmm status says who reads")
    check(said in rig.get("/")[1], "the page says who reads")
    check(collector.stop() == 0, "the collector ends with 0 on SIGTERM")


def check_bad_data(rig):
    """A data directory that cannot be used, or that holds something else: which file, and the cure."""
    def refused(name, *parts):
        config = rig.folder / f"{name}.yaml"
        config.write_text(f"data: {rig.folder / name}\nsocket: {rig.folder / name}.sock\n")
        bad = run_collector("--config", config, "--http-listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0")
        check(bad.returncode == EX_UNAVAILABLE, f"{name}: exit {bad.returncode}, {bad.stderr}")
        for part in (str(rig.folder / name), "--data", *parts):
            check(part in bad.stderr, f"{name}: \"{part}\" is not in: {bad.stderr}")

    (rig.folder / "random").mkdir()
    (rig.folder / "random" / "ppmm.db").write_bytes(os.urandom(20000))
    refused("random", "ppmm.db: file is not a database", "put a backup in its place")
    (rig.folder / "foreign").mkdir()
    with contextlib.closing(sqlite3.connect(rig.folder / "foreign" / "ppmm.db")) as database:
        database.execute("CREATE TABLE invoices (id INTEGER)")
    refused("foreign", "a database of another program")
    (rig.folder / "file").write_text("")
    refused("file", "cannot be made")


def check_read_only_disk(rig):
    """A disk that is read-only at the start may be a mistake that somebody mends: it waits, says so, and goes on."""
    if os.geteuid() != 0:
        return
    folder, config = rig.folder / "readonly", rig.folder / "readonly.yaml"
    e2e.small_file_system(folder, "4m")
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    config.write_text(f"data: {folder}\nsocket: {rig.folder}/readonly.sock\n")
    collector = rig.start("readonly", [rig.collector_program, "--config", config, "--http-listen", "127.0.0.1:0",
                                       "--grpc-listen", "127.0.0.1:0"])
    waits = wait_until(lambda: re.search(r"HTTP (?:port|on|at)\D*(\d+)", collector.text()), 20, "it answers while it waits")
    rig.http_port = int(waits[1])
    for part in ("Read-only file system", "must be able to write", str(folder), "--data"):
        check(part in collector.text(), f"\"{part}\" is not in: {collector.text()}")
    status, body = rig.get("/-/ready")
    check(status == 503 and "Read-only file system" in body, f"{status} {body}")
    subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
    wait_until(lambda: re.search(r"gRPC port (\d+)", collector.text()), 20, "it starts once it can write")
    check(collector.stop() == 0, "the collector ends with 0 on SIGTERM")


def test(rig):
    rig.start_collector()
    check_taken_port(rig, "--http-listen", rig.http_port, "--grpc-listen")
    check_taken_port(rig, "--grpc-listen", rig.grpc_port, "--http-listen")
    check_second_on_same_data(rig)
    check_second_agent(rig)
    check_bad_config(rig, "data: /var/lib/ppmm\norganisation: example\nhttp:\n  listen: nowhere\n", "2:1:", "4:11:")
    check_bad_config(rig, "data: [\n", "1:7:")
    check(rig.ready(), "the first collector was not disturbed")
    check(rig.collector.stop() == 0, "the collector ends with 0 on SIGTERM")
    check("whoever reaches" not in rig.collector.text(), "on loopback nothing is said of who reads")
    check_open_http(rig)
    check_bad_data(rig)
    check_read_only_disk(rig)


if __name__ == "__main__":
    e2e.main(test)
