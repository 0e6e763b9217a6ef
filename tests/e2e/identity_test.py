"""What happens to identity when things happen to machines: docs/operations.md has the table, a row a function here.

Hosts are folders (machines.py), their agents, the collector and the connections are real.
"""

import re
import shutil
import signal
import sqlite3
import time
import uuid

import rig as e2e
from machines import Machine
from rig import check, wait_until

FRONTD = "/usr/lib/ppmm-e2e/frontd"  # programs that no real machine has
CLUSTERD = "/usr/lib/ppmm-e2e/15/clusterd"
SHELL = "/usr/lib/ppmm-e2e/bash"
PYTHON = "/opt/ppmm-e2e/bin/python3"  # no package's
FRONTD_UNIT = {"usr/lib/systemd/system/frontd.service": "[Service]\n"}
PACKAGES = {"frontd": ("frontd", "1.0-1", {FRONTD[1:]: "frontd 1.0"} | FRONTD_UNIT),
            "clusterd-15": ("clusterd-15", "15.7-0", {CLUSTERD[1:]: "clusterd",
                                                      "usr/lib/systemd/system/clusterd@.service": "[Service]\n"}),
            "shell": ("shell", "5.2-1", {SHELL[1:]: "a shell of a package"})}


def hosts(rig):
    """Label -> host, of the API."""
    return {host["host"]: host for host in (rig.get_json("/api/v1/hosts") or {"hosts": []})["hosts"]}


def application(rig, name):
    for found in (rig.get_json("/api/v1/applications?window=60s") or {"applications": []})["applications"]:
        if found["name"] == name:
            return found
    return None


def flagged(rig):
    return {label for label, host in hosts(rig).items() if host["duplicate"]}


def connected(machine, what):
    """Waits until this process of the agent sent something that was acknowledged."""
    wait_until(machine.acknowledged, 90, f"{machine.folder.name}: {what}")


def start_frontd(machine, first, cgroup):
    """A server that forks before there is work: a master and two children."""
    machine.run(first, FRONTD, cgroup=cgroup)
    for child in (first + 1, first + 2):
        machine.run(child, FRONTD, cgroup=cgroup, parent=first)


def run_one_liners(machine, first, ended=()):
    """Code without a file in one directory, by interpreters of different origin, and somebody at a shell there."""
    machine.end(*ended)
    lines = ((SHELL, "-c", "sleep 1000; true"), (PYTHON, "-c", "serve()"), (SHELL,), (SHELL, "/dev/fd/3"))
    for number, words in enumerate(lines[first % 4:] + lines[:first % 4]):
        machine.run(first + number, *words, cwd="/srv/work", started=first)


def check_one_liners(rig, seen):
    """No release, and one origin, in whatever order they came and went."""
    found = application(rig, "work")
    check(found and (found["version"], found["product"], found["origin"]) == (None, None, "in_house"), f"work: {found}")
    check(not seen or found["key"] == seen["key"], f"still the same: {found}")
    shell = application(rig, "shell")
    check(shell and (shell["version"], shell["origin"]) == ("5.2-1", "off_the_shelf"), f"the shell itself: {shell}")
    told = rig.rows("SELECT entity.key, release.version, previous_version FROM release "
                    "JOIN entity ON entity.id = entity WHERE entity.key NOT LIKE '%frontd%'")
    check(told == [], f"no release of what did not change: {told}")
    return found


def check_names(rig):
    """Prefork: one instance. Two clusters of a template: one application, two instances. A service under systemd and
    the same one bare: one application."""
    frontd = wait_until(lambda: (found := application(rig, "frontd")) and len(found["hosts"]) == 3 and found, 90,
                        f"frontd on three hosts: {application(rig, 'frontd')}")
    check(frontd["key"] == "default/frontd" and {"shell", "web"} < set(frontd["hosts"]), f"one key: {frontd}")
    check(frontd["instances"] == 3, f"master and children are one instance a host: {frontd}")
    check(frontd["version"] == "1.0-1" and frontd["product"] == "frontd", f"of its package: {frontd}")
    slots = rig.rows("SELECT slot FROM instance JOIN application ON application.id = application "
                     "JOIN host ON host.key = host WHERE application.name = 'clusterd' AND label = 'web' ORDER BY slot")
    check(slots == [("15-main",), ("16-main",)], f"a slot each cluster: {slots}")
    clusterd = application(rig, "clusterd")
    check(clusterd["version"] == "15.7-0", f"the version is no part of the name: {clusterd}")


