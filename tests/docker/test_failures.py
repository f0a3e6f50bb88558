"""Containers that die, hang, loop and cannot be made, while clients keep asking."""
from __future__ import annotations

import json
import time

import pytest
from support.engine import slack
from support.load import Load, get
from support.wire import exchange, wait_until


def by_id(sequence: int) -> bytes:
    return get(f"/home?request_id={sequence}")


def state(ringmaster, name: str) -> dict:
    return next(replica for replica in ringmaster.replicas() if replica["name"] == name)


def in_rotation(ringmaster, count: int) -> bool:
    return len([replica for replica in ringmaster.replicas() if replica["in_table"]]) == count


def test_docker_kill_under_load_loses_no_get_and_n_holds_again(start_docker, engine, record_property):
    """A-3. The heartbeat is a minute apart: the engine's events and the workers are what tells."""
    ringmaster = start_docker({"heartbeat": {"interval": "60s"}})
    out, back = [], []
    began = time.monotonic()
    engine.docker("run", "-d", "--name", "measure", "--network", "net1", "ringmaster-replica")
    own_start = time.monotonic() - began  # what this machine takes to start a container now
    engine.docker("rm", "-f", "measure")
    with Load(ringmaster.proxy, clients=8, make_request=by_id) as load:
        load.wait_answered(300)
        for name in ("Server1", "Server2", "Server3"):
            container = state(ringmaster, name)["container"]
            began = time.monotonic()
            engine.docker("kill", container)
            killed = time.monotonic()
            ringmaster.wait_for_log(rf"replica {name}: ready -> failing")
            out.append(max(time.monotonic() - killed, 0.0))
            wait_until(lambda: in_rotation(ringmaster, 3) and state(ringmaster, name)["epoch"] == 2, 30,
                       f"{name} is back", step=0.01)
            back.append(time.monotonic() - began)
            load.wait_answered(200)
            time.sleep(1.0)  # ready for a second: the next death is not a crash loop's
    load.report.assert_all_ok(1000)
    told = (f"out of the table {max(out) * 1000:.0f} ms after docker kill had returned, "
            f"N again after {min(back):.2f} to {max(back):.2f} s, a container's own start {own_start:.2f} s: "
            f"{load.report.text()}")
    print(told)
    record_property("times", told)
    assert max(out) < 0.05 * slack() and max(back) < (2 + 2 * own_start) * slack(), told
    assert len(engine.ours(everything=False)) == 3


def test_a_paused_container_is_found_by_its_heartbeat_and_replaced(start_docker, engine):
    ringmaster = start_docker({"heartbeat": {"interval": "200ms", "timeout": "300ms"},
                               "timeouts": {"response": "700ms"}})
    with Load(ringmaster.proxy, clients=8, make_request=by_id) as load:
        load.wait_answered(200)
        began = time.monotonic()
        engine.docker("pause", "Server2.1")
        ringmaster.wait_for_log(r"replica Server2: ready -> failing: heartbeat")
        found = time.monotonic() - began
        wait_until(lambda: in_rotation(ringmaster, 3), 30, "three in rotation")
        load.wait_answered(200)
    load.report.assert_all_ok(500)
    # interval × fall + timeout, and what docker pause itself takes.
    assert found < (0.2 * 2 + 0.3 + 0.5) * slack(), found
    wait_until(lambda: "Server2.1" not in engine.ours(), 30, "the paused container is removed")
    ringmaster.wait_for_log(r"Server2: was paused by somebody")


def test_a_container_taken_off_its_network_is_replaced(start_docker, engine):
    ringmaster = start_docker({"heartbeat": {"interval": "200ms", "timeout": "300ms"}})
    engine.docker("network", "disconnect", "-f", "net1", "Server3.1")
    ringmaster.wait_for_log(r"replica Server3: was disconnected from net1")
    wait_until(lambda: in_rotation(ringmaster, 3) and state(ringmaster, "Server3")["epoch"] == 2, 30, "Server3 is back")


def test_a_removed_container_is_made_again(start_docker, engine):
    ringmaster = start_docker()
    engine.docker("rm", "-f", "Server1.1")
    wait_until(lambda: in_rotation(ringmaster, 3) and state(ringmaster, "Server1")["epoch"] == 2, 30, "Server1 is back")


def test_a_crash_looping_image_is_quarantined(start_docker, engine):
    ringmaster = start_docker({"replicas": {"count": 1}, "docker": {"image": "replica-crash"}}, ready=False)
    ringmaster.wait_for_log(r"Server1: failing: quarantined for 60 s", 60)
    found = state(ringmaster, "Server1")
    ringmaster.wait_for_log(r"container Server1\.\d said last: .*--nonsense")
    assert found["quarantined"] and "exited with status 64" in found["reason"]
    assert found["epoch"] == 5, "five tries, and no more"
    wait_until(lambda: engine.ours() == {}, 30, "nothing is left of the five")


@pytest.mark.parametrize("settings, says", [
    ({"image": "no-such-image"}, r"[Nn]o such image: \S*no-such-image.*docker\.image"),
    ({"network": "no-such-net"}, r"no-such-net\b.* not found \(make it: docker network create"),
])
def test_what_is_missing_is_named(start_docker, engine, settings, says):
    ringmaster = start_docker({"replicas": {"count": 1}, "docker": settings}, ready=False)
    ringmaster.wait_for_log(says)
    answer = exchange(ringmaster.admin, "POST", "/add", b'{"n":1}', content_type="application/json", timeout=30)
    assert answer.status == 503 and "did not start" in answer.json()["message"]


def test_add_of_five_whose_third_fails_is_rolled_back(start_docker, engine):
    ringmaster = start_docker()
    engine.docker("run", "-d", "--name", "C.1", "--network", "none", "ringmaster-replica")
    before = engine.containers()
    body = json.dumps({"n": 5, "hostnames": ["A", "B", "C", "D", "E"]}).encode()
    answer = exchange(ringmaster.proxy, "POST", "/add", body, content_type="application/json", timeout=60)
    assert answer.status == 503 and "'C' did not start" in answer.json()["message"], answer.body
    assert "already in use" in answer.json()["message"]
    assert exchange(ringmaster.proxy, "GET", "/rep").json()["message"]["N"] == 3
    wait_until(lambda: engine.containers() == before, 15, "only what was there before, the stranger included")


def test_healing_can_be_paused(start_docker, engine):
    ringmaster = start_docker({"heartbeat": {"interval": "100ms", "timeout": "200ms"}})
    assert ringmaster.admin_send("POST", "/v1/pause").status == 200
    assert ringmaster.admin_get("/v1/replicas").json()["healing"] == "paused"
    engine.docker("kill", "Server1.1")
    engine.docker("pause", "Server2.1")
    wait_until(lambda: in_rotation(ringmaster, 1), 15, "both are out of the table")
    time.sleep(1)
    assert in_rotation(ringmaster, 1) and "Server2.1" in engine.ours(), "nothing is started, nothing is ended"
    engine.docker("unpause", "Server2.1")
    wait_until(lambda: in_rotation(ringmaster, 2), 15, "the paused one came back by itself")
    assert ringmaster.admin_send("POST", "/v1/resume").status == 200
    wait_until(lambda: in_rotation(ringmaster, 3), 30, "the dead one is replaced")
    assert state(ringmaster, "Server2")["epoch"] == 1
