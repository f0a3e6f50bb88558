"""One slice: a fresh subject, a warm-up, a stretch of load, and what it cost."""

import os
import time
from contextlib import contextmanager

from harness.cases import SMALL
from harness.machine import Neighbours
from harness.subjects import Site

SETTLE_SECONDS = 0.005  # for what a proxy does after the last answer
DISTURBED_PERCENT = 5.0
SPARE_DESCRIPTORS = 700  # pools of upstream connections, rings, listeners
PERCENTILES = ("p50", "p99", "p99.9", "max")


class Disturbed(Exception):
    """Somebody else was busy; the slice does not count."""


class WrongAnswers(Exception):
    """The subject gave an answer that is not right."""


class Bench:
    """The load, and where subjects run. A context manager: the load ends with it."""

    def __init__(self, load, folder, load_cpu, proxy_cpus, balance="hash", descriptors=1024):
        self.load = load
        self.load_cpu = load_cpu
        self.folder = folder
        self.proxy_cpus = proxy_cpus  # worker i on proxy_cpus[i % len]
        self.balance = balance
        self.descriptors = descriptors
        self.checked = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.load.close()

    def site(self, **wishes):
        """`wishes` are fields of Site; one worker on the first of the proxies' CPUs unless they say otherwise."""
        cpus = {self.proxy_cpus[worker % len(self.proxy_cpus)] for worker in range(wishes.get("workers", 1))}
        return Site(self.load.backends, self.folder, **{"cpus": cpus, "balance": self.balance, **wishes})

    @contextmanager
    def running(self, subject, site):
        """The subject, started and the load's target."""
        subject.start(site)
        try:
            if subject.is_http and subject.name not in self.checked:
                subject.check_edits()
                self.checked.add(subject.name)
            self.load.target(subject.address)
            yield subject
        finally:
            self.load.close_connections()
            subject.stop()

    def own_pids(self, subject):
        return {os.getpid(), self.load.program.pid, *(subject.program.pids() if subject.program else ())}


def right(outcome, subject, doing):
    """The outcome, where nothing in it is wrong."""
    if outcome["failed"]:
        raise WrongAnswers(f"{subject.name}, {doing}: {outcome['failures']}: {outcome['first_failure']}")
    return outcome


def site_for(bench, case):
    site = bench.site(
        workers=case.workers,
        connections=case.connections + case.idle + 64,
        busy=case.connections + 64,
        body_bytes=max(case.answer_bytes, case.body_bytes),
    )
    if case.on_load_cpu:
        site.cpus = {bench.load_cpu}
    return site


def measure(bench, subject, case, scope, rate=0):
    """One slice of `case`, as a flat dictionary."""
    with bench.running(subject, site_for(bench, case)):
        load = bench.load
        if case.idle:
            right(load.idle(case.idle), subject, f"{case.idle} idle connections")
        options = {**case.load(), "rate": rate}
        right(load.run(**options, seconds=scope.warm_up), subject, f"{case.name}, warming up")
        swaps = {**subject.table_swap(), "aside_rate": case.swaps_per_second} if case.swaps_per_second else {}
        time.sleep(SETTLE_SECONDS)

        neighbours = Neighbours(bench.own_pids(subject))
        before = _cpu(subject)
        outcome = right(load.run(**options, **swaps, seconds=scope.seconds), subject, case.name)
        time.sleep(SETTLE_SECONDS)
        after = _cpu(subject)
        others, worst, stolen = neighbours.percent()
        memory = subject.program.memory() if subject.program else {}

    sample = {
        "case": case.name,
        "subject": subject.name,
        "answers": outcome["answers"],
        "seconds": outcome["seconds"],
        "requests_per_second": outcome["answers_per_second"],
        "rate": rate,
        **{name + "_us": outcome["latency_us"][name] for name in PERCENTILES},
        "lateness_p99_us": outcome["lateness_us"]["p99"],
        **{name + "_bytes": value for name, value in memory.items()},
        "others_percent": others,
        "others_worst": worst,
        "stolen_percent": stolen,
        "swaps": outcome["aside_answers"],
    }
    if subject.has_process:
        schedstat, clock = (late - early for early, late in zip(before, after))
        sample["cpu_us_per_request"] = schedstat / 1000 / outcome["answers"]
        sample["clock_us_per_request"] = clock / 1000 / outcome["answers"]
    return sample


