#!/usr/bin/python3
"""A replica is SIGKILLed under 32 keep-alive clients."""
from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.drill import Drill, Result, main, slack  # noqa: E402
from support.load import Load, get  # noqa: E402
from support.ringmaster import Ringmaster  # noqa: E402
from support.wire import wait_until  # noqa: E402

DRILL = Drill("a replica is SIGKILLed under 32 keep-alive clients, GET", "0 lost, slowest <= 50 ms",
              "nginx 0 lost, 28 ms; HAProxy 5/0/26 lost, 1 s")


def run(folder: Path, scale: float) -> Result:
    result = Result()
    kills = max(2, int(10 * scale))
    with Ringmaster(folder) as ringmaster:
        with Load(ringmaster.proxy, 32, lambda k: get(f"/home?request_id={k}")) as load:
            for number in range(kills):
                load.wait_answered(2000)
                os.kill(ringmaster.replica_pids()[f"Server{number % 3 + 1}"], signal.SIGKILL)
                load.wait_answered(2000)
                wait_until(lambda: len(ringmaster.ready_replicas()) == 3, 10, "three replicas again")
        report = load.report
        retries = ringmaster.metric("ringmaster_retries_total")
    lost = sum(report.failures.values()) + report.closed_idle + report.answered - report.statuses[200]
    result.saw(f"{kills} kills, {report.answered} requests, {lost} lost, {retries:.0f} retried, "
               f"p99 {report.percentile_ms(99):.1f} ms, slowest {report.slowest_ms:.0f} ms")
    result.must(lost == 0, f"{lost} lost: {report.text()}")
    result.must(report.slowest_ms <= 50 * slack(scale), f"the slowest took {report.slowest_ms:.0f} ms")
    return result


if __name__ == "__main__":
    main(DRILL, run)
