"""The analysis: what the tables do, shown through the running proxy and by simulation. One command: tools/analyse.

    live         the assignment's A-1 to A-4 through the running program: 10,000 asynchronous requests, N from 2 to 6,
                 and a replica that is killed under load; for each of the six tables
    simulate     tools/analysis/simulate: 3 to 10,000 replicas, a million keys, with other proxies' constructions
    charts       draws what the two have written

Writes docs/analysis/{live,simulation}.json and the charts beside them. The same seed gives the same counts and charts
wherever no time is measured."""
from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path

from . import charts, live

ROOT = Path(__file__).resolve().parents[2]


def write(path: Path, data: dict):
    path.write_text(json.dumps(data, indent=1) + "\n")
    print(f"wrote {path}")


def simulate(build: Path, seed: int, small: bool) -> dict:
    options = ["--keys", "5000", "--largest", "30"] if small else []
    done = subprocess.run([build / "tools" / "analysis" / "simulate", "--seed", str(seed), *options],
                          stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(prog="tools/analyse", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=["live", "simulate", "charts", []], help="default: all of them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="everything once, in small")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "analysis")
    options = parser.parse_args()
    parts = options.parts or ["live", "simulate", "charts"]
    options.out.mkdir(parents=True, exist_ok=True)
    build = Path(os.environ["RINGMASTER_BUILD"]).resolve()
    if "live" in parts:
        write(options.out / "live.json", live.measure(options.seed, options.small))
    if "simulate" in parts:
        write(options.out / "simulation.json", simulate(build, options.seed, options.small))
    if "charts" in parts:
        measured = json.loads((options.out / "live.json").read_text())
        simulated = json.loads((options.out / "simulation.json").read_text())
        for path in charts.draw(measured, simulated, options.out):
            print(f"wrote {path}")


main()
