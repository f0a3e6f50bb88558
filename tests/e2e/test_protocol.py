"""HTTP/1.1 and 1.0 through the proxy: order, framing both ways, interim answers, HEAD, what the replica receives."""
from __future__ import annotations

import socket
import struct
import threading
import time

import pytest
from support.upstream import ok
from support.wire import Wire, WireError


def request(target: str = "/", *fields: str, method: str = "GET", version: str = "1.1") -> str:
    return "\r\n".join([f"{method} {target} HTTP/{version}", "Host: x", *fields]) + "\r\n\r\n"


@pytest.mark.smoke
def test_pipelined_requests_are_answered_in_order(start):
    """The first is the slowest and they go to different replicas: the order is the client's all the same."""
    ringmaster = start()
    with ringmaster.connect() as wire:
        targets = [f"/delay/{(20 - k) * 10}?request_id={k}" for k in range(20)]
        wire.send("".join(request(f"/echo?request_id={k}&wait={target}") for k, target in enumerate(targets)))
        for k in range(20):
            answer = wire.read_answer()
            assert answer.status == 200 and f"request_id={k}&".encode() in answer.body
        wire.send(request("/delay/300?request_id=1") + request("/home?request_id=2") + request("/status/204"))
        assert [wire.read_answer().status for _ in range(3)] == [200, 200, 204]


def test_more_pipelined_requests_than_the_depth_wait_and_are_all_answered(start):
    ringmaster = start({"limits": {"pipeline_depth": 4}})
    with ringmaster.connect(30) as wire:
        sender = threading.Thread(target=lambda: wire.send("".join(request(f"/echo?k={k}&") for k in range(500))))
        sender.start()
        for k in range(500):
            assert f"k={k}&".encode() in wire.read_answer().body
        sender.join()


def test_pipelined_posts_keep_their_bodies_apart(start):
    ringmaster = start()
    with ringmaster.connect() as wire:
        for k in range(7):
            wire.send(request(f"/echo?k={k}", f"Content-Length: {k * 37}", method="POST") + "abcdefg"[k] * (k * 37))
        for k in range(7):
            answer = wire.read_answer()
            assert f"k={k}".encode() in answer.body and answer.body.count(b"abcdefg"[k:k + 1] * 37) >= k


def test_a_request_in_single_bytes_is_one_request(start):
    ringmaster = start()
    with ringmaster.connect() as wire:
        for byte in b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello":
            wire.send(bytes([byte]))
        assert b"hello" in wire.read_answer().body


@pytest.mark.parametrize("version, fields, stays", [
    ("1.1", (), True), ("1.1", ("Connection: close",), False), ("1.1", ("Connection: Keep-Alive, Close",), False),
    ("1.0", (), False), ("1.0", ("Connection: keep-alive",), True)])
def test_the_connection_stays_as_long_as_version_and_field_say(start, version, fields, stays):
    ringmaster = start()
    with ringmaster.connect() as wire:
        answer = wire.exchange(request("/home", *fields, version=version))
        assert answer.status == 200
        if stays:
            assert not answer.closes
            assert wire.exchange(request("/home")).status == 200
        else:
            assert answer.closes
            wire.expect_end(3)


@pytest.mark.parametrize("script_name", ["length", "chunked", "close"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_every_framing_of_an_answer_reaches_every_client(start_static, upstreams, script_name, version):
    body = b"a body of some length " * 50

    def script(connection, _request):
        if script_name == "length":
            connection.send(ok(body))
        elif script_name == "chunked":
            pieces = [body[i:i + 300] for i in range(0, len(body), 300)]
            chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks +
                            b"0\r\nX-Trailer: 1\r\n\r\n")
        else:
            connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + body)
            return True
        return None
    ringmaster = start_static([upstreams(script)])
    with ringmaster.connect() as wire:
        answer = wire.exchange(request(version=version))
        assert answer.body == body and answer.version == "HTTP/1.1"
        if version == "1.0":
            assert answer.framing in ("length", "close")  # never chunked
            wire.expect_end(3)
        else:
            assert answer.framing == ("length" if script_name == "length" else "chunked")
            assert not answer.all("x-trailer")
            assert wire.exchange(request()).body == body  # the connection is kept


def test_a_chunked_request_arrives_whole_and_stays_framed(start_static, upstreams):
    upstream = upstreams()
    ringmaster = start_static([upstream])
    with ringmaster.connect() as wire:
        wire.send(request("/a", "Transfer-Encoding: chunked", method="POST"))
        for piece in (b"one ", b"two ", b"three" * 2000):
            wire.send(b"%X;name=\"v\"\r\n%s\r\n" % (len(piece), piece))
            time.sleep(0.02)
        wire.send(b"000\r\nTrailer: t\r\n\r\n")
        assert wire.read_answer().status == 200
        assert wire.exchange(request("/b")).status == 200
    first, second = upstream.wait_requests(2)
    assert first.body == b"one two " + b"three" * 2000 and second.target == "/b" and second.body == b""
    assert b"Trailer" not in upstream.bytes and b"name=" not in upstream.bytes


