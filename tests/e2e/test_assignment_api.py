"""The assignment's API, to the letter of its specification: bodies compared as exact JSON, statuses, and that a
refused change changes nothing. In drop-in mode the proxy port and the admin port answer alike."""
from __future__ import annotations

import json
import re

import pytest
from support.wire import Wire, exchange

FIRST_THREE = {"message": {"N": 3, "replicas": ["Server1", "Server2", "Server3"]}, "status": "successful"}
TOO_MANY_NEW = "<Error> Length of hostname list is more than newly added instances"
TOO_MANY_GONE = "<Error> Length of hostname list is more than removable instances"


@pytest.fixture(params=["proxy", "admin"])
def port(request, start):
    """(the running program, the address that is asked)"""
    ringmaster = start()
    return ringmaster, ringmaster.proxy if request.param == "proxy" else ringmaster.admin


def rep(address) -> dict:
    answer = exchange(address, "GET", "/rep")
    assert answer.status == 200
    return answer.json()


def change(address, method: str, path: str, body) -> tuple[int, dict]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = exchange(address, method, path, data, content_type="application/json", timeout=30)
    return answer.status, answer.json()


def listed(count: int, *names: str) -> dict:
    return {"message": {"N": count, "replicas": list(names)}, "status": "successful"}


@pytest.mark.smoke
def test_rep_lists_the_first_three(port):
    _, address = port
    answer = exchange(address, "GET", "/rep")
    assert (answer.status, answer.json()) == (200, FIRST_THREE)
    assert answer.get("content-type", "").startswith("application/json")


def test_add_with_names_answers_the_list_after_the_change(port):
    ringmaster, address = port
    status, body = change(address, "POST", "/add", {"n": 2, "hostnames": ["S5", "S4"]})
    assert (status, body) == (200, listed(5, "Server1", "Server2", "Server3", "S5", "S4"))
    assert rep(address) == body
    assert set(ringmaster.replica_pids()) == {"Server1", "Server2", "Server3", "S5", "S4"}


