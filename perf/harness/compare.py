"""perf/compare: ringmaster, its peers and the floor under the same load, in turn, on this machine."""

import contextlib
import json
import random
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

from harness import cases, machine, options, plots, slices
from harness.figures import Samples
from harness.processes import ProgramFailed
from harness.report import Report
from harness.subjects import CannotSwap


FAILURES_MAX = 5  # then it gives up
TROUBLE = (slices.WrongAnswers, slices.Disturbed, ProgramFailed)


def main():
    arguments = _parse()
    if arguments.render:
        return _write(json.loads(arguments.render.read_text()), arguments.out)
    scope = _scope(arguments)
    found = options.choose(options.available_subjects(arguments), arguments.subjects)
    if not arguments.tiny:
        options.refuse_if_busy(arguments.force)
    data = _data(arguments, scope, found)
    began = time.monotonic()
    try:
        with options.Ground(arguments) as ground:
            _describe_ground(data, ground, scope)
            _measure_all(data, ground.bench, found, scope, arguments)
    except TooManyFailures:
        pass  # what there is shows why
    except TROUBLE as failure:  # before the first round
        data["failures"].append(str(failure))
    data["settings"]["took_seconds"] = round(time.monotonic() - began)
    return _write(data, arguments.out)


class TooManyFailures(Exception):
    pass


@contextlib.contextmanager
def _noting_failures(data):
    """What goes wrong within is kept, and the rest goes on; in the end it makes the whole run a failure."""
    try:
        yield
    except TROUBLE as failure:
        data["failures"].append(str(failure))
        print(f"FAILED: {failure}", file=sys.stderr, flush=True)
        if len(data["failures"]) >= FAILURES_MAX:
            raise TooManyFailures from failure


def _parse():
    parser = options.parser(__doc__)
    parser.add_argument("--rounds", type=int, help="of every case; 7, or 1 with --tiny")
    parser.add_argument("--seconds", type=float, help="of a slice; 1.0, or 0.15 with --tiny")
    parser.add_argument("--cases", type=_names, default=[], help="names, with commas; also 'memory'; all where empty")
    parser.add_argument("--subjects", type=_names, default=[], help="names, with commas; all found where empty")
    parser.add_argument("--growth-requests", type=int, help="also: does a process grow over so many?")
    parser.add_argument("--seed", type=int, default=1, help="of the order")
    parser.add_argument("--tiny", action="store_true", help="everything once, in small: does it work?")
    parser.add_argument("--out", type=Path, help="folder for the results; build/perf-results where not given")
    parser.add_argument("--render", type=Path, help="draw tables and plots of this results.json again")
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(f"{case.name:12} {case.text}" for case in cases.CASES) + "\nmemory       bytes per connection")
        raise SystemExit(0)
    arguments.out = arguments.out or arguments.build / "perf-results"
    return arguments


def _names(text):
    return [name for name in text.split(",") if name]


