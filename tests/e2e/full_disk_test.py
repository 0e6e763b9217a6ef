"""A full disk under the collector, then under the agent: both go on, say what is wrong, and recover by themselves."""

import os
import time

import rig as e2e
from rig import check, wait_until


def fill(folder):
    """A file that takes all that is left, and is made longer as long as something is."""
    ballast = folder / "ballast"
    with open(ballast, "ab", buffering=0) as out:
        for size in (65536, 4096, 512):
            try:
                while True:
                    out.write(b"\0" * size)
            except OSError:
                pass
    return ballast


def committed(rig):
    return (rig.host() or {"samples": {"committed": 0}})["samples"]["committed"]


def check_agent(rig):
    wait_until(lambda: committed(rig), 60, "samples arrive")
    rig.collector.kill()  # while nobody takes them, batches pile up on the disk
    ballast = fill(rig.agent_data)

    def disk_error():
        fill(rig.agent_data)
        return (rig.agent_status() or {"spool": {"disk_error": ""}})["spool"]["disk_error"]

    error = wait_until(disk_error, 60, "the agent's status names the error of the disk")
    check("No space left" in error, f"the error says what it is: {error}")
    before = rig.agent_status()["spool"]["produced_samples"]
    wait_until(lambda: rig.agent_status()["spool"]["produced_samples"] > before, 30, "the agent goes on sampling")
    check(rig.agent.popen.poll() is None, "the agent runs with a full disk")
    ballast.unlink()
    wait_until(lambda: not rig.agent_status()["spool"]["disk_error"], 60, "the agent recovers when there is room")
    rig.start_collector()
    wait_until(lambda: rig.agent_status()["spool"]["samples"] == 0, 90, "the spool is sent")
    print(f"agent: \"{error}\", recovered")


def check_status_is_honest(rig):
    """Nothing was committed before, and it says so."""
    text = " ".join(rig.cli("status").stdout.split())
    for part in ("NOT READY", "as of nothing was committed yet", f"make room in {rig.collector_data}"):
        check(part in text, f"ppmm status says \"{part}\": {text[:600]}")


def check_collector(rig):
    # Before the first agent is known, so that the database has to grow; later it finds room in its own file for long.
    wait_until(rig.ready, 60, "the collector is ready")
    ballast = fill(rig.collector_data)
    rig.start_agent()

    def not_ready():
        fill(rig.collector_data)
        status, body = rig.get("/-/ready")
        return body if status == 503 else None

    reason = wait_until(not_ready, 60, "/-/ready is 503")
    for part in ("full", "free", f"make room in {rig.collector_data}", "--data"):
        check(part in reason, f"the reason says what it is and what to do, \"{part}\": {reason}")
    check_status_is_honest(rig)
    # A few blocks are enough for a small commit; what failed was larger.
    os.truncate(ballast, ballast.stat().st_size - 16384)
    for _ in range(80):
        check(rig.get("/-/ready")[0] == 503, "/-/ready does not come and go")
        time.sleep(0.1)
    check(rig.get("/-/healthy")[0] in (200, 404), "the collector still answers")
    waiting = wait_until(lambda: (rig.agent_status() or {"spool": {"samples": 0}})["spool"]["samples"], 60,
                         "samples wait in the agent's spool")
    check(rig.collector.popen.poll() is None, "the collector runs with a full disk")
    ballast.unlink()
    wait_until(rig.ready, 60, "/-/ready is 200 when there is room")
    wait_until(lambda: rig.agent_status()["spool"]["samples"] == 0, 90, "the backlog is sent")
    wait_until(lambda: committed(rig) >= waiting, 30, "the backlog is committed")
    print(f"collector: {reason.strip()!r}, {waiting} samples waited, recovered")


