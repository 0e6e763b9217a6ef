"""SIGHUP: everything is read and checked first; a mistake anywhere changes nothing, and what is taken is shown."""

import signal

import rig as e2e
from rig import check, wait_until

GOOD = """applications:
- application: nginx
  owner: anna
networks: [192.0.2.0/24]
"""


def reload(rig):
    rig.collector.popen.send_signal(signal.SIGHUP)


def configuration(rig):
    return rig.get_json("/api/v1/status")["configuration"]


def declared(rig):
    return rig.get_json("/api/v1/inventory")["declared"]


def successful(rig):
    return rig.series()["ppmm_config_last_reload_successful"]


def test(rig):
    inventory = rig.folder / "inventory.yaml"
    config = rig.folder / "collector.yaml"
    rig.start_collector()
    original = config.read_text()
    config.write_text(original + f"inventory: {inventory}\n")
    reload(rig)
    wait_until(lambda: declared(rig)["declared_by"] == str(inventory), 10, "the reload")
    check("applications" not in declared(rig), "a file that is not there says nothing")

    inventory.write_text(GOOD)
    reload(rig)
    wait_until(lambda: "applications" in declared(rig), 10, "the inventory is shown")
    check(declared(rig)["applications"] == [{"application": "nginx", "owner": "anna"}], declared(rig))
    check(declared(rig)["not_seen"] == ["nginx"], "nobody has seen it")
    check(successful(rig) == 1, "the reload succeeded")

    # A mistake in either file, and all stays as it was.
    inventory.write_text(GOOD.replace("owner", "onwer"))
    reload(rig)
    wait_until(lambda: not configuration(rig)["last_reload_successful"], 10, "the mistake is noticed")
    error = configuration(rig)["error"]
    check(f"{inventory}:3:3: unknown key \"onwer\" in \"applications[0]\"; did you mean \"owner\"?" in error, error)
    check(successful(rig) == 0, "the metric tells")
    check(declared(rig)["applications"][0]["owner"] == "anna", "the inventory is as it was")
    check("nothing was taken" in rig.collector.text(), "the log tells")
    status = rig.cli("status")
    check("onwer" in status.stdout, status.stdout)

    inventory.write_text(GOOD.replace("anna", "berta"))
    config.write_text(original + f"inventory: {inventory}\nnetwork: []\n")
    reload(rig)
    wait_until(lambda: "network" in (configuration(rig)["error"] or ""), 10, "the other file's mistake is noticed")
    check(declared(rig)["applications"][0]["owner"] == "anna", "a good inventory waits for a good configuration")

    # What needs a restart is named, and the rest is taken.
    config.write_text(original + f"inventory: {inventory}\norganization: other\nlog_level: debug\n"
                                 "networks: [198.51.100.0/24]\n")
    reload(rig)
    wait_until(lambda: configuration(rig)["last_reload_successful"], 10, "both files are taken")
    check(declared(rig)["applications"][0]["owner"] == "berta", "the new inventory is shown")
    check(configuration(rig)["waits_for_restart"] == ["organization"], configuration(rig))
    check("these wait for a restart: organization" in rig.collector.text(), "the log names what waits")
    check("waits for a restart: organization" in rig.cli("status").stdout, "status names what waits")
    check(rig.collector.stop() == 0, "the collector ends with 0")

    # At start a mistake is an error.
    inventory.write_text("applications: 7\n")
    for extra in ([], ["--check-config"]):
        bad = rig.start("bad", [e2e.BUILD / "collector/ppmm-collector", "--config", config, *extra])
        check(bad.wait(20) == 78, bad.text())
        check(f"{inventory}:1:15" in bad.text(), bad.text())


if __name__ == "__main__":
    e2e.main(test)
