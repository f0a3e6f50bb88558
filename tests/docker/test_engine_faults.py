"""Faults that an engine does not show on demand, done to the conversation with a real one."""
from __future__ import annotations

import time

import pytest
from support.fault_proxy import FaultProxy, Harm, refusal
from support.load import Load, get
from support.wire import exchange, wait_until


def by_id(sequence: int) -> bytes:
    return get(f"/home?request_id={sequence}")


@pytest.fixture
def faults(engine):
    proxy = FaultProxy(str(engine.socket))
    yield proxy
    proxy.close()


@pytest.fixture
def ringmaster(start_docker, faults):
    return start_docker({"docker": {"engine": faults.address}})


def add(ringmaster, name: str):
    body = b'{"n":1,"hostnames":["%s"]}' % name.encode()
    return exchange(ringmaster.admin, "POST", "/add", body, content_type="application/json", timeout=60)


def three(ringmaster) -> bool:
    return len([replica for replica in ringmaster.replicas() if replica["in_table"]]) == 3


@pytest.mark.parametrize("harm", [Harm(lose_answer=True), Harm(b"HTTP/1.1 201 Created\r\n\r\nnonsense"),
                                  Harm(b"nonsense\r\n\r\n")], ids=["lost", "no id", "no http"])
def test_an_answer_to_create_that_is_no_answer_leaves_no_orphan(ringmaster, faults, engine, harm):
    before = engine.ours()
    faults.once("POST", "/containers/create", harm)
    answer = add(ringmaster, "S9")
    assert answer.status == 503 and "'S9' did not start" in answer.json()["message"]
    assert faults.harmed
    wait_until(lambda: engine.ours() == before, 15, "what the engine may have made is gone")
    assert add(ringmaster, "S9").status == 200
    assert three(ringmaster) is False and len(ringmaster.ready_replicas()) == 4


@pytest.mark.parametrize("path, message, remedy", [
    ("/containers/create", "write /x: no space left on device", "make room"),
    ("/start$", "driver failed: Bind for 127.0.0.1:1 failed: port is already allocated", "has the port"),
])
def test_what_the_engine_has_no_room_for_is_named_with_a_remedy(ringmaster, faults, engine, path, message, remedy):
    before = engine.ours()
    faults.once("POST", path, refusal(500, message))
    answer = add(ringmaster, "S9")
    assert answer.status == 503 and message in answer.json()["message"] and remedy in answer.json()["message"]
    wait_until(lambda: engine.ours() == before, 15, "rolled back")


def test_a_death_that_falls_between_two_streams_of_events_is_found(ringmaster, faults, engine):
    """The events are cut and cannot be had for a while; what happened meanwhile is read from the list."""
    faults.choose = lambda method, path: refusal(500, "not now") if path.startswith("/events") else None
    faults.cut()
    ringmaster.wait_for_log(r"docker: .*replicas go on")
    engine.docker("network", "disconnect", "-f", "net1", "Server2.1")
    engine.docker("rm", "-f", "Server2.1")
    faults.choose = lambda method, path: None
    wait_until(lambda: three(ringmaster) and "Server2.2" in engine.ours(), 15, "Server2 is back")


def test_a_slow_engine_holds_up_nothing_else(ringmaster, faults, engine):
    faults.choose = lambda method, path: Harm(delay=1.0)
    with Load(ringmaster.proxy, clients=8, make_request=by_id) as load:
        engine.docker("kill", "Server1.1")
        waits = []
        for _ in range(15):
            began = time.monotonic()
            assert ringmaster.admin_get("/v1/replicas").status == 200
            waits.append(time.monotonic() - began)
            load.wait_answered(30)
        assert sorted(waits)[len(waits) // 2] < 0.5, "the API does not wait for the engine"
        wait_until(lambda: three(ringmaster), 60, "three again, slowly")
    load.report.assert_all_ok(500)


def test_nonsense_from_the_engine_is_survived(ringmaster, faults, engine):
    for nonsense in (b"", b"\0\0\0", b"HTTP/1.1 200 OK\r\n\r\n[[[[",
                     b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}\n"):
        faults.choose = lambda method, path, said=nonsense: Harm(said or b"\r\n")
        line = len(ringmaster.log)
        faults.cut()
        ringmaster.wait_for_log(r"replicas go on", after=line)
        assert ringmaster.get("/home").status == 200
        line = len(ringmaster.log)
        faults.choose = lambda method, path: None
        ringmaster.wait_for_log(r"docker: engine .* replicas by", after=line)
    assert set(engine.ours()) == {"Server1.1", "Server2.1", "Server3.1"}
