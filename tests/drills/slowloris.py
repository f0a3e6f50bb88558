#!/usr/bin/python3
"""Thousands of clients that send a head byte by byte, and others who must not notice."""
from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.drill import Drill, Result, allow_descriptors, main, slack  # noqa: E402
from support.load import Load, Report  # noqa: E402
from support.processes import memory_kib  # noqa: E402
from support.ringmaster import Ringmaster  # noqa: E402

DRILL = Drill("4,000 slowloris connections", "others' p99 at most 2 ms more, all closed at the header timeout, "
              "<= 4 KiB of memory each", "HAProxy 4.9 KB, nginx 8.7 KB each")
HEADER_SECONDS = 6


def measure(ringmaster: Ringmaster, requests: int) -> Report:
    with Load(ringmaster.proxy, 8, requests=requests) as load:
        return load.join()


def open_slow(ringmaster: Ringmaster, count: int) -> list[socket.socket]:
    slow = []
    for _ in range(count):
        one = socket.create_connection(ringmaster.proxy)
        one.setblocking(False)
        one.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        slow.append(one)
    return slow


def ended(one: socket.socket) -> bool:
    """Closed by the proxy, with or without a 408 before it."""
    try:
        while data := one.recv(4096):
            if not data.startswith(b"HTTP/1.1 408"):
                return False
        return True
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def run(folder: Path, scale: float) -> Result:
    result = Result()
    count = max(400, int(4000 * scale))
    requests = max(2000, int(10_000 * scale))
    allow_descriptors(2 * count + 1000)
    with Ringmaster(folder, {"timeouts": {"request_header": f"{HEADER_SECONDS}s"}}) as ringmaster:
        measure(ringmaster, requests)
        before = measure(ringmaster, requests)
        memory = memory_kib(ringmaster.pid)
        began = time.monotonic()
        slow = open_slow(ringmaster, count)
        for one in slow:
            one.send(b"a")
        during = measure(ringmaster, min(requests, 2000))
        each = (memory_kib(ringmaster.pid) - memory) * 1024 / count
        measured_in = time.monotonic() - began
        still_open = slow
        while still_open and time.monotonic() < began + measured_in + HEADER_SECONDS + 3:
            still_open = [one for one in still_open if not ended(one)]
            time.sleep(0.2)
        closed = count - len(still_open)
        for one in slow:
            one.close()
    result.saw(f"{count} connections: p99 {before.percentile_ms(99):.2f} ms before, "
               f"{during.percentile_ms(99):.2f} ms with them; {each:.0f} bytes each; {closed} closed at "
               "the header timeout")
    result.must(measured_in < HEADER_SECONDS, "the machine was too slow to measure before the timeout")
    result.must(during.percentile_ms(99) <= before.percentile_ms(99) + 2 * slack(scale), "the others wait longer")
    result.must(closed == count, f"{count - closed} are still open")
    result.must(each <= 4096, f"{each:.0f} bytes each")
    return result


if __name__ == "__main__":
    main(DRILL, run)
