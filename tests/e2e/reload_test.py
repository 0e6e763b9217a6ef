"""SIGHUP: everything is read and checked first; a mistake anywhere changes nothing, and what is taken is shown."""

import json
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


def rated_organization(rig):
    return (rig.get_json("/api/v1/rating") or {}).get("organization")


def keeps(rig, days):
    """Whether the rating says that hourly values are kept for so many days."""
    criteria = (rig.get_json("/api/v1/activities/MON-005") or {}).get("criteria", [])
    return len(criteria) == 2 and f"{days} d" in json.dumps(criteria[1])


def application(rig, key):
    rows = (rig.get_json("/api/v1/applications") or {}).get("applications", [])
    return next((row for row in rows if row["key"] == key), {})


def names_shown(rig):
    """The label `name` of each application on /metrics."""
    return {name.split('name="')[1].split('"')[0] for name in rig.series() if name.startswith("ppmm_application_info{")}


def declared_is_shown_not_counted(rig, inventory, key, counted):
    """Origin, line of business and exclusion stand everywhere with the file as author, and the rating uses others."""
    origin = "off_the_shelf" if counted["origin"] == "in_house" else "in_house"
    inventory.write_text(f"applications:\n- application: {json.dumps(key)}\n  origin: {origin}\n"
                         "  line_of_business: true\nexclusions:\n"
                         f"- {{application: {json.dumps(key)}, kind: not_ours, reason: rented, until: 2099-01-01}}\n")
    reload(rig)
    wait_until(lambda: application(rig, key).get("origin") == origin, 10, "the declared origin")
    row = application(rig, key)
    check(row["declared_by"] == str(inventory) and not row["confirmed"], row)
    check(row["line_of_business"] and row["counted"]["origin"] == counted["origin"], row)
    check(row["exclusion"]["kind"] == "not_ours" and not row["exclusion"]["confirmed"], row)
    page = rig.get("/")[1]
    check("declared, not confirmed" in page and "excluded as not ours until 2099-01-01: rented" in page, page)
    shown = rig.cli("applications", key).stdout
    check("declared, not confirmed" in shown and "as not ours until 2099-01-01, not confirmed" in shown, shown)


def names_of_applications(rig, inventory):
    """A declared name is shown everywhere, is a row of the store, survives a restart, and goes when it is taken out."""
    found = wait_until(lambda: [row for row in (rig.get_json("/api/v1/applications") or {}).get("applications", [])
                                if row["instances"] > 0], 30, "an application is found")[0]
    key, name = found["key"], found["name"]
    inventory.write_text(f"applications:\n- application: {json.dumps(key)}\n  name: The Till\n")
    reload(rig)
    wait_until(lambda: application(rig, key).get("name") == "The Till", 10, "the declared name")
    check(application(rig, key)["shown_as"] == "The Till", "it is what the application is shown as")
    check("The Till" in rig.cli("applications").stdout, "ppmm applications shows it")
    check("The Till" in rig.cli("inventory", "show").stdout, rig.cli("inventory", "show"))
    check(rig.cli("applications", "The Till").returncode == 0, "it can be typed")
    check(rig.cli("applications", key).returncode == 0, "so can the key")
    wait_until(lambda: "The Till" in names_shown(rig), 20, "the declared name on /metrics")
    check(rig.collector.stop() == 0, "the collector ends with 0")
    query = "SELECT display_name FROM application_alias ORDER BY valid_from_us"
    check(rig.rows(query) == [("The Till",)], rig.rows(query))
    rig.start_collector()
    wait_until(lambda: application(rig, key).get("name") == "The Till", 10, "the name after a restart")
    declared_is_shown_not_counted(rig, inventory, key, found["counted"])
    inventory.write_text(GOOD)
    reload(rig)
    wait_until(lambda: application(rig, key).get("name") == name, 10, "the name that was found")
    check(rig.rows(query) == [("The Till",), ("",)], rig.rows(query))
    check(rig.agent.stop() == 0, "the agent ends with 0")


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
    check(rig.get_json("/api/v1/inventory")["organization"] == "default", "the name of an organization that has none")
    rig.start_agent()  # before a host reports nothing is kept
    wait_until(lambda: keeps(rig, 400), 20, "the rating knows the retention")
    config.write_text(original + f"inventory: {inventory}\norganization: other\nlog_level: debug\n"
                                 "networks: [198.51.100.0/24]\nretention: {minutes_days: 40, hours_days: 399}\n"
                                 "http: {names: [ppmm.example]}\n")
    reload(rig)
    wait_until(lambda: configuration(rig)["last_reload_successful"], 10, "both files are taken")
    check(declared(rig)["applications"][0]["owner"] == "berta", "the new inventory is shown")
    check(configuration(rig)["waits_for_restart"] == ["http.names"], configuration(rig))
    check("these wait for a restart: http.names" in rig.collector.text(), "the log names what waits")
    check("waits for a restart: http.names" in rig.cli("status").stdout, "status names what waits")
    check(rig.get_json("/api/v1/inventory")["organization"] == "other", "the organization's new name")
    check("other" in rig.get("/")[1], "the page has it, too")
    wait_until(lambda: rated_organization(rig) == "other", 20, "the rating of the new name")
    wait_until(lambda: keeps(rig, 399), 20, "the new retention")

    config.write_text(original + f"inventory: {inventory}\n")
    names_of_applications(rig, inventory)
    check(rig.collector.stop() == 0, "the collector ends with 0")

    # At start a mistake is an error.
    inventory.write_text("applications: 7\n")
    for extra in ([], ["--check-config"]):
        bad = rig.start("bad", [e2e.BUILD / "collector/ppmm-collector", "--config", config, *extra])
        check(bad.wait(20) == 78, bad.text())
        check(f"{inventory}:1:15" in bad.text(), bad.text())


if __name__ == "__main__":
    e2e.main(test)
