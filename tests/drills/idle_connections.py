#!/usr/bin/python3
"""What an idle kept-alive connection costs, in memory of the process."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.drill import Drill, Result, allow_descriptors, main  # noqa: E402
from support.processes import memory_kib  # noqa: E402
from support.ringmaster import Ringmaster  # noqa: E402
from support.wire import Wire  # noqa: E402

DRILL = Drill("8,000 idle kept-alive connections", "<= 512 bytes of process memory each",
              "nginx 490 B, HAProxy 1,179 B each")
REQUEST = "GET /home HTTP/1.1\r\nHost: x\r\n\r\n"


def run(folder: Path, scale: float) -> Result:
    result = Result()
    count = max(1000, int(8000 * scale))
    allow_descriptors(2 * count + 1000)
    with Ringmaster(folder, {"timeouts": {"keep_alive": "10m"}}) as ringmaster:
        for _ in range(200):
            ringmaster.get("/home")
        before = memory_kib(ringmaster.pid)
        idle = []
        for _ in range(count):
            wire = Wire(ringmaster.proxy)
            if wire.exchange(REQUEST).status != 200:
                result.must(False, "a client was refused")
            idle.append(wire)
        each = (memory_kib(ringmaster.pid) - before) * 1024 / count
        answered = sum(1 for wire in idle[:: max(1, count // 100)] if wire.exchange(REQUEST).status == 200)
        for wire in idle:
            wire.close()
    result.saw(f"{count} connections: {each:.0f} bytes of Pss each; {answered} of a sample answered again")
    result.must(each <= 512, f"{each:.0f} bytes each")
    return result


if __name__ == "__main__":
    main(DRILL, run)
