"""Disks that fail while both daemons work: the agent's is read-only at its start, the collector's fills, the agent's
fills, the collector's turns read-only. Both go on, say so in log, metric and status, and recover; no sample is lost, by
number and by value.

The collector's disk is a small ext4 in a file: a file system that finds itself damaged turns read-only, and stays so
until it is mounted anew.
"""

import os
import pathlib
import shutil
import subprocess

import rig as e2e
import values
from full_disk_test import committed, fill
from rig import check, wait_until


class Ext4:
    """A file system in a file, mounted on a folder for this test alone."""

    def __init__(self, rig, folder, size):
        self.image, self.folder = rig.folder / "disk.img", folder
        with open(self.image, "wb") as out:
            out.truncate(size)
        made = subprocess.run(["mkfs.ext4", "-q", "-m", "0", self.image], capture_output=True, text=True, check=False)
        check(made.returncode == 0, f"mkfs.ext4: {made.stderr}")
        self.mount()
        e2e.mounted_folders.append(folder)

    def mount(self):
        mounted = subprocess.run(["mount", "-o", "loop,errors=remount-ro", self.image, self.folder],
                                 capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            e2e.skip(f"no loop device: {mounted.stderr.strip()}")

    def find_damage(self):
        """As if it had met a damaged block."""
        device = subprocess.run(["findmnt", "-no", "SOURCE", self.folder], capture_output=True, text=True, check=True)
        trigger = pathlib.Path("/sys/fs/ext4", pathlib.Path(device.stdout.strip()).name, "trigger_fs_error")
        trigger.write_text("1")

    def repair(self):
        """What an operator does; nobody may use it."""
        subprocess.run(["umount", self.folder], check=True)
        repaired = subprocess.run(["fsck.ext4", "-fp", self.image], capture_output=True, text=True, check=False)
        check(repaired.returncode in (0, 1), f"fsck.ext4: {repaired.stdout} {repaired.stderr}")
        self.mount()


def wait_until_not_ready(rig, timeout, also=None):
    def reason():
        if also:
            also()
        status, body = rig.get("/-/ready")
        return body.strip() if status == 503 else None

    return wait_until(reason, timeout, "/-/ready is 503")


def check_it_is_said(rig, reason, word):
    """In reason, log, metric and status."""
    check(word in reason, f"/-/ready says \"{word}\": {reason}")
    check(rig.collector.popen.poll() is None, "the collector runs")
    check("commit failed" in rig.collector.text() and word in rig.collector.text(), "the log says it")
    check(rig.series().get("ppmm_commit_failures_total", 0) > 0, "ppmm_commit_failures_total counts it")
    status = " ".join(rig.cli("status").stdout.split())
    for part in ("NOT READY", word, str(rig.collector_data), "--data", "as of", "was the last that succeeded"):
        check(part in status, f"ppmm status says \"{part}\": {status[:600]}")
    check("watches 0" not in status and "samples 0" not in status, f"ppmm status tells what was: {status[:600]}")


def check_recovery(rig, before):
    wait_until(rig.ready, 60, "/-/ready is 200 again")
    wait_until(lambda: committed(rig) > before, 90, "samples are committed again")
    wait_until(lambda: (rig.agent_status() or {"spool": {"samples": 1}})["spool"]["samples"] == 0, 90,
               "the backlog is sent")


def fill_collectors_disk(rig):
    # A log that once was long takes many commits before it needs room: it is empty again after a restart.
    check(rig.agent.stop() == 0, "the agent ends with 0 on SIGTERM")
    check(rig.collector.stop() == 0, "the collector ends with 0 on SIGTERM")
    rig.start_collector()
    wait_until(rig.ready, 60, "the collector is ready")
    ballast = fill(rig.collector_data)
    rig.start_agent()
    reason = wait_until_not_ready(rig, 180, also=lambda: fill(rig.collector_data))
    check_it_is_said(rig, reason, "full")
    before = rig.agent_status()["spool"]["produced_samples"]
    wait_until(lambda: rig.agent_status()["spool"]["produced_samples"] > before, 30, "the agent goes on sampling")
    ballast.unlink()
    check_recovery(rig, 0)
    print(f"collector's disk filled: \"{reason}\", recovered")


def spool_source(rig):
    """What the collector knows of the agent's spool."""
    sources = (rig.host() or {"sources": []})["sources"]
    return next((source for source in sources if source["source"] == "spool"), {"state": "", "reason": ""})


def start_agent_on_read_only_disk(rig):
    subprocess.run(["mount", "-o", "remount,ro", rig.agent_data], check=True)
    rig.start_agent()
    reason = wait_until(lambda: spool_source(rig)["state"] == "failed" and spool_source(rig)["reason"], 90,
                        "the collector knows that the agent's disk is read-only")
    check("Read-only" in reason, f"the reason says what it is: {reason}")
    subprocess.run(["mount", "-o", "remount,rw", rig.agent_data], check=True)
    wait_until(lambda: spool_source(rig)["state"] == "ok", 90, "the agent's spool recovers when it may write")
    print(f"agent's disk read-only: \"{reason}\", recovered")


def fill_agents_disk(rig):
    ballast = fill(rig.agent_data)

    def told():
        fill(rig.agent_data)
        return spool_source(rig)["state"] == "failed" and spool_source(rig)["reason"]

    reason = wait_until(told, 90, "the collector knows that the agent's disk refuses writes")
    check("No space left" in reason, f"the reason says what it is: {reason}")
    check("refuses writes" in rig.agent.text(), "the agent's log says it")
    failed = [value for name, value in rig.series("/metrics/hosts").items()
              if name.startswith("ppmm_host_agent_spool_disk_failed{")]
    check(failed == [1], f"ppmm_host_agent_spool_disk_failed is 1, not {failed}")
    doctor = rig.cli("doctor").stdout
    check("spool" in doctor and "make room" in doctor, f"ppmm doctor says it with the cure: {doctor[:2000]}")
    before = committed(rig)
    wait_until(lambda: committed(rig) > before, 60, "what the disk does not take is sent from memory")
    ballast.unlink()
    wait_until(lambda: spool_source(rig)["state"] == "ok", 90, "the agent's spool recovers when there is room")
    print(f"agent's disk filled: \"{reason}\", recovered")


def turn_collectors_disk_read_only(rig, disk):
    disk.find_damage()
    reason = wait_until_not_ready(rig, 60)
    check_it_is_said(rig, reason, "readonly" if "readonly" in reason else "disk")
    wait_until(lambda: rig.agent_status()["spool"]["samples"] > 0, 60, "samples wait in the agent's spool")
    check(rig.collector.stop() == 0, "a collector that cannot write ends with 0 on SIGTERM")
    disk.repair()
    rig.start_collector()
    check_recovery(rig, 0)
    print(f"collector's disk turned read-only: \"{reason}\", recovered after repair")


def check_accounts(rig):
    check(rig.agent.stop() == 0, "the agent ends with 0 on SIGTERM")
    samples = rig.host()["samples"]
    print(f"in the end {samples}")
    check(samples["produced"] == samples["committed"] + samples["refused"] + samples["dropped"],
          f"each sample has one outcome: {samples}")
    check(samples["refused"] == 0 and samples["dropped"] == 0, f"nothing had to be given up: {samples}")
    check(rig.collector.stop() == 0, "the collector ends with 0 on SIGTERM")
    values.check_values(rig, samples["committed"], exposed=None, may_be_missing=0)


def test(rig):
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        e2e.skip("mounting a small file system needs root and mkfs.ext4")
    rig.use_killable_programs()
    e2e.small_file_system(rig.agent_data, "4m")
    rig.collector_data.mkdir()
    disk = Ext4(rig, rig.collector_data, 16 << 20)
    rig.start_collector()
    wait_until(rig.ready, 60, "the collector is ready")
    start_agent_on_read_only_disk(rig)
    fill_collectors_disk(rig)
    fill_agents_disk(rig)
    turn_collectors_disk_read_only(rig, disk)
    check_accounts(rig)


if __name__ == "__main__":
    e2e.main(test)
