"""Reads CTest's JUnit file: prints the ten slowest tests, what was skipped and why, and the closing line.

usage: summary.py JUNIT SKIPS PRESET SECONDS
SKIPS lists what may be skipped: lines of TEST <tab> CONDITION <tab> REASON. TEST is a whole program of CTest or one test
within a program that passed, Suite.Test; a * stands for any letters. Exits 1 when a test failed or a skip is not on the
list.
"""

import fnmatch
import re
import sys
import xml.etree.ElementTree as ElementTree


def skipped_within(output):
    """Of a program of GoogleTest: the tests that skipped themselves, each with its reason."""
    reason = []
    for line in output.splitlines():
        if line.startswith("[ RUN      ] "):
            reason = []
        elif test := re.match(r"\[  SKIPPED \] (\S+) \(", line):
            yield test[1], " ".join(reason)
        elif line and not line.endswith(": Skipped"):
            reason.append(line)


def main(junit, skips_file, preset, seconds):
    try:
        cases = ElementTree.parse(junit).getroot().findall("testcase")
    except (OSError, ElementTree.ParseError) as error:
        print(f"no test was run: {error}")
        return 1
    allowed = []
    for line in open(skips_file, encoding="utf-8"):
        if line.strip() and not line.startswith("#"):
            test, _, _ = line.rstrip("\n").split("\t")
            allowed.append(test)
    passed = failed = skipped = unlisted = 0

    def count_skip(name, where, why):
        nonlocal skipped, unlisted
        skipped += 1
        print(f"skipped {where}: {why or 'no reason given'}")
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in allowed):
            print(f"  and {skips_file} has no line for {name}: that is a failure")
            unlisted += 1

    for case in cases:
        name = case.get("name")
        status = case.get("status")
        output = case.findtext("system-out") or ""
        if status == "run":
            passed += 1
            for test, why in skipped_within(output):
                count_skip(test, f"{test} of {name}", why)
        elif status == "notrun" or case.find("skipped") is not None:
            count_skip(name, name, next((line for line in reversed(output.strip().splitlines())
                                         if "skip" in line.lower()), ""))
        else:
            failed += 1
            print(f"FAILED {name}")
    slowest = sorted(cases, key=lambda case: -float(case.get("time") or 0))[:10]
    print("slowest: " + ", ".join(f"{case.get('name')} {float(case.get('time') or 0):.1f} s" for case in slowest))
    print(f"preset {preset}: {int(seconds) // 60} min {int(seconds) % 60} s with packages and build")
    print(f"{passed} passed, {failed + unlisted} failed, {skipped} skipped")
    return 1 if failed or unlisted or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
