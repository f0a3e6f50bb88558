"""Upgrades: a tunnel once the replica has said 101, and plain HTTP until then."""
from __future__ import annotations

import asyncio
import time

import pytest
import websockets
from support.upstream import ok
from support.wire import wait_until

UPGRADE = ("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.smoke
def test_a_websocket_echoes_text_and_binary_of_all_sizes(start):
    ringmaster = start()

    async def talk():
        async with websockets.connect("ws://%s:%d/ws" % ringmaster.proxy, max_size=None) as socket:
            for message in ("", "hello", "ü" * 1000, b"\x00\xff" * 40_000, "x" * 300_000):
                await socket.send(message)
                assert await asyncio.wait_for(socket.recv(), 10) == message
            await (await socket.ping())
    asyncio.run(talk())
    wait_until(lambda: ringmaster.metric("ringmaster_tunnels") == 0, 5, "the tunnel is closed")


def test_fifty_websockets_at_once(start):
    ringmaster = start()

    async def one(number: int):
        async with websockets.connect("ws://%s:%d/ws" % ringmaster.proxy) as socket:
            for k in range(20):
                await socket.send(f"{number}/{k}")
                assert await asyncio.wait_for(socket.recv(), 10) == f"{number}/{k}"

    async def all_of_them():
        await asyncio.gather(*(one(number) for number in range(50)))
    asyncio.run(all_of_them())


def test_after_101_bytes_pass_both_ways_as_they_are(start_static, upstreams):
    def script(connection, request):
        assert request.get("upgrade") == "websocket" and "upgrade" in request.get("connection").lower()
        connection.send(SWITCH + b"first")
        while data := connection.socket.recv(1000):
            connection.send(data.upper())
        return True
    ringmaster = start_static([upstreams(script)])
    with ringmaster.connect() as wire:
        wire.send(UPGRADE)
        answer = wire.read_answer()
        assert answer.status == 101 and answer.get("upgrade", "").lower() == "websocket"
        assert wire.read_exactly(5) == b"first"
        wire.send(b"GET / HTTP/1.1\r\nHost: smuggled\r\n\r\n")  # no request any more, only bytes
        assert wire.read_exactly(34) == b"GET / HTTP/1.1\r\nHOST: SMUGGLED\r\n\r\n"


def test_bytes_sent_before_the_101_reach_the_replica_after_it(start_static, upstreams):
    early = []

    def script(connection, _request):
        connection.socket.settimeout(0.4)
        try:
            early.append(connection.buffer + connection.socket.recv(1000))
        except TimeoutError:
            pass
        connection.socket.settimeout(10)
        connection.send(SWITCH)
        connection.send(connection.read_exactly(5))
        return True
    ringmaster = start_static([upstreams(script)])
    with ringmaster.connect() as wire:
        wire.send(UPGRADE.encode() + b"early")
        assert wire.read_answer().status == 101
        assert wire.read_exactly(5) == b"early"
    assert not early, "client bytes were handed over before the replica agreed (CVE-2026-2833)"


def test_a_refused_upgrade_goes_on_as_http(start_static, upstreams):
    """What the client sent behind its upgrade request is the next request, read and routed as one."""
    upstream = upstreams(lambda connection, _: connection.send(ok(b"plain")))
    ringmaster = start_static([upstream])
    with ringmaster.connect() as wire:
        wire.send(UPGRADE + "GET /second HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.read_answer().body == b"plain"
        assert wire.read_answer().body == b"plain"
    second = upstream.wait_requests(2)[1]
    assert second.target == "/second" and second.get("x-forwarded-for")


def test_an_upgrade_that_is_no_websocket_is_passed_on_without_it(start_static, upstreams):
    upstream = upstreams()
    ringmaster = start_static([upstream])
    with ringmaster.connect() as wire:
        answer = wire.exchange("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                               "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
    assert answer.status == 200
    request = upstream.wait_requests(1)[0]
    assert not request.all("upgrade") and not request.all("http2-settings")


def test_an_unasked_101_is_502(start_static, upstreams):
    ringmaster = start_static([upstreams(lambda connection, _: connection.send(SWITCH))])
    assert ringmaster.get("/").status == 502


def test_the_end_of_one_side_reaches_the_other(start_static, upstreams):
    ended = []

    def script(connection, _request):
        connection.send(SWITCH)
        connection.wait_end()
        ended.append(True)
        return True
    ringmaster = start_static([upstreams(script)])
    with ringmaster.connect() as wire:
        wire.send(UPGRADE)
        assert wire.read_answer().status == 101
    wait_until(lambda: ended, 5, "the replica sees the end")


def test_an_idle_tunnel_is_closed_after_its_time(start_static, upstreams):
    def script(connection, _request):
        connection.send(SWITCH)
        connection.wait_end()
        return True
    ringmaster = start_static([upstreams(script)], {"timeouts": {"tunnel_idle": "1s"}})
    with ringmaster.connect() as wire:
        began = time.monotonic()
        wire.send(UPGRADE)
        assert wire.read_answer().status == 101
        wire.expect_end(5)
        assert 0.8 <= time.monotonic() - began < 6
