"""The native API: replicas, settings, metrics, health; and who may ask for what."""
from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket

import pytest
from support.load import Load
from support.wire import exchange, wait_until


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    from support.ringmaster import Ringmaster
    ringmaster = Ringmaster(tmp_path_factory.mktemp("admin")).start()
    yield ringmaster
    ringmaster.stop()


def test_health_and_readiness(start):
    ringmaster = start({"replicas": {"count": 1}})
    assert ringmaster.admin_get("/healthz").status == 200
    assert ringmaster.admin_get("/readyz").status == 200
    answer = ringmaster.admin_send("DELETE", "/v1/replicas/Server1")
    assert answer.status in (200, 202, 204)
    assert ringmaster.admin_get("/readyz").status == 503
    assert ringmaster.admin_get("/healthz").status == 200


@pytest.mark.parametrize("said", [
    b"", b"GET /v1/repl", b"POST /add HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
], ids=["idle", "half a head", "half a body"])
def test_the_admin_port_answers_while_hundreds_keep_connections_to_it(start, said):
    ringmaster = start()
    with contextlib.ExitStack() as silent:
        for _ in range(400):
            silent.enter_context(socket.create_connection(ringmaster.admin)).sendall(said)

        def answers() -> bool:
            with contextlib.suppress(OSError):
                return ringmaster.admin_get("/healthz").status == 200
            return False
        wait_until(answers, 5, "an answer once all of them have been taken in")
        for _ in range(20):
            assert answers()
        os.kill(ringmaster.replica_pids()["Server1"], signal.SIGKILL)
        wait_until(lambda: len(ringmaster.ready_replicas()) == 3, 5, "a new life of the killed one")


@pytest.mark.smoke
def test_replicas_are_listed_with_state_and_counters(shared):
    for number in range(30):
        shared.get(f"/home?request_id={number}")
    replicas = shared.replicas()
    assert [replica["name"] for replica in replicas] == ["Server1", "Server2", "Server3"]
    for replica in replicas:
        assert replica["state"] == "ready" and replica["epoch"] >= 1 and re.search(r":\d+$", replica["address"])


def test_a_replica_is_added_and_removed_by_name(start):
    ringmaster = start()
    answer = ringmaster.admin_send("POST", "/v1/replicas", json.dumps({"name": "Extra"}))
    assert answer.status in (200, 201), answer.body
    assert {r["name"] for r in ringmaster.ready_replicas()} == {"Server1", "Server2", "Server3", "Extra"}
    answer = ringmaster.admin_send("DELETE", "/v1/replicas/Extra")
    assert answer.status in (200, 202, 204)
    wait_until(lambda: "Extra" not in ringmaster.replica_pids(), 5, "Extra has ended")
    assert ringmaster.admin_send("DELETE", "/v1/replicas/Extra").status == 404
    assert ringmaster.admin_send("POST", "/v1/replicas", json.dumps({"name": "Server1"})).status in (400, 409)
    assert ringmaster.admin_send("POST", "/v1/replicas", json.dumps({"name": "bad name"})).status == 400


def test_the_epoch_counts_lives(start):
    ringmaster = start()
    before = {replica["name"]: replica["epoch"] for replica in ringmaster.replicas()}
    os.kill(ringmaster.replica_pids()["Server2"], signal.SIGKILL)

    def reborn() -> bool:
        return any(r["name"] == "Server2" and r["epoch"] > before["Server2"] for r in ringmaster.ready_replicas())
    wait_until(reborn, 10, "a new life of Server2")
    after = {replica["name"]: replica["epoch"] for replica in ringmaster.replicas()}
    assert after == {**before, "Server2": before["Server2"] + 1}


def test_settings_in_force_are_shown(shared):
    answer = shared.admin_get("/v1/settings")
    assert answer.status == 200
    text = answer.body.decode()
    assert "heartbeat" in text and "100ms" in text


