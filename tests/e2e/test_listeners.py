"""Where clients connect: two addresses, inherited descriptors, systemd's sockets, a unix socket for the admin."""
from __future__ import annotations

import fcntl
import socket
import subprocess

import pytest
from support.processes import environment
from support.ringmaster import executable
from support.wire import exchange, wait_until

# Moves the inherited descriptors to 3, 4, … and says so the way systemd does (sd_listen_fds(3)).
LIKE_SYSTEMD = 'n=3; for fd in $PASSED; do eval "exec $n<&$fd"; n=$((n+1)); done; ' \
               'LISTEN_PID=$$ LISTEN_FDS=$((n-3)) exec "$@"'


def bound() -> socket.socket:
    """Numbered from 20 on, so that moving to 3, 4, … treads on nobody."""
    opened = socket.create_server(("127.0.0.1", 0))
    moved = socket.socket(fileno=fcntl.fcntl(opened.fileno(), fcntl.F_DUPFD, 20))
    opened.close()
    return moved


def test_two_addresses_both_serve(start):
    ringmaster = start({"proxy": {"listen": ["127.0.0.1:0", "[::1]:0"]}})
    assert len(ringmaster.proxies) == 2 and {":" in host for host, _ in ringmaster.proxies} == {False, True}
    for address in ringmaster.proxies:
        assert exchange(address, "GET", "/home").status == 200


def test_a_second_one_on_the_same_port_is_said(start):
    first = start({"proxy": {"listen": ["127.0.0.1:0", "[::1]:0"]}})
    assert not [line for line in first.log if "listens there already" in line]
    host, port = first.proxy
    second = start({"proxy": {"listen": [f"{host}:{port}"]}})
    second.wait_for_log(rf"warning proxy.listen: {host}:{port}: somebody listens there already; .*end one of the two")
    for _ in range(20):
        assert exchange(first.proxy, "GET", "/home").status == 200


def test_x_forwarded_for_of_an_ipv6_client_is_its_address(start):
    ringmaster = start({"proxy": {"listen": ["[::1]:0"]}})
    assert b"::1" in exchange(ringmaster.proxy, "GET", "/echo").body


@pytest.mark.parametrize("workers", [1, 2])
def test_an_inherited_listener(start, workers):
    with bound() as listener:
        ringmaster = start({"proxy": {"listen": [f"fd:{listener.fileno()}"], "workers": workers}},
                           pass_fds=(listener.fileno(),))
        address = listener.getsockname()
        assert ringmaster.proxy == address
        for _ in range(20):
            assert exchange(address, "GET", "/home").status == 200


def test_sockets_that_systemd_passes(start):
    with bound() as one, bound() as two:
        fds = (one.fileno(), two.fileno())
        ringmaster = start({"proxy": {"listen": ["127.0.0.1:0"]}}, pass_fds=fds,
                           prefix=("/bin/bash", "-c", LIKE_SYSTEMD, "bash"),
                           environment={"PASSED": " ".join(str(fd) for fd in fds)})
        wait_until(lambda: len(ringmaster._proxy_lines()) == 2, 5, "both sockets are named")
        for listener in (one, two):
            assert exchange(listener.getsockname(), "GET", "/home").status == 200
        for pid in ringmaster.replica_pids().values():
            assert "LISTEN_FDS" not in environment(pid)


def test_a_descriptor_that_is_no_listener_is_refused_with_78(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('[proxy]\nlisten = ["fd:0"]\n[admin]\nlisten = "127.0.0.1:0"\n')
    ended = subprocess.run([executable("ringmaster"), "run", "--config", config], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=20)
    assert ended.returncode == 78 and "fd:0" in ended.stderr


def test_a_port_in_use_is_78_with_the_port_and_a_remedy(tmp_path):
    with bound() as listener:
        port = listener.getsockname()[1]
        for flag in ("--proxy.listen", "--admin.listen"):
            other = "--admin.listen" if flag == "--proxy.listen" else "--proxy.listen"
            ended = subprocess.run([executable("ringmaster"), "run", flag, f"127.0.0.1:{port}", other, "127.0.0.1:0"],
                                   capture_output=True, text=True, timeout=20)
            assert ended.returncode == 78, ended.stderr
            assert str(port) in ended.stderr and "use" in ended.stderr


def test_the_admin_on_a_unix_socket(start, tmp_path):
    path = tmp_path / "admin.sock"
    start({"admin": {"listen": f"unix:{path}"}}, ready=False)
    answer = subprocess.run(["curl", "-s", "--max-time", "5", "--unix-socket", str(path), "http://localhost/healthz",
                             "-o", "/dev/null", "-w", "%{http_code}"], capture_output=True, text=True, timeout=30)
    assert answer.stdout == "200"


def test_many_connections_reach_every_worker(start):
    ringmaster = start({"proxy": {"workers": 2}})
    for _ in range(60):
        assert ringmaster.get("/home").status == 200
    accepted = {sample: value for sample, value in ringmaster.metrics().items()
                if sample.startswith("ringmaster_connections_accepted_total{")}
    assert len(accepted) == 2 and all(value > 0 for value in accepted.values()), accepted
