"""Limits and times: 413, 414, 431, 408, 504, and that the reply can still be read when we refuse and close."""
from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import pytest
from support.upstream import HeldPort, Upstream, ok
from support.wire import Wire, wait_until


def get(target: str = "/home", *fields: str) -> str:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", *fields]) + "\r\n\r\n"


def refusal(ringmaster, data: bytes | str, status: int):
    with ringmaster.connect(10) as wire:
        try:
            wire.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = wire.read_answer()
        assert answer.status == status, answer
        assert answer.closes and answer.json()["status"] == "failure"
        wire.expect_end()


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    from support.ringmaster import Ringmaster
    ringmaster = Ringmaster(tmp_path_factory.mktemp("limits"), {
        "limits": {"request_line_bytes": 200, "header_bytes": 1000, "header_count": 20, "body_bytes": 10_000}}).start()
    yield ringmaster
    ringmaster.stop()


def test_a_request_line_past_the_limit_is_414(limited):
    refusal(limited, get("/" + "a" * 300), 414)
    refusal(limited, "GET /" + "a" * 100_000, 414)  # without ever ending it
    assert limited.get("/echo?" + "a" * 150).status == 200


def test_fields_past_the_limits_are_431(limited):
    refusal(limited, get("/home", "A: " + "a" * 1100), 431)
    refusal(limited, get("/home", *[f"A{k}: b" for k in range(30)]), 431)
    refusal(limited, "GET / HTTP/1.1\r\nHost: x\r\nA: " + "a" * 100_000, 431)
    assert limited.get("/home", x_a="a" * 700).status == 200


