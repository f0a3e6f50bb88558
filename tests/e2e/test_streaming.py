"""Bodies of any size pass with the process's memory flat, and whoever stops reading makes the other side stop.

The size is RINGMASTER_BODY_MIB, 300 unless set; 10240 is the promise of the README.
"""
from __future__ import annotations

import os
import threading
import time

import pytest
from support.processes import memory_kib
from support.ringmaster import SANITIZED
from support.wire import Wire

MIB = 1 << 20
BODY_BYTES = int(os.environ.get("RINGMASTER_BODY_MIB", "24" if SANITIZED else "300")) * MIB
MEMORY_KIB_MAX = 64 * 1024 * (8 if SANITIZED else 1)


class MemoryWatch:
    """The process's largest Pss while the block runs."""

    def __init__(self, pid: int):
        self.pid, self.before_kib, self._ended = pid, memory_kib(pid), threading.Event()
        self.peak_kib = self.before_kib
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self._ended.wait(0.05):
            self.peak_kib = max(self.peak_kib, memory_kib(self.pid))

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def judge(self):
        print(f"{BODY_BYTES // MIB} MiB: {self.before_kib} KiB of Pss before, {self.peak_kib} KiB at most")
        assert self.peak_kib < MEMORY_KIB_MAX, self.peak_kib


def drain(wire: Wire, count: int, pause_every: int = 0, pause: float = 0.0) -> int:
    """Reads count bytes without keeping them."""
    left = count - len(wire.buffer)
    wire.buffer.clear()
    next_pause = pause_every
    scratch = bytearray(1 << 18)
    while left > 0:
        got = wire.socket.recv_into(scratch, min(left, len(scratch)))
        if not got:
            break
        left -= got
        if pause_every and count - left >= next_pause:
            next_pause += pause_every
            time.sleep(pause)
    return count - left


@pytest.mark.smoke
@pytest.mark.seconds(1800)
def test_a_large_download_leaves_memory_flat(start):
    ringmaster = start()
    with MemoryWatch(ringmaster.pid) as memory, ringmaster.connect(60) as wire:
        wire.send(f"GET /bytes/{BODY_BYTES} HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = wire.read_head()
        assert answer.status == 200 and int(answer.get("content-length")) == BODY_BYTES
        assert drain(wire, BODY_BYTES) == BODY_BYTES
        assert wire.exchange("GET /home HTTP/1.1\r\nHost: x\r\n\r\n").status == 200  # the stream is still in step
    memory.judge()


@pytest.mark.smoke
@pytest.mark.seconds(1800)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_leaves_memory_flat(start, chunked):
    ringmaster = start()
    piece = bytes(range(256)) * 1024  # 256 KiB
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {BODY_BYTES}"
    with MemoryWatch(ringmaster.pid) as memory, ringmaster.connect(60) as wire:
        wire.send(f"POST /upload HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n")
        for _ in range(BODY_BYTES // len(piece)):
            wire.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            wire.send(b"0\r\n\r\n")
        answer = wire.read_answer()
        assert answer.status == 200 and str(BODY_BYTES).encode() in answer.body
    memory.judge()


def test_a_slow_reader_holds_the_replica_back_and_memory_flat(start_static, upstreams):
    """The client reads nothing for a while: what the replica could send is bounded by buffers, not by the body."""
    sent = {"bytes": 0}
    piece = b"x" * 65536
    total = 64 * MIB

    def script(connection, _request):
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n".encode())
        while sent["bytes"] < total:
            connection.send(piece)
            sent["bytes"] += len(piece)
    ringmaster = start_static([upstreams(script, timeout=60)])
    before = memory_kib(ringmaster.pid)
    with ringmaster.connect(60, receive_buffer=16384) as wire:
        wire.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.read_head().status == 200
        last = -1
        while sent["bytes"] != last:  # until it stands still
            last = sent["bytes"]
            time.sleep(0.5)
        assert last < 32 * MIB, "the proxy takes from the replica what the client does not read"
        assert memory_kib(ringmaster.pid) - before < 8 * 1024
        assert drain(wire, total) == total


def test_twenty_slow_readers_keep_memory_flat(start):
    ringmaster = start()
    before = memory_kib(ringmaster.pid)
    wires = [ringmaster.connect(60, receive_buffer=16384) for _ in range(20)]
    for wire in wires:
        wire.send(f"GET /bytes/{64 * MIB} HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.read_head().status == 200
    time.sleep(1)
    grown = memory_kib(ringmaster.pid) - before
    for wire in wires:
        wire.close()
    # Each holds two buffers of 512 KiB, one that is being sent and one that has come; the rest is what came before
    # them, with its head, into the provided ones, which double where they are short.
    assert grown < 20 * 2 * 512 + 14 * 1024, f"{grown} KiB for 20 stopped readers"
    assert ringmaster.get("/home").status == 200


def test_a_slow_writer_costs_nobody_else(start):
    """A byte now and then, within the idle time: it arrives whole, and the others do not wait for it."""
    ringmaster = start()
    with ringmaster.connect(30) as wire:
        wire.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n")
        for number in range(40):
            wire.send(b"%x" % (number % 16))
            assert ringmaster.get("/home").status == 200  # while the body is not whole
            time.sleep(0.02)
        answer = wire.read_answer()
    assert answer.status == 200 and b"0123456789abcdef0123456789abcdef01234567" in answer.body


def test_a_replica_that_does_not_read_holds_the_client_back(start_static, upstreams):
    release = threading.Event()

    def script(connection, request):
        release.wait(30)
        connection.read_body(request)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    ringmaster = start_static([upstreams(script, read_bodies=False, timeout=60)])
    before = memory_kib(ringmaster.pid)
    total = 48 * MIB
    with ringmaster.connect(60) as wire:
        wire.send(f"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: {total}\r\n\r\n")
        wire.socket.settimeout(1.5)
        sent = 0
        try:
            while sent < total:
                sent += wire.socket.send(b"y" * min(65536, total - sent))
        except TimeoutError:
            pass
        assert sent < 32 * MIB, "the proxy takes from the client what the replica does not read"
        assert memory_kib(ringmaster.pid) - before < 8 * 1024
        release.set()
        wire.socket.settimeout(60)
        while sent < total:
            sent += wire.socket.send(b"y" * min(65536, total - sent))
        assert wire.read_answer().status == 200
