"""A-1 to A-4 through the running proxy, by the tests' load: many clients on bare sockets, every answer looked at."""
from __future__ import annotations

import os
import random
import re
import signal
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from support.load import Load, get
from support.ringmaster import Ringmaster
from support.wire import exchange

TABLES = ("assignment", "assignment-printed", "md5", "ketama", "maglev", "rendezvous")
SIZES = (2, 3, 4, 5, 6)
CLIENTS = 32
WINDOW_MS = 25  # of the timeline


def server_of(body: bytes) -> str:
    return re.search(rb"Hello from Server: ([\w.-]+)", body).group(1).decode()


def measure(seed: int, small: bool) -> dict:
    requests = 500 if small else 10_000
    shares, kills = [], []
    for table in TABLES:
        print(f"live: {table}")
        with tempfile.TemporaryDirectory() as folder:
            settings = {"routing": {"table": table}, "replicas": {"count": SIZES[0]}}
            with Ringmaster(Path(folder), settings) as ringmaster:
                shares += [count_shares(ringmaster, table, size, requests, seed) for size in SIZES]
        with tempfile.TemporaryDirectory() as folder:
            settings = {"routing": {"table": table}, "replicas": {"count": 3}}
            with Ringmaster(Path(folder), settings) as ringmaster:
                kills.append({"table": table, **kill_under_load(ringmaster, 0.4 if small else 1.0)})
    return {"seed": seed, "requests": requests, "clients": CLIENTS, "shares": shares, "kills": kills}


def count_shares(ringmaster: Ringmaster, table: str, size: int, requests: int, seed: int) -> dict:
    """A-1 and A-2: `requests` at once from many clients, ids by the seed, who answered counted."""
    while (have := len(ringmaster.ready_replicas())) < size:
        answer = exchange(ringmaster.admin, "POST", "/add", b'{"n": 1, "hostnames": ["Server%d"]}' % (have + 1),
                          content_type="application/json")
        assert answer.status == 200, answer
    dice = random.Random(seed)
    ids = [dice.randint(100_000, 999_999) for _ in range(requests)]
    with Load(ringmaster.proxy, clients=CLIENTS, requests=requests, classify=server_of,
              make_request=lambda k: get(f"/home?request_id={ids[k]}")) as load:
        report = load.join()
    report.assert_all_ok(requests)
    counts = [report.bodies.get(f"Server{i}", 0) for i in range(1, size + 1)]
    return {"table": table, "replicas": size, "counts": counts}


class Watch:
    """How many replicas are ready, and whether the assignment's endpoints answer; as often as can be asked."""

    def __init__(self, ringmaster: Ringmaster):
        self.ringmaster = ringmaster
        self.ready: list[tuple[float, int]] = []
        self.endpoints: Counter = Counter()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _run(self):
        while not self._done.wait(0.002):
            asked = time.monotonic()
            self.ready.append((asked, len(self.ringmaster.ready_replicas())))
            for path in ("/rep", "/heartbeat"):
                self.endpoints[f"{path} {self.ringmaster.get(path).status}"] += 1


def kill_under_load(ringmaster: Ringmaster, seconds: float) -> dict:
    """A-3: load on all paths, Server1 killed after `seconds`, and as long again (at least) until it is over."""
    dice, statuses = random.Random(3), []

    def check(_sequence: int, status: int, _head: bytes, _body: bytes):
        statuses.append(status)
    with Watch(ringmaster) as watch, Load(ringmaster.proxy, clients=CLIENTS, check=check, make_request=lambda _: get(
            f"/home?request_id={dice.randint(100_000, 999_999)}")) as load:
        began = time.monotonic()
        time.sleep(seconds)
        killed = time.monotonic()
        os.kill(ringmaster.replica_pids()["Server1"], signal.SIGKILL)
        ringmaster.wait_for_log(r"replica Server1: starting -> ready.*", 20, after=len(ringmaster.log) - 1)
        back = time.monotonic()
        time.sleep(seconds)
        report = load.stop()
    ended = time.monotonic()
    reports = list(zip(report.ends, report.latencies, statuses))
    return {
        "requests": len(reports), "failed": sum(report.failures.values()),
        "not_200": sum(status != 200 for _, _, status in reports),
        "endpoints": dict(sorted(watch.endpoints.items())),
        "killed_ms": round((killed - began) * 1e3, 1), "n_restored_after_ms": round((back - killed) * 1e3, 1),
        "slowest_ms": round(max(report.latencies) * 1e3, 1),
        "timeline": timeline(reports, watch.ready, began, ended),
    }


def timeline(reports: list, ready: list, began: float, ended: float) -> list[dict]:
    rows = []
    for number in range(int((ended - began) * 1000 / WINDOW_MS)):
        begin = began + number * WINDOW_MS / 1e3
        end = begin + WINDOW_MS / 1e3
        inside = sorted(latency for moment, latency, _ in reports if begin <= moment < end)
        seen = [count for moment, count in ready if begin <= moment < end]
        rows.append({
            "ms": number * WINDOW_MS, "answers": len(inside),
            "not_200": sum(status != 200 for moment, _, status in reports if begin <= moment < end),
            "p99_ms": round(inside[int(len(inside) * 0.99)] * 1e3, 2) if inside else None,
            "least_ready": min(seen, default=None),
        })
    return rows
