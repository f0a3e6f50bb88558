"""perf/compare-commits: the micro-benchmarks of two commits, side by side.

Each side is a commit, '.' for the working tree as it is, or a file that --save has written (a baseline)."""

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import figures, machine
from harness.options import TREE, refuse_if_busy

MACHINE = ("cpu", "kernel")  # whose times are of another one are no measure


def main():
    arguments = _parse()
    refuse_if_busy(arguments.force)
    sides = []
    with tempfile.TemporaryDirectory(prefix="ringmaster-commits-") as folder, contextlib.ExitStack() as clean_up:
        for text in arguments.sides:
            sides.append(_side(text, Path(folder) / str(len(sides))))
            clean_up.callback(sides[-1].remove)
        _run(sides, arguments)
    if arguments.save:
        here = {name: machine.describe()[name] for name in MACHINE}
        saved = {"commit": sides[0].name, "machine": here, "times": sides[0].times}
        arguments.save.write_text(json.dumps(saved, indent=1) + "\n")
        print(f"Baseline of {sides[0].name} saved to {arguments.save}")
    if len(sides) == 2:
        _print_ratios(*sides)
    return 0


def _parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sides", nargs="+", metavar="COMMIT", help="one (with --save) or two: old, then new")
    parser.add_argument("--repetitions", type=int, default=5, help="in each pass (5)")
    parser.add_argument("--passes", type=int, default=3, help="the sides take turns so often (3)")
    parser.add_argument("--filter", default="", help="benchmarks whose name matches this")
    parser.add_argument("--min-time", default="0.05", help="seconds for each repetition (0.05)")
    parser.add_argument("--save", type=Path, help="keep the first one's times as a baseline in this file")
    parser.add_argument("--force", action="store_true", help="measure although others are busy here")
    arguments = parser.parse_args()
    if len(arguments.sides) > 2 or (len(arguments.sides) == 1 and not arguments.save):
        parser.error("name two sides, or one with --save")
    return arguments


def _side(text, folder):
    try:
        return _Saved(Path(text)) if text.endswith(".json") else _Commit(text, folder)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"{text}: {getattr(error, 'stderr', None) or error}")


class _Saved:
    """A baseline: it has its times already."""

    def __init__(self, path):
        saved = json.loads(path.read_text())
        self.name = f"{saved['commit']} (saved)"
        self.times = saved["times"]
        here = machine.describe()
        if others := [saved["machine"][name] for name in MACHINE if saved["machine"][name] != here[name]]:
            print(f"{path}: saved on another machine ({', '.join(others)}): the ratios are not the commits' alone")

    def build(self):
        return {}

    def remove(self):
        pass


class _Commit:
    """A commit, built as a release in a folder of its own."""

    def __init__(self, text, folder):
        self.build_folder = folder.with_name(folder.name + "-build")
        self.times = {}  # benchmark: nanoseconds of CPU, of each repetition
        self.source = TREE
        self.name = "the working tree"
        if text != ".":
            self.name = f"{text} ({_git('rev-parse', '--short', text + '^{commit}')})"
            _git("worktree", "add", "--detach", str(folder), text)
            self.source = folder

    def build(self):
        """{name of a test in the suite 'bench': its program}."""
        print(f"building {self.name} …", flush=True)
        environment = {"CC": "ccache gcc", "CXX": "ccache g++"} if _has("ccache") else {}
        set_up = ["meson", "setup", "--buildtype=plain", "-Doptimization=2", "-Db_lto=true", "-Dwerror=false"]
        _quietly([*set_up, str(self.build_folder), str(self.source)], environment)
        listed = subprocess.run(
            ["meson", "introspect", "--tests", str(self.build_folder)], capture_output=True, text=True, check=True
        )
        programs = {
            test["name"]: test["cmd"][0]
            for test in json.loads(listed.stdout)
            if any(suite.endswith("bench") for suite in test["suite"])
        }
        targets = [os.path.relpath(program, self.build_folder) for program in programs.values()]
        if targets:
            _quietly(["ninja", "-C", str(self.build_folder), *targets], {})
        return programs

    def remove(self):
        if self.source != TREE:
            _git("worktree", "remove", "--force", str(self.source))


def _run(sides, arguments):
    programs = [side.build() for side in sides]
    chance = random.Random(1)
    names = sorted({name for of_side in programs for name in of_side})
    for number in range(arguments.passes):
        for name in names:
            turn = [(side, of_side[name]) for side, of_side in zip(sides, programs) if name in of_side]
            chance.shuffle(turn)
            for side, program in turn:
                print(f"pass {number + 1} of {arguments.passes}: {name}, {side.name}", flush=True)
                for benchmark, times in _times(program, arguments).items():
                    side.times.setdefault(f"{name}/{benchmark}", []).extend(times)


def _times(program, arguments):
    """{benchmark: [CPU nanoseconds of each repetition]}."""
    unit_ns = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
    with tempfile.NamedTemporaryFile(suffix=".json") as output:
        command = [
            program,
            f"--benchmark_repetitions={arguments.repetitions}",
            f"--benchmark_min_time={arguments.min_time}",
            f"--benchmark_filter={arguments.filter or '.'}",
            "--benchmark_enable_random_interleaving=true",
            "--benchmark_out_format=json",
            f"--benchmark_out={output.name}",
        ]
        _quietly(command, {})
        text = Path(output.name).read_text()
    times = {}
    for run in json.loads(text)["benchmarks"] if text else []:  # nothing where the filter matches none
        if run["run_type"] == "iteration" and not run.get("error_occurred"):
            times.setdefault(run["run_name"], []).append(run["cpu_time"] * unit_ns[run["time_unit"]])
    return times


def _print_ratios(old, new):
    rows = []
    for name in sorted(set(old.times) & set(new.times)):
        before, after = (dict(enumerate(side.times[name])) for side in (old, new))
        ratio = figures.ratios(after, before)
        middle = [figures.spread(list(times.values()))["median"] for times in (before, after)]
        sure = "" if ratio["low"] <= 1 <= ratio["high"] else "slower" if ratio["median"] > 1 else "faster"
        rows.append(
            f"| {name} | {middle[0]:,.1f} | {middle[1]:,.1f} | {ratio['median']:.3f} | "
            f"{ratio['low']:.3f} … {ratio['high']:.3f} | {sure} |"
        )
    print(f"\nOld: {old.name}. New: {new.name}. CPU nanoseconds, medians; ratio new to old with its 95 % interval.\n")
    print("| benchmark | old | new | ratio | interval | |\n|---|---|---|---|---|---|")
    print("\n".join(rows) or "(no benchmark is in both)")
    for side, other in ((old, new), (new, old)):
        if alone := sorted(set(side.times) - set(other.times)):
            print(f"\nOnly in {side.name}: {', '.join(alone)}")


def _git(*words):
    return subprocess.run(["git", "-C", str(TREE), *words], capture_output=True, text=True, check=True).stdout.strip()


def _has(program):
    return any(os.access(Path(folder) / program, os.X_OK) for folder in os.get_exec_path())


def _quietly(command, environment):
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if result.returncode != 0:
        print((result.stdout + result.stderr)[-4000:], file=sys.stderr)
        raise SystemExit(f"{command[0]} ended with {result.returncode}")
