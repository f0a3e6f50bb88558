"""Load at a given rate, whatever the answers: what a service meets whose clients do not know that it is busy.

Open loop: requests leave by the clock, each on a kept connection that is idle or on a new one, and a latency counts
from the moment at which the request was due. So neither slow answers nor refusals change what is offered.
"""
from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from .wire import Address

PATIENCE_S = 10.0


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


@dataclass
class Offered:
    """`latencies_ms` by status; `heads` of answers that are no 200; `failures` by kind."""
    latencies_ms: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    heads: list[bytes] = field(default_factory=list)
    failures: Counter = field(default_factory=Counter)
    seconds: float = 0.0

    def count(self, status: int) -> int:
        return len(self.latencies_ms[status])

    def admitted_ms(self, percent: float) -> float:
        return percentile(self.latencies_ms[200], percent)

    def text(self) -> str:
        counts = {status: len(values) for status, values in sorted(self.latencies_ms.items())}
        refused = [ms for status, values in self.latencies_ms.items() if status != 200 for ms in values]
        text = f"{counts} in {self.seconds:.1f} s"
        text += f", admitted p50 {self.admitted_ms(50):.0f} p99 {self.admitted_ms(99):.0f}"
        text += f" slowest {self.admitted_ms(100):.0f} ms, refused p99 {percentile(refused, 99):.0f} ms"
        return text + (f", failures {dict(self.failures)}" if self.failures else "")


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _ask(address: Address, idle: list[Connection], request: bytes, due: float, offered: Offered):
    try:
        reader, writer = idle.pop() if idle else await asyncio.open_connection(*address)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        at = lower.index(b"content-length:")
        await reader.readexactly(int(lower[at + 15:lower.index(b"\r\n", at)]))
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        offered.failures[type(error).__name__] += 1
        return
    status = int(head[9:12])
    offered.latencies_ms[status].append((time.monotonic() - due) * 1000)
    if status != 200:
        offered.heads.append(lower)
    if b"connection: close" in lower:
        writer.close()
    else:
        idle.append((reader, writer))


async def _offer(address: Address, rate: float, count: int, request: Callable[[int], bytes]) -> Offered:
    offered, idle, began = Offered(), [], time.monotonic()
    tasks = set()
    for number in range(count):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.create_task(_ask(address, idle, request(number), due, offered))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    offered.seconds = time.monotonic() - began
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=PATIENCE_S)
        for task in late:
            task.cancel()
        if late:
            offered.failures["timeout"] += len(late)
    for _, writer in idle:
        writer.close()
    return offered


def offer(address: Address, rate: float, count: int, request: Callable[[int], bytes]) -> Offered:
    """Sends `count` requests, `rate` of them a second; returns when all are answered."""
    return asyncio.run(_offer(address, rate, count, request))