def check_same_name(rig, other):
    """Two hosts with one name: the later one has digits of its id behind it."""
    label = wait_until(other.label, 60, "the second web is connected")
    check(label == f"web-{other.status()['host_id'][:6]}", f"its label: {label}")
    check({"web", label} <= set(hosts(rig)), f"both are there: {set(hosts(rig))}")
    check(not flagged(rig), "a name shared is no identity shared")


def check_cloned_disk(rig, web, disk):
    """A disk copied to another machine: a new agent, a new host; what it inherited is not sent; the first goes on."""
    since = web.status()["collector"]["since"]
    disk.write("etc/machine-id", uuid.uuid4().hex + "\n")
    disk.set_name("disk")
    disk.copy_data(web.data)
    check(disk.identity() == web.identity(), "the copy has the identity of its source")
    disk.start()
    connected(disk, "sends")
    check(disk.identity()[0] != web.identity()[0], "another agent")
    check(disk.identity()[1] != web.identity()[1], "another host")
    check(list(disk.data.glob("inherited-*")), "the inherited spool is set aside")
    check(disk.label() == "disk" and not flagged(rig), "a host of its own, and nobody is accused")
    check(web.status()["collector"]["since"] == since, "the first was not disturbed")


def check_upgrade(rig, web, shell):
    """A new version of a package: a release of the same application."""
    before = rig.rows("SELECT id, key FROM entity WHERE key LIKE 'default/frontd%'")
    for machine, cgroup in ((web, "/system.slice/frontd.service"), (shell, "/")):
        machine.install(PACKAGES | {"frontd": ("frontd", "1.1-1", {FRONTD[1:]: "frontd 1.1"} | FRONTD_UNIT)})
        machine.end(200, 201, 202)
        start_frontd(machine, 240, cgroup)

    def releases():
        return rig.rows("SELECT label FROM release JOIN entity ON entity.id = entity "
                        "JOIN host ON host.key = entity.host "
                        "WHERE previous_version = '1.0-1' AND version = '1.1-1' ORDER BY label")

    wait_until(lambda: releases() == [("shell",), ("web",)], 90, f"a release on each: {releases()}")
    after = rig.rows("SELECT id, key FROM entity WHERE key LIKE 'default/frontd%'")
    check(after[:len(before)] == before and application(rig, "frontd")["key"] == "default/frontd", "nothing is new")
    versions = rig.rows("SELECT DISTINCT version FROM instance JOIN entity ON entity.id = entity "
                        "JOIN host ON host.key = entity.host WHERE label = 'web' AND entity.key LIKE 'default/frontd%'")
    check(versions == [("1.1-1",)], f"the instance goes on as the new version: {versions}")


def check_restart(rig, web):
    """The agent stops and starts: everything is what it was."""
    tables = ("host", "agent", "entity", "series", "application")
    before = {table: rig.rows(f"SELECT count(*) FROM {table}") for table in tables}
    identity = web.identity()
    web.restart()
    connected(web, "sends after a restart")
    check(web.identity() == identity and web.label() == "web", "the same agent, host and name")
    after = {table: rig.rows(f"SELECT count(*) FROM {table}") for table in tables}
    check(after == before, f"nothing new is known: {before} {after}")


def check_reboot(rig, web):
    """A new boot of the same machine: the same host, and a proven time off."""
    identity, boot = web.identity(), rig.rows("SELECT boot_id FROM host WHERE label = 'web'")
    check(web.process.stop() == 0, "the agent ends with the machine")
    last_life = int((web.data / "life").read_text().split()[1])
    wait_until(lambda: time.time() > last_life + 2, 10, "a moment without the machine")
    web.boot(int(time.time()))
    web.start()
    connected(web, "sends after the reboot")
    wait_until(lambda: rig.rows("SELECT boot_id FROM host WHERE label = 'web'") != boot, 30, "the new boot is known")
    check(web.identity() == identity and web.label() == "web", "the same agent, host and name")
    off = rig.rows("SELECT why FROM host_life JOIN host ON host.key = host WHERE label = 'web'")
    check(off == [("goodbye",)], f"between the two it was off: {off}")


