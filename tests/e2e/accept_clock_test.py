"""A store whose time differs from the clock, and no agent that could vouch for one of them: the collector waits and names
the cure; started once with --accept-clock it goes on, or goes back.

What differs is the file: store time is moved while the collector is stopped.
"""

import contextlib
import sqlite3
import time

import rig as e2e
from rig import check, wait_until

DAY = 86400


def move_store_time(rig, seconds, *more):
    """As if the collector had last run then; `more` are statements with their values."""
    with contextlib.closing(sqlite3.connect(rig.database)) as database:
        database.execute("UPDATE meta SET value = ? WHERE key = 'store_time_us'",
                         (str(int((time.time() + seconds) * 1e6)),))
        for statement, values in more:
            database.execute(statement, values)
        database.commit()


def restart(rig, *flags):
    check(rig.collector.stop() == 0, "the collector ends with 0")
    rig.start_collector(flags=flags)


def waits(rig):
    return rig.series().get("ppmm_store_time_waits")


def check_it_waits(rig, word):
    wait_until(lambda: waits(rig) == 1, 20, "store time waits")
    status = " ".join(rig.cli("status").stdout.split())
    check(word in status and "no agent is heard" in status, f"the status says why: {status}")
    doctor = " ".join(rig.cli("doctor").stdout.split())
    check("--accept-clock" in doctor, f"the doctor knows the cure: {doctor}")


def check_it_goes_on(rig):
    wait_until(lambda: waits(rig) == 0, 20, "store time goes on")
    check("the clock is taken as right" in rig.collector.text(), "the log says why")


def day_in_meta(rig, key):
    return int(rig.rows("SELECT value FROM meta WHERE key = ?", key)[0][0])


def test(rig):
    rig.start_collector()
    rig.start_agent()
    wait_until(lambda: (rig.host() or {"samples": {"committed": 0}})["samples"]["committed"], 60, "samples are committed")
    check(rig.agent.stop() == 0, "the agent ends with 0")
    check(rig.collector.stop() == 0, "the collector ends with 0")

    # It was off for two days.
    move_store_time(rig, -2 * DAY)
    rig.start_collector()
    check_it_waits(rig, "ahead of the store's time")
    restart(rig)
    check_it_waits(rig, "ahead of the store's time")
    restart(rig, "--accept-clock")
    check_it_goes_on(rig)
    check(rig.series()["ppmm_store_time_set_back_total"] == 0, "it was not set back")
    check(rig.collector.stop() == 0, "the collector ends with 0")

    # Its clock was five days ahead: days are sealed, described and rated that have not come.
    today = int(time.time()) // DAY
    move_store_time(
        rig, 5 * DAY,
        ("INSERT OR REPLACE INTO meta (key, value) VALUES ('sealed_day', ?), ('facts_day', ?)", (today + 1, today + 5)),
        ("INSERT INTO rating_day (day, published, low, high, body) VALUES (?, '1', '1', '1', ?)",
         (today + 2, f"published 1\nheld_since {today}\nlast {today + 2}\n".encode())))
    rig.start_collector()
    check_it_waits(rig, "behind the store's time")
    check(rig.rows("SELECT day FROM rating_day WHERE day > ?", today) == [(today + 2,)], "nothing is thrown away on doubt")
    restart(rig, "--accept-clock")
    check_it_goes_on(rig)
    wait_until(lambda: rig.rows("SELECT day FROM rating_day WHERE day >= ?", today) == [], 20, "what was false is gone")
    check(rig.series()["ppmm_store_time_set_back_total"] == 1, "it was set back, once")
    check("set back from" in rig.collector.text() and "1 rating published for days that have not come: withdrawn"
          in rig.collector.text(), "the log says so")
    check(day_in_meta(rig, "sealed_day") <= today - 3 and day_in_meta(rig, "facts_day") <= today, "the days are open")

    # Which lasts, and the agent goes on.
    rig.start_agent()
    before = rig.host()["samples"]["committed"]
    wait_until(lambda: (rig.host() or {"samples": {"committed": 0}})["samples"]["committed"] > before, 60,
               "samples are committed again")
    restart(rig)
    wait_until(rig.ready, 20, "the collector is ready")
    check(waits(rig) == 0 and rig.series()["ppmm_store_time_set_back_total"] == 0, "a restart knows the right time")


if __name__ == "__main__":
    e2e.main(test)
