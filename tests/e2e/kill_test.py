"""Agent and collector are killed in turn at random moments; no sample is lost without being counted, none counted
twice, and no exposed counter falls.

10 rounds; 100 with PPMM_LONG=1. PPMM_SEED repeats a run. The values inside the minutes are checked by tests of the
store; here their counts are, through what each side says of itself.
"""

import collections
import os
import random
import threading
import time

import rig as e2e
from rig import check, wait_until

ROUNDS = 100 if os.environ.get("PPMM_LONG") == "1" else 10
SEED = int(os.environ.get("PPMM_SEED") or random.SystemRandom().randrange(1 << 32))
OUTCOMES = ("produced", "committed", "refused", "dropped")


class Poller(threading.Thread):
    """Reads both pages again and again and keeps the highest value of each series it watches."""

    def __init__(self, rig):
        super().__init__(daemon=True)
        self.rig, self.ended = rig, threading.Event()
        self.highest, self.falls, self.pages, self.unreachable = {}, [], 0, 0

    def run(self):
        while not self.ended.wait(e2e.POLL_SECONDS):
            for page in ("/metrics/hosts", "/metrics"):
                self.look(self.rig.series(page))

    def look(self, series):
        self.pages += bool(series)
        self.unreachable += not series
        for name, value in series.items():
            if name.startswith(("ppmm_host_cpu_seconds_total{", "ppmm_samples_total{", "ppmm_late_samples_total",
                                "ppmm_application_cpu_seconds_total{")):
                if value < self.highest.get(name, value):
                    self.falls.append(f"{name}: {value!r} after {self.highest[name]!r}")
                self.highest[name] = max(value, self.highest.get(name, value))


def settled_counts(rig):
    """(samples the agent produced, the collector's counts) of a moment at which nothing is under way, or None."""
    before, host, after = rig.agent_status(), rig.host(), rig.agent_status()
    if not (before and host and after) or host["samples"]["committed"] == 0:
        return None
    spools = before["spool"], after["spool"]
    if spools[0]["produced_samples"] != spools[1]["produced_samples"] or any(s["samples"] for s in spools):
        return None
    return spools[0]["produced_samples"], host["samples"]


def test(rig):
    print(f"{ROUNDS} rounds, PPMM_SEED={SEED}", flush=True)
    chance = random.Random(SEED)
    rig.start_collector()
    rig.start_agent()
    wait_until(lambda: (rig.host() or {"samples": {"committed": 0}})["samples"]["committed"], 60, "samples arrive")
    poller = Poller(rig)
    poller.start()
    killed = collections.Counter()
    for number in range(ROUNDS):
        time.sleep(chance.uniform(0.05, 3.0))  # the moment of the kill is what varies
        if number % 2 == 0:
            rig.agent.kill()
            rig.start_agent()
            killed["agent"] += 1
        else:
            rig.collector.kill()
            rig.start_collector()
            killed["collector"] += 1
    committed = wait_until(rig.host, 60, "the host is known")["samples"]["committed"]
    wait_until(lambda: (rig.host() or {"samples": {"committed": 0}})["samples"]["committed"] > committed, 90,
               "samples arrive after the last kill")
    produced, samples = wait_until(lambda: settled_counts(rig), 90, "the spool is empty")
    poller.ended.set()
    poller.join(30)
    print(f"killed {dict(killed)}; the agent produced {produced}, the collector says {samples}; "
          f"{poller.pages} pages read, {poller.unreachable} attempts without a page")
    accounted = samples["committed"] + samples["refused"] + samples["dropped"]
    check(produced == samples["produced"],
          f"the agent produced {produced} samples, the collector knows of {samples['produced']}")
    check(produced == accounted, f"produced {produced}, but committed + refused + dropped is {accounted}: {samples}")
    check(not poller.falls, "counters fell: " + "; ".join(poller.falls[:10]))
    check(poller.pages > ROUNDS, "pages were read while daemons were killed")
    totals = rig.series()
    for outcome in OUTCOMES:
        name = f'ppmm_samples_total{{outcome="{outcome}"}}'
        check(totals[name] >= samples[outcome], f"{name} is {totals[name]}, the host's count {samples[outcome]}")
    check(rig.agent.stop() == 0 and rig.collector.stop() == 0, "both end with 0 on SIGTERM")
    check_store(rig)


def check_store(rig):
    """The database after the last commit: the same law by row, and no damage."""
    check(rig.rows("PRAGMA integrity_check") == [("ok",)], "the database is undamaged")
    agents = rig.rows("SELECT produced, committed, dropped, refused FROM agent")
    check(len(agents) == 1, f"one agent, not {len(agents)}")
    produced, *outcomes = agents[0]
    check(produced == sum(outcomes), f"agent row: produced {produced}, outcomes {outcomes}")


if __name__ == "__main__":
    e2e.main(test)
