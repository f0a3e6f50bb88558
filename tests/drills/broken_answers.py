#!/usr/bin/python3
"""A replica answers garbage, resets or stops in the middle, or closes a kept connection just as it is used again."""
from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.drill import Drill, Result, main  # noqa: E402
from support.load import Load, get  # noqa: E402
from support.ringmaster import Ringmaster  # noqa: E402
from support.upstream import Upstream, ok  # noqa: E402
from support.wire import Wire, WireError  # noqa: E402

DRILL = Drill("a replica answers garbage, resets or hangs mid-body, closes a kept-alive connection as it is reused",
              "502 before the head was sent, visibly truncated after it, 0 lost on the reused connection",
              "none measured")


def outcome(ringmaster: Ringmaster, target: str) -> str:
    try:
        with Wire(ringmaster.proxy, 5) as wire:
            answer = wire.exchange(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
            return f"{answer.status}"
    except ConnectionResetError:
        return "truncated"
    except WireError as error:
        return "left hanging" if isinstance(error.__cause__, TimeoutError) else "truncated"


def run_faults(folder: Path, rounds: int, result: Result):
    expected = {"/bytes/100000?fault=reset_mid": {"truncated"}, "/bytes/100000?fault=close_mid": {"truncated"},
                "/bytes/100000?fault=hang_mid": {"truncated"}, "/home?fault=garbage": {"502"},
                "/home?fault=reset_before": {"502"}, "/home?fault=hang": {"504"}}
    settings = {"timeouts": {"response": "300ms", "response_idle": "300ms"}, "replicas": {"count": 3}}
    with Ringmaster(folder, settings) as ringmaster:
        for target, allowed in expected.items():
            seen = Counter(outcome(ringmaster, target) for _ in range(rounds))
            result.saw(f"{target}: {dict(seen)}")
            result.must(set(seen) <= allowed, f"{target}: {dict(seen)}, allowed {allowed}")
            result.must(outcome(ringmaster, "/home") == "200", f"/home does not answer after {target}")


def run_reuse(folder: Path, requests: int, result: Result):
    """Every third answer is followed by the end of the connection, unannounced: the next request may meet it."""
    counts = Counter()

    def script(connection, _request):
        counts[connection] += 1
        connection.send(ok())
        return counts[connection] % 3 == 0
    with Upstream(script) as first, Upstream(script) as second:
        listed = [{"name": "r1", "address": first.text}, {"name": "r2", "address": second.text}]
        settings = {"replicas": {"runtime": "static", "static": listed, "command": None},
                    "proxy": {"drop_in": False}, "heartbeat": {"interval": "1h"}}
        with Ringmaster(folder, settings) as ringmaster:
            with Load(ringmaster.proxy, 16, lambda k: get(f"/?request_id={k}"), requests=requests) as load:
                report = load.join()
            time.sleep(0.1)
    result.saw(f"closed as reused: {report.text()}")
    result.must(set(report.statuses) == {200} and not report.failures, f"lost on a reused connection: {report.text()}")


def run(folder: Path, scale: float) -> Result:
    result = Result()
    run_faults(folder / "faults", max(2, int(10 * scale)), result)
    run_reuse(folder / "reuse", max(2000, int(20_000 * scale)), result)
    return result


if __name__ == "__main__":
    main(DRILL, run)
