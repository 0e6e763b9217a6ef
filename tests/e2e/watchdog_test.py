"""Both daemons under a fake systemd: what they say on NOTIFY_SOCKET, and when."""

import os
import signal
import socket
import struct

import rig as e2e
from rig import check, wait_until

TIMEOUT = 20
CREDENTIALS = struct.Struct("3i")


class FakeSystemd:
    """The datagrams of each process, in the order of arrival. The kernel says who sent them, as it tells systemd."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.setblocking(False)
        self.said = {}
        os.environ["NOTIFY_SOCKET"] = str(path)
        os.environ["WATCHDOG_USEC"] = "30000000"

    def of(self, process):
        while True:
            try:
                text, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(CREDENTIALS.size))
            except BlockingIOError:
                return self.said.get(process.popen.pid, [])
            pid = CREDENTIALS.unpack(ancillary[0][2])[0]
            self.said.setdefault(pid, []).append(text.decode())

    def wait_for(self, process, text, times=1):
        wait_until(lambda: self.of(process).count(text) >= times, TIMEOUT, f"{process.name} says {text}")


def check_life(systemd, process):
    systemd.wait_for(process, "READY=1")
    check(systemd.of(process)[0] == "READY=1", f"{process.name} says first: {systemd.of(process)[:3]}")
    systemd.wait_for(process, "WATCHDOG=1", times=3)
    check(systemd.of(process).count("READY=1") == 1, f"{process.name} is ready once")


def check_end(systemd, process):
    check(process.stop() == 0, f"{process.name} ends with 0 on SIGTERM")
    said = systemd.of(process)
    check(said[-1] == "STOPPING=1" and said.count("STOPPING=1") == 1, f"{process.name} says last: {said[-3:]}")


def test(rig):
    systemd = FakeSystemd(rig.folder / "notify")
    rig.start_collector()
    systemd.wait_for(rig.collector, "READY=1")
    check(rig.get("/-/healthy")[0] == 200, "a collector that says it is ready answers")
    rig.start_agent()
    check_life(systemd, rig.collector)
    check_life(systemd, rig.agent)
    wait_until(lambda: any(text.startswith("STATUS=") for text in systemd.of(rig.collector)), TIMEOUT,
               "the collector says how it is")

    # Whatever is not alive is silent: the word comes from the loop that also serves, from nobody beside it.
    rig.agent.popen.send_signal(signal.SIGSTOP)
    wait_until(lambda: open(f"/proc/{rig.agent.popen.pid}/stat", encoding="utf-8").read().split()[2] == "T", TIMEOUT,
               "the agent is stopped")
    before = len(systemd.of(rig.agent))
    systemd.wait_for(rig.collector, "WATCHDOG=1", times=systemd.of(rig.collector).count("WATCHDOG=1") + 3)
    check(len(systemd.of(rig.agent)) == before, "an agent that does not run says nothing")
    rig.agent.popen.send_signal(signal.SIGCONT)
    systemd.wait_for(rig.agent, "WATCHDOG=1", times=systemd.of(rig.agent).count("WATCHDOG=1") + 1)

    # One that cannot start is never ready.
    config = rig.folder / "second.yaml"
    config.write_text(f"data: {rig.collector_data}\nsocket: {rig.folder}/second.sock\n")
    second = rig.start("second", [e2e.BUILD / "collector/ppmm-collector", "--config", config, "--http-listen",
                                  "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0"])
    check(second.wait(TIMEOUT) != 0, "a second collector on the same data does not start")
    check(systemd.of(second) == [], f"and said {systemd.of(second)}")

    check_end(systemd, rig.agent)
    check_end(systemd, rig.collector)


if __name__ == "__main__":
    e2e.main(test)
