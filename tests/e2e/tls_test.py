"""Mutual TLS by the manual alone: the commands of docs/operations.md make the certificates, the daemons take them, and
whoever has none, or one of another authority, is not heard."""

import pathlib
import re
import shutil
import subprocess

import rig as e2e
from machines import Machine
from rig import check, wait_until

MANUAL = pathlib.Path(__file__).parents[2] / "docs/operations.md"
CONFIGURATION_INVALID = 78


def commands_of_the_manual():
    section = MANUAL.read_text().split("### Mutual TLS", 1)[1]
    return re.search(r"```sh\n(.*?)```", section, re.S)[1]


def make_certificates(folder, host):
    """As the manual does it, for a host of that name. In a new folder an authority of its own, else one more host."""
    commands = commands_of_the_manual()
    if folder.exists():
        commands = commands.split("# each host\n", 1)[1]
    folder.mkdir(exist_ok=True)
    made = subprocess.run(["sh", "-ec", commands.replace("web1", host)], cwd=folder, capture_output=True, text=True,
                          check=False)
    check(made.returncode == 0, made.stdout + made.stderr)
    check(f"{host}.pem: OK" in made.stdout, made.stdout)


def agent_config(folder, host):
    path = folder / f"{host}.yaml"
    path.write_text(f"tls:\n  certificate: {folder}/{host}.pem\n  key: {folder}/{host}.key\n  ca: {folder}/ca.pem\n"
                    "  server_name: ppmm.example\n")
    return path


def check_plain_text_is_refused(rig):
    """Off loopback neither daemon starts without certificates."""
    collector = rig.start("open-collector", [rig.collector_program, "--config", rig.config,
                                             "--http-listen", "127.0.0.1:0", "--grpc-listen", "0.0.0.0:0"])
    check(collector.wait(20) == CONFIGURATION_INVALID, collector.text())
    check("grpc.tls" in collector.text() and "insecure_network" in collector.text(), collector.text())
    agent = rig.start("open-agent", [rig.agent_program, "--collector", "192.0.2.1:7767",
                                     "--data", rig.folder / "open-agent", "--socket", rig.folder / "open.sock"])
    check(agent.wait(20) == CONFIGURATION_INVALID, agent.text())
    check("tls" in agent.text() and "insecure_network" in agent.text(), agent.text())


def check_files_are_looked_at(rig, folder):
    """Neither a check nor a collector's start passes over a file that cannot be used; an agent's start says it and goes
    on, since its certificate may just be renewed."""
    no_key = agent_config(folder, "nobody")
    told = f"{no_key}:3:8: tls.key: {folder}/nobody.key: No such file or directory; correct the path"
    checked = rig.start("checked-agent", [rig.agent_program, "--config", no_key, "--check-config"])
    check(checked.wait(20) == CONFIGURATION_INVALID and told in checked.text(), checked.text())
    machine = Machine(rig, "nobody")
    machine.start("--config", str(no_key))
    wait_until(lambda: "tls.key: " in last_error(machine), 30, "the agent's status names the key")
    check(told in machine.process.text(), machine.process.text())
    check(machine.process.stop() == 0, "the agent ends with 0")

    wrong = folder / "collector.yaml"
    wrong.write_text(f"grpc:\n  tls:\n    certificate: {folder}/collector.pem\n    key: {folder}/web1.key\n"
                     f"    client_ca: {folder}/ca.pem\n")
    for more in (["--check-config"], []):
        collector = rig.start("wrong-collector", [rig.collector_program, "--config", wrong, "--data", rig.folder / "wrong",
                                                  "--http-listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0", *more])
        check(collector.wait(20) == CONFIGURATION_INVALID, collector.text())
        check(f"{wrong}:4:10: grpc.tls.key: {folder}/web1.key: is not the key of" in collector.text(), collector.text())


def last_error(machine):
    status = machine.status()
    return status["collector"]["last_error"] if status else ""


def test(rig):
    check_plain_text_is_refused(rig)
    ours, others = rig.folder / "ours", rig.folder / "others"
    make_certificates(ours, "web1")
    make_certificates(others, "web2")
    with rig.config.open("a") as config:
        config.write(f"grpc:\n  tls:\n    certificate: {ours}/collector.pem\n    key: {ours}/collector.key\n"
                     f"    client_ca: {ours}/ca.pem\n")
    rig.start_collector()
    check_files_are_looked_at(rig, ours)

    web1 = Machine(rig, "web1")
    web1.start("--config", str(agent_config(ours, "web1")))
    wait_until(web1.acknowledged, 60, f"a host with a certificate is heard: {last_error(web1)}")

    # Neither is heard, and each says why; what they gather waits.
    plain = Machine(rig, "plain")
    plain.start()
    web2 = Machine(rig, "web2")
    web2.start("--config", str(agent_config(others, "web2")))
    wait_until(lambda: last_error(plain) and last_error(web2), 60, "both are told")
    print(f"without TLS: {last_error(plain)}\nof another authority: {last_error(web2)}")
    wait_until(lambda: all(machine.status()["spool"]["batches"] > 3 for machine in (plain, web2)), 60, "they gather")
    check(not plain.acknowledged() and not web2.acknowledged(), "neither is heard")
    hosts = [host["host"] for host in rig.get_json("/api/v1/hosts")["hosts"]]
    check(hosts == ["web1"], f"only the host with a certificate is known: {hosts}")
    before = web1.acknowledged()
    wait_until(lambda: web1.acknowledged() > before, 30, "they are no burden to the others")

    # A right certificate later, under the same names: no restart.
    make_certificates(ours, "web2")
    for name in ("web2.pem", "web2.key", "ca.pem"):
        shutil.copy(ours / name, others / name)
    wait_until(web2.acknowledged, 90, f"a new certificate is taken without a restart: {last_error(web2)}")
    wait_until(lambda: web2.status()["spool"]["batches"] < 3, 60, "what waited is sent")
    check(rig.collector.stop() == 0, "the collector ends with 0")


if __name__ == "__main__":
    e2e.main(test)