def test_head_has_no_body_and_keeps_the_connection_in_step(start):
    ringmaster = start()
    with ringmaster.connect() as wire:
        answer = wire.exchange(request("/bytes/5000", method="HEAD"), "HEAD")
        assert answer.status == 200 and answer.get("content-length") == "5000"
        assert wire.exchange(request("/bytes/5")).body == bytes(range(5))


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_have_none(start_static, upstreams, status):
    ringmaster = start_static([upstreams(
        lambda connection, _: connection.send(f"HTTP/1.1 {status} Nothing\r\nX-A: 1\r\n\r\n".encode()))])
    with ringmaster.connect() as wire:
        for _ in range(3):
            answer = wire.exchange(request())
            assert answer.status == status and answer.get("x-a") == "1" and not answer.all("transfer-encoding")


def test_expect_100_continue_is_answered_and_not_passed_on(start_static, upstreams):
    upstream = upstreams()
    ringmaster = start_static([upstream])
    with ringmaster.connect() as wire:
        wire.send(request("/", "Expect: 100-continue", "Content-Length: 5", method="PUT"))
        assert wire.read_answer(interim=True).status == 100
        wire.send(b"hello")
        assert wire.read_answer().status == 200
    received = upstream.wait_requests(1)[0]
    assert received.body == b"hello" and not received.all("expect")


def test_expect_with_the_body_already_there_is_served(start_static, upstreams):
    upstream = upstreams()
    ringmaster = start_static([upstream])
    with ringmaster.connect() as wire:
        wire.send(request("/", "Expect: 100-Continue", "Content-Length: 5", method="PUT") + "hello")
        assert wire.read_answer().status == 200
        assert wire.exchange(request("/next")).status == 200
    assert upstream.wait_requests(2)[0].body == b"hello"


def test_an_unknown_expectation_is_417(start):
    assert start().get("/home", expect="a-miracle").status == 417


def test_http10_clients_never_get_a_100(start):
    ringmaster = start()
    with ringmaster.connect() as wire:
        wire.send(request("/echo", "Expect: 100-continue", "Content-Length: 5", method="PUT", version="1.0") + "hello")
        assert wire.read_answer(interim=True).status == 200


def test_interim_answers_pass_to_11_clients_and_not_to_10(start_static, upstreams):
    def script(connection, _request):
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * 2 + ok(b"done"))
    ringmaster = start_static([upstreams(script)])
    with ringmaster.connect() as wire:
        wire.send(request())
        answers = [wire.read_answer(interim=True) for _ in range(3)]
        assert [answer.status for answer in answers] == [103, 103, 200] and answers[0].get("link") == "</a.css>"
        assert wire.exchange(request()).body == b"done"
    with ringmaster.connect() as wire:
        wire.send(request(version="1.0"))
        assert wire.read_answer(interim=True).status == 200


def test_too_many_interim_answers_are_502(start_static, upstreams):
    ringmaster = start_static([upstreams(
        lambda connection, _: connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50 + ok()))])
    with ringmaster.connect() as wire:
        wire.send(request())
        statuses = []
        while not statuses or statuses[-1] < 200:
            statuses.append(wire.read_answer(interim=True).status)
        assert statuses[-1] == 502 and len(statuses) <= 9


def test_the_replica_receives_a_rewritten_head(start_static, upstreams):
    upstream = upstreams()
    ringmaster = start_static([upstream])
    with ringmaster.connect() as wire:
        wire.exchange("GET http://Example.com:80/p%20a/../b?q=1&r=%zz HTTP/1.1\r\nHOST: Example.com:80\r\n"
                      "X-Custom:   spaced value \t\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n"
                      "X-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\nKeep-Alive: timeout=5\r\n"
                      "Proxy-Connection: keep-alive\r\nTE: trailers\r\nConnection: X-Gone\r\nX-Gone: 1\r\n"
                      "X_Under: 1\r\nAuthorization: Basic abc\r\nCookie: a=1\r\n\r\n")
    got = upstream.wait_requests(1)[0]
    assert got.line == "GET /p%20a/../b?q=1&r=%zz HTTP/1.1"
    assert got.all("host") == ["Example.com:80"]
    assert got.get("x-custom") == "spaced value"
    assert got.get("authorization") == "Basic abc" and got.get("cookie") == "a=1"
    assert got.all("x-forwarded-for") == ["127.0.0.1"]
    assert got.all("x-forwarded-proto") == ["http"] and got.all("x-forwarded-host") == ["Example.com:80"]
    for gone in ("forwarded", "keep-alive", "proxy-connection", "te", "x-gone", "x_under"):
        assert not got.all(gone), gone
    assert "6.6.6.6" not in got.head.decode() and b"\r\n " not in got.head


def test_hop_by_hop_fields_of_an_answer_are_removed(start_static, upstreams):
    ringmaster = start_static([upstreams(lambda connection, _: connection.send(
        ok(b"x", "Connection: X-Hop", "X-Hop: 1", "Keep-Alive: timeout=9", "Proxy-Authenticate: Basic", "X-End: 2",
           "Set-Cookie: a=1", "Set-Cookie: b=2")))])
    answer = ringmaster.get("/")
    assert not answer.all("x-hop") and not answer.all("keep-alive")
    assert answer.get("x-end") == "2" and answer.all("set-cookie") == ["a=1", "b=2"]


