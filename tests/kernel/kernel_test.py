"""Boots a Debian cloud kernel in emulation and runs our BPF programs in it.

usage: kernel_test.py SERIES      for example 6.1

The guest has the tests of tests/bpf, which compare the scanners with /proc and netlink of that kernel, and the
agent's --once: with BPF, without, and as a user whom the kernel denies it. Everything else there is busybox.
Skipped (77) where the emulator or a kernel of the series is not to be had.
"""

import lzma
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

SKIP = 77
BOOT_AND_RUN_SECONDS = 280
MEMORY_MIB = 768
TRIES = 3  # exact versions vanish from the archive; the next older one may still be there
MODULES = ("inet_diag", "tcp_diag", "unix_diag")  # the agent's way without BPF asks for sockets with these
BUILD = pathlib.Path(os.environ["PPMM_BUILD"])
KERNELS = BUILD / "kernels"
HERE = pathlib.Path(__file__).resolve().parent
TESTS = ("task_scanner", "socket_scanner", "response_times", "calls", "server_styles", "unix_turns")
PROGRAMS = [BUILD / f"tests/bpf/{test}_test" for test in TESTS]
PROGRAMS.append(BUILD / "agent/ppmm-agent")


def say(line):
    print(line, flush=True)


def skip(reason):
    say(f"skipped: {reason}")
    sys.exit(SKIP)


def version_key(text):
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d+|\D+", text)]


def packages_in_lists(series):
    """Names of the signed images of this series that apt knows, newest first."""
    pattern = rf"^linux-image-{re.escape(series)}\.[^ ]*-cloud-amd64$"
    found = subprocess.run(["apt-cache", "search", "--names-only", pattern], capture_output=True, text=True)
    names = {line.split(" ")[0] for line in found.stdout.splitlines()}
    return sorted(names, key=version_key, reverse=True)


def kernel_tree(series):
    """The folder of an unpacked kernel package: the newest that the archive gives, or one from an earlier run."""
    KERNELS.mkdir(exist_ok=True)
    names = packages_in_lists(series)
    if not names:
        say("asking the archive which kernels there are")
        subprocess.run(["apt-get", "update", "-q"], capture_output=True)
        names = packages_in_lists(series)
    for name in names[:TRIES]:
        tree = KERNELS / name
        if tree.is_dir():
            return tree
        with tempfile.TemporaryDirectory(dir=KERNELS) as folder:
            say(f"fetching {name}")
            os.chmod(folder, 0o777)  # apt-get fetches as a user of its own
            subprocess.run(["apt-get", "download", "-q", name], cwd=folder, capture_output=True)
            archives = list(pathlib.Path(folder).glob("*.deb"))
            if archives:
                unpacked = pathlib.Path(folder) / "unpacked"
                subprocess.run(["dpkg", "-x", archives[0], unpacked], check=True)
                unpacked.rename(tree)
                return tree
    earlier = sorted(KERNELS.glob(f"linux-image-{series}.*"), key=lambda tree: version_key(tree.name))
    if not earlier:
        skip(f"the archive has no linux-image-{series}.*-cloud-amd64")
    return earlier[-1]


