#!/usr/bin/python3
"""More clients than descriptors."""
from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.drill import Drill, Result, allow_descriptors, main, slack  # noqa: E402
from support.processes import cpu_seconds  # noqa: E402
from support.ringmaster import Ringmaster  # noqa: E402
from support.wire import Wire, WireError  # noqa: E402

DRILL = Drill("descriptor limit 256, 600 clients", "CPU < 5 %, a new client served within 1 s by retiring the longest "
              "idle, the admin always answers", "both peers: a new client fails")
REQUEST = "GET /home HTTP/1.1\r\nHost: x\r\n\r\n"


def crowd(ringmaster: Ringmaster, count: int) -> list[socket.socket]:
    """Clients that ask once and stay; those that are turned away stay as far as they are let."""
    clients = []
    for _ in range(count):
        one = socket.create_connection(ringmaster.proxy, 5)
        one.setblocking(False)
        one.send(REQUEST.encode())
        clients.append(one)
    time.sleep(1)
    return clients


def new_client(ringmaster: Ringmaster) -> float:
    """Seconds until a new client has its answer; 9 where it got none."""
    began = time.monotonic()
    try:
        with Wire(ringmaster.proxy, 8) as wire:
            if wire.exchange(REQUEST).status == 200:
                return time.monotonic() - began
    except (WireError, OSError):
        pass
    return 9.0


def run(folder: Path, scale: float) -> Result:
    result = Result()
    allow_descriptors(4000)
    prefix = ("/bin/sh", "-c", 'ulimit -n 256; exec "$@"', "sh")
    with Ringmaster(folder, {"proxy": {"workers": 1}, "replicas": {"count": 2}}, prefix=prefix) as ringmaster:
        clients = crowd(ringmaster, 600)
        seconds = max(2.0, 5 * scale)
        cpu, began = cpu_seconds(ringmaster.pid), time.monotonic()
        time.sleep(seconds)
        share = 100 * (cpu_seconds(ringmaster.pid) - cpu) / (time.monotonic() - began)
        waits = [new_client(ringmaster) for _ in range(20)]
        admin = [ringmaster.admin_get("/healthz").status for _ in range(20)]
        retired = ringmaster.metric("ringmaster_connections_retired_total")
        for one in clients:
            one.close()
        afterwards = new_client(ringmaster)
    result.saw(f"600 clients: CPU {share:.1f} %, slowest new client {max(waits):.2f} s, admin {admin.count(200)} of "
               f"20, {retired:.0f} retired")
    result.must(share < 5, f"CPU {share:.1f} %")
    result.must(max(waits) < slack(scale), f"new clients waited {sorted(waits)[-3:]} s (9: no answer)")
    result.must(admin.count(200) == 20, "the admin did not always answer")
    result.must(afterwards < slack(scale), "no recovery afterwards")
    return result


if __name__ == "__main__":
    main(DRILL, run)
