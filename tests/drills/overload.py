#!/usr/bin/python3
"""Twice as much work is offered as the replicas may take, at a steady rate that no refusal slows down."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.drill import Drill, Result, main, slack  # noqa: E402
from support.load import get  # noqa: E402
from support.offered import offer  # noqa: E402
from support.ringmaster import Ringmaster  # noqa: E402

DRILL = Drill("overload: twice the capacity offered", "admitted requests keep their latency; the rest get 503 with "
              "Retry-After; recovery at once",
              "HAProxy, same limits: 1356 admitted, p99 103 ms, slowest 108 ms; 1644 x 503 without Retry-After. nginx, "
              "which has no queue: 1339 admitted, p99 62 ms, slowest 64 ms; 1661 x 502 without Retry-After")
DELAY_MS = 50
QUEUE_MS = 50
REPLICAS, CONNECTIONS, QUEUE = 3, 8, 4
CAPACITY = REPLICAS * CONNECTIONS * 1000 / DELAY_MS   # requests a second


def run(folder: Path, scale: float) -> Result:
    result = Result()
    count = max(400, int(3000 * scale))
    settings = {"proxy": {"workers": 1}, "replicas": {"count": REPLICAS},
                "limits": {"connections_per_replica": CONNECTIONS, "queue_length": QUEUE,
                           "queue_timeout": f"{QUEUE_MS}ms"}}

    def slow(number: int) -> bytes:
        return get(f"/delay/{DELAY_MS}?request_id={number}")
    with Ringmaster(folder, settings) as ringmaster:
        calm = offer(ringmaster.proxy, CAPACITY / 2, count // 4, slow)
        flooded = offer(ringmaster.proxy, CAPACITY * 2, count, slow)
        afterwards = offer(ringmaster.proxy, CAPACITY / 2, count // 4, slow)
        refused = ringmaster.metric("ringmaster_refusals_total")
    for name, load in (("calm", calm), ("flooded", flooded), ("afterwards", afterwards)):
        result.saw(f"{name}: {load.text()}")
        result.must(not load.failures and set(load.latencies_ms) <= {200, 503},
                    f"{name}: other endings: {load.text()}")
    # A machine that stands still for a tenth of a second has the next two dozen leave at once.
    allowed = 0 if scale >= 1 else count // 20
    result.must(calm.count(503) <= allowed, "refusals below the capacity")
    served = flooded.count(200) / (CAPACITY * (flooded.seconds + QUEUE_MS / 1000))
    result.must(flooded.count(503) > 0 and served > 0.8 / slack(scale), f"only {served:.0%} of the capacity was used")
    result.must(all(b"\r\nretry-after: 1\r\n" in head for head in flooded.heads), "a refusal without Retry-After")
    told = calm.count(503) + flooded.count(503) + afterwards.count(503)
    result.must(refused == told, f"{refused:.0f} refusals were counted, {told} were told")
    # Whoever is admitted has waited for QUEUE_MS at most, and a tick of the timer wheel.
    slowest = flooded.admitted_ms(100)
    result.must(slowest <= calm.admitted_ms(99) + (QUEUE_MS + 10) * slack(scale), f"the slowest took {slowest:.0f} ms")
    # The last of the flood may still be under way as the calm begins.
    result.must(afterwards.count(503) <= 2 * REPLICAS * QUEUE, f"no recovery: {afterwards.text()}")
    tail = afterwards.latencies_ms[200][len(afterwards.latencies_ms[200]) // 4:]
    result.must(max(tail, default=0.0) <= calm.admitted_ms(100) + 20 * slack(scale), "the recovery takes long")
    return result


if __name__ == "__main__":
    main(DRILL, run)
