"""How often, for each request, a running proxy asks the kernel, the allocator and the network for something."""

import re
import shutil
import signal
import struct
import subprocess
import time
from pathlib import Path

# io_uring's operations by their number (linux/io_uring.h): those that a proxy may use.
RING_OPERATIONS = {
    6: "poll_add", 9: "sendmsg", 10: "recvmsg", 11: "timeout", 13: "accept", 14: "async_cancel", 16: "connect",
    19: "close", 22: "read", 23: "write", 26: "send", 27: "recv", 34: "shutdown", 40: "msg_ring", 47: "send_zc",
    48: "sendmsg_zc",
}
SENDS = ("sendto", "sendmsg", "sendmmsg", "writev", "ring send", "ring sendmsg", "ring send_zc", "ring sendmsg_zc")
RING_EVENT = "io_uring:io_uring_submit_req"
ATTACH_SECONDS = 0.7


class CannotCount(Exception):
    """A tool or a right is missing; says which."""


class Allocations:
    """The counters of libcount_alloc.so in one program, which must be started with environment()."""

    def __init__(self, library, folder):
        if not Path(library).exists():
            raise CannotCount(f"there is no {library}: build it")
        self.library = Path(library).resolve()
        self.file = folder / "allocations"

    def environment(self):
        self.file.unlink(missing_ok=True)
        return {"LD_PRELOAD": str(self.library), "COUNT_ALLOC_FILE": str(self.file)}

    def read(self):
        """(allocations, releases) since it began."""
        counts = struct.unpack("QQ", self.file.read_bytes()[:16]) if self.file.exists() else (0, 0)
        if counts[0] == 0:
            raise CannotCount("no allocation was seen, not even at the start: is an allocator linked in statically?")
        return counts


def segments_sent():
    """TCP segments that this network namespace has sent."""
    names, values = (
        line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Tcp:")
    )
    return int(values[names.index("OutSegs")])


class Calls:
    """System calls and io_uring operations of some processes while this is open, by perf."""

    def __init__(self, pids, folder):
        if not shutil.which("perf"):
            raise CannotCount("perf is not installed (Debian: linux-perf)")
        self.calls_file, self.ring_file = folder / "calls", folder / "ring"
        attach = ["-p", ",".join(map(str, pids))]
        events = []
        for number in RING_OPERATIONS:
            events += ["-e", RING_EVENT, "--filter", f"opcode=={number}"]
        self.tools = [
            _start(["perf", "trace", "-s", "-o", str(self.calls_file), *attach]),
            _start(["perf", "stat", "-x", ",", "-o", str(self.ring_file), *events, *attach]),
        ]
        time.sleep(ATTACH_SECONDS)
        for tool in self.tools:
            if tool.poll() is not None:
                self.end()
                raise CannotCount(f"{' '.join(tool.args[:2])}: {tool.stderr.read().decode().strip()}")

    def end(self):
        """{name: count}; operations of io_uring are called "ring NAME"."""
        for tool in self.tools:
            if tool.poll() is None:
                tool.send_signal(signal.SIGINT)
                tool.wait()
        counts = calls_in(_text(self.calls_file))
        lines = [line.split(",") for line in _text(self.ring_file).splitlines() if RING_EVENT in line]
        for name, line in zip(RING_OPERATIONS.values(), lines):
            if line[0].isdigit() and int(line[0]):
                counts[f"ring {name}"] = int(line[0])
        return counts


def calls_in(text):
    """{system call: count} from perf trace's summary, which has a table for each thread."""
    counts = {}
    for name, calls in re.findall(r"^   (\w+) +(\d+) +\d+ ", text, re.MULTILINE):
        counts[name] = counts.get(name, 0) + int(calls)
    return counts


def count(bench, subject, case, requests, allocations):
    """Per request: {"allocations", "releases", "segments", "sends", "calls": {name: count}} in a steady state.

    `subject` runs already, with the environment of `allocations` (None: those are not counted). Every connection is
    open and every pool is filled before the counting begins."""
    load = {**case.load(), "seconds": 60}
    for _ in range(3):
        _right(bench.load.run(**load, requests=max(requests // 2, 1000)))
    calls = Calls(subject.program.pids(), bench.folder)
    try:
        before = allocations.read() if allocations else (0, 0)
        segments = segments_sent()
        outcome = _right(bench.load.run(**load, requests=requests))
        segments = segments_sent() - segments
        time.sleep(0.05)
        after = allocations.read() if allocations else (0, 0)
    finally:
        counted = calls.end()
    answers = outcome["answers"]
    result = {
        "requests": answers,
        "segments": segments / answers,
        "sends": sum(counted.get(name, 0) for name in SENDS) / answers,
        "calls": {name: number / answers for name, number in sorted(counted.items(), key=lambda item: -item[1])},
    }
    if allocations:
        result["allocations"], result["releases"] = ((late - early) / answers for early, late in zip(before, after))
    return result


def _right(outcome):
    if outcome["failed"]:
        raise CannotCount(f"wrong answers: {outcome['failures']}: {outcome['first_failure']}")
    return outcome


def _start(command):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _text(path):
    return path.read_text() if path.exists() else ""