def test_metrics_are_prometheus_text_and_count(start):
    ringmaster = start({"replicas": {"count": 2}})
    before = ringmaster.metric("ringmaster_requests_total")
    with Load(ringmaster.proxy, clients=4, requests=500) as load:
        load.join().assert_all_ok(500)
    answer = ringmaster.admin_get("/metrics")
    assert answer.status == 200 and answer.get("content-type").startswith("text/plain")
    text = answer.body.decode()
    for line in text.splitlines():
        assert re.fullmatch(r'#.*|[a-z_:][a-z0-9_:]*(\{([a-z_]+="[^"]*",?)*\})? [-+0-9.e]+(nf|an)?', line), line
    typed = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    samples = {re.sub(r"_(bucket|sum|count)$", "", name) if re.sub(r"_(bucket|sum|count)$", "", name) in typed else name
               for name in re.findall(r"^([a-z_:]+)[{ ]", text, re.M)}
    assert samples <= typed, samples - typed
    assert ringmaster.metric("ringmaster_requests_total") - before == 500
    for expected in ("ringmaster_retries_total", "ringmaster_client_connections",
                     "ringmaster_connections_accepted_total", "ringmaster_receive_enobufs_total",
                     "ringmaster_ring_cq_overflows_total"):
        assert expected in typed, expected
    histograms = [name for name in typed if re.search(rf"^# TYPE {name} histogram", text, re.M)]
    assert histograms
    counts = [value for sample, value in ringmaster.metrics().items() if sample.startswith(histograms[0] + "_count")]
    assert sum(counts) >= 500


def test_histogram_buckets_are_cumulative(shared):
    shared.get("/home")
    series: dict[str, list[float]] = {}
    for sample, value in shared.metrics().items():
        if "_bucket{" in sample:
            series.setdefault(re.sub(r'le="[^"]*",?', "", sample), []).append(value)
    assert series
    for name, values in series.items():
        assert values == sorted(values), name


def test_refusals_are_counted_by_their_cause(start):
    ringmaster = start()
    for _ in range(3):
        exchange(ringmaster.proxy, "GET", "/home", content_length="x")
    samples = {sample: value for sample, value in ringmaster.metrics().items() if "content_length_invalid" in sample}
    assert sum(samples.values()) == 3, samples


def test_get_never_changes_anything(shared):
    for target in ("/add", "/rm", "/add?n=1", "/v1/replicas/Server1"):
        assert shared.admin_get(target).status in (200, 404, 405)
    assert len(shared.ready_replicas()) == 3


@pytest.mark.parametrize("fields, statuses", [
    ({"origin": "http://evil.example"}, {403}),
    ({"origin": "null"}, {403}),
    ({"host": "evil.example"}, {400, 403, 421}),
    ({"content_type": "text/plain"}, {415}),
    ({"content_type": "application/x-www-form-urlencoded"}, {415}),
])
def test_a_page_in_somebodys_browser_cannot_change_anything(shared, fields, statuses):
    for method, target, body in (("POST", "/add", '{"n": 1}'), ("DELETE", "/rm", '{"n": 1}'),
                                 ("POST", "/v1/replicas", "{}")):
        answer = shared.admin_send(method, target, body, **fields)
        assert answer.status in statuses, (method, target, answer)
    assert len(shared.ready_replicas()) == 3


def test_our_own_origin_may(start):
    ringmaster = start()
    origin = "http://%s:%d" % ringmaster.admin
    assert ringmaster.admin_send("POST", "/add", '{"n": 1}', origin=origin).status == 200


def test_where_a_token_is_set_it_is_asked_for(start, tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text("s3cret\n")
    token_file.chmod(0o600)
    ringmaster = start({"admin": {"token_file": str(token_file)}}, ready=False)
    token = "Bearer s3cret"
    wait_until(lambda: exchange(ringmaster.admin, "GET", "/readyz", authorization=token).status == 200, 20, "ready")
    assert ringmaster.admin_send("POST", "/add", '{"n": 1}').status == 401
    assert ringmaster.admin_send("POST", "/add", '{"n": 1}', authorization="Bearer wrong").status == 401
    assert ringmaster.admin_send("POST", "/add", '{"n": 1}', authorization=token).status == 200
    assert ringmaster.admin_get("/healthz").status == 200


def test_what_is_not_there_is_404_and_a_wrong_method_405(shared):
    for target in ("/nothing", "/v1", "/v1/replicas/NoSuch"):
        assert shared.admin_get(target).status == 404, target
    assert shared.admin_send("PUT", "/rep", "{}").status == 405
    assert shared.admin_send("POST", "/metrics", "{}").status == 405
