#!/usr/bin/python3
"""A replica is SIGSTOPped: it keeps its connections open and says nothing more."""
from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import processes  # noqa: E402
from support.drill import Drill, Result, main, slack  # noqa: E402
from support.load import Load, get  # noqa: E402
from support.ringmaster import Ringmaster  # noqa: E402

DRILL = Drill("a replica is SIGSTOPped under 32 keep-alive clients, GET, response = 500ms",
              "0 lost, throughput back to 95 % within 1 s",
              "HAProxy 32 x 504 after 5 s; nginx freezes all 32 connections")


def run(folder: Path, scale: float) -> Result:
    result = Result()
    seconds = max(2.0, 5 * scale)
    settings = {"timeouts": {"response": "500ms"}, "heartbeat": {"interval": "500ms", "timeout": "500ms"}}
    with Ringmaster(folder, settings) as ringmaster:
        with Load(ringmaster.proxy, 32, lambda k: get(f"/home?request_id={k}")) as load:
            time.sleep(seconds)
            before = load.report.rate_between(time.monotonic() - seconds / 2, time.monotonic())
            victim = ringmaster.replica_pids()["Server2"]
            stopped = time.monotonic()
            os.kill(victim, signal.SIGSTOP)
            time.sleep(1 + seconds)
            after = load.report.rate_between(stopped + 1, stopped + 1 + seconds)
            if processes.alive(victim):
                os.kill(victim, signal.SIGCONT)
            time.sleep(0.5)
        report = load.report
    lost = sum(report.failures.values()) + report.closed_idle + report.answered - report.statuses[200]
    result.saw(f"{report.answered} requests, {lost} lost, slowest {report.slowest_ms:.0f} ms, "
               f"{before:.0f} requests a second before, {after:.0f} from one second after the stop on")
    result.must(lost == 0, f"{lost} lost: {report.text()}")
    result.must(after >= 0.95 / slack(scale) * before, f"throughput is back to {100 * after / before:.0f} % only")
    return result


if __name__ == "__main__":
    main(DRILL, run)
