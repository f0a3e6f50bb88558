"""What is measured. A case is a kind of load; cases of one group run next to each other, to be compared."""

import dataclasses
from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    connections: int = 64
    answer_bytes: int = 128
    body_bytes: int = 0
    close: bool = False  # a connection for each request
    idle: int = 0  # further connections, open and silent
    swaps_per_second: int = 0  # of ringmaster's table
    workers: int = 1
    on_load_cpu: bool = False  # the proxy shares the load's CPU
    share_of_capacity: float = 0  # open loop at this share of the slowest peer's capacity; 0: closed loop
    group: str = ""  # the case's own name where it stands alone
    against: str = ""  # a case of the same group that it should cost no more than
    without: tuple = ()  # subjects for which it makes no sense
    target_cpu: float = 0  # ratio to the better peer (or to `against`) at most; 0: none set
    target_p99: float = 0

    def load(self):
        """Options for the load's `run`."""
        options = {"connections": self.connections, "answer_bytes": self.answer_bytes, "body_bytes": self.body_bytes}
        return {**options, "close": self.close}

    @property
    def together(self):
        return self.group or self.name


DIRECT = "direct"  # no proxy: shown beside latencies only

SMALL = Case("small-64", "64 connections, small", group="steady", target_cpu=0.77, target_p99=0.85, without=(DIRECT,))


def _case(name, text, **options):
    without = (*options.pop("without", ()), DIRECT)
    return Case(name, text, without=without, **options)


CASES = (
    SMALL,
    _case("small-1", "1 connection, small", connections=1, target_cpu=0.80, target_p99=0.95),
    _case("small-512", "512 connections, small", connections=512, target_cpu=0.65, target_p99=0.85),
    _case(
        "close-64", "64, a connection per request", close=True, target_cpu=0.80, target_p99=0.90,
        without=("floor",),  # it opens an upstream connection for each client's, which no proxy here does
    ),
    _case("post-16k", "64, POST 16 KiB", body_bytes=16 * KIB, target_cpu=0.82, target_p99=0.95),
    _case("answer-64k", "64, answer 64 KiB", answer_bytes=64 * KIB, target_cpu=0.65, target_p99=0.90),
    _case("answer-1m", "16, answer 1 MiB", connections=16, answer_bytes=MIB, target_cpu=0.80, target_p99=1.0),
    _case("idle-10k", "10,000 idle + 64 busy", idle=10_000, group="steady", against="small-64",
          without=("floor",), target_cpu=1.05, target_p99=1.10),
    _case("swaps-100", "64 busy, 100 table swaps a second", swaps_per_second=100, group="steady", against="small-64",
          without=("nginx", "haproxy", "floor"), target_cpu=1.02, target_p99=1.05),
    # Of two workers on two CPUs one shares the load's: its requests cost what they cost in shared-1, the others' what
    # they cost in small-64. Between the two lies the cost of a request that scales.
    _case("shared-1", "64, small, 1 worker on the load's CPU", on_load_cpu=True, group="steady", without=("floor",)),
    _case("workers-2", "64, small, 2 workers", workers=2, group="steady", without=("floor",)),
    *(
        Case(f"rate-{share}", f"64, constant rate, {share} % of capacity", share_of_capacity=share / 100, group="rate")
        for share in (30, 50, 70)
    ),
)

MEMORY_STEPS = (1_000, 10_000, 20_000)


@dataclass
class Scope:
    """How much of it, how often, how long."""

    cases: tuple = CASES
    rounds: int = 7
    seconds: float = 1.0
    warm_up: float = 0.5  # HAProxy fills its pools of upstream connections slowly
    memory_steps: tuple = MEMORY_STEPS
    memory_rounds: int = 3
    growth_requests: int = 0  # one process serves so many, its memory is read on the way; 0: not done
    tries: int = 4  # of a slice that others disturbed


def tiny():
    """Everything once, in small: do all the parts work, does every proxy answer rightly? Its figures mean nothing."""
    small = tuple(dataclasses.replace(case, idle=min(case.idle, 200)) for case in CASES)
    return Scope(
        small, rounds=1, seconds=0.1, warm_up=0.03, memory_steps=(200,), memory_rounds=1, growth_requests=5_000, tries=1
    )
