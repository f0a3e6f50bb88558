"""The assignment's whole API, with containers behind it."""
from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.engine import docker_settings
from support.wire import exchange


def change(ringmaster, method: str, path: str, body: dict) -> tuple[int, dict]:
    answer = exchange(ringmaster.proxy, method, path, json.dumps(body).encode(), content_type="application/json",
                      timeout=60)
    return answer.status, answer.json()


def names(ringmaster) -> list[str]:
    return exchange(ringmaster.proxy, "GET", "/rep").json()["message"]["replicas"]


def test_replicas_are_containers_that_know_their_names(start_docker, engine):
    ringmaster = start_docker()
    assert exchange(ringmaster.proxy, "GET", "/rep").json() == {
        "message": {"N": 3, "replicas": ["Server1", "Server2", "Server3"]}, "status": "successful"}
    assert set(engine.ours()) == {"Server1.1", "Server2.1", "Server3.1"}
    said = {ringmaster.get(f"/home?request_id={i}").json()["message"] for i in range(60)}
    assert said == {f"Hello from Server: Server{i}" for i in (1, 2, 3)}
    found = engine.inspect("Server2.1")
    assert "Server2" in found["NetworkSettings"]["Networks"]["net1"]["Aliases"]
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"] and host["RestartPolicy"]["Name"] == "no" and not host["Privileged"]
    assert host["PidsLimit"] == 512
    status = Path(f"/proc/{found['State']['Pid']}/status").read_text()
    assert re.search(r"^CapEff:\t0+$", status, re.M) and re.search(r"^CapBnd:\t0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M)


def test_add_and_rm_start_and_stop_containers(start_docker, engine):
    ringmaster = start_docker()
    status, body = change(ringmaster, "POST", "/add", {"n": 3, "hostnames": ["S5", "S4"]})
    assert status == 200 and body["message"]["N"] == 6
    assert body["message"]["replicas"][:5] == ["Server1", "Server2", "Server3", "S5", "S4"]
    random_name = body["message"]["replicas"][5]
    assert {"S5.1", "S4.1", f"{random_name}.1"} < set(engine.ours())
    status, body = change(ringmaster, "DELETE", "/rm", {"n": 2, "hostnames": ["S5", random_name]})
    assert status == 200 and body["message"]["replicas"] == ["Server1", "Server2", "Server3", "S4"]
    ringmaster.wait_for_log(r"replica S5: draining -> gone", 15)
    ringmaster.wait_for_log(rf"replica {random_name}: draining -> gone", 15)
    assert set(engine.ours()) == {"Server1.1", "Server2.1", "Server3.1", "S4.1"}


def test_names_are_those_that_the_engine_takes(start_docker, engine):
    """Underscores, dots and a hyphen at the end, in the container's name, its alias and its labels; healed, too."""
    ringmaster = start_docker({"replicas": {"count": 1}})
    named = ["server_4", "web.2", "b-"]
    assert change(ringmaster, "POST", "/add", {"n": 3, "hostnames": named})[1]["message"]["replicas"][1:] == named
    for name in named:
        assert name in engine.inspect(f"{name}.1")["NetworkSettings"]["Networks"]["net1"]["Aliases"]
    engine.docker("kill", "web.2.1")
    ringmaster.wait_for_log(r"replica web\.2: starting -> ready: .*", 60, after=len(ringmaster.log))
    assert "web.2.2" in engine.ours()
    assert change(ringmaster, "DELETE", "/rm", {"n": 3, "hostnames": named})[1]["message"]["replicas"] == ["Server1"]


@pytest.mark.parametrize("path, body, says", [
    ("/add", {"n": 1, "hostnames": ["a", "b"]}, "Length of hostname list is more than newly added instances"),
    ("/rm", {"n": 1, "hostnames": ["Server1", "Server2"]}, "Length of hostname list is more than removable instances"),
    ("/add", {"n": 1, "hostnames": ["Server1"]}, "in use"),
    ("/add", {"n": 1, "hostnames": ["Server 4"]}, "not a replica name"),
    ("/add", {"n": 1, "hostnames": ["../x"]}, "not a replica name"),
    ("/add", {"n": 1, "hostnames": ["-x"]}, "not a replica name"),
    ("/rm", {"n": 9}, "only 3"),
    ("/rm", {"n": 1, "hostnames": ["nobody"]}, "no replica"),
])
def test_a_wrong_order_changes_nothing(shared, path, body, says):
    ringmaster, engine = shared
    before = engine.ours()
    status, answer = change(ringmaster, "POST", path, body)
    assert status == 400 and says in answer["message"] and answer["status"] == "failure"
    assert engine.ours() == before and names(ringmaster) == ["Server1", "Server2", "Server3"]


@pytest.fixture(scope="module")
def shared(session_engine, tmp_path_factory):
    """One ringmaster for all wrong orders."""
    from support.ringmaster import Ringmaster
    settings = docker_settings(session_engine)
    settings["docker"]["instance"] = "shared"
    with Ringmaster(tmp_path_factory.mktemp("shared"), settings) as ringmaster:
        yield ringmaster, session_engine
    session_engine.remove_all()


def test_published_ports_are_on_loopback_only(start_docker, engine):
    ringmaster = start_docker({"docker": {"reach": "published"}})
    for replica in ringmaster.ready_replicas():
        assert replica["address"].startswith("127.0.0.1:")
        bindings = engine.inspect(replica["container"])["NetworkSettings"]["Ports"]["5000/tcp"]
        assert [binding["HostIp"] for binding in bindings] == ["127.0.0.1"]
    assert ringmaster.get("/home").status == 200


def test_auto_on_the_engines_own_host_needs_no_published_ports(start_docker, engine):
    """They would be lost whenever the engine is stopped."""
    ringmaster = start_docker({"docker": {"reach": "auto"}})
    bridge = engine.docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", "net1")
    for replica in ringmaster.ready_replicas():
        assert replica["address"].rpartition(".")[0] == bridge.partition("/")[0].rpartition(".")[0]
        assert not engine.inspect(replica["container"])["HostConfig"]["PortBindings"]
    assert ringmaster.get("/home").status == 200


def test_the_template_reaches_the_container(start_docker, engine, tmp_path):
    extra = tmp_path / "extra.json"
    extra.write_text(json.dumps({"User": "4711:4711", "HostConfig": {"Tmpfs": {"/tmp": "size=1m"}},
                                 "Labels": {"ringmaster.instance": "stolen"}}))
    template = {"memory": "64MiB", "cpu_thousandths": 500, "pids": 33, "environment": ["COLOUR=red"],
                "labels": ["team=shop"], "instance": "templated", "extra_file": str(extra)}
    ringmaster = start_docker({"replicas": {"count": 1}, "docker": template})
    found = engine.inspect(ringmaster.ready_replicas()[0]["container"])
    assert found["HostConfig"]["Memory"] == 64 << 20 and found["HostConfig"]["NanoCpus"] == 500_000_000
    assert found["HostConfig"]["PidsLimit"] == 33 and found["HostConfig"]["Tmpfs"]["/tmp"].startswith("size=1m")
    assert {"COLOUR=red", "SERVER_ID=Server1", "PORT=5000"} <= set(found["Config"]["Env"])
    assert found["Config"]["User"] == "4711:4711"
    assert found["Config"]["Labels"]["team"] == "shop"
    assert found["Config"]["Labels"]["ringmaster.instance"] == "templated"
