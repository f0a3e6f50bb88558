"""perf/profile: where a proxy's time goes, and what each request costs in calls, allocations and segments."""

import json
import sys
from pathlib import Path

from harness import cases, counting, flame, options
from harness.processes import ProgramFailed
from harness.slices import WrongAnswers, right, site_for

SENDS_WANTED = 2  # to the replica, to the client


def main():
    arguments = _parse()
    case = next((case for case in cases.CASES if case.name == arguments.case and not case.share_of_capacity), None)
    if case is None:
        raise SystemExit(f"no such case: {arguments.case}; perf/compare --list names them")
    found = options.choose(options.available_subjects(arguments), [arguments.subject])
    subject = found[arguments.subject]
    out = arguments.out or arguments.build / "perf-profile"
    out.mkdir(parents=True, exist_ok=True)
    try:
        with options.Ground(arguments) as ground:
            counts = _count(arguments, ground.bench, subject, case)
            _print_counts(subject, case, counts)
            (out / "counts.json").write_text(json.dumps(counts, indent=1) + "\n")
            if not arguments.check:
                _draw_flames(arguments, ground.bench, subject, case, out)
    except (counting.CannotCount, WrongAnswers, ProgramFailed, RuntimeError) as trouble:
        print(f"perf/profile: {trouble}", file=sys.stderr)
        return 1
    return _check(counts) if arguments.check else 0


def _parse():
    parser = options.parser(__doc__)
    parser.set_defaults(replicas=1)  # then every upstream connection is open after the warm-up
    parser.add_argument("--subject", default="ringmaster")
    parser.add_argument("--case", default="small-64", help="one of perf/compare --list")
    parser.add_argument("--requests", type=int, default=20_000, help="that are counted")
    parser.add_argument("--seconds", type=float, default=5, help="that are sampled for the flame graph")
    parser.add_argument("--call-graph", choices=("fp", "dwarf"), default="fp")
    parser.add_argument("--no-allocations", action="store_true", help="do not preload the allocation counter")
    parser.add_argument("--out", type=Path, help="folder for the results; build/perf-profile where not given")
    goal = f"0 allocations and {SENDS_WANTED} sends a request"
    parser.add_argument("--check", action="store_true", help=f"only count; fail unless it is {goal}")
    return parser.parse_args()


def _count(arguments, bench, subject, case):
    allocations = None
    if not arguments.no_allocations:
        library = arguments.build / "perf" / "load" / "libcount_alloc.so"
        allocations = counting.Allocations(library, bench.folder)
    site = site_for(bench, case)
    site.environment = allocations.environment() if allocations else {}
    site.quiet = True
    with bench.running(subject, site):
        return counting.count(bench, subject, case, arguments.requests, allocations)


def _print_counts(subject, case, counts):
    print(f"\n{subject.name}, {case.text}: for each of {counts['requests']:,} requests")
    for name in ("allocations", "releases", "sends", "segments"):
        if name in counts:
            note = " (of the whole path: client and backend too, and bare ACKs)" if name == "segments" else ""
            print(f"  {name:24} {counts[name]:9.4f}{note}")
    for name, number in counts["calls"].items():
        print(f"  {name:24} {number:9.4f}")


def _draw_flames(arguments, bench, subject, case, out):
    with bench.running(subject, site_for(bench, case)):
        load = case.load()
        right(bench.load.run(**load, seconds=0.5), subject, "warming up")
        data_file = bench.folder / "perf.data"
        flame.record(
            subject.program.pids(),
            arguments.seconds,
            lambda: right(bench.load.run(**load, seconds=arguments.seconds), subject, case.name),
            data_file,
            arguments.call_graph,
        )
    counted = flame.stacks(data_file)
    title = f"{subject.name}: {case.text} ({sum(counted.values()):,} samples)"
    (out / "flame.svg").write_text(flame.svg(counted, title))
    (out / "folded.txt").write_text(flame.folded_text(counted))
    print("\nInnermost functions by share of samples")
    for name, share in flame.hottest(counted):
        print(f"  {100 * share:5.1f} %  {name}")
    print(f"\nWritten to {out}: flame.svg, folded.txt, counts.json")


def _check(counts):
    wrong = []
    if counts.get("allocations", 0) > 0:
        wrong.append(f"{counts['allocations']:.4f} allocations a request, wanted none")
    if counts["sends"] != SENDS_WANTED:
        wrong.append(f"{counts['sends']:.4f} sends a request, wanted {SENDS_WANTED}")
    print("\nperf/profile --check: " + ("; ".join(wrong) or f"no allocation, {SENDS_WANTED} sends a request"))
    return 1 if wrong else 0