def copy_with_libraries(program, root):
    """Puts a program into /t of the guest, and the shared libraries it needs where its loader looks for them."""
    subprocess.run(["strip", "-o", root / "t" / program.name, program], check=True)
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+) \(0x", listed):
        target = root / library[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy(library, target)


def make_initramfs(tree, folder):
    root = folder / "root"
    for name in ("bin", "dev", "etc", "proc", "sys", "t", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    shutil.copy(HERE / "guest_init", root / "init")
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    for program in PROGRAMS:
        copy_with_libraries(program, root)
    modules = []
    for module in MODULES:
        files = list(tree.glob(f"lib/modules/**/{module}.ko*"))
        if files:
            content = files[0].read_bytes()
            (root / "t" / f"{module}.ko").write_bytes(lzma.decompress(content) if files[0].suffix == ".xz" else content)
            modules.append(f"{module}.ko")
    (root / "t/modules").write_text("\n".join(modules) + "\n")
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    with open(folder / "initramfs", "wb") as archive:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input="\n".join(names).encode(),
                       stdout=archive, check=True)
    shutil.rmtree(root)
    return folder / "initramfs"


def boot(tree, initramfs, console):
    kernel = next(tree.glob("boot/vmlinuz-*"))
    # no_timer_check: a busy machine emulates ticks late, and the kernel takes that for a broken timer.
    command = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MIB),
               "-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyS0 quiet panic=-1 loglevel=3 no_timer_check",
               "-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot", "-serial", f"file:{console}"]
    try:
        subprocess.run(command, timeout=BOOT_AND_RUN_SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        say(f"the guest had not ended after {BOOT_AND_RUN_SECONDS} s")
    return console.read_bytes().replace(b"\r", b"").decode("utf-8", "replace")


def parts_of(output):
    """{name: (status, text)} of the parts that ended."""
    pattern = r"^@@ (\w+)\n(.*?)^@@ \1=(\d+)$"
    return {name: (int(status), text) for name, text, status in re.findall(pattern, output, re.MULTILINE | re.DOTALL)}


def applications(text):
    """{name: ports} of the table of --once."""
    rows = text.partition("\nAPPLICATIONS")[2].splitlines()[1:]
    table = [re.match(r"(\S+) +(?:off the shelf|in-house|unknown) +[\d.]+ +[\d.]+ \S+ +\S+ +(\S+)", row) for row in rows]
    return {match[1]: match[2] for match in table if match}


def judge(output):
    """What is wrong, a line each."""
    parts = parts_of(output)
    wrong = []
    for name in ("no_modules", "tasks", "sockets", "responses", "calls", "styles", "unix_turns", "listening", "bpf",
                 "no_bpf", "denied"):
        if name not in parts:
            wrong.append(f"{name}: did not end")
        elif parts[name][0] != 0:
            wrong.append(f"{name}: exit status {parts[name][0]}")
    if "@@ done" not in output:
        wrong.append("the guest did not come to its end")
    if wrong:
        return wrong

    seen_by = {name: re.search(r"seen by +(.*)", parts[name][1])[1] for name in ("bpf", "no_bpf", "denied")}
    if seen_by["bpf"] != "iter/task, socket storage":
        wrong.append(f"bpf: seen by {seen_by['bpf']}")
    if not seen_by["no_bpf"].startswith("/proc, sock_diag"):
        wrong.append(f"no_bpf: seen by {seen_by['no_bpf']}")
    if not (seen_by["denied"].startswith("/proc, sock_diag") and "CAP_BPF" in seen_by["denied"]):
        wrong.append(f"denied: seen by {seen_by['denied']}: not what is missing and how to grant it")
    seen = {name: applications(parts[name][1]) for name in seen_by}
    if "8080" not in seen["bpf"].values():
        wrong.append(f"bpf: nobody listens on port 8080 in {seen['bpf']}")
    if seen["no_bpf"] != seen["bpf"]:
        wrong.append(f"no_bpf: {seen['no_bpf']}, by BPF {seen['bpf']}")
    if not re.search(r"not seen +sockets: .*modprobe tcp_diag", parts["no_modules"][1]):
        wrong.append("no_modules: the kernel lists no sockets, and --once does not say so, or not the cure")
    # Without rights the agent cannot tell whose socket it is; it still sees the processes.
    if not seen["denied"]:
        wrong.append("denied: no application at all")
    return wrong


def main(series):
    if platform.machine() != "x86_64":
        skip(f"the kernels are of x86_64, this machine is {platform.machine()}")
    for tool in ("qemu-system-x86_64", "cpio", "busybox", "apt-get"):
        if not shutil.which(tool):
            skip(f"{tool} is not installed")
    tree = kernel_tree(series)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        say(f"booting {tree.name}")
        output = boot(tree, make_initramfs(tree, folder), folder / "console")
    say(output)
    wrong = judge(output)
    for line in wrong:
        say(f"WRONG {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
