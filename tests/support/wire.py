"""A client on a bare socket: sends exactly the bytes it is given, and reads answers as RFC 9112 frames them.

It is written apart from the program's own parser, so that the two can be held against each other.
"""
from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field

Address = tuple[str, int]


class WireError(AssertionError):
    """The peer did not say what HTTP/1.1 demands, or not in time."""


@dataclass
class Answer:
    version: str
    status: int
    reason: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    framing: str = "none"  # none, length, chunked, close

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name: str, default: str | None = None) -> str | None:
        values = self.all(name)
        return values[0] if values else default

    def json(self):
        import json
        return json.loads(self.body)

    @property
    def closes(self) -> bool:
        tokens = ",".join(self.all("connection")).lower()
        return "close" in tokens or (self.version == "HTTP/1.0" and "keep-alive" not in tokens)


def parse_head(head: bytes) -> Answer:
    lines = head.decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    status, _, reason = rest.partition(" ")
    if version not in ("HTTP/1.0", "HTTP/1.1") or len(status) != 3 or not status.isdigit():
        raise WireError(f"no status line: {lines[0]!r}")
    answer = Answer(version, int(status), reason)
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise WireError(f"no header field: {line!r}")
        answer.fields.append((name, value.strip()))
    return answer


class Wire:
    """One connection. Every wait ends after `timeout` seconds with a WireError."""

    def __init__(self, address: Address, timeout: float = 10.0, receive_buffer: int | None = None):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout = timeout
        self.buffer = bytearray()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data: bytes | str):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def _receive(self) -> bytes:
        try:
            data = self.socket.recv(262144)
        except TimeoutError as error:
            raise WireError(f"nothing came for {self.socket.gettimeout()} s; so far {self.buffer[:300]!r}") from error
        self.buffer += data
        return data

    def read_exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if not self._receive():
                raise WireError(f"the stream ended {count - len(self.buffer)} bytes early: {self.buffer[-300:]!r}")
        return self._take(count)

    def _take(self, count: int, separator: int = 0) -> bytes:
        data = bytes(self.buffer[:count])
        del self.buffer[:count + separator]
        return data

    def read_line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            if not self._receive():
                raise WireError(f"the stream ended within a line: {self.buffer[-300:]!r}")
        return self._take(self.buffer.index(b"\r\n"), 2)

    def read_head(self) -> Answer:
        while b"\r\n\r\n" not in self.buffer:
            if not self._receive():
                raise WireError(f"the stream ended before the end of a head: {self.buffer[:300]!r}")
        return parse_head(self._take(self.buffer.index(b"\r\n\r\n"), 4))

    def read_body(self, answer: Answer, method: str = "GET"):
        if method == "HEAD" or answer.status < 200 or answer.status in (204, 304):
            return
        if answer.all("transfer-encoding"):
            codings = [value.lower() for value in answer.all("transfer-encoding")]
            if codings != ["chunked"] or answer.all("content-length"):
                raise WireError(f"ambiguous framing: {answer.fields}")
            answer.framing = "chunked"
            answer.body = self._read_chunks()
        elif answer.all("content-length"):
            if len(answer.all("content-length")) != 1:
                raise WireError(f"ambiguous framing: {answer.fields}")
            answer.framing = "length"
            answer.body = self.read_exactly(int(answer.get("content-length")))
        else:
            answer.framing = "close"
            answer.body = self.read_until_close()

    def _read_chunks(self) -> bytes:
        parts = []
        while True:
            size = int(self.read_line().split(b";")[0], 16)
            if size == 0:
                while self.read_line():
                    pass
                return b"".join(parts)
            parts.append(self.read_exactly(size))
            if self.read_exactly(2) != b"\r\n":
                raise WireError("a chunk does not end with CRLF")

    def read_answer(self, method: str = "GET", interim: bool = False) -> Answer:
        """The next final answer; with `interim` the next one of any kind. 101 counts as final."""
        while True:
            answer = self.read_head()
            if interim or answer.status >= 200 or answer.status == 101:
                self.read_body(answer, method)
                return answer

    def exchange(self, request: bytes | str, method: str = "GET") -> Answer:
        self.send(request)
        return self.read_answer(method)

    def read_until_close(self) -> bytes:
        while self._receive():
            pass
        return self._take(len(self.buffer))

    def expect_end(self, within: float | None = None):
        """The peer ends the stream, in order or by a reset, and says nothing more."""
        self.socket.settimeout(within or self.timeout)
        try:
            rest = self.read_until_close()
        except ConnectionResetError:
            rest = self.buffer
        finally:
            self.socket.settimeout(self.timeout)
        if rest:
            raise WireError(f"bytes after the last answer: {rest[:300]!r}")

    def expect_silence(self, during: float):
        """Neither a byte nor the end comes during that time."""
        self.socket.settimeout(during)
        try:
            data = self.socket.recv(1000)
        except TimeoutError:
            return
        finally:
            self.socket.settimeout(self.timeout)
        raise WireError(f"expected nothing, got {data!r}" if data else "the peer ended the stream")


def exchange(address: Address, method: str, target: str, body: bytes = b"", timeout: float = 10.0,
             **fields: str) -> Answer:
    """One request on a connection of its own. Field names are written with '_' for '-'."""
    lines = [f"{method} {target} HTTP/1.1"]
    names = {name.replace("_", "-").lower(): value for name, value in fields.items()}
    names.setdefault("host", f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}")
    names.setdefault("connection", "close")
    if body or method in ("POST", "PUT", "PATCH"):
        names.setdefault("content-length", str(len(body)))
    lines += [f"{name}: {value}" for name, value in names.items()]
    with Wire(address, timeout) as wire:
        return wire.exchange("\r\n".join(lines).encode() + b"\r\n\r\n" + body, method)


def wait_until(condition, within: float, what: str, step: float = 0.02):
    """Polls what cannot be waited for as an event. Returns the condition's true value."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what}")
        time.sleep(step)
