"""The end: in order at SIGTERM, at once at the second signal, and the same by SIGINT."""
from __future__ import annotations

import signal
import time

import pytest
from support.load import Load
from support.wire import WireError, exchange, wait_until


@pytest.mark.smoke
def test_sigterm_under_load_answers_every_request_that_was_under_way(start):
    ringmaster = start()
    with Load(ringmaster.proxy, clients=32, target="/delay/500", refusal_ends=True) as load:
        load.wait_answered(64)
        ringmaster.wait_under_way(32)
        ringmaster.signal(signal.SIGTERM)
        report = load.join(20)
    assert ringmaster.wait_end() == 0
    assert not report.failures and set(report.statuses) == {200}, report.text()
    assert report.closed_idle == 0, report.text()


def test_sigterm_under_full_load_breaks_no_answer(start):
    """Clients that are always just about to send may meet the end of their connection, but never half an answer."""
    ringmaster = start()
    with Load(ringmaster.proxy, clients=32, refusal_ends=True) as load:
        load.wait_answered(1000)
        ringmaster.signal(signal.SIGTERM)
        report = load.join(20)
    assert ringmaster.wait_end() == 0
    assert not report.failures and set(report.statuses) == {200}, report.text()
    assert report.closed_idle <= 32, report.text()


def test_the_last_answers_say_connection_close(start):
    ringmaster = start()
    with ringmaster.connect() as wire:
        wire.send("GET /delay/1500 HTTP/1.1\r\nHost: x\r\n\r\n")
        ringmaster.wait_under_way()
        ringmaster.signal(signal.SIGTERM)
        answer = wire.read_answer()
        assert answer.status == 200 and answer.closes
        wire.expect_end(3)
    assert ringmaster.wait_end() == 0


def test_idle_connections_are_closed_and_do_not_hold_up_the_end(start):
    ringmaster = start({"timeouts": {"drain": "20s"}})
    idle = [ringmaster.connect() for _ in range(10)]
    for wire in idle[:5]:
        assert wire.exchange("GET /home HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
    began = time.monotonic()
    ringmaster.signal(signal.SIGTERM)
    assert ringmaster.wait_end() == 0
    assert time.monotonic() - began < 5
    for wire in idle:
        wire.expect_end(1)
        wire.close()


def served(ringmaster) -> bool:
    try:
        return exchange(ringmaster.proxy, "GET", "/home", timeout=1).status == 200
    except (ConnectionRefusedError, ConnectionResetError, WireError):
        return False


def test_no_new_connection_is_served_while_draining(start):
    ringmaster = start()
    with ringmaster.connect() as wire:
        wire.send("GET /delay/4000 HTTP/1.1\r\nHost: x\r\n\r\n")
        ringmaster.wait_under_way()
        ringmaster.signal(signal.SIGTERM)
        wait_until(lambda: not served(ringmaster), 3, "new connections are turned away")
        assert not served(ringmaster), "and it stays so"
        assert wire.read_answer().status == 200
    assert ringmaster.wait_end() == 0


def test_drain_ends_after_its_time_whatever_is_under_way(start):
    ringmaster = start({"timeouts": {"drain": "500ms"}})
    with ringmaster.connect() as wire:
        wire.send("GET /delay/20000 HTTP/1.1\r\nHost: x\r\n\r\n")
        ringmaster.wait_under_way()
        began = time.monotonic()
        ringmaster.signal(signal.SIGTERM)
        assert ringmaster.wait_end(10) == 0
        assert 0.4 <= time.monotonic() - began < 5


@pytest.mark.parametrize("first, second", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT),
                                           (signal.SIGTERM, signal.SIGINT)])
def test_the_second_signal_ends_at_once(start, first, second):
    ringmaster = start({"timeouts": {"drain": "60s"}})
    with ringmaster.connect() as wire:
        wire.send("GET /delay/30000 HTTP/1.1\r\nHost: x\r\n\r\n")
        ringmaster.wait_under_way()
        ringmaster.signal(first)
        ringmaster.wait_for_log(f"{first.name.removeprefix('SIG')} received")  # two that wait together count as one
        time.sleep(0.2)
        assert ringmaster.process.poll() is None
        ringmaster.signal(second)
        assert ringmaster.wait_end(10) == 0
    assert ringmaster.left_replicas() == []


def test_the_api_still_says_no_readiness_while_draining(start):
    ringmaster = start()
    with ringmaster.connect() as wire:
        wire.send("GET /delay/4000 HTTP/1.1\r\nHost: x\r\n\r\n")
        ringmaster.wait_under_way()
        ringmaster.signal(signal.SIGTERM)
        wait_until(lambda: ringmaster.admin_get("/readyz").status == 503, 3, "/readyz says 503")
        assert wire.read_answer().status == 200
    assert ringmaster.wait_end() == 0
