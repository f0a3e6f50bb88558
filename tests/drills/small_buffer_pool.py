#!/usr/bin/python3
"""Uploads through a receive-buffer pool that is far too small."""
from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.drill import Drill, Result, main, slack  # noqa: E402
from support.ringmaster import Ringmaster  # noqa: E402

DRILL = Drill("receive-buffer pool of 16, 200 uploads of 1 MB at once",
              "0 errors, 0 stalls over 1 s, the counter shows that ENOBUFS happened", "none measured")
BODY = bytes(1_000_000)


async def upload(ringmaster: Ringmaster, stalls: list[float]) -> bool:
    reader, writer = await asyncio.open_connection(*ringmaster.proxy)
    writer.write(b"POST /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY))
    for at in range(0, len(BODY), 50_000):
        began = time.monotonic()
        writer.write(BODY[at:at + 50_000])
        await asyncio.wait_for(writer.drain(), 20)
        stalls.append(time.monotonic() - began)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer.startswith(b"HTTP/1.1 200") and b"1000000" in answer


async def upload_all(ringmaster: Ringmaster, count: int, stalls: list[float]) -> int:
    done = await asyncio.gather(*(upload(ringmaster, stalls) for _ in range(count)), return_exceptions=True)
    return sum(1 for one in done if one is not True)


def run(folder: Path, scale: float) -> Result:
    result = Result()
    count = max(100, int(200 * scale))
    with Ringmaster(folder, {"proxy": {"receive_buffers": 16, "workers": 1}}) as ringmaster:
        stalls: list[float] = []
        began = time.monotonic()
        errors = asyncio.run(upload_all(ringmaster, count, stalls))
        seconds = time.monotonic() - began
        empty = ringmaster.metric("ringmaster_receive_enobufs_total")
    result.saw(f"{count} uploads in {seconds:.1f} s: {errors} errors, longest stall {max(stalls):.2f} s, "
               f"{empty:.0f} times ENOBUFS")
    result.must(errors == 0, f"{errors} uploads failed")
    result.must(max(stalls) <= slack(scale), f"a client stood still for {max(stalls):.2f} s")
    result.must(empty > 0, "the pool was never empty: the drill shows nothing")
    return result


if __name__ == "__main__":
    main(DRILL, run)
