"""What operators say about healing, to replicas that are processes: /v1/pause, /v1/resume, /v1/roll."""
from __future__ import annotations

import os
import signal
import time

from support.load import Load, get
from support.wire import exchange, wait_until


def by_id(sequence: int) -> bytes:
    return get(f"/home?request_id={sequence}")


def roll(ringmaster, body: bytes = b""):
    fields = {"content_type": "application/json"} if body else {}
    return exchange(ringmaster.admin, "POST", "/v1/roll", body, timeout=60, **fields)


def test_a_roll_lets_each_new_life_warm_up_before_the_next(start):
    ringmaster = start({"routing": {"slow_start": "500ms"}, "proxy": {"drop_in": False}})
    began = time.monotonic()
    assert roll(ringmaster).status == 200
    assert time.monotonic() - began > 1.0  # twice: nobody comes after the third
    found = ringmaster.admin_get("/v1/explain?key=1").json()
    warming = [one["name"] for one in found["order"] if one["slow_start"]]
    assert warming in (["Server3"], []), found["order"]


def test_a_roll_gives_every_replica_a_new_process_and_loses_nothing(start):
    ringmaster = start()
    before, pids = [ringmaster.get(f"/home?request_id={i}").body for i in range(50)], ringmaster.replica_pids()
    with Load(ringmaster.proxy, clients=16, make_request=by_id) as load:
        load.wait_answered(300)
        answer = roll(ringmaster)
        load.wait_answered(300)
    load.report.assert_all_ok(600)
    assert answer.status == 200 and answer.json()["rolled"] == ["Server1", "Server2", "Server3"]
    after = ringmaster.replica_pids()
    assert set(after) == set(pids) and not set(after.values()) & set(pids.values())
    assert [ringmaster.get(f"/home?request_id={i}").body for i in range(50)] == before, "the same slots"
    assert [replica["epoch"] for replica in ringmaster.replicas()] == [2, 2, 2]


def test_a_roll_that_cannot_start_keeps_what_there_is(start):
    ringmaster = start()
    pids = ringmaster.replica_pids()
    os.rename(ringmaster.replica_link, ringmaster.replica_link.with_suffix(".away"))
    answer = roll(ringmaster)
    os.rename(ringmaster.replica_link.with_suffix(".away"), ringmaster.replica_link)
    assert answer.status == 503 and "'Server1' keeps its old life" in answer.json()["message"], answer.body
    assert ringmaster.replica_pids() == pids
    assert len(ringmaster.ready_replicas()) == 3


def test_processes_have_no_images(start):
    ringmaster = start({"replicas": {"count": 1}})
    assert roll(ringmaster, b'{"image":"web:2"}').status == 409
    assert roll(ringmaster, b'{"image":7}').status == 400


def test_static_replicas_are_healed_by_somebody_else(start_static, upstreams):
    ringmaster = start_static([upstreams()])
    for path in ("/v1/pause", "/v1/resume", "/v1/roll"):
        assert exchange(ringmaster.admin, "POST", path).status == 409, path


def test_while_healing_is_paused_the_dead_stay_dead(start):
    ringmaster = start()
    assert exchange(ringmaster.admin, "POST", "/v1/pause").status == 200
    os.kill(ringmaster.replica_pids()["Server2"], signal.SIGKILL)
    wait_until(lambda: len(ringmaster.ready_replicas()) == 2, 5, "two are left")
    time.sleep(0.5)
    assert "Server2" not in ringmaster.replica_pids()
    added = exchange(ringmaster.admin, "POST", "/add", b'{"n":1,"hostnames":["S4"]}', content_type="application/json")
    assert added.status == 200, "what operators order is done"
    assert exchange(ringmaster.admin, "POST", "/v1/resume").status == 200
    wait_until(lambda: len(ringmaster.ready_replicas()) == 4, 10, "the dead one is replaced")
