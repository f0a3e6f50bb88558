"""ringmaster and the engine end, crash, stand still and come back: containers and clients are none the worse."""
from __future__ import annotations

import os
import signal
import time

import pytest
from support.engine import docker_settings, slack
from support.load import Load, get
from support.ringmaster import Ringmaster
from support.wire import wait_until


def by_id(sequence: int) -> bytes:
    return get(f"/home?request_id={sequence}")


def settings(engine, **replicas) -> dict:
    return docker_settings(engine, **replicas)


@pytest.fixture
def crash_and_restart(engine, tmp_path):
    """crash_and_restart(between): kill -9, between(), the same program again; both are ended after the test."""
    running = []

    def act(between, **replicas) -> Ringmaster:
        first = Ringmaster(tmp_path, settings(engine, **replicas)).start()
        running.append(first)
        os.kill(first.pid, signal.SIGKILL)
        first.wait_end()
        between()
        running.append(Ringmaster(tmp_path, settings(engine, **replicas)).start())
        return running[-1]
    yield act
    for one in running[1:]:
        one.stop()
    for one in running:
        one.kill()


def test_after_kill_9_the_same_containers_are_adopted(crash_and_restart, engine):
    seen = {}
    engine.docker("run", "-d", "--name", "stranger", "--network", "net1", "ringmaster-replica")
    ringmaster = crash_and_restart(lambda: seen.update(engine.ours()))
    assert set(seen) == {"Server1.1", "Server2.1", "Server3.1"}
    assert engine.ours() == seen, "the same containers, and no others"
    assert "stranger" in engine.containers()
    assert [replica["epoch"] for replica in ringmaster.replicas()] == [1, 1, 1]
    assert ringmaster.get("/home").status == 200


def test_the_dead_are_replaced_and_get_no_traffic(crash_and_restart, engine):
    ringmaster = crash_and_restart(lambda: engine.docker("kill", "Server2.1"))
    assert set(engine.ours()) == {"Server1.1", "Server2.2", "Server3.1"}
    with Load(ringmaster.proxy, clients=8, make_request=by_id, requests=500) as load:
        load.join()
    load.report.assert_all_ok(500)


def test_added_replicas_are_adopted_too_and_removed_ones_stay_away(engine, tmp_path):
    first = Ringmaster(tmp_path, settings(engine)).start()
    try:
        assert first.admin_send("POST", "/add", '{"n":1,"hostnames":["S5"]}').status == 200
        assert first.admin_send("POST", "/rm", '{"n":1,"hostnames":["Server1"]}').status == 200
        first.wait_for_log(r"replica Server1: draining -> gone", 10)
    finally:
        first.kill()
    with Ringmaster(tmp_path, settings(engine)) as second:
        assert [replica["name"] for replica in second.replicas()] == ["Server2", "Server3", "S5"]


def test_on_exit_keep_leaves_them_running(engine, tmp_path):
    with Ringmaster(tmp_path, settings(engine, on_exit="keep")):
        before = engine.ours(everything=False)
    assert len(before) == 3 and engine.ours(everything=False) == before
    with Ringmaster(tmp_path, settings(engine)):
        assert engine.ours() == before
    assert engine.ours() == {}, "on_exit stop, the default, leaves nothing"


def test_a_second_ringmaster_of_the_same_name_is_refused(start_docker, engine, tmp_path):
    start_docker({"replicas": {"count": 1}})
    second = Ringmaster(tmp_path / "second", settings(engine))
    with pytest.raises(AssertionError, match="another ringmaster runs 'ringmaster'"):
        second.start()
    assert second.process.returncode == 78


def test_the_engine_may_be_away_for_ten_seconds_under_load(start_docker, engine):
    ringmaster = start_docker()
    before = engine.ours()
    with Load(ringmaster.proxy, clients=8, make_request=by_id) as load:
        load.wait_answered(200)
        engine.stop()
        ringmaster.wait_for_log(r"docker: the engine at \S+ .*replicas go on")
        told = ringmaster.admin_get("/v1/replicas").json()["runtime"]
        assert told["able"] is False and "engine" in told["condition"]
        refused = ringmaster.admin_send("POST", "/add", '{"n":1}')
        assert refused.status == 503 and "nothing can be started now" in refused.json()["message"]
        time.sleep(10)
        line = len(ringmaster.log)
        engine.start()
        began = time.monotonic()
        ringmaster.wait_for_log(r"docker: engine .* replicas by", 5 * slack(), after=line)
        print(f"reconnected {time.monotonic() - began:.2f} s after the engine's return")
        load.wait_answered(200)
        engine.docker("kill", "Server1.1")
        wait_until(lambda: "Server1.2" in engine.ours(everything=False), 30, "it heals again")
        wait_until(lambda: len(ringmaster.ready_replicas()) == 3, 30, "three are ready")
    load.report.assert_all_ok(1000)
    assert {name: before[name] for name in ("Server2.1", "Server3.1")}.items() <= engine.ours().items()


def test_published_ports_are_lost_with_the_engine_and_come_back_with_the_same_containers(start_docker, engine):
    """docker-proxy dies with the engine. Whoever does not answer then is not for that ended: the engine is away."""
    ringmaster = start_docker({"docker": {"reach": "published"}})
    before = engine.ours()
    engine.stop()
    wait_until(lambda: not ringmaster.ready_replicas(), 10, "no replica can be reached")
    assert ringmaster.get("/home").status == 503
    engine.start()
    wait_until(lambda: len(ringmaster.ready_replicas()) == 3, 30, "all are back")
    assert engine.ours() == before and [one["epoch"] for one in ringmaster.replicas()] == [1, 1, 1]


def test_a_death_while_the_engine_is_away_is_seen_at_once_and_healed_after(start_docker, engine):
    ringmaster = start_docker({"heartbeat": {"interval": "100ms"}})
    pid = engine.inspect("Server3.1")["State"]["Pid"]
    engine.stop()
    os.kill(pid, signal.SIGKILL)
    ringmaster.wait_for_log(r"replica Server3: ready -> failing", 5)
    for i in range(100):
        assert ringmaster.get(f"/home?request_id={i}").status == 200
    engine.start()
    wait_until(lambda: len(ringmaster.ready_replicas()) == 3, 30, "three are ready again")


def test_an_engine_that_stands_still_stops_nothing(start_docker, engine):
    """Heartbeats, the API and clients go on beside calls that get no answer."""
    ringmaster = start_docker({"heartbeat": {"interval": "100ms"}})
    engine.process.send_signal(signal.SIGSTOP)
    try:
        with Load(ringmaster.proxy, clients=8, make_request=by_id) as load:
            for _ in range(20):
                assert ringmaster.admin_get("/v1/replicas").status == 200
                load.wait_answered(50)
        load.report.assert_all_ok(1000)
        ringmaster.wait_for_log(r"docker: the engine at \S+ cannot be spoken with", 20)
    finally:
        line = len(ringmaster.log)
        engine.process.send_signal(signal.SIGCONT)
    ringmaster.wait_for_log(r"docker: engine .* replicas by", 30, after=line)


def test_it_waits_for_an_engine_that_is_not_there_yet(engine, tmp_path):
    engine.stop()
    ringmaster = Ringmaster(tmp_path, settings(engine)).start(ready=False)
    try:
        ringmaster.wait_for_log(r"cannot be spoken with: connect: .*is it running")
        assert ringmaster.admin_get("/readyz").status == 503
        engine.start()
        ringmaster.wait_ready()
        ringmaster.stop()
    finally:
        ringmaster.kill()
