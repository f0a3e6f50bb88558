"""Load from many keep-alive clients on bare sockets, every answer looked at: "not one failed request".

Closed loop: each client has one request under way and sends the next when the answer is complete. One thread with an
event loop of its own; some ten thousand requests a second, enough to have an exchange in every state whenever
something is killed. A request whose answer does not come in `timeout` counts as failed.
"""
from __future__ import annotations

import asyncio
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from .wire import Address

MakeRequest = Callable[[int], bytes]
CheckAnswer = Callable[[int, int, bytes, bytes], str | None]  # sequence, status, head, body -> what is wrong


@dataclass
class Report:
    statuses: Counter = field(default_factory=Counter)
    failures: Counter = field(default_factory=Counter)  # by kind: refused, reset, closed early, timeout, truncated, …
    closed_idle: int = 0   # the peer ended a connection as the next request was on its way; no byte of it was answered
    latencies: array = field(default_factory=lambda: array("d"))
    ends: array = field(default_factory=lambda: array("d"))  # monotonic time of each answer's end
    bodies: Counter = field(default_factory=Counter)         # by classify(body)
    examples: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def answered(self) -> int:
        return sum(self.statuses.values())

    @property
    def slowest_ms(self) -> float:
        return max(self.latencies, default=0.0) * 1000

    def percentile_ms(self, percent: float) -> float:
        if not self.latencies:
            return 0.0
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000

    def rate_between(self, begin: float, end: float) -> float:
        """Answers a second between two monotonic times."""
        return sum(1 for moment in self.ends if begin <= moment < end) / (end - begin)

    def text(self) -> str:
        return (f"{self.answered} answers in {self.seconds:.2f} s, statuses {dict(self.statuses)}, failures "
                f"{dict(self.failures)}, p50 {self.percentile_ms(50):.2f} ms, p99 {self.percentile_ms(99):.2f} ms, "
                f"slowest {self.slowest_ms:.1f} ms {self.examples[:5]}")

    def assert_all_ok(self, at_least: int = 1):
        assert self.answered >= at_least, f"too few requests for a verdict: {self.text()}"
        assert not self.failures and set(self.statuses) == {200} and not self.closed_idle, self.text()


def get(target: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: load.test", *fields]).encode() + b"\r\n\r\n"


class _Client(asyncio.Protocol):
    def __init__(self, load: "Load"):
        self.load = load
        self.ended = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self.sequence = -1
        self.began = 0.0
        self.waiting = False
        self.answers = 0  # on this connection
        self.buffer = bytearray()
        self.head: bytes = b""
        self.status = 0
        self.length = -1  # -2: chunked, -3: to the end of the stream

    def connection_made(self, transport):
        self.transport = transport
        self.load.connected.add(self)
        self.next()

    def next(self):
        if self.load.take_turn():
            self.sequence = self.load.next_sequence()
            self.began = time.monotonic()
            self.waiting = True
            self.transport.write(self.load.make_request(self.sequence))
        else:
            self.transport.close()

    def data_received(self, data: bytes):
        self.buffer += data
        while self.waiting:
            if not self.head and not self._read_head():
                return
            body = self._take_body()
            if body is None:
                return
            self._answered(body)

    def _read_head(self) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self.buffer[:end + 2])
        del self.buffer[:end + 4]
        self.status = int(head[9:12])
        if self.status < 200:
            return self._read_head()
        lower = head.lower()
        at = lower.find(b"\r\ncontent-length:")
        if at >= 0:
            self.length = int(lower[at + 17:lower.index(b"\r\n", at + 2)])
        elif b"\r\ntransfer-encoding: chunked\r\n" in lower:
            self.length = -2
        else:
            self.length = 0 if self.status in (204, 304) else -3
        self.head = lower
        return True

    def _take_body(self) -> bytes | None:
        if self.length >= 0:
            if len(self.buffer) < self.length:
                return None
            body = bytes(self.buffer[:self.length])
            del self.buffer[:self.length]
            return body
        if self.length == -2:
            return self._take_chunks()
        return None

    def _take_chunks(self) -> bytes | None:
        body, at = b"", 0
        while True:
            line_end = self.buffer.find(b"\r\n", at)
            if line_end < 0:
                return None
            size = int(bytes(self.buffer[at:line_end]).split(b";")[0], 16)
            if len(self.buffer) < line_end + 2 + size + 2:
                return None
            body += self.buffer[line_end + 2:line_end + 2 + size]
            at = line_end + 2 + size + 2
            if size == 0:
                del self.buffer[:at]
                return body

    def _answered(self, body: bytes):
        now = time.monotonic()
        report = self.load.report
        report.statuses[self.status] += 1
        report.latencies.append(now - self.began)
        report.ends.append(now)
        wrong = self.load.check(self.sequence, self.status, self.head, body) if self.load.check else None
        if wrong:
            self.load.failed("mismatch", wrong)
        if self.load.classify:
            report.bodies[self.load.classify(body)] += 1
        if self.status >= 400 and len(report.examples) < 5:
            report.examples.append(f"{self.status} {body[:120]!r}")
        closes = b"\r\nconnection: close\r\n" in self.head
        self.waiting, self.head, self.answers = False, b"", self.answers + 1
        if closes or self.load.fresh_connections:
            self.transport.close()
        else:
            self.next()

    def fail(self, kind: str):
        if self.waiting:
            self.waiting = False
            self.load.failed(kind, f"request {self.sequence}: {kind}")
        self.transport.abort()

    def connection_lost(self, error):
        self.load.connected.discard(self)
        if self.waiting:
            if self.length == -3 and self.head and error is None:
                self._answered(bytes(self.buffer))
            elif (self.answers or self.load.refusal_ends) and not self.head and not self.buffer:
                self.load.report.closed_idle += 1
            else:
                kind = "reset" if error else ("truncated" if self.head or self.buffer else "closed early")
                self.load.failed(kind, f"request {self.sequence}: {kind}")
            self.waiting = False
        self.ended.set_result(None)


