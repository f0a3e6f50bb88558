#!/usr/bin/python3
"""Every n-th allocation of the workers, every n-th operation of their rings, every n-th of both fails."""
from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.drill import Drill, Result, main  # noqa: E402
from support.load import Load  # noqa: E402
from support.processes import descriptors, memory_kib  # noqa: E402
from support.ringmaster import Ringmaster  # noqa: E402
from support.wire import WireError, wait_until  # noqa: E402

DRILL = Drill("every n-th allocation or ring operation of the workers fails (injected)",
              "a clean 5xx or an end for the request, never a crash, a leak or a hang", "none measured")
SOURCE = Path(__file__).resolve().parents[1] / "support/exhaustion.cc"
GAUGES = ("client_connections", "exchanges", "tunnels", "replica_in_flight")


class Board:
    """The five numbers that tests/support/exhaustion.cc shares with us."""

    def __init__(self, folder: Path):
        self.path = folder / "board"
        self.path.write_bytes(bytes(4096))
        with self.path.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 4096)

    def fail(self, allocations_every: int, operations_every: int):
        struct.pack_into("QQ", self.memory, 0, allocations_every, operations_every)

    def failed(self) -> tuple[int, int]:
        return struct.unpack_from("QQ", self.memory, 16)


def build_library(folder: Path) -> Path:
    library = folder / "exhaustion.so"
    subprocess.run([os.environ.get("CXX", "g++").split()[-1], "-std=c++20", "-O1", "-shared", "-fPIC", "-D_GNU_SOURCE",
                    "-o", library, SOURCE, "-luring", "-ldl"], check=True)
    return library


def make_request(sequence: int) -> bytes:
    kind = sequence % 4
    if kind == 0:
        return f"GET /home?request_id={sequence} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    if kind == 1:
        return f"GET /bytes/200000?request_id={sequence} HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n".encode()
    body = f"body of {sequence} " * (1 if kind == 2 else 4000)
    return (f"PUT /echo?request_id={sequence} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            f"{body}").encode()


def check(sequence: int, status: int, _head: bytes, body: bytes) -> str | None:
    if status in (502, 503, 504):
        return None if b'"status":"failure"' in body else f"{sequence}: {status} without a reason: {body[:80]!r}"
    if status != 200:
        return f"{sequence}: {status}"
    kind = sequence % 4
    if kind == 1:
        return None if len(body) == 200000 else f"{sequence}: {len(body)} bytes of 200000"
    if kind > 1 and f"body of {sequence} ".encode() not in body:
        return f"{sequence}: the echo of another: {body[:80]!r}"
    return None


def serves(ringmaster: Ringmaster) -> bool:
    try:
        return all(ringmaster.get(f"/home?request_id={i}").status == 200 for i in range(8))
    except (WireError, OSError):
        return False


def gauges(ringmaster: Ringmaster) -> dict[str, float]:
    return {name: ringmaster.metric(f"ringmaster_{name}") for name in GAUGES}


def run(folder: Path, scale: float) -> Result:
    result = Result()
    folder.mkdir(parents=True, exist_ok=True)
    board = Board(folder)
    environment = {"LD_PRELOAD": str(build_library(folder)), "RINGMASTER_EXHAUSTION": str(board.path)}
    intervals = [1, 2, 3, 5, 7, 11, 31, 101, 1009] if scale >= 1 else [1, 3, 11, 101]
    settings = {"timeouts": {"response": "1s", "response_idle": "1s", "request_body_idle": "1s", "request_header": "1s",
                             "keep_alive": "1s"}}
    with Ringmaster(folder / "run", settings, environment=environment) as ringmaster:
        before = 0
        for kind, allocations, operations in [(kind, n if "allocation" in kind else 0, n if "operation" in kind else 0)
                                              for n in intervals
                                              for kind in ("allocations", "operations", "allocations and operations")]:
            board.fail(allocations, operations)
            load = Load(ringmaster.proxy, 24, make_request, timeout=8, check=check, pause=0.01).start()
            time.sleep(max(1.0, 4 * scale))
            report = load.stop()
            board.fail(0, 0)
            every = max(allocations, operations)
            result.must(not report.failures["mismatch"], f"{kind} every {every}: {report.text()}")
            result.must(not report.failures["timeout"], f"{kind} every {every}: a hang: {report.text()}")
            result.must(ringmaster.process.poll() is None, f"{kind} every {every}: the program has ended")
            wait_until(lambda: serves(ringmaster), 10, f"it serves again after {kind} every {every}")
            wait_until(lambda: not any(gauges(ringmaster).values()), 10, f"nothing is left after {kind} every {every}")
            good = report.statuses[200]
            result.saw(f"{kind}, every {every}: {good} answered, {report.answered - good} refused, "
                       f"{sum(report.failures.values()) + report.closed_idle} ended")
            before = before or memory_kib(ringmaster.pid)
        failed = board.failed()
        after = memory_kib(ringmaster.pid)
        result.saw(f"{failed[0]} allocations and {failed[1]} operations failed; {before} KiB after the first round, "
                   f"{after} KiB at the end, {descriptors(ringmaster.pid)} descriptors")
        result.must(failed[0] > 0 and failed[1] > 100, f"too few faults for a verdict: {failed}")
        result.must(after < before + 65536, f"memory grew from {before} to {after} KiB")
        result.must(descriptors(ringmaster.pid) < 200, f"{descriptors(ringmaster.pid)} descriptors are open")
    return result


if __name__ == "__main__":
    main(DRILL, run)
