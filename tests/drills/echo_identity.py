#!/usr/bin/python3
"""Every answer belongs to the request that asked for it, whatever happens to the replicas meanwhile."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.drill import Drill, Result, main  # noqa: E402
from support.load import Load  # noqa: E402
from support.ringmaster import Ringmaster, parse_address  # noqa: E402

DRILL = Drill("1,000,000 requests with unique ids in target, field and body, while replicas are killed, stopped and "
              "reset",
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


def reset_connections(port: int) -> int:
    """Aborts the replica's ends of all its connections, as a machine that forgets them would; needs CAP_NET_ADMIN."""
    ended = subprocess.run(["ss", "-K", "-tnH", "state", "established", "sport", "=", f":{port}"], capture_output=True,
                           text=True)
    return len(ended.stdout.splitlines()) if ended.returncode == 0 else 0


def disturb(ringmaster: Ringmaster, ended: threading.Event, seen: Counter):
    number = 0
    while not ended.wait(0.4):
        number += 1
        name = f"Server{number % 4 + 1}"
        pid = ringmaster.replica_pids().get(name)
        if pid is None:
            continue
        try:
            if number % 3 == 0:
                os.kill(pid, signal.SIGSTOP)
                ended.wait(0.3)
                os.kill(pid, signal.SIGCONT)
                seen["stopped"] += 1
            elif number % 3 == 1:
                os.kill(pid, signal.SIGKILL)
                seen["killed"] += 1
            else:
                address = next((one["address"] for one in ringmaster.replicas() if one["name"] == name), None)
                seen["connections reset"] += reset_connections(parse_address(address)[1]) if address else 0
        except ProcessLookupError:
            continue


def run(folder: Path, scale: float) -> Result:
    result = Result()
    wanted = max(20_000, int(1_000_000 * scale))
    ended, seen = threading.Event(), Counter()
    settings = {"replicas": {"count": 4}, "timeouts": {"response": "500ms"}}
    with Ringmaster(folder, settings) as ringmaster:
        thread = threading.Thread(target=disturb, args=(ringmaster, ended, seen))
        with Load(ringmaster.proxy, 48, make_request, requests=wanted, check=check) as load:
            thread.start()
            report = load.join(3600)
            ended.set()
            thread.join()
        retries = ringmaster.metric("ringmaster_retries_total")
    mismatches = report.failures.pop("mismatch", 0)
    failed = sum(report.failures.values()) + report.answered - report.statuses[200]
    result.saw(f"replicas {dict(seen)}")
    result.saw(f"{report.answered} answers in {report.seconds:.0f} s, {mismatches} mismatches, {failed} failed, "
               f"{retries:.0f} retried, slowest {report.slowest_ms:.0f} ms")
    result.must(mismatches == 0, f"{mismatches} mismatches: {report.examples}")
    result.must(failed <= wanted * 0.001, f"{failed} of {wanted} failed: {report.text()}")
    return result


if __name__ == "__main__":
    main(DRILL, run)
