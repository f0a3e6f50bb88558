"""perf/beside: small requests at a constant rate beside downloads, through one worker; the programs take turns."""

import contextlib
import json
import random
import statistics
import sys
import threading
import time
from pathlib import Path

from harness import options
from harness.processes import Commanded, ProgramFailed
from harness.slices import WrongAnswers, right
from harness.subjects import Ringmaster

LEAD_SECONDS = 0.3  # of downloads before and after the small requests
CONNECTIONS = 16  # of small requests


def main():
    arguments = _parse()
    found = options.available_subjects(arguments)
    subjects = {name: found[name] for name in ("ringmaster", "nginx", "haproxy") if name in found}
    if arguments.before:
        subjects["before"] = Ringmaster(arguments.before)
    subjects = options.choose(subjects, arguments.subjects.split(",") if arguments.subjects else [])
    options.refuse_if_busy(arguments.force)
    samples = {name: [] for name in subjects}
    try:
        with options.Ground(arguments) as ground:
            with contextlib.closing(SmallClient(ground.bench)) as small:
                for _ in range(arguments.rounds):
                    for name in random.sample(list(subjects), len(subjects)):
                        samples[name].append(_measure(arguments, ground.bench, small, subjects[name]))
    except (WrongAnswers, ProgramFailed) as trouble:
        print(f"perf/beside: {trouble}", file=sys.stderr)
        return 1
    _print(samples)
    return 0


def _parse():
    parser = options.parser(__doc__)
    parser.add_argument("--subjects", help="of ringmaster, before, nginx, haproxy; all that are here")
    parser.add_argument("--before", help="another ringmaster, to be compared with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1, help="of small requests, each time")
    parser.add_argument("--small-rate", type=float, default=500, help="small requests a second")
    parser.add_argument("--downloads", type=int, default=16, help="connections")
    parser.add_argument("--download-bytes", type=int, default=1 << 20)
    parser.add_argument("--download-rate", type=float, default=0, help="a second; 0: as many as pass")
    parser.set_defaults(replicas=2)  # and the small requests' own
    return parser.parse_args()


class SmallClient(Commanded):
    """harness/small.py on the load's CPU."""

    def __init__(self, bench):
        command = [sys.executable, "-B", str(Path(__file__).with_name("small.py"))]
        super().__init__(command, {bench.load_cpu}, bench.folder / "small.log")
        hello = self.answer()
        self.backend = hello["backend"]
        if not hello["real_time"]:
            print("No real-time priority for the small requests: their times hold the load's own.", file=sys.stderr)

    def ask(self, **command):
        return self.command(json.dumps(command))


def _measure(arguments, bench, small, subject):
    site = bench.site(connections=256, busy=256, body_bytes=arguments.download_bytes)
    site.backends = [*bench.load.backends, small.backend]
    bench.checked.add(subject.name)  # the echo would come from the wrong replica; perf/compare checks the edits
    with bench.running(subject, site):
        ids = small.ask(target=int(subject.address.rpartition(":")[2]))
        downloads = {
            "connections": arguments.downloads,
            "rate": arguments.download_rate,
            "path": f"/bytes/{arguments.download_bytes}?request_id={ids['other']}",
        }
        right(bench.load.run(**downloads, seconds=LEAD_SECONDS), subject, "downloads, warming up")
        before, outcome = subject.program.cpu_ns(), {}
        seconds = arguments.seconds + 2 * LEAD_SECONDS
        thread = threading.Thread(target=lambda: outcome.update(bench.load.run(**downloads, seconds=seconds)))
        thread.start()
        time.sleep(LEAD_SECONDS)
        times = small.ask(rate=arguments.small_rate, seconds=arguments.seconds, connections=CONNECTIONS)
        thread.join()
        right(outcome, subject, "downloads")
        mib = outcome["answers"] * arguments.download_bytes / (1 << 20)
        return {
            "small p50, ms": times["p50_us"] / 1000,
            "small p99, ms": times["p99_us"] / 1000,
            "downloads/s": outcome["answers_per_second"],
            "CPU, us/MiB": (subject.program.cpu_ns() - before) / 1000 / mib,
        }


def _print(samples):
    columns = list(next(iter(samples.values()))[0])
    print("| medians (least … most) | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name, rows in samples.items():
        values = [[row[column] for row in rows] for column in columns]
        cells = [f"{statistics.median(v):.4g} ({min(v):.4g} … {max(v):.4g})" for v in values]
        print(f"| {name} | " + " | ".join(cells) + " |")