def _scope(arguments):
    scope = cases.tiny() if arguments.tiny else cases.Scope()
    scope.rounds = arguments.rounds or scope.rounds
    scope.memory_rounds = min(scope.memory_rounds, scope.rounds)
    scope.seconds = arguments.seconds or scope.seconds
    scope.growth_requests = arguments.growth_requests or scope.growth_requests
    if arguments.cases:
        known = {case.name for case in scope.cases} | {"memory"}
        if unknown := set(arguments.cases) - known:
            raise SystemExit(f"no case {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
        scope.cases = tuple(case for case in scope.cases if case.name in arguments.cases)
        if "memory" not in arguments.cases:
            scope.memory_rounds = 0
            scope.growth_requests = arguments.growth_requests or 0
    return scope


def _data(arguments, scope, found):
    """The form of results.json, still without figures."""
    commit = subprocess.run(
        ["git", "-C", options.TREE, "describe", "--always", "--dirty"], capture_output=True, text=True
    ).stdout.strip()
    return {
        "command": "perf/compare " + shlex.join(sys.argv[1:]),
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": commit or "none",
        "machine": machine.describe(),
        "settings": {
            "rounds": scope.rounds,
            "seconds": scope.seconds,
            "warm_up": scope.warm_up,
            "seed": arguments.seed,
            "replicas": arguments.replicas,
            "balance": arguments.balance,
            "tiny": arguments.tiny,
            "forced": arguments.force,
            "optimization": _optimization(arguments.build),
        },
        "subjects": {name: {"version": subject.version(), "peer": subject.is_peer} for name, subject in found.items()},
        "cases": [case.name for case in scope.cases],
        "slices": [],
        "memory": [],
        "growth": [],
        "notes": [],
        "failures": [],
    }


def _optimization(folder):
    """The level that the build folder compiles with, and "lto" where it links so."""
    path = folder / "meson-info" / "intro-buildoptions.json"
    chosen = json.loads(path.read_text()) if path.exists() else []
    values = {option["name"]: option["value"] for option in chosen}
    return f"-O{values.get('optimization', '?')}{' with lto' if values.get('b_lto') else ''}"


def _describe_ground(data, ground, scope):
    data["network"] = ground.network
    for name in ("load_cpu", "proxy_cpus", "descriptors"):
        data["settings"][name] = getattr(ground, name)
    optimization = data["settings"]["optimization"]
    if optimization not in ("-O2 with lto", "-O3 with lto"):
        data["notes"].append(
            f"Built with {optimization}, where a release has -O2 with lto: "
            "ringmaster and the floor cost more than they must."
        )
    if ground.load_cpu in ground.proxy_cpus[:1]:
        data["notes"].append("One CPU only: load and proxy share it.")
    if scope.memory_rounds and max(scope.memory_steps) > ground.descriptors - slices.SPARE_DESCRIPTORS:
        data["notes"].append(f"The descriptor limit here is {ground.descriptors:,}: memory steps are capped by it.")
    print(f"perf/compare: {', '.join(data['subjects'])}; {ground.network}", flush=True)


def _measure_all(data, bench, found, scope, arguments):
    chance = random.Random(arguments.seed)
    force = arguments.force or arguments.tiny
    _measure_cases(data, bench, found, scope, chance, force)
    proxies = [subject for subject in found.values() if subject.has_process and subject.is_http]
    for round_number in range(scope.memory_rounds):
        chance.shuffle(proxies)
        for subject in proxies:
            with _noting_failures(data):
                for entry in slices.measure_memory(bench, subject, scope.memory_steps):
                    data["memory"].append({"round": round_number, **entry})
                    number, each = f"{entry['connections']} {entry['state']}", entry["bytes_per_connection"]
                    print(f"memory {subject.name:10} {number:16} {each:8.0f} B each", flush=True)
    if scope.growth_requests:
        for subject in proxies:
            with _noting_failures(data):
                data["growth"] += slices.measure_growth(bench, subject, scope.growth_requests)


def _measure_cases(data, bench, found, scope, chance, force):
    capacity = _capacity(bench, found, scope, force) if any(case.share_of_capacity for case in scope.cases) else 0
    data["settings"]["capacity"] = capacity
    groups = {}
    for case in scope.cases:
        groups.setdefault(case.together, []).append(case)
    for round_number in range(scope.rounds):
        order = list(groups.values())
        chance.shuffle(order)
        for group in order:
            pairs = [(case, found[name]) for case in group for name in found if name not in case.without]
            chance.shuffle(pairs)
            for case, subject in pairs:
                rate = case.share_of_capacity * capacity
                with _noting_failures(data):
                    _measure_slice(data, bench, subject, case, scope, rate, force, round_number)


def _measure_slice(data, bench, subject, case, scope, rate, force, round_number):
    try:
        sample = slices.measure_undisturbed(bench, subject, case, scope, rate, force)
    except CannotSwap as reason:
        return _note(data, f"Left out: {case.name} of {subject.name}, which cannot swap tables on demand: {reason}")
    data["slices"].append({"round": round_number, **sample})
    _say(round_number, sample)


def _capacity(bench, found, scope, force):
    """Requests a second of the slowest peer (of the slowest proxy where there is no peer)."""
    proxies = [subject for subject in found.values() if subject.is_peer]
    proxies = proxies or [subject for subject in found.values() if subject.has_process]
    rates = {}
    for subject in proxies:
        samples = [slices.measure_undisturbed(bench, subject, cases.SMALL, scope, force=force) for _ in range(2)]
        rates[subject.name] = statistics.mean(sample["requests_per_second"] for sample in samples)
    slowest = min(rates, key=rates.get)
    print(f"capacity: {rates[slowest]:,.0f} requests/s, {slowest}'s", flush=True)
    return rates[slowest]


def _note(data, text):
    if text not in data["notes"]:
        data["notes"].append(text)
        print(text, flush=True)


def _say(round_number, sample):
    cpu = f"{sample['cpu_us_per_request']:7.2f} µs CPU" if "cpu_us_per_request" in sample else " " * 14
    print(
        f"round {round_number + 1} {sample['case']:10} {sample['subject']:10} {cpu} "
        f"{sample['requests_per_second']:9,.0f}/s p50 {sample['p50_us']:7,.0f} p99 {sample['p99_us']:7,.0f} µs",
        flush=True,
    )


def _write(data, folder):
    folder.mkdir(parents=True, exist_ok=True)
    samples = Samples(data["slices"])
    shown = [case for case in cases.CASES if case.name in data["cases"]]
    text = Report(data, samples, shown).markdown()
    (folder / "results.json").write_text(json.dumps(data, indent=1) + "\n")
    (folder / "results.md").write_text(text)
    drawn = plots.draw(data, samples, shown, folder)
    print(f"\n{text}\nWritten to {folder}: results.md, results.json" + "".join(f", {path.name}" for path in drawn))
    if not drawn:
        print("No plots: this Python has no matplotlib.")
    for failure in data["failures"]:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if data["failures"] else 0
