"""Agent and collector are killed again and again, half of the times at random moments, half at named points between two
durable writes. No sample is lost without being counted, none counted twice, by count and by value; no exposed counter
falls, or is ever more than what was produced.

12 kills; 120 with PPMM_LONG=1. PPMM_SEED repeats a run. The agent has a series that counts its own samples, and ballast
that fills a segment of its spool within half a minute (counting_source.cc).
"""

import collections
import contextlib
import os
import random
import signal
import sqlite3
import threading
import time

import rig as e2e
import scraper
import values
from rig import check, wait_until

ROUNDS = 10 if os.environ.get("PPMM_LONG") == "1" else 1
PAIRS = 6  # of a round, each: one kill at a random moment, one at a named point
SEED = int(os.environ.get("PPMM_SEED") or random.SystemRandom().randrange(1 << 32))
OUTCOMES = ("produced", "committed", "refused", "dropped")
DAY_MINUTES = 1440

# Point, and the last passage at which it may kill.
COLLECTOR_POINTS = {"before_commit": 3, "before_acknowledgement": 3, "sealing": 1, "migration": 1}
AGENT_POINTS = {"batch_spooled": 3, "segment_begun": 1, "segment_removal": 1}
# A start begins a segment; the second one begins because the first is full, in the middle of an epoch.
SEGMENT_FULL, SEGMENT_FULL_FAILPOINT = "segment_full", "segment_begun:2"
BALLAST = 4000  # series


class Poller(threading.Thread):
    """Reads both pages again and again and compares each counter with what it was, and with what was produced."""

    def __init__(self, rig):
        super().__init__(daemon=True)
        self.rig, self.ended = rig, threading.Event()
        self.highest, self.wrong, self.pages, self.unreachable = {}, [], 0, 0

    def run(self):
        while not self.ended.wait(2 * e2e.POLL_SECONDS):
            for page in ("/metrics/hosts", "/metrics"):
                self.look(self.rig.series(page))

    def look(self, series):
        self.pages += bool(series)
        self.unreachable += not series
        produced = len(values.sampled_seconds(self.rig))  # after the page was made
        for name, value in series.items():
            family = name.split("{", 1)[0]
            if not family.endswith("_total") or family.startswith(scraper.OF_THE_PROCESS):
                continue
            before = self.highest.get(name, value)
            if value < before:
                self.wrong.append(f"{name}: {value!r} after {before!r}")
            self.highest[name] = max(value, before)
            if values.is_counted(name) and value > produced:
                self.wrong.append(f"{name}: {value!r}, but only {produced} were produced")


def committed(rig):
    return (rig.host() or {"samples": {"committed": 0}})["samples"]["committed"]


class Killer:
    """Kills, starts again, and counts what it killed."""

    def __init__(self, rig, chance):
        self.rig, self.chance = rig, chance
        self.killed = collections.Counter()
        self.sealed_days = {}  # day -> rows copied there

    def start_agent(self, failpoint=None):
        # An agent that died within a minute waits 10 s before its first batch; here it is to have something to lose.
        (self.rig.agent_data / "starting").unlink(missing_ok=True)
        self.rig.start_agent({"PPMM_FAILPOINT": failpoint or "", "PPMM_BALLAST": str(BALLAST)},
                             ["--config", self.rig.folder / "agent.yaml"])

    def wait_for_progress(self):
        before = committed(self.rig)
        wait_until(lambda: committed(self.rig) > before, 120, "samples are committed after the last kill")

    def kill_at_random(self, process):
        self.wait_for_progress()
        time.sleep(self.chance.uniform(0.0, 1.5))  # the moment of the kill is what varies
        process.kill()
        self.killed["at random"] += 1

    def await_death(self, process, point):
        status = process.wait(120)
        check(status == -signal.SIGKILL, f"{process.name} was to be killed at {point}, and ended with {status}")
        self.killed[point] += 1

    def pair(self, point):
        if point == SEGMENT_FULL:
            return self.kill_agent(point, SEGMENT_FULL_FAILPOINT)
        failpoint = f"{point}:{self.chance.randint(1, {**COLLECTOR_POINTS, **AGENT_POINTS}[point])}"
        if point in AGENT_POINTS:
            return self.kill_agent(point, failpoint)
        self.kill_at_random(self.rig.collector)
        if point == "migration":
            self.kill_migration(failpoint)
        else:
            if point == "sealing":
                self.make_old_day()
            self.await_death(self.rig.begin_collector({"PPMM_FAILPOINT": failpoint}), point)
        return self.rig.start_collector()

    def kill_agent(self, point, failpoint):
        self.kill_at_random(self.rig.agent)
        self.start_agent(failpoint)
        self.await_death(self.rig.agent, point)
        self.start_agent()

    def kill_migration(self, failpoint):
        """Of a new store: there is no older one to bring forward here."""
        side = e2e.Rig()
        side.collector_program = self.rig.collector_program
        self.await_death(side.begin_collector({"PPMM_FAILPOINT": failpoint}), "migration")
        side.start_collector()
        wait_until(side.ready, 60, "a collector killed within a migration starts")
        check(side.collector.stop() == 0, "the collector of the new store ends with 0")
        check(side.rows("PRAGMA integrity_check") == [("ok",)], "the new store is undamaged")
        check(len(side.rows("SELECT value FROM meta WHERE key = 'store_id'")) == 1, "the new store has one id")

    def make_old_day(self):
        """Copies what the store has of today to a day that is due to be sealed, an earlier one each time."""
        with contextlib.closing(sqlite3.connect(self.rig.database)) as database, database:
            today = database.execute("SELECT max(id >> 24) FROM minute").fetchone()[0] // DAY_MINUTES
            day = today - 5 - len(self.sealed_days)
            newest = "SELECT id, blob FROM minute WHERE (id >> 24) >= ? ORDER BY id DESC LIMIT 3"
            rows = database.execute(newest, (today * DAY_MINUTES - DAY_MINUTES,)).fetchall()
            for number, (row, blob) in enumerate(rows):
                database.execute("INSERT OR REPLACE INTO minute VALUES (?, ?)",
                                 (((day * DAY_MINUTES + 100 + number) << 24) | (row & 0xFFFFFF), blob))
            database.execute("INSERT OR REPLACE INTO meta VALUES ('sealed_day', ?)", (str(day),))
            # Sealing begins with the oldest day of which a host can have sent something.
            database.execute("UPDATE host SET first_seen_us = ?", ((day + 3) * 86_400_000_000,))
        self.sealed_days[day] = len(rows)


