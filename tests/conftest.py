"""Shared by all pytest folders: the import path, one time limit for each test, and the running program as a fixture.

The build folder comes from RINGMASTER_BUILD (default: build/).
"""
from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support.ringmaster import SANITIZED, Ringmaster  # noqa: E402
from support.upstream import Upstream  # noqa: E402

TEST_SECONDS = 120  # for a test without a @pytest.mark.seconds(N) of its own


def pytest_configure(config):
    config.addinivalue_line("markers", "smoke: also run with the sanitized programs")
    config.addinivalue_line("markers", "seconds(n): time limit of this test")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """A test that hangs fails with the place where it hung, and the others still run."""
    marker = item.get_closest_marker("seconds")
    limit = marker.args[0] if marker else TEST_SECONDS

    def too_slow(*_):
        raise TimeoutError(f"the test took more than {limit} s")
    previous = signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(limit * (4 if SANITIZED else 1))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


@pytest.fixture
def start(tmp_path):
    """start(settings…) gives a ready Ringmaster; every one is ended and checked after the test."""
    running: list[Ringmaster] = []

    def start_one(settings=None, *, ready=True, **options) -> Ringmaster:
        folder = tmp_path / f"ringmaster{len(running)}"
        folder.mkdir()
        running.append(Ringmaster(folder, settings, **options))
        return running[-1].start(ready)
    yield start_one
    problems = []
    for one in running:
        try:
            if one.process and one.process.returncode is None:
                one.stop()
        except AssertionError as problem:
            problems.append(str(problem))
            one.kill()
        print("\n".join([f"--- log of {one.directory.name}:", *one.log[-80:]]))
    assert not problems, "\n".join(problems)


@pytest.fixture
def upstreams():
    """upstreams(script, …) gives an Upstream; all are closed after the test."""
    opened: list[Upstream] = []

    def open_one(*arguments, **options) -> Upstream:
        opened.append(Upstream(*arguments, **options))
        return opened[-1]
    yield open_one
    for one in opened:
        one.close()


def static(*replicas: Upstream | str) -> dict:
    """Settings for replicas that the test runs itself, named r1, r2, …"""
    entries = [{"name": f"r{i + 1}", "address": replica if isinstance(replica, str) else replica.text}
               for i, replica in enumerate(replicas)]
    return {"runtime": "static", "static": entries, "command": None}


@pytest.fixture
def start_static(start):
    """start_static([upstreams], settings…): ringmaster in front of the test's own replicas, all ready.

    One worker, so that what one connection taught it about a replica is known to the next.
    """
    def start_one(replicas: list[Upstream | str], settings=None, **options) -> Ringmaster:
        merged = {"replicas": static(*replicas), "proxy": {"drop_in": False, "workers": 1}}
        for section, entries in (settings or {}).items():
            merged.setdefault(section, {}).update(entries)
        return start(merged, **options)
    return start_one

