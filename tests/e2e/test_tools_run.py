"""tools/run as a newcomer uses it. Only where the build under test is the one that tools/run makes."""
from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time

from support import processes
from support.ringmaster import BUILD, ROOT, parse_address
from support.wire import exchange

ANY_PORTS = ("--proxy.listen", "127.0.0.1:0", "--admin.listen", "127.0.0.1:0")


def start(*arguments: str) -> subprocess.Popen:
    """In a process group of its own, so that the Ctrl-C below is for all of it, as from a terminal."""
    return subprocess.Popen([ROOT / "tools/run", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True, start_new_session=True)


def addresses(running: subprocess.Popen) -> dict[str, tuple[str, int]]:
    found = {}
    for line in running.stderr:
        if match := re.search(r"(proxy|admin) listening on (\S+)", line):
            found[match.group(1)] = parse_address(match.group(2))
        if len(found) == 2:
            break
    return found


if BUILD == ROOT / "build":

    def test_a_second_run_serves_within_two_seconds_and_control_c_ends_it_all():
        """The quickest of three: a busy machine may hold one up."""
        assert any(run_once() < 2 for _ in range(3))

    def run_once() -> float:
        """Seconds until it serves."""
        began = time.monotonic()
        running = start(*ANY_PORTS)
        try:
            listening = addresses(running)
            while exchange(listening["admin"], "GET", "/readyz").status != 200:
                time.sleep(0.02)
            took = time.monotonic() - began
            assert exchange(listening["proxy"], "GET", "/home").status == 200
            assert exchange(listening["proxy"], "GET", "/rep").json()["message"]["N"] == 3
            replicas = processes.children(running.pid)
            assert len(replicas) == 3
        finally:
            os.killpg(running.pid, signal.SIGINT)
            _, rest = running.communicate(timeout=40)
        assert running.returncode == 0, rest
        assert not [pid for pid in replicas if processes.alive(pid)]
        return took

    def test_arguments_are_handed_on():
        running = start(*ANY_PORTS, "--replicas.count", "5")
        try:
            listening = addresses(running)
            while exchange(listening["admin"], "GET", "/readyz").status != 200:
                time.sleep(0.02)
            assert exchange(listening["admin"], "GET", "/rep").json()["message"]["N"] == 5
        finally:
            os.killpg(running.pid, signal.SIGINT)
            running.communicate(timeout=40)
        assert running.returncode == 0

    def test_a_port_in_use_is_told_plainly():
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("127.0.0.1", 5000))
                taken.listen()
            except OSError:
                pass  # somebody has it already, which serves as well
            running = start()
            _, told = running.communicate(timeout=30)
        assert running.returncode == 78 and "5000" in told and "in use" in told
