"""What the drills have in common: what each must show, the peers' figures, and one row of a table for the result.

A drill is a module in tests/drills with `DRILL` and `run(folder, scale)`. scale 1 is the full drill; the tests run a
tenth of it. Peers' figures were measured with nginx 1.31 and HAProxy 3.5-dev on the reference machines.
"""
from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .processes import machine


@dataclass(frozen=True)
class Drill:
    what: str
    must: str
    peers: str


@dataclass
class Result:
    """`figures` are what was seen; `faults` are the musts that were not met."""
    figures: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def saw(self, figure: str):
        self.figures.append(figure)

    def must(self, condition: bool, otherwise: str):
        if not condition:
            self.faults.append(otherwise)


Run = Callable[[Path, float], Result]


def show(drill: Drill, result: Result):
    print(f"drill   {drill.what}\n  must    {drill.must}\n  peers   {drill.peers}")
    for figure in result.figures:
        print(f"  ours    {figure}")
    for fault in result.faults:
        print(f"  FAILED  {fault}")
    print(f"  verdict {'failed' if result.faults else 'passed'}", flush=True)


def slack(scale: float) -> float:
    """Times are held to their bound in the full drill; the short one runs beside other work and allows for it."""
    return 1 if scale >= 1 else 6


def allow_descriptors(wanted: int):
    """The drills hold both ends of thousands of connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def main(drill: Drill, run: Run):
    parser = argparse.ArgumentParser(description=f"{drill.what}. Must: {drill.must}")
    parser.add_argument("--scale", type=float, default=1.0, help="1 is the full drill (default)")
    parser.add_argument("--full", action="store_const", const=1.0, dest="scale", help="the same as --scale 1")
    arguments = parser.parse_args()
    print(f"machine {machine()}")
    with tempfile.TemporaryDirectory() as folder:
        result = run(Path(folder), arguments.scale)
    show(drill, result)
    sys.exit(1 if result.faults else 0)
