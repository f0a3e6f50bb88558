"""A replica that the test scripts byte by byte, and that remembers every byte it was sent."""
from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable

from .wire import Address, WireError

HEARTBEAT_REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def ok(body: bytes = b"ok", *fields: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Received:
    """One request as the replica got it."""

    def __init__(self, head: bytes, connection: "UpstreamConnection"):
        self.head = head
        self.body = b""
        self.connection = connection
        lines = head.decode("latin-1").split("\r\n")
        self.line = lines[0]
        self.method, self.target, self.version = (lines[0].split(" ") + ["", ""])[:3]
        self.fields = [(n.lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines[1:] if line)]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name.lower()]

    def get(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None


class UpstreamConnection:
    def __init__(self, upstream: "Upstream", connected: socket.socket):
        self.upstream = upstream
        self.socket = connected
        self.buffer = bytearray()
        self.bytes = bytearray()  # everything that came, in order
        self.doomed = False

    def _receive(self) -> bool:
        data = self.socket.recv(262144)
        if self.doomed:
            self.reset()
            raise WireError("killed")
        self.buffer += data
        self.bytes += data
        return bool(data)

    def read_request(self) -> Received | None:
        """The next head with its body; None at the end of the stream."""
        request = self.read_request_head()
        if request is not None:
            request.body = self.read_body(request)
        return request

    def read_request_head(self) -> Received | None:
        while b"\r\n\r\n" not in self.buffer:
            if not self._receive():
                return None
        return Received(self._take(self.buffer.index(b"\r\n\r\n"), 4), self)

    def read_body(self, request: Received) -> bytes:
        if request.all("transfer-encoding"):
            return self._read_chunks()
        return self.read_exactly(int(request.get("content-length") or 0))

    def read_exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if not self._receive():
                raise WireError("the proxy ended the stream within a body")
        return self._take(count)

    def _take(self, count: int, separator: int = 0) -> bytes:
        data = bytes(self.buffer[:count])
        del self.buffer[:count + separator]
        return data

    def _read_line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            if not self._receive():
                raise WireError("the proxy ended the stream within a line")
        return self._take(self.buffer.index(b"\r\n"), 2)

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while size := int(self._read_line(), 16):
            body += self.read_exactly(size)
            assert self.read_exactly(2) == b"\r\n"
        while self._read_line():
            pass
        return bytes(body)

    def wait_end(self) -> bytes:
        """Whatever else comes until the proxy ends the stream."""
        while self._receive():
            pass
        return bytes(self.buffer)

    def send(self, data: bytes):
        self.socket.sendall(data)

    def close(self):
        self.socket.close()

    def end(self):
        self.socket.shutdown(socket.SHUT_WR)

    def kill(self):
        """From another thread: reset as soon as possible. A close while its own thread waits in recv(2) would do
        nothing until that returns; ending the receiving side sends nothing, and wakes it."""
        self.doomed = True
        try:
            self.socket.shutdown(socket.SHUT_RD)
        except OSError:
            pass  # it has ended by itself

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Script = Callable[[UpstreamConnection, Received], bool | None]


def answer_ok(connection: UpstreamConnection, request: Received):
    connection.send(ok())


class HeldPort:
    """A port of loopback on which nobody listens, and that nobody else is given meanwhile.

    It is bound and does not listen, so that connections are refused, while whoever sets SO_REUSEADDR, as every server
    does, can bind it too and listen (socket(7)). A port that was merely closed may be somebody's in the next moment.
    """

    def __init__(self):
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.number = self._holder.getsockname()[1]

    def close(self):
        self._holder.close()

    def __enter__(self) -> "HeldPort":
        return self

    def __exit__(self, *_):
        self.close()


class Upstream:
    """Listens on a port of its own. Heartbeats are answered by themselves and not remembered.

    `script(connection, request)` is called for every other request, its body not read yet where `read_bodies` is
    false; a true return value ends the connection.
    """

    def __init__(self, script: Script = answer_ok, read_bodies: bool = True, timeout: float = 20.0,
                 port: int = 0):
        self.script = script
        self.read_bodies = read_bodies
        self.timeout = timeout
        self.requests: list[Received] = []
        self.connections: list[UpstreamConnection] = []  # those that carried something else than heartbeats
        self.errors: list[BaseException] = []
        self.healthy = True
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self._open: set[socket.socket] = set()
        self._closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> Address:
        return self._listener.getsockname()[:2]

    @property
    def text(self) -> str:
        return "%s:%d" % self.address

    def shrink_receive_buffer(self, size: int):
        """Of connections still to come."""
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    def close(self):
        """Ends every connection too. A thread that waits in the kernel is woken by shutdown(2), not by close(2)."""
        self._closing = True
        for one in [self._listener, *self._open]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself
            one.close()

    def __enter__(self) -> "Upstream":
        return self

    def __exit__(self, *_):
        self.close()

    def wait_requests(self, count: int, within: float = 5.0) -> list[Received]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, within), \
                f"{len(self.requests)} requests reached the replica, expected {count}"
            return list(self.requests)

    @property
    def bytes(self) -> bytes:
        """All that came on all connections, heartbeats left out."""
        return b"".join(bytes(connection.bytes) for connection in self.connections)

    def _accept(self):
        while not self._closing:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            connected.settimeout(self.timeout)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(connected)
            threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected: socket.socket):
        connection = UpstreamConnection(self, connected)
        try:
            while (request := connection.read_request_head()) is not None:
                if request.target == "/heartbeat":
                    connection.send(HEARTBEAT_REPLY if self.healthy else
                                    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
                    connection.bytes.clear()
                    continue
                self._remember(connection, request)
                if self.read_bodies:
                    request.body = connection.read_body(request)
                if self.script(connection, request):
                    break
        except (OSError, WireError) as error:
            self.errors.append(error)
        finally:
            self._open.discard(connected)
            connected.close()

    def _remember(self, connection: UpstreamConnection, request: Received):
        with self._changed:
            if connection not in self.connections:
                self.connections.append(connection)
            self.requests.append(request)
            self._changed.notify_all()
