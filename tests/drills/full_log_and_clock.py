#!/usr/bin/python3
"""The disk of the logs is full, and the wall clock jumps."""
from __future__ import annotations

import glob
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import toml  # noqa: E402
from support.drill import Drill, Result, main  # noqa: E402
from support.load import Load, get  # noqa: E402
from support.ringmaster import Ringmaster, executable  # noqa: E402
from support.wire import exchange, wait_until  # noqa: E402

DRILL = Drill("log and access log on /dev/full; clock set by an hour forwards and back (libfaketime)",
              "0 failed requests, a counter of dropped lines, 0 spurious time-outs", "none measured")


def under_jumping_clock(folder: Path, requests: int, result: Result):
    library = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    clock = folder / "clock"
    folder.mkdir(parents=True, exist_ok=True)
    clock.write_text("+0")
    environment = {"LD_PRELOAD": library[0], "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
                   "DONT_FAKE_MONOTONIC": "1"}
    access = folder / "access.log"
    with Ringmaster(folder, {"log": {"access": str(access)}}, environment=environment) as ringmaster:
        with Load(ringmaster.proxy, 16, lambda k: get(f"/delay/5?request_id={k}")) as load:
            for offset in ("+1h", "-1h", "+0", "+1h"):
                load.wait_answered(requests // 4)
                clock.write_text(offset)
                time.sleep(0.3)
            load.wait_answered(requests // 4)
        report = load.report
        failing = [line for line in ringmaster.log if "-> failing" in line or "timed out" in line]
    lines = access.read_text().count("\n")
    result.saw(f"jumping clock: {report.text()}, {lines} lines in the access log")
    result.must(lines == report.answered, f"{lines} lines for {report.answered} answers")
    result.must(set(report.statuses) == {200} and not report.failures and not report.closed_idle, report.text())
    result.must(not failing, f"spurious: {failing[:3]}")


def under_full_log(folder: Path, requests: int, result: Result):
    """The ports cannot be told by the log here: the listener is ours, the admin's is not needed."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "ringmaster.toml"
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener, open("/dev/full", "w") as full:
        config.write_text(toml.dump({"proxy": {"listen": [f"fd:{listener.fileno()}"]}, "log": {"level": "debug"},
                                     "admin": {"listen": "127.0.0.1:0"},
                                     "replicas": {"command": [str(executable("ringmaster-replica"))]}}))
        running = subprocess.Popen([executable("ringmaster"), "run", "--config", config], stderr=full,
                                   pass_fds=(listener.fileno(),))
        address = listener.getsockname()
        try:
            wait_until(lambda: exchange(address, "GET", "/home").status == 200, 20, "it serves", step=0.1)
            with Load(address, 16, requests=requests) as load:
                report = load.join()
        finally:
            running.terminate()
            code = running.wait(30)
    result.saw(f"full log: {report.text()}")
    result.must(set(report.statuses) == {200} and not report.failures and not report.closed_idle, report.text())
    result.must(code == 0, f"it ended with {code}")


def under_full_access_log(folder: Path, requests: int, result: Result):
    with Ringmaster(folder, {"log": {"access": "/dev/full"}}) as ringmaster:
        with Load(ringmaster.proxy, 16, requests=requests) as load:
            report = load.join()
        counted = {name: 0.0 for name in ("access_lines", "access_lines_dropped", "access_lines_lost")}

        def all_counted() -> bool:
            counted.update({name: ringmaster.metric(f"ringmaster_{name}_total") for name in counted})
            return counted["access_lines_dropped"] + counted["access_lines_lost"] >= report.answered
        wait_until(all_counted, 10, f"every line is counted as lost: {counted}")
    result.saw(f"full access log: {report.text()}; lines {counted}")
    result.must(set(report.statuses) == {200} and not report.failures and not report.closed_idle, report.text())


def run(folder: Path, scale: float) -> Result:
    result = Result()
    under_jumping_clock(folder / "clock", max(1000, int(10_000 * scale)), result)
    under_full_log(folder / "log", max(1000, int(10_000 * scale)), result)
    under_full_access_log(folder / "access", max(1000, int(10_000 * scale)), result)
    return result


if __name__ == "__main__":
    main(DRILL, run)
