"""Conservation by value: what the minute rows hold, beside what the counting series sampled (counting_source.cc)."""

import array
import collections
import subprocess

import rig as e2e
from rig import check

COUNTER = "ppmm_host_network_receive_packets_total"  # grows by one a sample
GAUGE = "ppmm_host_filesystem_size_bytes"  # 2^(second of the minute)


def is_counted(name):
    """Whether an exposed series is the counter."""
    return name.startswith(COUNTER + "{") and 'device="counted"' in name


def exposed_count(rig):
    return next(value for name, value in rig.series("/metrics/hosts").items() if is_counted(name))


def sampled_seconds(rig):
    """The second of each sample that the counting source took, in order."""
    seconds = array.array("q")
    if rig.counted.exists():
        content = rig.counted.read_bytes()
        seconds.frombytes(content[:len(content) // 8 * 8])
    return seconds


class Values:
    """What the database holds. The collector must have ended."""

    def __init__(self, rig):
        program = e2e.BUILD / "tests/print_values"
        printed = subprocess.run([program, rig.database], capture_output=True, text=True, timeout=120, check=False)
        check(printed.returncode == 0, f"print_values: {printed.stderr}")
        # minute -> series -> rollup; (day, series) -> rollups; a rollup is (count, sum, min, max, last).
        self.minutes, self.blocks = collections.defaultdict(dict), collections.defaultdict(list)
        self.histogram_samples = 0
        for kind, *words in (line.split() for line in printed.stdout.splitlines()):
            numbers = [int(word) for word in words]
            if kind == "minute":
                minute, _, series, *rollup = numbers
                self.minutes[minute][series] = tuple(rollup)
            elif kind == "histogram":
                *_, samples, _ = numbers
                self.histogram_samples += samples
            else:
                day, _, series, _, *rollup = numbers
                self.blocks[day, series].append(tuple(rollup))

        def series_of(metric):
            return rig.rows("SELECT id FROM series WHERE metric = ? AND labels LIKE 'counted%'", metric)[0][0]

        self.counter, self.gauge = series_of(COUNTER), series_of(GAUGE)

    def samples(self):
        return self.histogram_samples + sum(rollup[0] for row in self.minutes.values() for rollup in row.values())

    def arrived_seconds(self):
        """The seconds whose samples the minute rows hold, each once and with its value."""
        arrived = []
        for minute, row in sorted(self.minutes.items()):
            if self.counter not in row and self.gauge not in row:
                continue
            count, total, *_ = row[self.counter]
            marks, bits, lowest, highest, _ = row[self.gauge]
            seconds = [second for second in range(64) if bits >> second & 1]
            place = f"minute {minute}: counter {row[self.counter]}, gauge {row[self.gauge]}"
            check(count == total == marks == len(seconds), f"each sample counts once, by number and by value, {place}")
            check(seconds[-1] < 60 and (lowest, highest) == (1 << seconds[0], 1 << seconds[-1]), f"bounds, {place}")
            arrived += [minute * 60 + second for second in seconds]
        return arrived

    def check_day(self, day, minutes):
        """A sealed day holds the counting series of that many minutes, with their values."""
        sealed, marks = self.blocks[day, self.counter], self.blocks[day, self.gauge]
        check(len(sealed) == minutes and all(rollup[0] == rollup[1] for rollup in sealed), f"day {day}: {sealed}")
        check([bin(rollup[1]).count("1") for rollup in marks] == [rollup[0] for rollup in sealed],
              f"day {day} is sealed with its values: {marks} beside {sealed}")


def check_values(rig, in_agent_row, exposed, may_be_missing):
    """The rows hold what was produced: each sample once, with its value, but for at most `may_be_missing` steps.

    `in_agent_row`: committed samples by the agent's row; `exposed`: the counter as it was last exposed, None if late
    samples are not in it.
    """
    values = Values(rig)
    arrived, sampled = values.arrived_seconds(), list(sampled_seconds(rig))
    check(len(sampled) == len(set(sampled)), "no second was sampled twice")
    check(set(arrived) <= set(sampled), f"nothing was made up: {sorted(set(arrived) - set(sampled))}")
    missing = sorted(set(sampled) - set(arrived))
    check(len(missing) <= may_be_missing, f"at most {may_be_missing} steps are missing, not {missing}")
    if exposed is not None:
        check(exposed == len(arrived), f"the exposed total is {exposed}, the minute rows hold {len(arrived)}")
    check(values.samples() == in_agent_row,
          f"all minute rows together hold {values.samples()} samples, {in_agent_row} were committed")
    print(f"values: {len(arrived)} samples of the counting series in {len(values.minutes)} minutes, each once and with "
          f"its value; {len(missing)} steps missing of at most {may_be_missing}")
    return values
