"""The access log of the running program: its forms, rotation, standard output, and what it costs when it fails."""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading

import pytest
from support import toml
from support.load import Load
from support.ringmaster import executable
from support.wire import wait_until

COMBINED = re.compile(r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
                      r'"(GET|POST) \S+ HTTP/1\.1" \d{3} \d+ "[^"]*" "[^"]*"')


def lines_of(path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.smoke
def test_every_request_has_a_line(start, tmp_path):
    log = tmp_path / "access.log"
    ringmaster = start({"log": {"access": str(log)}})
    with Load(ringmaster.proxy, clients=8, make_request=lambda n: f"GET /home?request_id={n} HTTP/1.1\r\n"
              f"Host: h\r\nUser-Agent: load\r\n\r\n".encode(), requests=500) as load:
        load.join().assert_all_ok(500)
    wait_until(lambda: len(lines_of(log)) == 500, 5, "500 lines")
    assert all(COMBINED.fullmatch(line) for line in lines_of(log)), lines_of(log)[0]
    numbers = {re.search(r"request_id=(\d+)", line)[1] for line in lines_of(log)}
    assert numbers == {str(number) for number in range(500)}
    assert ringmaster.metric("ringmaster_access_lines_total") == 500
    assert oct(log.stat().st_mode & 0o777) == "0o640"


def test_json_lines_are_objects(start, tmp_path):
    log = tmp_path / "access.log"
    ringmaster = start({"log": {"access": str(log), "access_format": "json"}})
    ringmaster.get("/home?request_id=7")
    with ringmaster.connect() as wire:
        wire.send("GET / HTTP/1.1\r\n\r\n")
        assert wire.read_head().status == 400
    wait_until(lambda: len(lines_of(log)) == 2, 5, "two lines")
    good, bad = sorted(map(json.loads, lines_of(log)), key=lambda line: line["status"])   # of two workers: any order
    assert (good["status"], good["uri"], good["attempts"]) == (200, "/home?request_id=7", 1)
    assert good["replica"].startswith("Server")
    assert (bad["status"], bad["cause"]) == (400, "host_missing")


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
def test_rotation_loses_no_line(start, tmp_path, number):
    log, old = tmp_path / "access.log", tmp_path / "access.log.1"
    ringmaster = start({"log": {"access": str(log)}})
    with Load(ringmaster.proxy, clients=8) as load:
        load.wait_answered(200)
        os.rename(log, old)
        ringmaster.signal(number)
        ringmaster.wait_for_log("is open anew")
        load.wait_answered(200)
    load.report.assert_all_ok(400)
    wait_until(lambda: len(lines_of(log)) + len(lines_of(old)) == load.report.answered, 5, "a line for each request")
    assert lines_of(log) and lines_of(old)


def test_without_an_access_log_the_signals_do_nothing(start):
    ringmaster = start()
    for number in (signal.SIGHUP, signal.SIGUSR1):
        ringmaster.signal(number)
    ringmaster.wait_for_log("USR1 received")
    assert ringmaster.get("/home").status == 200


def test_standard_output_may_be_a_reader_that_stops(tmp_path):
    """The reader takes nothing at first: requests are served all the same, and what was dropped is counted."""
    config = tmp_path / "ringmaster.toml"
    config.write_text(toml.dump({"proxy": {"listen": ["127.0.0.1:0"], "workers": 1, "drop_in": True},
                                 "admin": {"listen": "127.0.0.1:0"}, "log": {"access": "stdout"},
                                 "replicas": {"command": [str(executable("ringmaster-replica"))]}}))
    process = subprocess.Popen([executable("ringmaster"), "run", "--config", config], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        address = None
        for line in process.stderr:
            if found := re.search(r"proxy listening on ([\d.]+):(\d+)", line):
                address = (found[1], int(found[2]))
            if "-> ready" in line:
                break
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        with Load(address, clients=8, requests=3000) as load:
            load.join().assert_all_ok(3000)
        process.terminate()
        lines = process.stdout.read().splitlines()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert len(lines) == 3000 and all(COMBINED.fullmatch(line) for line in lines)


def test_a_full_disk_is_said_once_and_costs_lines_not_requests(start):
    ringmaster = start({"log": {"access": "/dev/full"}})
    for number in range(3):
        assert ringmaster.get("/home").status == 200
        wait_until(lambda: ringmaster.metric("ringmaster_access_lines_lost_total") == number + 1, 5, "a lost line")
    ringmaster.wait_for_log(r"error access log: /dev/full: write: No space left on device; .* make room")
    assert sum("access log: /dev/full" in line for line in ringmaster.log) == 1


def test_a_log_that_cannot_be_opened_is_said_at_the_start(tmp_path):
    ended = subprocess.run([executable("ringmaster"), "run", "--log.access", str(tmp_path / "no/folder/log"),
                            "--proxy.listen", "127.0.0.1:0", "--admin.listen", "127.0.0.1:0"],
                           capture_output=True, text=True, timeout=20)
    assert ended.returncode == 78
    assert "log.access" in ended.stderr and "No such file" in ended.stderr
