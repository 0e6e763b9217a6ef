"""How releases become known: the log of a real dpkg that installs real packages into a machine that is a folder, and
`ppmm deployed` for a service that no package owns. A third release that nobody announces stays unannounced.
"""

import json
import os
import shutil
import subprocess
import time

import rig as e2e
from machines import Machine
from rig import check, wait_until

SHOPD = "/usr/lib/ppmm-e2e/shopd"
PYTHON = "/opt/ppmm-e2e/bin/python3"  # no package's
CHECKOUTD = "/opt/checkoutd/main.py"
BILLINGD = "/opt/billingd/main.py"


def build(rig, version):
    """shopd_VERSION.deb, as a packager would make it."""
    tree = rig.folder / f"shopd-{version}"
    program = tree / SHOPD[1:]
    program.parent.mkdir(parents=True)
    program.write_text(f"the server, version {version}")
    control = tree / "DEBIAN/control"
    control.parent.mkdir()
    control.write_text(f"Package: shopd\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@example.org>\n"
                       "Description: a server\n")
    package = rig.folder / f"shopd_{version}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, package], check=True, capture_output=True)
    return package


def install(machine, package):
    """By dpkg itself; its database and its log lie below the machine's root."""
    done = subprocess.run(
        ["dpkg", f"--root={machine.root}", f"--log={machine.root}/var/log/dpkg.log", "--force-not-root",
         "--force-script-chrootless", "--force-bad-path", "--install", package],
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C"}, capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"dpkg installs: {done.stdout}{done.stderr}")


def begin(rig):
    rig.start_collector()
    machine = Machine(rig, "web")
    for folder in ("updates", "info"):
        (machine.root / "var/lib/dpkg" / folder).mkdir(parents=True, exist_ok=True)
    for file in ("var/lib/dpkg/status", "var/lib/dpkg/available", "var/log/dpkg.log"):
        machine.write(file, "")
    install(machine, build(rig, "1.0-1"))
    machine.write(CHECKOUTD[1:], "checkout, first build")
    machine.write(BILLINGD[1:], "billing, first build")
    machine.run(200, SHOPD)
    machine.run(300, PYTHON, CHECKOUTD)
    machine.run(400, PYTHON, BILLINGD)
    machine.start()
    wait_until(lambda: names(rig) >= {"shopd", "checkoutd", "billingd"}, 90, "the three are known")
    check(rig.rows("SELECT count(*) FROM deployment") == [(0,)], "nothing of before the first start")
    return machine


def names(rig):
    found = rig.get_json("/api/v1/applications?window=60s") or {"applications": []}
    return {application["name"] for application in found["applications"]}


def releases(rig):
    """Application -> its newest release."""
    listed = (rig.get_json("/api/v1/releases") or {"releases": []})["releases"]
    return {row["application"]: row for row in reversed(listed)}


def deployed(rig, *words):
    done = rig.cli("--socket", str(rig.folder / "collector.sock"), "deployed", *words)
    return done.returncode, done.stdout + done.stderr


def check_package(rig, machine):
    """An upgrade, and the restart after it."""
    install(machine, build(rig, "1.1-1"))
    machine.end(200)
    machine.run(201, SHOPD)
    row = wait_until(lambda: releases(rig).get("shopd"), 90, "shopd's release is seen")
    check((row["previous_version"], row["version"]) == ("1.0-1", "1.1-1"), f"the versions of the package: {row}")
    row = wait_until(lambda: (found := releases(rig)["shopd"])["deployment"] and found, 30, "the log announces it")
    check((row["deployment"]["source"], row["deployment"]["package"], row["deployment"]["version"]) ==
          ("package_log", "shopd", "1.1-1"), f"by dpkg's log: {row['deployment']}")


def check_said(rig, machine):
    """What no package owns is told by somebody."""
    machine.write(CHECKOUTD[1:], "checkout, second build")
    machine.write(BILLINGD[1:], "billing, second build")
    machine.end(300, 400)
    machine.run(301, PYTHON, CHECKOUTD)
    machine.run(401, PYTHON, BILLINGD)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    code, text = deployed(rig, "checkoutd", "2024-11", "--at", at)
    check(code == 0 and ": noted" in text, f"said: {code} {text}")
    code, text = deployed(rig, "checkoutd", "2024-11", "--at", at)
    check(code == 0 and "was noted before" in text, f"said again: {code} {text}")
    code, text = deployed(rig, "--json", "checkoutd", "2024-11", "--at", at)
    check(code == 0 and json.loads(text)["is_new"] is False, f"as JSON: {text}")
    rows = rig.rows("SELECT version, package, told_by <> '' FROM deployment WHERE package = ''")
    check(rows == [("2024-11", "", 1)], f"one row: {rows}")
    found = wait_until(lambda: (seen := releases(rig)).keys() >= {"checkoutd", "billingd"} and seen, 90, "both are seen")
    check(found["checkoutd"]["deployment"]["source"] == "ppmm_deployed", f"checkoutd: {found['checkoutd']}")
    check(found["checkoutd"]["deployment"]["version"] == "2024-11", "with what they call it")
    check(found["billingd"]["deployment"] is None and found["billingd"]["deployments_known"], "nobody said billingd")
    text = rig.cli("releases").stdout
    for word in ("package log", "ppmm deployed", "not announced yet"):
        check(word in text, f"ppmm releases tells {word}: {text}")


def check_refusals(rig):
    code, text = deployed(rig, "chekoutd", "1")
    check(code == 2 and 'did you mean "checkoutd"' in text, f"an unknown application: {code} {text}")
    code, text = deployed(rig, "checkoutd", "1", "--at", "2100-01-01T00:00:00Z")
    check(code == 2 and "in the future" in text, f"in the future: {code} {text}")
    code, text = deployed(rig, "checkoutd", "1", "--at", "noon")
    check(code == 2 and "is no time" in text, f"no time: {code} {text}")
    done = rig.cli("--socket", str(rig.folder / "none.sock"), "deployed", "checkoutd", "1")
    check(done.returncode == 69 and "--socket PATH" in done.stderr, f"no socket: {done}")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if os.geteuid() == 0 and shutil.which("setpriv"):
        done = subprocess.run([*nobody, e2e.BUILD / "cli/ppmm", "--socket", rig.folder / "collector.sock", "deployed",
                               "checkoutd", "1"], capture_output=True, text=True, check=False)
        # Where the build lies in a folder of somebody's own, nobody cannot even run it.
        check(done.returncode in (77, 126, 127) and (done.returncode != 77 or "you may not write" in done.stderr),
              f"not permitted: {done}")
    check(rig.rows("SELECT count(*) FROM deployment WHERE package = ''") == [(1,)], "nothing of this was written")


def check_restart(rig, machine):
    """What was installed while the agent was stopped is told, and nothing twice."""
    before = rig.rows("SELECT * FROM deployment ORDER BY at_us")
    check(machine.process.stop() == 0, "the agent ends")
    install(machine, build(rig, "1.2-1"))
    os.replace(machine.root / "var/log/dpkg.log", machine.root / "var/log/dpkg.log.1")
    machine.write("var/log/dpkg.log", "")
    machine.start()
    told = "SELECT version FROM deployment WHERE package = 'shopd' ORDER BY at_us"
    wait_until(lambda: rig.rows(told) == [("1.1-1",), ("1.2-1",)], 90, "both installations, through the rotation")
    machine.restart()
    wait_until(machine.acknowledged, 60, "it sends again")
    time.sleep(12)  # the first look at the log and a batch
    after = rig.rows("SELECT * FROM deployment ORDER BY at_us")
    check(len(after) == len(before) + 1 and all(row in after for row in before), f"no repeats: {before} {after}")


def test(rig):
    if not shutil.which("dpkg-deb"):
        e2e.skip("no dpkg here")
    machine = begin(rig)
    check_package(rig, machine)
    check_said(rig, machine)
    check_refusals(rig)
    check_restart(rig, machine)


if __name__ == "__main__":
    e2e.main(test)
