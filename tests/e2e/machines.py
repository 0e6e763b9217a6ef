"""Machines that are folders: a root below which the agent finds a host's files, and a data directory.

What is true of such a machine (its id, its boot, its name, its packages, its processes) is what the test writes. The
agents are the real ones, with --root and --data; neither needs a right that the test's user lacks.
"""

import hashlib
import os
import re
import shutil
import time
import uuid

import rig as e2e

TICKS = 100  # a second, in /proc


class Machine:
    """One agent with a host of its own. `folder` is made; `image` is a machine to copy, root and data directory."""

    def __init__(self, rig, folder, host_name="", machine_id="", image=None):
        self.rig, self.folder = rig, rig.folder / folder
        self.root, self.data, self.socket = self.folder / "root", self.folder / "data", rig.folder / f"{folder}.sock"
        self.process = None
        if image is not None:
            shutil.copytree(image.root, self.root, symlinks=True)
            self.copy_data(image.data)
            return
        self.write("etc/machine-id", (machine_id or uuid.uuid4().hex) + "\n")
        self.write("etc/os-release", 'PRETTY_NAME="A folder"\nID=folder\n')
        self.write("proc/meminfo", "MemTotal: 1000000 kB\nMemFree: 500000 kB\nMemAvailable: 600000 kB\n"
                   "Buffers: 1 kB\nCached: 1 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n")
        self.write("proc/loadavg", "0.10 0.10 0.10 1/10 100\n")
        self.set_name(host_name or folder)
        self.boot(int(time.time()) - 3600)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    def set_name(self, name):
        self.write("proc/sys/kernel/hostname", name if isinstance(name, bytes) else name + "\n")

    def boot(self, at):
        """A new boot, at that second since 1970."""
        self.write("proc/sys/kernel/random/boot_id", f"{uuid.uuid4()}\n")
        self.write("proc/stat", f"cpu  100 0 100 9000 0 0 0 0 0 0\ncpu0 100 0 100 9000 0 0 0 0 0 0\nintr 1\nctxt 1\n"
                   f"btime {at}\nprocesses 10\nprocs_running 1\nprocs_blocked 0\n")

    def copy_data(self, folder):
        """The data directory as a disk's snapshot has it: at one moment, while its agent may be running."""
        shutil.rmtree(self.data, ignore_errors=True)

        def copy(source, target):
            try:
                shutil.copy2(source, target)
            except FileNotFoundError:
                pass  # a segment that went meanwhile

        shutil.copytree(folder, self.data, copy_function=copy)

    # ---- what runs here

    def run(self, pid, program, *words, cgroup="/", parent=1, comm=None, started=0, cwd="/"):
        """A process; no file of the real machine may lie at `program`."""
        comm = comm or os.path.basename(program)
        comm = (comm.encode() if isinstance(comm, str) else comm)[:15]
        rest = f"S {parent} {pid} {pid} 0 -1 4194304 10 0 0 0 {pid} 5 0 0 20 0 1 0 {started * TICKS + 1000} 1000000 100"
        folder = f"proc/{pid}"
        self.write(f"{folder}/stat", f"{pid} (".encode() + comm + b") " + rest.encode() + b"\n")
        self.write(f"{folder}/status", "Uid:\t0\t0\t0\t0\nRssAnon:\t100 kB\nRssFile:\t100 kB\nRssShmem:\t0 kB\n")
        self.write(f"{folder}/comm", comm + b"\n")
        self.write(f"{folder}/schedstat", "1 1 1\n")
        self.write(f"{folder}/cgroup", f"0::{cgroup}\n")
        argv = [program, *words]
        self.write(f"{folder}/cmdline",
                   b"".join((word.encode() if isinstance(word, str) else word) + b"\0" for word in argv))
        os.symlink(os.fsencode(program), os.fsencode(self.root / folder / "exe"))
        os.symlink(cwd, self.root / folder / "cwd")

    def end(self, *pids):
        for pid in pids:
            shutil.rmtree(self.root / f"proc/{pid}")

    def install(self, packages):
        """The package database: {name: (source, version, {path: content})}."""
        status = ""
        for name, (source, version, files) in packages.items():
            status += (f"Package: {name}\nStatus: install ok installed\nMaintainer: A <a@example.org>\n"
                       f"Architecture: amd64\nSource: {source}\nVersion: {version}\nDescription: none\n\n")
            paths, sums = "/.\n", ""
            for path, content in files.items():
                self.write(path, content)
                paths += f"/{path}\n"
                sums += f"{hashlib.md5(content.encode()).hexdigest()}  {path}\n"
            self.write(f"var/lib/dpkg/info/{name}.list", paths)
            self.write(f"var/lib/dpkg/info/{name}.md5sums", sums)
        self.write("var/lib/dpkg/status", status)

    # ---- its agent

    def start(self, *flags):
        self.process = self.rig.start(self.folder.name, [
            e2e.BUILD / "agent/ppmm-agent", "--collector", f"127.0.0.1:{self.rig.grpc_port}", "--root", self.root,
            "--data", self.data, "--socket", self.socket, "--no-bpf", *flags])

    def restart(self, *flags):
        e2e.check(self.process.stop() == 0, f"the agent of {self.folder.name} ends with 0")
        self.start(*flags)

    def status(self):
        return e2e.agent_status(self.socket)

    def identity(self):
        """(agent_id, host_id) of the file, or None."""
        try:
            text = (self.data / "identity").read_text()
        except OSError:
            return None
        return tuple(re.search(rf"^{key} (\w+)$", text, re.M)[1] for key in ("agent_id", "host_id"))

    def acknowledged(self):
        """Batches acknowledged in the life of this process; 0 while it is not connected."""
        status = self.status()
        return status["collector"]["batches_acknowledged"] if status and status["collector"]["connected"] else 0

    def label(self):
        """What the collector calls this host; empty until it has said so."""
        status = self.status()
        return status["collector"]["host_label"] if status and status["collector"]["connected"] else ""
