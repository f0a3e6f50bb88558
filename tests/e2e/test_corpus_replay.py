"""Everything that the fuzzers keep, replayed over real sockets: as a client's bytes, and as a replica's.

Each input goes whole and damaged, in one piece and in two. The proxy may refuse, cut or serve what it likes by the law,
but it says well-formed HTTP to clients, it stays up, and it leaks no connection.
"""
from __future__ import annotations

import random
import socket
import threading
from pathlib import Path

from support.ringmaster import Ringmaster
from support.upstream import Upstream, ok
from support.wire import Wire, WireError, wait_until

CORPUS = Path(__file__).resolve().parents[1] / "fuzz/corpus"
INTERESTING = b"\r\n \t:,0\0\x80_;/"
DAMAGED_COPIES = 80
# Nothing may take long to be given up.
SETTINGS = {"timeouts": {"request_header": "300ms", "request_body_idle": "300ms", "response": "300ms",
                         "response_idle": "300ms", "keep_alive": "300ms"},
            "ejection": {"consecutive_failures": 0}}


def inputs(*names: str) -> list[bytes]:
    files = [path for name in names for path in sorted((CORPUS / name.split(":")[0]).glob(name.split(":")[1]))]
    assert len(files) >= 10, f"no corpus: {names}"
    return [path.read_bytes() for path in files]


def damaged(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    byte = bytes([dice.choice(INTERESTING)])
    return data[:at] + byte + data[at + dice.randrange(2):]


def copies(sources: list[bytes], dice: random.Random) -> list[bytes]:
    return [copy for data in sources if data
            for copy in [data, data[:dice.randrange(len(data))], *(damaged(data, dice) for _ in range(DAMAGED_COPIES))]]


def talk(ringmaster: Ringmaster, data: bytes, dice: random.Random) -> bytes:
    """Says it in one piece or two, ends its side, and hears all that comes."""
    cut = dice.choice([len(data), dice.randrange(len(data) + 1)])
    with socket.create_connection(ringmaster.proxy, 10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        heard = b""
        try:
            client.sendall(data[:cut])
            if cut < len(data):
                client.sendall(data[cut:])
            client.shutdown(socket.SHUT_WR)
            while part := client.recv(262144):
                heard += part
        except (ConnectionResetError, BrokenPipeError):
            pass  # it has refused the rest
    return heard


def assert_it_serves(ringmaster: Ringmaster, target: str):
    """On a busy machine the time limits above may hit the good as well, now and then."""
    wait_until(lambda: ringmaster.get(target).status == 200, 10, f"{target} is served")


def assert_nothing_is_left(ringmaster: Ringmaster):
    names = ("client_connections", "exchanges", "tunnels", "replica_in_flight")
    left = {}

    def none() -> bool:
        left.update({name: ringmaster.metric(f"ringmaster_{name}") for name in names})
        return not any(left.values())
    wait_until(none, 10, f"nothing is left: {left}")
    assert ringmaster.metric("ringmaster_completions_stale_total") == 0
    assert ringmaster.process.poll() is None


def test_as_clients_bytes(start_static, upstreams):
    replica = upstreams()
    ringmaster = start_static([replica], SETTINGS)
    dice = random.Random(4)
    heads = inputs("http_request:*", "http_rewriter:request_*")
    post = b"POST /?request_id=1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    bodies = [post + data for data in inputs("http_chunked:*", "http_body:*")]
    answered = 0
    for number, data in enumerate(copies(heads + bodies, dice)):
        heard = talk(ringmaster, data, dice)
        assert not heard or heard.startswith(b"HTTP/1.1 "), (data, heard)
        answered += bool(heard)
        if number % 50 == 0:
            assert_it_serves(ringmaster, f"/home?request_id={number}")
    assert answered > 200
    assert_nothing_is_left(ringmaster)
    assert not [error for error in replica.errors if isinstance(error, (ValueError, AssertionError))
                and not isinstance(error, WireError)], replica.errors


def test_as_a_replicas_bytes(start_static, upstreams):
    next_answer: list[bytes] = []
    lock = threading.Lock()

    def say_next(connection, request):
        if request.target.startswith("/well"):
            connection.send(ok())
            return False
        with lock:
            data = next_answer[-1]
        cut = len(data) // 2
        connection.send(data[:cut])
        connection.send(data[cut:])
        return True
    replica: Upstream = upstreams(say_next)
    ringmaster = start_static([replica], SETTINGS)
    dice = random.Random(5)
    answers = inputs("http_response:*", "http_rewriter:response_*")
    bodies = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data
              for data in inputs("http_chunked:*", "http_body:*")]
    refused = served = 0
    for number, data in enumerate(copies(answers + bodies, dice)):
        with lock:
            next_answer.append(data)
        with Wire(ringmaster.proxy, 10) as client:
            client.send(f"GET /it?request_id={number} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            try:
                head = client.read_head()
                while head.status < 200:
                    head = client.read_head()
            except (WireError, ConnectionResetError) as error:
                raise AssertionError(f"no answer at all to {data!r}: {error}") from error
            assert 200 <= head.status <= 599, (data, head)
            refused += head.status == 502
            served += head.status == 200
        if number % 50 == 0:
            assert_it_serves(ringmaster, f"/well?request_id={number}")
    assert refused > 50 and served > 50, (refused, served)
    assert_it_serves(ringmaster, "/well")
    assert_nothing_is_left(ringmaster)
