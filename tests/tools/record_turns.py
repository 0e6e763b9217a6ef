#!/usr/bin/env python3
"""Records one connection as the socket of its server sees it, by strace on both ends, for turn_test.

usage: record_turns.py PORT SERVER-COMMAND CLIENT-COMMAND >tests/testdata/turns/NAME

Each line is an event: arrive, read or write, the microseconds since the first, the bytes; of a write also the bytes
themselves in hexadecimal digits, if there are many only the first. The client makes one connection to the port on
loopback; both commands are words for a shell.
"""

import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

READS = ("read", "readv", "recvfrom", "recvmsg")
WRITES = ("write", "writev", "sendto", "sendmsg", "sendfile")
FIRST_BYTES = 160  # the hello of a server, and what stands behind it
STRACE = ["strace", "-f", "-ttt", "-T", "-xx", "-s", str(FIRST_BYTES), "-e",
          f"trace=connect,accept,accept4,{','.join(READS + WRITES)}"]


def calls(log):
    """The calls of the log, in order of their lines: name, arguments, result, seconds of beginning and end."""
    begun = {}
    for line in log.read_text(errors="replace").splitlines():
        pid, at, text = line.split(maxsplit=2)
        at = float(at)
        if text.endswith("<unfinished ...>"):
            begun[pid] = at, text.removesuffix("<unfinished ...>")
            continue
        end = None
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", text):
            end = at
            at, head = begun.pop(pid, (at, ""))
            text = head + resumed[1]
        if found := re.match(r"(\w+)\((.*)\)\s+= (-?\d+).*?(?:<([\d.]+)>)?$", text):
            yield found[1], found[2], int(found[3]), at, end or at + float(found[4] or 0)


def data_of(arguments):
    found = re.search(r'"((?:\\x[0-9a-f]{2})*)"', arguments)
    return found[1].replace("\\x", "") if found else ""


def events(server_log, client_log, port):
    clients, servers = set(), set()
    for name, arguments, result, begin, _ in calls(client_log):
        descriptor = arguments.split(",")[0]
        if name == "connect" and f"htons({port})" in arguments:
            clients.add(descriptor)
        elif name in WRITES and descriptor in clients and result > 0:
            yield begin, "arrive", result, ""
    for name, arguments, result, begin, end in calls(server_log):
        descriptor = arguments.split(",")[0]
        if name.startswith("accept") and result >= 0 and "AF_UNIX" not in arguments:
            servers.add(str(result))
        elif descriptor not in servers or result <= 0 or "MSG_PEEK" in arguments:
            continue
        elif name in READS:
            yield end, "read", result, ""
        elif name in WRITES:
            yield begin, "write", result, data_of(arguments)


def main(port, server, client):
    with tempfile.TemporaryDirectory() as folder:
        logs = [pathlib.Path(folder) / name for name in ("server", "client")]
        running = subprocess.Popen([*STRACE, "-o", logs[0], "sh", "-c", f"exec {server}"], stdout=sys.stderr)
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                        break
                time.sleep(0.1)
            time.sleep(0.5)
            subprocess.run([*STRACE, "-o", logs[1], "sh", "-c", client], stdout=sys.stderr, check=True)
            time.sleep(0.5)
        finally:
            traced = pathlib.Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
            subprocess.run(["kill", *traced], check=False)
            running.wait(20)
        found = sorted(events(*logs, port))
    for at, kind, size, data in found:
        print(f"{kind} {(at - found[0][0]) * 1e6:.0f} {size} {data}".rstrip())


if __name__ == "__main__":
    main(*sys.argv[1:4])