def settled_counts(rig):
    """(samples the agent produced, the collector's counts) of a moment at which nothing is under way, or None."""
    before, host, after = rig.agent_status(), rig.host(), rig.agent_status()
    if not (before and host and after) or host["samples"]["committed"] == 0:
        return None
    spools = before["spool"], after["spool"]
    if spools[0]["produced_samples"] != spools[1]["produced_samples"] or any(s["samples"] for s in spools):
        return None
    return spools[0]["produced_samples"], host["samples"]


def check_counts(rig, produced, samples):
    accounted = samples["committed"] + samples["refused"] + samples["dropped"]
    check(produced == samples["produced"],
          f"the agent produced {produced} samples, the collector knows of {samples['produced']}")
    check(produced == accounted, f"produced {produced}, but committed + refused + dropped is {accounted}: {samples}")
    check(samples["dropped"] == 0 and samples["refused"] == 0, f"kills cost nothing: {samples}")
    totals = rig.series()
    for outcome in OUTCOMES:
        name = f'ppmm_samples_total{{outcome="{outcome}"}}'
        check(totals[name] >= samples[outcome], f"{name} is {totals[name]}, the host's count {samples[outcome]}")


def check_store(rig):
    """The database after the last commit: the same law by row, and no damage."""
    check(rig.rows("PRAGMA integrity_check") == [("ok",)], "the database is undamaged")
    agents = rig.rows("SELECT produced, committed, dropped, refused FROM agent")
    check(len(agents) == 1, f"one agent, not {len(agents)}")
    produced, *outcomes = agents[0]
    check(produced == sum(outcomes), f"agent row: produced {produced}, outcomes {outcomes}")
    return outcomes[0]


def test(rig):
    print(f"{2 * PAIRS * ROUNDS} kills, PPMM_SEED={SEED}", flush=True)
    chance = random.Random(SEED)
    rig.use_killable_programs()
    (rig.folder / "agent.yaml").write_text("spool:\n  segment_bytes: 1MiB\n")
    killer = Killer(rig, chance)
    rig.start_collector()
    killer.start_agent()
    wait_until(lambda: committed(rig), 60, "samples arrive")
    poller = Poller(rig)
    poller.start()
    prometheus = scraper.Prometheus(rig) if scraper.Prometheus.installed() else None
    for _ in range(ROUNDS):
        points = [*COLLECTOR_POINTS, SEGMENT_FULL, chance.choice(list(AGENT_POINTS))]
        assert len(points) == PAIRS
        chance.shuffle(points)
        for point in points:
            killer.pair(point)
    killer.wait_for_progress()
    last_sealed = max(killer.sealed_days, default=None)
    if last_sealed is not None:
        sealed = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'sealed_day'"
        wait_until(lambda: rig.rows(sealed)[0][0] > last_sealed + 1, 120, "the old days are sealed")
        old = "SELECT count(*) FROM minute WHERE id >> 24 < ?"
        wait_until(lambda: rig.rows(old, (last_sealed + 1) * DAY_MINUTES) == [(0,)], 60, "their minutes are deleted")
    produced, samples = wait_until(lambda: settled_counts(rig), 90, "the spool is empty")
    check_counts(rig, produced, samples)
    print(f"killed {dict(killer.killed)}; the agent produced {produced}, the collector says {samples}")
    check(rig.agent.stop() == 0, "the agent ends with 0 on SIGTERM")
    exposed = values.exposed_count(rig)
    poller.ended.set()
    poller.join(60)
    check(not poller.wrong, "exposed counters: " + "; ".join(poller.wrong[:10]))
    check(poller.pages > 2 * PAIRS * ROUNDS, "pages were read while daemons were killed")
    print(f"{poller.pages} pages read, {poller.unreachable} attempts without a page")
    print(prometheus.check_counters() if prometheus else "left out: prometheus is not installed")
    check(rig.collector.stop() == 0, "the collector ends with 0 on SIGTERM")
    # What was read, but not in the spool when its agent died, was never produced: at most a step a kill.
    agent_kills = sum(process.name == "agent" for process in rig.processes) - 1
    kept = values.check_values(rig, check_store(rig), exposed, may_be_missing=agent_kills)
    for day, minutes in killer.sealed_days.items():
        kept.check_day(day, minutes)


if __name__ == "__main__":
    e2e.main(test)
