"""Stands between ringmaster and an engine, passes everything on, and does harm where a test says so."""
from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable

# (method, path without version) -> None: pass on; or one of the harms below.
Choose = Callable[[str, str], "Harm | None"]


class Harm:
    """`answer`: said in place of the engine. `lose_answer`: the engine does it, nobody hears of it. `delay`: before."""

    def __init__(self, answer: bytes = b"", lose_answer: bool = False, delay: float = 0.0):
        self.answer, self.lose_answer, self.delay = answer, lose_answer, delay


def refusal(status: int, message: str) -> Harm:
    body = b'{"message":"%s"}' % message.encode()
    return Harm(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (status, len(body), body))


class FaultProxy:
    def __init__(self, engine_socket: str):
        self.engine_socket = engine_socket
        self.choose: Choose = lambda method, path: None
        self.harmed: list[tuple[str, str]] = []
        self.open: set[socket.socket] = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()
        self.cut()

    def cut(self):
        """Every conversation under way, the events' among them."""
        for one in list(self.open):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def once(self, method: str, pattern: str, harm: Harm):
        """The next request that fits is harmed, the ones after it are not."""
        def choose(asked: str, path: str):
            if self.harmed or asked != method or not re.search(pattern, path):
                return None
            return harm
        self.harmed, self.choose = [], choose

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(client,), daemon=True).start()

    def _converse(self, client: socket.socket):
        self.open.add(client)
        try:
            with client:
                self._exchange(client)
        except OSError:
            pass
        finally:
            self.open.discard(client)

    def _exchange(self, client: socket.socket):
        request = b""
        while b"\r\n\r\n" not in request:
            data = client.recv(65536)
            if not data:
                return
            request += data
        head, _, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        while length and len(body) < int(length.group(1)):
            data = client.recv(65536)
            request, body = request + data, body + data
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        path = re.sub(r"^/v1\.\d+", "", target)
        harm = self.choose(method, path)
        if harm:
            self.harmed.append((method, path))
            time.sleep(harm.delay)
            if harm.answer:
                client.sendall(harm.answer)
                return
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self.engine_socket)
            engine.sendall(request)
            while data := engine.recv(65536):
                if not (harm and harm.lose_answer):
                    client.sendall(data)