def check_start(rig):
    """A collector whose disk is full at its start says so, and starts by itself when there is room."""
    e2e.small_file_system(rig.collector_data, "8m")
    rig.start_collector()
    check(rig.collector.stop() == 0, "the collector ends with 0 on SIGTERM")
    for what in ("a store that is there", "no store yet"):
        ballast = fill(rig.collector_data)
        collector = rig.begin_collector()
        status, reason = wait_until(lambda: (rig.get("/-/ready")[0] and rig.get("/-/ready")), 20, "HTTP answers")
        for part in ("cannot open the store", "free", f"make room in {rig.collector_data}"):
            check(status == 503 and part in reason, f"{what}: /-/ready says \"{part}\": {status} {reason}")
        check(rig.get("/-/healthy")[0] == 200, "it is healthy")
        for path in ("/api/v1/hosts", "/api/v1/applications", "/api/v1/inventory", "/api/v1/rating"):
            check(rig.get(path)[0] == 503, f"{path}: {rig.get(path)}")
        check(rig.series().get("ppmm_ready") == 0, "/metrics says so")
        text = " ".join(rig.cli("status").stdout.split())
        check("NOT READY" in text and f"make room in {rig.collector_data}" in text, f"ppmm status says it: {text[:600]}")
        check("make room" in " ".join(rig.cli("doctor").stdout.split()), "ppmm doctor says it")
        check("waits until it can" in collector.text(), "the log says it")
        ballast.unlink()
        wait_until(rig.ready, 20, f"{what}: it starts when there is room")
        check(collector.popen.poll() is None, "in the same process")
        check(rig.collector.stop() == 0, "the collector ends with 0 on SIGTERM")
        for file in rig.collector_data.glob("ppmm.db*"):
            file.unlink()
    fill(rig.collector_data)
    collector = rig.begin_collector()
    wait_until(lambda: rig.get("/-/ready")[0] == 503, 20, "it waits")
    check(collector.stop() == 0, "it ends with 0 while it waits, too")
    print(f"start: {reason.strip()!r}, recovered")
    (rig.collector_data / "ballast").unlink()


def check_moved_store(rig):
    """A store whose file was moved away takes nothing as long as it is away, and says so."""
    away = rig.database.with_suffix(".away")
    rig.start_collector()
    wait_until(rig.ready, 20, "the collector is ready")
    rig.database.rename(away)
    wait_until(lambda: rig.get("/-/ready")[0] == 503, 20, "/-/ready is 503")
    status = rig.cli("status").stdout
    check("NOT READY" in status, f"ppmm status says it: {status}")
    for text in (rig.get("/-/ready")[1], status, rig.cli("doctor").stdout):
        text = " ".join(text.split())
        check("was moved or deleted" in text and "move it back" in text, f"with the cure: {text}")
    check(rig.series().get("ppmm_ready") == 0, "ppmm_ready is 0")
    check("was moved or deleted" in rig.collector.text(), "the log says it")
    wait_until(lambda: rig.series().get("ppmm_commit_failures_total"), 30, "commits that fail are counted")
    away.rename(rig.database)
    wait_until(rig.ready, 20, "it goes on by itself when the file is back")
    check(rig.collector.stop() == 0, "the collector ends with 0 on SIGTERM")


def check_nothing_lost_unseen(rig):
    """What the disks cost is counted."""
    check(rig.agent.stop() == 0, "the agent ends with 0 on SIGTERM")
    samples = rig.host()["samples"]
    print(f"in the end {samples}")
    check(samples["produced"] == samples["committed"] + samples["refused"] + samples["dropped"],
          f"each sample has one outcome: {samples}")
    check(samples["refused"] == 0, f"nothing was refused: {samples}")
    check(rig.collector.stop() == 0, "the collector ends with 0 on SIGTERM")


def test(rig):
    if os.geteuid() != 0:
        e2e.skip("mounting a small file system needs root")
    e2e.small_file_system(rig.agent_data, "2m")
    check_start(rig)
    check_moved_store(rig)
    rig.start_collector()
    check_collector(rig)
    check_agent(rig)
    check_nothing_lost_unseen(rig)


if __name__ == "__main__":
    e2e.main(test)
