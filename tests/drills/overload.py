#!/usr/bin/python3
"""Twice as much work is offered as the replicas may take."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.drill import Drill, Result, main, slack  # noqa: E402
from support.load import Load, get  # noqa: E402
from support.ringmaster import Ringmaster  # noqa: E402

DRILL = Drill("overload: twice the capacity offered", "admitted requests keep their latency; the rest get 503 with "
              "Retry-After; recovery at once", "none measured")
DELAY_MS = 50


def run(folder: Path, scale: float) -> Result:
    result = Result()
    requests = max(500, int(10_000 * scale))
    settings = {"limits": {"connections_per_replica": 8}, "proxy": {"workers": 1}, "replicas": {"count": 3}}
    without_hint = []

    def check(_sequence: int, status: int, head: bytes, _body: bytes) -> None:
        if status == 503 and b"\r\nretry-after:" not in head:
            without_hint.append(head)

    def slow(sequence: int) -> bytes:
        return get(f"/delay/{DELAY_MS}?request_id={sequence}")
    with Ringmaster(folder, settings) as ringmaster:
        with Load(ringmaster.proxy, 12, slow, requests=requests // 4) as load:
            calm = load.join()
        with Load(ringmaster.proxy, 48, slow, requests=requests, check=check) as load:
            flooded = load.join()
        with Load(ringmaster.proxy, 8, requests=200) as load:
            afterwards = load.join()
    result.saw(f"calm: {calm.text()}")
    result.saw(f"flooded: {flooded.text()}")
    result.must(set(flooded.statuses) <= {200, 503} and not flooded.failures, "other endings than 200 and 503")
    result.must(flooded.statuses[503] > 0 and flooded.statuses[200] > 0, "nothing was refused, or everything")
    result.must(not without_hint, f"{len(without_hint)} refusals without Retry-After")
    result.must(flooded.slowest_ms <= calm.percentile_ms(99) + DELAY_MS * slack(scale), "admitted requests wait")
    result.must(set(afterwards.statuses) == {200}, f"no recovery: {afterwards.text()}")
    return result


if __name__ == "__main__":
    main(DRILL, run)