def check_rename(rig, disk):
    """A running host is renamed: its series carry the new name, the old one stays its own."""
    host_id = disk.identity()[1]
    wait_until(lambda: disk.label() == "renamed", 120, f"the new name, not {disk.label()}")
    by_label = hosts(rig)
    check("disk" not in by_label and by_label["renamed"]["host_id"] == host_id, "the same host under its new name")
    wait_until(lambda: any('host="renamed"' in name for name in rig.series("/metrics/hosts")), 30, "its new series")
    check(not any('host="disk"' in name for name in rig.series("/metrics/hosts")), "no series under the old name")
    owner = rig.rows("SELECT host_id FROM host_alias JOIN host ON host = key WHERE alias = 'label:disk'")
    check(owner == [(host_id,)], "the old name stays its own")


def check_set_back_machine(rig, other):
    """A machine set back to a snapshot, spool and all: what it sends again is known, and counts once."""
    label = other.label()
    other.process.kill()
    snapshot = other.folder / "snapshot"
    shutil.copytree(other.data, snapshot)
    other.start()
    connected(other, "sends after the snapshot")
    other.process.kill()
    other.copy_data(snapshot)
    other.start()
    connected(other, "sends after it was set back")
    check(other.label() == label and not flagged(rig), "the same host, and no duplicate")

    def settled():
        status, host = other.status(), hosts(rig).get(label)
        if not status or not host or status["spool"]["samples"]:
            return False
        samples = host["samples"]
        return samples["produced"] == samples["committed"] + samples["refused"] + samples["dropped"] and samples

    samples = wait_until(settled, 60, "what was produced is accounted for")
    check(samples["refused"] == 0, f"nothing was refused: {samples}")
    print(f"set back: {samples}")


def start_twin(rig, shell, twin):
    """A machine copied as it runs, machine id, boot id and all; both run."""
    twin.write("proc/sys/kernel/random/boot_id", (shell.root / "proc/sys/kernel/random/boot_id").read_bytes())
    twin.copy_data(shell.data)
    twin.start()
    wait_until(lambda: twin.identity()[0] != shell.identity()[0], 60, "the copy makes a new agent_id")
    check(twin.identity()[1] == shell.identity()[1], "of the same host")
    check("another live agent has this agent_id" in twin.process.text(), "and says why")


def check_duplicates(rig, shell, twin):
    """Two machines with one machine id: two hosts, both flagged, contradicted; a host id of its own cures it."""
    wait_until(lambda: len(flagged(rig)) == 2, 240, f"two hosts are flagged: {flagged(rig)}")
    label = wait_until(lambda: twin.label() != "shell" and twin.label(), 30, "the copy has a name of its own")
    check(re.fullmatch("shell-[0-9a-f]{6}", label), f"name and six digits: {label}")
    check(flagged(rig) == {"shell", label}, f"both are flagged: {flagged(rig)}")
    check(shell.label() == "shell", "the first keeps its name")
    listed = rig.cli("hosts").stdout
    check(listed.count("two machines share this identity") == 2, f"the list says so: {listed}")
    check("host-id" in rig.cli("doctor").stdout, "the doctor knows the cure")
    twin.restart("--host-id", uuid.uuid4().hex)
    wait_until(lambda: not flagged(rig), 60, f"cured: {flagged(rig)}")
    connected(twin, "sends as a host of its own")
    check(twin.label() not in ("shell", label, ""), f"a third host: {twin.label()}")


