"""Options that the commands share, and what they find on this machine."""

import argparse
import os
import tempfile
from pathlib import Path

from harness import machine, subjects
from harness.load import Load
from harness.slices import Bench

TREE = Path(__file__).resolve().parents[2]
LOAD_CPU = 0


def parser(description):
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    options.add_argument("--build", type=Path, default=TREE / "build", help="a meson build folder of this tree")
    options.add_argument("--ringmaster", help="instead of the build folder's")
    options.add_argument("--nginx", help="instead of Debian's")
    options.add_argument("--haproxy", help="instead of Debian's")
    options.add_argument("--floor", help="instead of the build folder's")
    options.add_argument("--load", help="perf_load, instead of the build folder's")
    options.add_argument("--replicas", type=int, default=3, help="backends")
    options.add_argument("--balance", choices=("hash", "round-robin"), default="hash", help="what the peers do")
    options.add_argument("--force", action="store_true", help="measure although others are busy here")
    return options


def available_subjects(options):
    """{name: Subject} of those whose binary is there."""
    defaults = {
        "ringmaster": options.build / "src" / "ringmaster",
        "floor": options.build / "perf" / "floor" / "floor",
        "nginx": "/usr/sbin/nginx",
        "haproxy": "/usr/sbin/haproxy",
    }
    found = {}
    for kind in subjects.SUBJECTS:
        subject = subjects.find(kind, getattr(options, kind.name, None), defaults.get(kind.name))
        if subject:
            found[kind.name] = subject
        elif getattr(options, kind.name, None):
            raise SystemExit(f"--{kind.name}: there is no program {getattr(options, kind.name)}")
    return found


def choose(found, names):
    """Those subjects, in that order; all where none is named. One that is named must be there."""
    for name in names:
        if name not in found:
            raise SystemExit(f"{name} is not here; there are: {', '.join(found)}")
    return {name: found[name] for name in names} if names else found


class Ground:
    """Everything set up for measuring. A context manager."""

    def __init__(self, options):
        self.descriptors = machine.raise_descriptor_limit()
        self.network = machine.enter_own_network()
        cpus = sorted(os.sched_getaffinity(0))
        self.proxy_cpus = (cpus[1:] + cpus[:1])[:2] if len(cpus) > 1 else cpus
        self.load_cpu = cpus[LOAD_CPU]
        os.sched_setaffinity(0, {self.load_cpu})  # our own little work is not the proxies' trouble
        self.folder = tempfile.TemporaryDirectory(prefix="ringmaster-perf-")
        program = options.load or options.build / "perf" / "load" / "perf_load"
        if not Path(program).exists():
            raise SystemExit(f"there is no {program}: build it, or name a build folder with --build")
        folder = Path(self.folder.name)
        load = Load(program, options.replicas, {self.load_cpu}, folder)
        self.bench = Bench(load, folder, self.load_cpu, self.proxy_cpus, options.balance, self.descriptors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bench.load.close()
        self.folder.cleanup()


def refuse_if_busy(force):
    percent, worst = machine.busy_percent()
    if percent > 5 and not force:
        raise SystemExit(
            f"Others take {percent:.0f} % of a CPU here (most of it {worst or 'something short-lived'}): figures would "
            "be theirs as much as ours. End them, or say --force."
        )
    return percent
