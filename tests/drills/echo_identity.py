#!/usr/bin/python3
"""Every answer belongs to the request that asked for it, whatever happens to the replicas meanwhile."""
from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.drill import Drill, Result, main  # noqa: E402
from support.load import Load  # noqa: E402
from support.ringmaster import Ringmaster  # noqa: E402

DRILL = Drill("1,000,000 requests with unique ids in target, field and body, while replicas are killed and stopped",
              "0 mismatches", "none measured")


def mark(sequence: int) -> str:
    return f"{sequence:08d}-{(sequence * 2654435761) & 0xffffffff:08x}"


def make_request(sequence: int) -> bytes:
    identity = mark(sequence)
    body = (identity + " ") * (1 + sequence % 40)
    return (f"PUT /echo?request_id={sequence}&id={identity} HTTP/1.1\r\nHost: x\r\nX-Id: {identity}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


def check(sequence: int, status: int, _head: bytes, body: bytes) -> str | None:
    if status != 200:
        return None  # a failure is told apart from a mismatch
    identity = mark(sequence)
    try:
        echo = json.loads(body)
    except ValueError:
        return f"{sequence}: no JSON: {body[:80]!r}"
    text = json.dumps(echo)
    if text.count(identity) != 2 + 1 + sequence % 40:
        return f"{sequence}: {text[:300]}"
    return None


def disturb(ringmaster: Ringmaster, ended: threading.Event):
    number = 0
    while not ended.wait(0.4):
        number += 1
        pid = ringmaster.replica_pids().get(f"Server{number % 4 + 1}")
        if pid is None:
            continue
        try:
            if number % 3:
                os.kill(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGSTOP)
                ended.wait(0.3)
                os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue


def run(folder: Path, scale: float) -> Result:
    result = Result()
    wanted = max(20_000, int(1_000_000 * scale))
    ended = threading.Event()
    settings = {"replicas": {"count": 4}, "timeouts": {"response": "500ms"}}
    with Ringmaster(folder, settings) as ringmaster:
        thread = threading.Thread(target=disturb, args=(ringmaster, ended))
        with Load(ringmaster.proxy, 48, make_request, requests=wanted, check=check) as load:
            thread.start()
            report = load.join(3600)
            ended.set()
            thread.join()
        retries = ringmaster.metric("ringmaster_retries_total")
    mismatches = report.failures.pop("mismatch", 0)
    failed = sum(report.failures.values()) + report.answered - report.statuses[200]
    result.saw(f"{report.answered} answers, {mismatches} mismatches, {failed} failed, {retries:.0f} retried, "
               f"slowest {report.slowest_ms:.0f} ms")
    result.must(mismatches == 0, f"{mismatches} mismatches: {report.examples}")
    result.must(failed <= wanted * 0.001, f"{failed} of {wanted} failed: {report.text()}")
    return result


if __name__ == "__main__":
    main(DRILL, run)