def test_via_is_an_option(start_static, upstreams):
    upstream = upstreams()
    with_via = start_static([upstream], {"proxy": {"via": True}})
    assert with_via.get("/").all("via")
    assert upstream.wait_requests(1)[0].all("via")
    without = start_static([upstream])
    assert not without.get("/").all("via") and not upstream.wait_requests(2)[1].all("via")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "REPORT", "PURGE",
                                    "QUERY"])
def test_every_method_is_forwarded_as_it_is(start_static, upstreams, method):
    upstream = upstreams()
    ringmaster = start_static([upstream])
    with ringmaster.connect() as wire:
        assert wire.exchange(request("/m", "Content-Length: 2", method=method) + "hi", method).status == 200
    got = upstream.wait_requests(1)[0]
    assert got.method == method and got.body == b"hi"


def test_options_star_is_forwarded(start_static, upstreams):
    upstream = upstreams()
    ringmaster = start_static([upstream])
    with ringmaster.connect() as wire:
        assert wire.exchange(request("*", method="OPTIONS")).status == 200
    assert upstream.wait_requests(1)[0].target == "*"


def test_upstream_connections_are_kept_and_reused(start_static, upstreams):
    upstream = upstreams()
    ringmaster = start_static([upstream])
    for _ in range(20):
        assert ringmaster.get("/").status == 200
    assert len(upstream.wait_requests(20)) == 20
    assert len(upstream.connections) <= 2


@pytest.mark.parametrize("method, tried", [("GET", 2), ("PUT", 2), ("DELETE", 2), ("POST", 1), ("PATCH", 1)])
def test_a_reset_before_the_answer_is_retried_only_where_it_is_safe(start_static, upstreams, method, tried):
    """The first replica takes the request and resets; a second try goes to the next distinct replica."""
    def script(connection, _request):
        if len(first.requests) + len(second.requests) == 1:
            connection.reset()
            return True
        connection.send(ok())
        return None
    first, second = upstreams(script), upstreams(script)
    ringmaster = start_static([first, second])
    with ringmaster.connect() as wire:
        answer = wire.exchange(request("/home?request_id=1", "Content-Length: 0", method=method), method)
    assert answer.status == (200 if tried == 2 else 502)
    assert len(first.requests) + len(second.requests) == tried


def test_a_truncated_answer_looks_truncated(start_static, upstreams):
    def script(connection, request):
        if "chunked" in request.target:
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        else:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        return True
    ringmaster = start_static([upstreams(script)])
    for target in ("/length", "/chunked"):
        with ringmaster.connect(5) as wire:
            wire.send(request(target))
            with pytest.raises((WireError, ConnectionResetError)):
                wire.read_answer()


def test_a_reset_of_a_close_delimited_answer_is_no_proper_end(start_static, upstreams):
    def script(connection, _request):
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        time.sleep(0.1)
        connection.reset()
        return True
    ringmaster = start_static([upstreams(script)])
    with ringmaster.connect(5) as wire:
        wire.send(request())
        with pytest.raises((WireError, ConnectionResetError)):
            wire.read_answer()


def test_bytes_after_an_answer_are_not_the_next_answer(start_static, upstreams):
    def script(connection, request):
        extra = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil" if request.target == "/first" else b""
        connection.send(ok(request.target.encode()) + extra)
    ringmaster = start_static([upstreams(script)])
    with ringmaster.connect() as wire:
        assert wire.exchange(request("/first")).body == b"/first"
        for k in range(5):
            assert wire.exchange(request(f"/{k}")).body == f"/{k}".encode()


def test_an_early_answer_ends_both_sides(start_static, upstreams):
    """The replica answers before the body is there: the client reads it, and neither connection is used again."""
    def script(connection, _request):
        connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        connection.wait_end()
        return True
    upstream = upstreams(script, read_bodies=False)
    ringmaster = start_static([upstream])
    with ringmaster.connect() as wire:
        wire.send(request("/", "Content-Length: 1000000", method="POST") + "x" * 1000)
        answer = wire.read_answer()
        assert answer.status == 403 and answer.body == b"no" and answer.closes
        wire.expect_end(10)
    upstream.script = lambda connection, _: connection.send(ok())
    assert ringmaster.get("/").status == 200
    assert len(upstream.connections) == 2


def test_a_client_that_finishes_sending_still_gets_its_answer(start):
    ringmaster = start()
    with ringmaster.connect() as wire:
        wire.send(request("/delay/200"))
        wire.finish_sending()
        assert wire.read_answer().status == 200


def test_a_client_that_goes_away_frees_the_replica(start_static, upstreams):
    ended = threading.Event()

    def script(connection, _request):
        connection.wait_end()
        ended.set()
        return True
    upstream = upstreams(script, timeout=20)
    ringmaster = start_static([upstream])
    wire = Wire(ringmaster.proxy)
    wire.send(request())
    upstream.wait_requests(1)
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()
    assert ended.wait(5), "the replica still works for a client that is gone"
