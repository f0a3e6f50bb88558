#!/usr/bin/python3
"""POSTs while replicas reset everything they hold, as killed ones do. They remember what they were handed."""
from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.drill import Drill, Result, main, slack  # noqa: E402
from support.load import Load  # noqa: E402
from support.ringmaster import Ringmaster  # noqa: E402
from support.upstream import Upstream, UpstreamConnection, ok  # noqa: E402

DRILL = Drill("POST while replicas are killed", "never handed over twice once a byte was read by a replica; "
              "a failure is a 502 within 1 s", "nginx and HAProxy do not retry POST unless told to")


class MortalReplica(Upstream):
    """kill() resets every connection in whatever state it is."""

    def __init__(self):
        super().__init__(self._serve_post, read_bodies=False)
        self.seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def _serve_post(self, connection: UpstreamConnection, request):
        with self._lock:
            self.seen[request.get("x-id")] += 1
        connection.read_body(request)
        connection.send(ok())

    def kill(self):
        for connection in list(self.connections):
            connection.kill()
        self.connections.clear()


def post(sequence: int) -> bytes:
    body = b"b" * (sequence % 3000)
    return b"POST /p?request_id=%d HTTP/1.1\r\nHost: x\r\nX-Id: %d\r\nContent-Length: %d\r\n\r\n%s" % (
        sequence, sequence, len(body), body)


def run(folder: Path, scale: float) -> Result:
    result = Result()
    replicas = [MortalReplica() for _ in range(3)]
    listed = [{"name": f"r{k + 1}", "address": replica.text} for k, replica in enumerate(replicas)]
    settings = {"replicas": {"runtime": "static", "static": listed, "command": None}, "proxy": {"drop_in": False}}
    kills = max(10, int(100 * scale))
    with Ringmaster(folder, settings) as ringmaster:
        with Load(ringmaster.proxy, 32, post) as load:
            for number in range(kills):
                load.wait_answered(100)
                replicas[number % 3].kill()
                time.sleep(0.02)
        report = load.report
    for replica in replicas:
        replica.close()
    handed = sum((replica.seen for replica in replicas), Counter())
    twice = [identity for identity, count in handed.items() if count > 1]
    failed = report.answered - report.statuses[200]
    result.saw(f"{kills} kills, {report.answered} POSTs, {failed} failed ({dict(report.statuses)}), {len(twice)} "
               f"handed over twice, slowest {report.slowest_ms:.0f} ms")
    result.must(not twice, f"handed over twice: {twice[:10]}")
    result.must(set(report.statuses) <= {200, 502}, f"other statuses: {dict(report.statuses)}")
    result.must(not report.failures, f"no answer at all: {report.text()}")
    result.must(report.slowest_ms <= 1000 * slack(scale), f"the slowest took {report.slowest_ms:.0f} ms")
    return result


if __name__ == "__main__":
    main(DRILL, run)