@pytest.mark.smoke
def test_a_body_past_the_limit_is_413_by_its_length_or_as_it_grows(limited):
    refusal(limited, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10001\r\n\r\n", 413)
    chunk = b"1000\r\n" + b"a" * 4096 + b"\r\n"
    refusal(limited, b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 3, 413)
    with limited.connect() as wire:
        wire.send(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n" + b"a" * 10_000)
        assert wire.read_answer().status == 200


def test_the_refusal_can_be_read_although_the_client_goes_on_sending(limited):
    """Lingering close: a close with unread bytes would reset the connection and destroy the reply under way."""
    for _ in range(10):
        with limited.connect(10) as wire:
            wire.send(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")
            sent = 0
            try:
                while sent < 2_000_000:
                    wire.send(b"b" * 50_000)
                    sent += 50_000
                    time.sleep(0.001)
            except (BrokenPipeError, ConnectionResetError):
                pass
            assert wire.read_answer().status == 413


def test_a_limit_of_connections_refuses_or_retires_but_serves(start):
    ringmaster = start({"limits": {"connections": 10}, "proxy": {"workers": 1}})
    idle = [Wire(ringmaster.proxy) for _ in range(30)]
    try:
        time.sleep(0.3)
        answer = ringmaster.get("/home")
        assert answer.status in (200, 503)
        assert ringmaster.admin_get("/healthz").status == 200
        assert ringmaster.metric("ringmaster_client_connections") <= 10
    finally:
        for wire in idle:
            wire.close()
    wait_until(lambda: ringmaster.get("/home").status == 200, 5, "served again")


# --- times ------------------------------------------------------------------------------------------------------------
def took(begin: float) -> float:
    return time.monotonic() - begin


def test_an_unfinished_head_is_408_at_its_time(start):
    ringmaster = start({"timeouts": {"request_header": "1s"}})
    with ringmaster.connect(10) as wire:
        began = time.monotonic()
        wire.send("GET / HTTP/1.1\r\nHost:")
        answer = wire.read_answer()
        assert answer.status == 408 and answer.closes and 0.8 < took(began) < 3
        wire.expect_end()


def test_a_trickled_head_is_408_too(start):
    """The time runs from the first byte; new bytes do not prolong it."""
    ringmaster = start({"timeouts": {"request_header": "1s"}})
    with ringmaster.connect(10) as wire:
        began = time.monotonic()
        wire.send("GET / HTTP/1.1\r\nHost: x\r\nA: ")
        for _ in range(12):
            time.sleep(0.1)
            try:
                wire.send("a")
            except OSError:
                break
        assert wire.read_answer().status == 408 and took(began) < 3


def test_a_body_that_stands_still_is_408(start):
    ringmaster = start({"timeouts": {"request_body_idle": "1s"}})
    with ringmaster.connect(10) as wire:
        began = time.monotonic()
        wire.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        answer = wire.read_answer()
        assert answer.status == 408 and answer.closes and 0.8 < took(began) < 4
        wire.expect_end()


def test_a_client_that_waits_for_the_replica_is_not_late(start_static, upstreams):
    """The client could send, but the replica does not read: none of the client's times may run meanwhile."""
    def script(connection, request):
        time.sleep(2.5)
        connection.read_body(request)
        connection.send(ok())
    short = {"request_header": "1s", "keep_alive": "1s", "request_body_idle": "1s"}
    ringmaster = start_static([upstreams(script, read_bodies=False)], {"timeouts": short})
    body = b"a" * 32_000_000
    with ringmaster.connect(20) as wire:
        for _ in range(2):
            wire.send(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
            wire.send(body)
            assert wire.read_answer().status == 200


def test_a_connection_that_says_nothing_is_closed_without_a_word(start):
    ringmaster = start({"timeouts": {"keep_alive": "1s", "request_header": "1s"}})
    with ringmaster.connect(10) as silent, ringmaster.connect(10) as used:
        began = time.monotonic()
        assert used.exchange(get()).status == 200
        used.expect_end()
        assert 0.7 < took(began) < 5
        silent.expect_end(4)


def test_a_replica_that_never_answers_is_504(start):
    ringmaster = start({"timeouts": {"response": "500ms"}, "heartbeat": {"interval": "1h"},
                        "replicas": {"count": 1}})
    began = time.monotonic()
    answer = ringmaster.get("/home?fault=hang")
    assert answer.status == 504 and answer.json()["status"] == "failure" and 0.4 < took(began) < 3


def test_a_post_that_is_never_answered_is_handed_over_once(start_static, upstreams):
    def script(connection, _request):
        connection.wait_end()
        return True
    replicas = [upstreams(script, timeout=30), upstreams(script, timeout=30)]
    ringmaster = start_static(replicas, {"timeouts": {"response": "500ms"}})
    with ringmaster.connect(10) as wire:
        answer = wire.exchange("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
    assert answer.status == 504
    assert sum(len(replica.requests) for replica in replicas) == 1


def test_a_get_that_is_never_answered_is_tried_on_another_replica(start_static, upstreams):
    def script(connection, _request):
        connection.wait_end()
        return True
    hanging, good = upstreams(script, timeout=30), upstreams(lambda connection, _: connection.send(ok(b"good")))
    ringmaster = start_static([hanging, good], {"timeouts": {"response": "300ms"}})
    for number in range(10):
        assert ringmaster.get(f"/x?request_id={number}").body == b"good"


def test_an_answer_that_stands_still_is_cut_off(start_static, upstreams):
    def script(connection, _request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        connection.wait_end()
        return True
    ringmaster = start_static([upstreams(script, timeout=30)], {"timeouts": {"response_idle": "500ms"}})
    with ringmaster.connect(10) as wire:
        wire.send(get("/"))
        assert wire.read_head().status == 200
        began = time.monotonic()
        try:
            assert wire.read_until_close() == b"half"
        except ConnectionResetError:
            pass
        assert took(began) < 4


def test_an_answer_goes_on_as_long_as_its_reader_takes_something(start_static, upstreams):
    """The kernel wakes a sender when a third of its buffer is free: more than this reader takes in the time."""
    size = 8_000_000

    def script(connection, request):
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"z" * size)
    ringmaster = start_static([upstreams(script, timeout=60)], {"timeouts": {"response_idle": "300ms"}})
    with Wire(ringmaster.proxy, receive_buffer=20_000) as wire:
        wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = wire.read_head()
        assert answer.status == 200
        for _ in range(0, size, 40_000):
            wire.read_exactly(40_000)
            time.sleep(0.04)
    assert ringmaster.metric("ringmaster_client_aborts_total") == 0


def test_a_body_goes_on_as_long_as_the_replica_takes_something(start_static, upstreams):
    size = 16_000_000

    def script(connection, request):
        left = size - len(connection.read_exactly(len(connection.buffer)))
        for _ in range(25):
            left -= len(connection.socket.recv(30_000))
            time.sleep(0.1)
        while left > 0:  # what the kernel has taken over already counts as taken
            left -= len(connection.socket.recv(left))
        connection.send(ok())
    slow = upstreams(script, timeout=60, read_bodies=False)
    slow.shrink_receive_buffer(20_000)
    ringmaster = start_static([slow], {"timeouts": {"response": "1s"}})
    with Wire(ringmaster.proxy) as wire:
        wire.send(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode() + b"z" * size)
        assert wire.read_answer().status == 200


def test_a_replica_that_accepts_no_connection_is_504_in_time(start_static):
    """A full backlog: the connect neither succeeds nor fails. The replica becomes ready first, then turns deaf."""
    held = HeldPort()
    with Upstream(port=held.number) as once:
        ringmaster = start_static([once], {"heartbeat": {"interval": "1h", "timeout": "1h"},
                                           "timeouts": {"connect": "500ms"}})
        address = once.address
    with held, socket.socket() as deaf, ExitStack() as filling:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deaf.bind(address)
        deaf.listen(0)
        for _ in range(4):
            one = filling.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(address)
        began = time.monotonic()
        answer = ringmaster.get("/")
        assert answer.status == 504 and took(began) < 4
