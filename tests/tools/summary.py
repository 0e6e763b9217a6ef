"""Reads CTest's JUnit file: prints the ten slowest tests, what was skipped and why, and the closing line.

usage: summary.py JUNIT SKIPS PRESET SECONDS
SKIPS lists what may be skipped: lines of TEST <tab> CONDITION <tab> REASON. Exits 1 when a test failed or a skip is
not on the list.
"""

import sys
import xml.etree.ElementTree as ElementTree


def main(junit, skips_file, preset, seconds):
    try:
        cases = ElementTree.parse(junit).getroot().findall("testcase")
    except (OSError, ElementTree.ParseError) as error:
        print(f"no test was run: {error}")
        return 1
    allowed = {}
    for line in open(skips_file, encoding="utf-8"):
        if line.strip() and not line.startswith("#"):
            test, condition, reason = line.rstrip("\n").split("\t")
            allowed[test] = f"{condition}: {reason}"
    passed = failed = skipped = unlisted = 0
    for case in cases:
        name = case.get("name")
        status = case.get("status")
        if status == "run":
            passed += 1
        elif status == "notrun" or case.find("skipped") is not None:
            skipped += 1
            output = (case.findtext("system-out") or "").strip().splitlines()
            why = next((line for line in reversed(output) if "skip" in line.lower()), "")
            print(f"skipped {name}: {why or 'no reason given'}")
            if name not in allowed:
                print(f"  and {skips_file} has no line for {name}: that is a failure")
                unlisted += 1
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