class Load:
    """`with Load(address, clients=32) as load: kill something; load.stop().assert_all_ok()`

    Ends by itself after `requests` answers where that is given. `make_request(sequence)` gives the bytes of each
    request; `check` looks at each answer; `classify(body)` names what is counted in report.bodies.
    """

    def __init__(self, address: Address, clients: int = 32, make_request: MakeRequest | None = None,
                 target: str = "/home", requests: int | None = None, timeout: float = 10.0,
                 check: CheckAnswer | None = None, classify: Callable[[bytes], str] | None = None,
                 fresh_connections: bool = False, refusal_ends: bool = False, pause: float = 0.0):
        fixed = get(target)
        self.address = address
        self.clients = clients
        self.make_request = make_request or (lambda _: fixed)
        self.limit = requests
        self.timeout = timeout
        self.check = check
        self.classify = classify
        self.fresh_connections = fresh_connections
        self.refusal_ends = refusal_ends  # a refused connection is the end of that client, not a failure; one
                                          # whose handshake met the close of the listener is as good as refused
        self.pause = pause                # before a connection is opened again
        self.report = Report()
        self.connected: set[_Client] = set()
        self._sequence = 0
        self._stopping = False
        self._first = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)

    # --- the test's thread --------------------------------------------------------------------------------------------
    def start(self) -> "Load":
        """Without waiting for a first connection: there may be none."""
        self._thread.start()
        return self

    def __enter__(self) -> "Load":
        self.start()
        assert self._first.wait(20), "the load could not start"
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def answered(self) -> int:
        return self.report.answered

    def wait_answered(self, count: int, within: float = 30.0):
        """Until that many further answers have come."""
        target, deadline = self.answered + count, time.monotonic() + within
        while self.answered < target:
            assert time.monotonic() < deadline, f"{self.answered} of {target} answers: {self.report.text()}"
            assert self._thread.is_alive(), f"the load ended early: {self.report.text()}"
            time.sleep(0.005)

    def stop(self) -> Report:
        """Lets the requests under way finish; the report is complete after it."""
        self._stopping = True
        return self.join()

    def join(self, within: float = 600.0) -> Report:
        self._thread.join(within)
        assert not self._thread.is_alive(), f"the load does not end: {self.report.text()}"
        return self.report

    # --- the load's thread --------------------------------------------------------------------------------------------
    def take_turn(self) -> bool:
        return not self._stopping and (self.limit is None or self._sequence < self.limit)

    def next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence - 1

    def failed(self, kind: str, example: str):
        self.report.failures[kind] += 1
        if len(self.report.examples) < 5:
            self.report.examples.append(example)

    async def _main(self):
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        watch = asyncio.create_task(self._watch())
        await asyncio.gather(*(self._client(loop) for _ in range(self.clients)))
        watch.cancel()
        self.report.seconds = time.monotonic() - began
        self._first.set()

    async def _client(self, loop: asyncio.AbstractEventLoop):
        while self.take_turn():
            client = _Client(self)
            try:
                await asyncio.wait_for(loop.create_connection(lambda: client, *self.address), self.timeout)
            except (OSError, asyncio.TimeoutError) as error:
                if self.refusal_ends:
                    return
                if self.take_turn():
                    kind = "refused" if isinstance(error, ConnectionRefusedError) else "connect failed"
                    self.failed(kind, repr(error))
                await asyncio.sleep(max(self.pause, 0.01))
                continue
            self._first.set()
            await client.ended
            if self.pause:
                await asyncio.sleep(self.pause)

    async def _watch(self):
        while True:
            await asyncio.sleep(0.1)
            late = time.monotonic() - self.timeout
            for client in [c for c in self.connected if c.waiting and c.began < late]:
                client.fail("timeout")
