"""The proxy of compose.socket-proxy.yaml: ringmaster works through it, and what it does not need is refused."""
from __future__ import annotations

import json
import subprocess

import pytest
from support.ringmaster import ROOT
from support.upstream import HeldPort
from support.wire import exchange, wait_until


@pytest.fixture
def proxy(engine, tmp_path):
    """The shipped configuration on a free port of loopback, before the tests' engine; gives its address."""
    held = HeldPort()
    port = held.number
    text = (ROOT / "docker/socket-proxy/haproxy.cfg").read_text()
    assert "bind :2375" in text and "unix@/var/run/docker.sock" in text
    config = tmp_path / "haproxy.cfg"
    config.write_text(text.replace("bind :2375", f"bind 127.0.0.1:{port}")
                      .replace("/var/run/docker.sock", str(engine.socket)))
    process = subprocess.Popen(["haproxy", "-db", "-f", str(config)], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port), 10, "the socket proxy answers")
        yield "127.0.0.1", port
    finally:
        process.kill()
        process.wait()
        held.close()


def answers(port: int) -> bool:
    try:
        return exchange(("127.0.0.1", port), "GET", "/_ping").status == 200
    except OSError:
        return False


def test_ringmaster_works_through_it(start_docker, engine, proxy):
    profile = ROOT / "docker/seccomp-io_uring.json"
    ringmaster = start_docker({"docker": {"engine": f"{proxy[0]}:{proxy[1]}", "seccomp_file": str(profile)}})
    assert len(engine.ours()) == 3
    engine.docker("kill", "Server1.1")
    wait_until(lambda: "Server1.2" in engine.ours() and len(ringmaster.ready_replicas()) == 3, 30, "it heals")


@pytest.mark.parametrize("method, path", [
    ("GET", "/v1.41/images/json"), ("POST", "/v1.41/images/create?fromImage=x"), ("POST", "/v1.41/build"),
    ("POST", "/v1.41/containers/x/exec"), ("GET", "/v1.41/containers/x/archive?path=/"), ("GET", "/v1.41/info"),
    ("DELETE", "/v1.41/images/x"), ("DELETE", "/v1.41/networks/net1"), ("PUT", "/v1.41/containers/x/archive"),
    ("POST", "/v1.41/containers/prune"), ("GET", "/v1.41/containers/../images/json"),
])
def test_the_rest_of_the_api_is_refused(proxy, method, path):
    assert exchange(proxy, method, path, b"{}" if method == "POST" else b"").status == 403


@pytest.mark.parametrize("host", [
    {"Privileged": True}, {"privileged": True}, {"Binds": ["/:/host"]}, {"CapAdd": ["SYS_ADMIN"]},
    {"Mounts": [{"Type": "bind"}]}, {"NetworkMode": "host"}, {"NetworkMode": "container:x"}, {"Devices": []},
    {"SecurityOpt": ["seccomp=unconfined"]}, {"PidMode": "host"},
])
def test_a_container_with_rights_of_the_host_is_refused(proxy, host):
    body = json.dumps({"Image": "x", "HostConfig": host}).encode()
    path = "/v1.41/containers/create?name=x"
    assert exchange(proxy, "POST", path, body, content_type="application/json").status == 403
    hidden = body.replace(b"r", b"\\u0072")
    assert exchange(proxy, "POST", path, hidden, content_type="application/json").status == 403