def measure_undisturbed(bench, subject, case, scope, rate=0, force=False):
    """As measure(), again where others took part of the machine. With `force` the first one counts."""
    for _ in range(scope.tries):
        sample = measure(bench, subject, case, scope, rate)
        if force or (sample["others_percent"] <= DISTURBED_PERCENT and sample["stolen_percent"] <= DISTURBED_PERCENT):
            return sample
        time.sleep(1)
    raise Disturbed(
        f"{case.name}, {subject.name}: after {scope.tries} tries still {sample['others_percent']:.0f} % of a CPU "
        f"taken by others (most by {sample['others_worst']}), {sample['stolen_percent']:.0f} % stolen"
    )


def _cpu(subject):
    return (subject.program.cpu_ns(), subject.program.clock_ns()) if subject.program else (0, 0)


def measure_memory(bench, subject, steps):
    """Bytes of process memory for each idle connection, and for each with a request in flight; yields an entry a step.

    A step that needs more descriptors than there are is capped: an idle connection takes one of the proxy's and one of
    the load's, one in flight two of each."""
    idle_max = bench.descriptors - SPARE_DESCRIPTORS
    flight_max = idle_max // 2
    with bench.running(subject, bench.site(connections=idle_max, busy=128)):
        base = _base_memory(bench, subject)
        opened = 0
        for step, count in _capped(steps, idle_max):
            right(bench.load.idle(count - opened), subject, f"{count} idle connections")
            opened = count
            time.sleep(SETTLE_SECONDS)
            yield _memory_entry("idle", step, count, subject, base)
    for step, count in _capped(steps, flight_max):
        with bench.running(subject, bench.site(connections=count + 64, busy=count + 64)):
            base = _base_memory(bench, subject)
            right(bench.load.hold(count), subject, f"{count} requests in flight")
            entry = _memory_entry("in flight", step, count, subject, base)
            right(bench.load.release(), subject, f"{count} requests in flight, answered")
            yield entry


def _capped(steps, most):
    """(step, connections): as many as wanted, at most so many; the same number only once."""
    firsts = {}
    for step in sorted(steps):
        firsts.setdefault(min(step, most), step)
    return [(step, count) for count, step in firsts.items()]


def measure_growth(bench, subject, requests, steps=10):
    """Own memory of one process after each tenth of so many requests."""
    entries, done = [], 0
    with bench.running(subject, site_for(bench, SMALL)):
        for _ in range(steps):
            outcome = bench.load.run(**SMALL.load(), requests=requests // steps, seconds=3600)
            done += right(outcome, subject, "growth")["answers"]
            time.sleep(SETTLE_SECONDS)
            entries.append({"subject": subject.name, "requests": done, "own_bytes": subject.program.memory()["own"]})
    return entries


def _base_memory(bench, subject):
    """What it holds once it has served a little."""
    right(bench.load.run(connections=64, requests=2000, seconds=5), subject, "before its memory is read")
    bench.load.close_connections()
    time.sleep(0.05)
    return subject.program.memory()


def _memory_entry(state, step, count, subject, base):
    memory = subject.program.memory()
    return {
        "subject": subject.name,
        "state": state,
        "step": step,
        "connections": count,
        "base_own_bytes": base["own"],
        "own_bytes": memory["own"],
        "pss_bytes": memory["pss"],
        "bytes_per_connection": (memory["own"] - base["own"]) / count,
    }
