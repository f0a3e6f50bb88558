"""tools/test ends with its count, and leaves nothing running, whatever comes."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"

# The runner itself with parts of our own; the second must not begin once the first was ended.
RUNNER = """
import sys
from pathlib import Path
from testing import __main__ as runner, builds, steps

folder = Path(sys.argv.pop(1))

def slow(part):
    command = "setsid sleep 1000 & echo $! >stray; echo begun >begun; sleep 1000"
    outcome = steps.run(["sh", "-c", command], folder / "a/b/c/slow.log", {timeout}, folder=folder)
    (folder / "code").write_text(str(outcome.code))
    part.add_failure("slow")

def never(part):
    (folder / "never").write_text("")
    part.add_pass()

def unbuildable(part):
    build = builds.Build("none", dict(CXX="false"), dict())
    build.__class__.folder = property(lambda self: folder / "build")
    runner.run_programs(part, build, "unit")

def broken(part):
    raise ValueError("a fault of ours")

runner.PARTS = dict(slow=slow, never=never, unbuildable=unbuildable, broken=broken)
runner.BACKGROUND, runner.LIMIT_SECONDS = dict(), {limit}
sys.exit(runner.main())
"""


@pytest.fixture
def begin(tmp_path):
    begun = []

    def start(*parts: str, timeout: float = 100, limit: float = 100) -> subprocess.Popen:
        script = RUNNER.replace("{timeout}", str(timeout)).replace("{limit}", str(limit))
        begun.append(subprocess.Popen([sys.executable, "-B", "-c", script, str(tmp_path), *parts], text=True,
                                      env={**os.environ, "PYTHONPATH": str(TOOLS)}, stdout=subprocess.PIPE))
        return begun[-1]
    yield start
    for runner in begun:
        runner.terminate()
        runner.communicate(timeout=30)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(path: Path):
    for _ in range(1000):
        if path.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} never came")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_what_runs_and_the_count_comes_all_the_same(tmp_path, begin, number):
    runner = begin("slow", "never")
    wait_for(tmp_path / "begun")
    runner.send_signal(number)
    output = runner.communicate(timeout=30)[0]
    assert output.splitlines()[-1] == "0 passed, 2 failed" and runner.returncode == 1, output
    assert f"never did not run: ended by {number.name}" in output
    assert not (tmp_path / "never").exists()
    assert not running(int((tmp_path / "stray").read_text())), "a process in a session of its own outlived the runner"


def test_a_runner_that_is_out_of_time_ends_itself(begin):
    output = begin("slow", "never", limit=1).communicate(timeout=30)[0]
    assert output.splitlines()[-1] == "0 passed, 2 failed", output
    assert "the limit of 1 s is over" in output


def test_a_command_that_is_too_slow_does_not_keep_the_others(tmp_path, begin):
    output = begin("slow", "never", timeout=0.5).communicate(timeout=30)[0]
    assert output.splitlines()[-1] == "1 passed, 1 failed", output
    assert (tmp_path / "code").read_text() == "124"
    assert not running(int((tmp_path / "stray").read_text()))


def test_a_build_that_fails_and_a_part_that_breaks_off_count_as_failures(begin):
    output = begin("unbuildable", "broken", "never").communicate(timeout=60)[0]
    assert output.splitlines()[-1] == "1 passed, 2 failed", output
    assert "none could not be built" in output and "ValueError: a fault of ours" in output