def check_restored_store(rig, backup, web, shell, machines):
    """The database of before: the agents tell, once; an agent that comes after a restart of the collector does not tell
    again; --restored says it without them."""
    def store_id():
        return (rig.get_json("/api/v1/status") or {"store_id": None})["store_id"]

    before = store_id()
    # One agent waits until the collector has been set back and restarted.
    shell.process.popen.send_signal(signal.SIGSTOP)
    try:
        check(rig.collector.stop() == 0, "the collector ends with 0")
        set_back(rig, backup)
        rig.start_collector()
        renewed = wait_until(lambda: store_id() not in (None, before) and store_id(), 90, "the agents tell")
        wait_until(lambda: rig.get_json("/api/v1/status")["samples_lost_by_restore"], 60, "what was lost is counted")
        check("set back" in rig.collector.text(), "the log says so")
        check("lost by a restore" in rig.cli("status").stdout, "so does the status")
        rig.collector.kill()
        rig.start_collector()
        connected(web, "sends to the restarted collector")
        check(store_id() == renewed, "a restart is no restore")
    finally:
        shell.process.popen.send_signal(signal.SIGCONT)
    lost = rig.get_json("/api/v1/status")["samples_lost_by_restore"]
    wait_until(lambda: rig.get_json("/api/v1/status")["samples_lost_by_restore"] > lost, 90, "the last agent tells too")
    check(store_id() == renewed, "once is enough")
    samples = rig.series()
    law = {outcome: samples[f'ppmm_samples_total{{outcome="{outcome}"}}']
           for outcome in ("produced", "committed", "refused", "dropped")}
    gone = samples["ppmm_lost_by_restore_samples_total"]
    print(f"restored: {law}, of the dropped {gone} by the restore")
    check(0 < gone <= law["dropped"], f"/metrics counts them: {gone}, {law}")
    check(rig.collector.stop() == 0, "the collector ends with 0")
    set_back(rig, backup)
    wait_until(lambda: not any(machine.acknowledged() for machine in machines), 60, "each agent lost its connection")
    rig.start_collector(flags=["--restored"])
    check(store_id() not in (before, renewed), "--restored renews it")
    for machine in machines:
        connected(machine, "sends to the restored collector")
    told = [line for line in rig.collector.text().splitlines() if "set back" in line]
    former = rig.rows("SELECT value FROM meta WHERE key = 'former_store_ids'")
    check(former == [(before,)], f"and the agents do not do it again: {before}, then {former}, {told}")
    check(len(told) > 1, f"though they tell: {told}")


def back_up(rig, target):
    """As docs/operations.md says, while the collector runs."""
    with sqlite3.connect(f"file:{rig.collector_data}/ppmm.db?mode=ro", uri=True) as source:
        with sqlite3.connect(target) as copy:
            source.backup(copy)


def set_back(rig, backup):
    for left in rig.collector_data.glob("ppmm.db-*"):
        left.unlink()
    shutil.copyfile(backup, rig.collector_data / "ppmm.db")


def test(rig):
    rig.start_collector()
    web, shell = Machine(rig, "web"), Machine(rig, "shell")
    other = Machine(rig, "other", host_name="web")
    for machine in (web, shell):
        machine.install(PACKAGES)
    start_frontd(web, 200, "/system.slice/frontd.service")
    start_frontd(shell, 200, "/")
    for pid, slot in ((300, "15-main"), (310, "16-main")):
        web.run(pid, CLUSTERD, cgroup=f"/system.slice/system-clusterd.slice/clusterd@{slot}.service")
    web.write("srv/work/.git/HEAD", "ref: refs/heads/main\n")
    run_one_liners(web, 600)
    web.start()
    connected(web, "is the first")
    shell.start()
    other.start()
    connected(shell, "sends")
    connected(other, "sends")
    twin = Machine(rig, "twin", image=shell)
    disk = Machine(rig, "disk", image=web)

    # Two checks take minutes by the clock: that of the copy, and that of the rename. The others run meanwhile.
    start_twin(rig, shell, twin)
    check_same_name(rig, other)
    check_cloned_disk(rig, web, disk)
    disk.set_name("renamed")
    check_names(rig)
    wait_until(lambda: application(rig, "work") and application(rig, "shell"), 60, "the one-liners are seen")
    work = check_one_liners(rig, None)
    run_one_liners(web, 605, ended=(601, 602))
    backup = rig.folder / "backup.db"
    back_up(rig, backup)
    check_upgrade(rig, web, shell)
    work = check_one_liners(rig, work)
    run_one_liners(web, 610, ended=(600, 603, 605, 606, 608))
    check_restart(rig, web)
    check_reboot(rig, web)
    check_set_back_machine(rig, other)
    check_rename(rig, disk)
    check_one_liners(rig, work)
    check_duplicates(rig, shell, twin)
    check_restored_store(rig, backup, web, shell, (web, shell, other, disk, twin))


if __name__ == "__main__":
    e2e.main(test)
