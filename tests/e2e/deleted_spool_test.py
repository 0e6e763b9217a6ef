"""A spool that somebody deletes under the agent, and a kill after it: it is told, counted, and the counts go on holding."""

import shutil

import rig as e2e
from rig import check, wait_until


def spool(rig):
    return (rig.agent_status() or {"spool": {"samples": 0, "produced_samples": 0, "damaged_samples": 0}})["spool"]


def segments(rig):
    return list((rig.agent_data / "spool").glob("*.seg"))


def delete_segments(rig):
    for segment in segments(rig):
        segment.unlink()


def delete_folder(rig):
    shutil.rmtree(rig.agent_data / "spool")


def check_deletion(rig, delete):
    rig.start_agent()
    before = (rig.host() or {"samples": {"committed": 0}})["samples"]["committed"]
    wait_until(lambda: (rig.host() or {"samples": {"committed": 0}})["samples"]["committed"] > before, 60, "samples come")
    rig.collector.kill()
    wait_until(lambda: spool(rig)["samples"] > 300, 60, "samples wait")
    lost = spool(rig)["damaged_samples"]
    delete(rig)
    wait_until(lambda: "was deleted, moved or replaced" in rig.agent.text(), 10, "the log says it")
    told = spool(rig)
    check(told["damaged_samples"] >= lost + 300 and told["damaged_bytes"] > 0, f"its status counts it: {told}")
    check(not told["disk_error"], f"the disk is not blamed: {told}")
    wait_until(lambda: segments(rig), 20, "a new segment is begun")
    wait_until(lambda: spool(rig)["samples"] > 50, 60, "samples wait there")
    produced = spool(rig)["produced_samples"]
    rig.agent.kill()
    rig.start_agent()
    after = wait_until(lambda: rig.agent_status() and spool(rig), 20, "it runs again")
    check(after["produced_samples"] >= produced, f"a kill forgets none of {produced}: {after}")
    check(after["damaged_samples"] == told["damaged_samples"], f"and loses none: {told} {after}")
    rig.start_collector()
    wait_until(lambda: rig.host() and spool(rig)["samples"] == 0, 90, "the spool is sent")
    check(rig.agent.stop() == 0, "the agent ends with 0 on SIGTERM")
    samples = rig.host()["samples"]
    print(f"{delete.__name__}: {samples}")
    check(samples["produced"] == samples["committed"] + samples["refused"] + samples["dropped"],
          f"each sample has one outcome: {samples}")
    check(samples["produced"] >= produced, f"none of {produced} is forgotten: {samples}")
    check(samples["dropped"] >= told["damaged_samples"], f"what was lost is dropped: {samples}")
    check(samples["spool_damaged_bytes"] == told["damaged_bytes"], f"and its bytes are told: {samples}")
    text = " ".join((rig.cli("status").stdout + rig.cli("hosts", rig.host()["host"]).stdout).split())
    check("of spools damaged" in text and "of its spool were damaged" in text, f"by the command line, too: {text}")
    total = rig.series()["ppmm_spool_damaged_bytes_total"]
    check(total == told["damaged_bytes"], f"and on /metrics: {total}")


def check_data_directory(rig):
    rig.start_agent()
    wait_until(lambda: segments(rig), 20, "it has begun a segment")
    shutil.rmtree(rig.agent_data)
    wait_until(lambda: "the data directory was deleted" in spool(rig).get("disk_error", ""), 40, "its status names it")
    wait_until(lambda: "the data directory was deleted" in rig.cli("doctor").stdout, 90, "the doctor, too")
    doctor = " ".join(rig.cli("doctor").stdout.split())
    check("restart that ppmm-agent" in doctor and "make room on the disk" not in doctor, f"with the cure: {doctor}")
    check(rig.agent.stop() == 0, "the agent ends with 0 on SIGTERM")


def test(rig):
    rig.start_collector()
    for delete in (delete_segments, delete_folder):
        check_deletion(rig, delete)
    check_data_directory(rig)


if __name__ == "__main__":
    e2e.main(test)