def test_add_fills_missing_names_at_random(port):
    _, address = port
    status, body = change(address, "POST", "/add", {"n": 3, "hostnames": ["S5"]})
    names = body["message"]["replicas"]
    assert status == 200 and body["message"]["N"] == 6
    assert names[:3] == FIRST_THREE["message"]["replicas"] and "S5" in names and len(set(names)) == 6
    assert all(re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", name) for name in names)


def test_a_name_may_be_whatever_a_container_may_be_called(port):
    ringmaster, address = port
    status, body = change(address, "POST", "/add", {"n": 2, "hostnames": ["server_4", "web.2"]})
    assert (status, body) == (200, listed(5, "Server1", "Server2", "Server3", "server_4", "web.2"))
    assert ringmaster.admin_get("/v1/replicas/server_4").json()["state"] == "ready"
    status, body = change(address, "DELETE", "/rm", {"n": 2, "hostnames": ["server_4", "web.2"]})
    assert (status, body) == (200, FIRST_THREE)


def test_add_without_hostnames_is_all_random(port):
    _, address = port
    status, body = change(address, "POST", "/add", {"n": 1})
    assert (status, body["message"]["N"]) == (200, 4)


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_rm_with_names_removes_exactly_those(port, method):
    ringmaster, address = port
    status, body = change(address, method, "/rm", {"n": 2, "hostnames": ["Server1", "Server3"]})
    assert (status, body) == (200, listed(1, "Server2"))
    assert rep(address) == body
    for _ in range(20):
        assert b"Server2" in ringmaster.get("/home").body


def test_rm_chooses_the_victims_that_are_not_named_at_random(port):
    _, address = port
    status, body = change(address, "DELETE", "/rm", {"n": 2, "hostnames": ["Server2"]})
    assert status == 200 and body["message"]["N"] == 1
    assert body["message"]["replicas"] in (["Server1"], ["Server3"])


def test_rm_of_all_leaves_none_and_requests_get_503(port):
    ringmaster, address = port
    status, body = change(address, "DELETE", "/rm", {"n": 3})
    assert (status, body) == (200, listed(0))
    answer = ringmaster.get("/home")
    assert answer.status == 503 and answer.json()["status"] == "failure" and isinstance(answer.json()["message"], str)
    status, body = change(address, "POST", "/add", {"n": 1, "hostnames": ["Back"]})
    assert (status, body) == (200, listed(1, "Back"))
    assert ringmaster.get("/home").json() == {"message": "Hello from Server: Back", "status": "successful"}


@pytest.mark.parametrize("method, path, body, message", [
    ("POST", "/add", {"n": 1, "hostnames": ["S4", "S5"]}, TOO_MANY_NEW),
    ("DELETE", "/rm", {"n": 1, "hostnames": ["Server1", "Server2"]}, TOO_MANY_GONE),
    ("POST", "/rm", {"n": 1, "hostnames": ["Server1", "Server2"]}, TOO_MANY_GONE),
    ("DELETE", "/rm", {"n": 4}, None),
    ("DELETE", "/rm", {"n": 1, "hostnames": ["NoSuch"]}, None),
    ("DELETE", "/rm", {"n": 2, "hostnames": ["Server1", "Server1"]}, None),
    ("POST", "/add", {"n": 1, "hostnames": ["Server2"]}, None),
    ("POST", "/add", {"n": 2, "hostnames": ["S4", "S4"]}, None),
    ("POST", "/add", {"n": 2, "hostnames": ["S4", "Server1"]}, None),
    ("POST", "/add", {"n": 1, "hostnames": ["no good"]}, None),
    ("POST", "/add", {"n": 1, "hostnames": [""]}, None),
    ("POST", "/add", {"n": 1, "hostnames": ["-x"]}, None),
    ("POST", "/add", {"n": 1, "hostnames": ["a/b"]}, None),
    ("POST", "/add", {"n": 1, "hostnames": [7]}, None),
    ("POST", "/add", {"n": 1, "hostnames": "S4"}, None),
    ("POST", "/add", {}, None),
    ("POST", "/add", {"n": 0}, None),
    ("POST", "/add", {"n": -1}, None),
    ("POST", "/add", {"n": 1.5}, None),
    ("POST", "/add", {"n": "2"}, None),
    ("POST", "/add", {"n": None}, None),
    ("POST", "/add", {"n": True}, None),
    ("POST", "/add", {"n": 10**30}, None),
    ("DELETE", "/rm", {}, None),
    ("DELETE", "/rm", {"n": 0}, None),
    ("POST", "/add", [1], None),
    ("POST", "/add", b"not json", None),
    ("POST", "/add", b"", None),
    ("POST", "/add", b'{"n": 1', None),
    ("DELETE", "/rm", b"\xff\xfe", None),
    ("POST", "/add", b"[" * 5000, None),
])
def test_a_refused_change_is_400_with_a_reason_and_changes_nothing(shared, method, path, body, message):
    for address in (shared.proxy, shared.admin):
        status, reply = change(address, method, path, body)
        assert status == 400, reply
        assert set(reply) >= {"message", "status"} and reply["status"] == "failure"
        assert reply["message"].startswith("<Error>") and len(reply["message"]) > 12
        if message:
            assert reply == {"message": message, "status": "failure"}
        assert rep(address) == FIRST_THREE


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One program for the cases that must change nothing."""
    from support.ringmaster import Ringmaster
    ringmaster = Ringmaster(tmp_path_factory.mktemp("shared")).start()
    yield ringmaster
    ringmaster.stop()


def test_http10_asks_for_the_list_without_a_host(shared):
    with Wire(shared.proxy) as wire:
        answer = wire.exchange("GET /rep HTTP/1.0\r\n\r\n")
    assert (answer.status, answer.json()) == (200, FIRST_THREE)


@pytest.mark.smoke
def test_home_is_forwarded_and_says_who_answered(shared):
    answer = shared.get("/home")
    reply = answer.json()
    assert answer.status == 200 and set(reply) == {"message", "status"} and reply["status"] == "successful"
    assert re.fullmatch(r"Hello from Server: Server[123]", reply["message"])


def test_heartbeat_through_the_proxy_is_200_and_empty(shared):
    answer = shared.get("/heartbeat")
    assert (answer.status, answer.body) == (200, b"")


def test_root_is_a_greeting(shared):
    answer = shared.get("/")
    assert answer.status == 200 and answer.body


@pytest.mark.parametrize("target, shown", [("/other", "/other"), ("/other?request_id=100000", "/other"),
                                           ("/a/b", "/a/b")])
def test_a_path_that_the_replica_does_not_know_is_400(shared, target, shown):
    answer = shared.get(target)
    assert answer.status == 400
    assert answer.json() == {"message": f"<Error> '{shown}' endpoint does not exist in server replicas",
                             "status": "failure"}


def test_the_message_about_an_unknown_path_is_well_formed_json_whatever_the_path(shared):
    with Wire(shared.proxy) as wire:
        answer = wire.exchange('GET /a\'"\\<b>%22 HTTP/1.1\r\nHost: x\r\n\r\n')
    assert answer.status == 400 and answer.json()["status"] == "failure"


def test_other_methods_are_forwarded_too(shared):
    answer = exchange(shared.proxy, "PUT", "/echo?request_id=100000", b"body here")
    assert answer.status == 200 and b"PUT" in answer.body and b"body here" in answer.body


def test_without_drop_in_a_404_passes_and_the_api_is_the_replicas_affair(start):
    ringmaster = start({"proxy": {"drop_in": False}})
    assert ringmaster.get("/other").status == 404
    assert ringmaster.get("/rep").status == 404
    assert rep(ringmaster.admin) == FIRST_THREE


def test_a_head_of_an_unknown_path_has_no_body(shared):
    with Wire(shared.proxy) as wire:
        first = wire.exchange("HEAD /other HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD")
        assert first.status == 400
        second = wire.exchange("GET /home HTTP/1.1\r\nHost: x\r\n\r\n")
        assert second.status == 200


def test_a_changed_list_is_in_force_when_the_reply_is_there(start):
    """A request after the reply to /rm never meets a removed replica, on a kept-alive connection neither."""
    ringmaster = start()
    with ringmaster.connect() as wire:
        for _ in range(15):
            wire.exchange("GET /home HTTP/1.1\r\nHost: x\r\n\r\n")
        for victim, rest in (("Server1", 2), ("Server2", 1)):
            status, _ = change(ringmaster.proxy, "DELETE", "/rm", {"n": 1, "hostnames": [victim]})
            assert status == 200
            for number in range(100):
                answer = wire.exchange(f"GET /home?request_id={number} HTTP/1.1\r\nHost: x\r\n\r\n")
                assert answer.status == 200 and victim.encode() not in answer.body, (victim, rest)


def test_add_and_rm_at_the_same_time_are_serialised(start):
    """Eight clients change the list at once; every reply is a state that was, and the last one adds up."""
    from concurrent.futures import ThreadPoolExecutor
    ringmaster = start()

    def add_and_remove(number: int):
        name = f"T{number}"
        status, body = change(ringmaster.admin, "POST", "/add", {"n": 1, "hostnames": [name]})
        assert status == 200 and name in body["message"]["replicas"], body
        status, body = change(ringmaster.admin, "DELETE", "/rm", {"n": 1, "hostnames": [name]})
        assert status == 200 and name not in body["message"]["replicas"], body
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_and_remove, range(16)))
    assert rep(ringmaster.admin) == FIRST_THREE
