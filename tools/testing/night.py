"""tools/fuzz DURATION [TARGET…]: every fuzz target, two at a time, each for its share of the time."""
from __future__ import annotations

import concurrent.futures
import re
import sys
from pathlib import Path

from . import builds, steps
from .builds import ASAN, FUZZER, ROOT, SANITIZER_ENVIRONMENT

AT_ONCE = 2
TREE = ROOT / "tests/fuzz"
UNITS = {"s": 1, "m": 60, "h": 3600}
USAGE = "usage: tools/fuzz DURATION [TARGET…]    a duration such as 90s, 30m or 8h"


def seconds_of(text: str) -> int | None:
    match = re.fullmatch(r"([1-9]\d{0,6})([smh])", text)
    return int(match[1]) * UNITS[match[2]] if match else None


def dictionary(target: str) -> list[str]:
    return [f"-dict={path}" for path in sorted(TREE.glob("*.dict")) if target.startswith(path.stem)][:1]


def findings(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if re.match(r"crash-|leak-|timeout-|oom-", path.name))


def fuzz(program: Path, seconds: int) -> bool:
    """True where nothing was found, now or in an earlier night."""
    target = program.name.removesuffix(FUZZER)
    folder = ASAN.folder / "night" / target
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    bounds = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", f"-artifact_prefix={folder}/",
              "-print_final_stats=1"]
    outcome = steps.run([str(program), *bounds, *dictionary(target), str(folder / "corpus"),
                         str(TREE / "corpus" / target)], folder / "fuzz.log", seconds + 120, SANITIZER_ENVIRONMENT)
    found = findings(folder)
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", outcome.log.read_text(errors="replace"))
    steps.say(f"{target}: {runs[1] if runs else 'an unknown number of'} runs in {outcome.seconds:.0f} s, "
              f"{len(found)} findings, exit code {outcome.code}")
    for path in found:
        steps.say(f"  {path}")
    if not outcome.good:
        steps.say(outcome.tail(40))
    return outcome.good and not found


def main(arguments: list[str]) -> int:
    seconds = seconds_of(arguments[0]) if arguments else None
    if seconds is None:
        print(USAGE, file=sys.stderr)
        return 64
    builds.compiler_cache()
    if not ASAN.make(FUZZER):
        return 1
    programs = ASAN.executables(FUZZER)
    names = [program.name.removesuffix(FUZZER) for program in programs]
    unknown = [name for name in arguments[1:] if name not in names]
    if unknown:
        print(f"tools/fuzz: unknown target {unknown[0]!r}; there are {' '.join(names)}", file=sys.stderr)
        return 64
    chosen = [program for program, name in zip(programs, names) if name in (arguments[1:] or names)]
    share = max(1, seconds * AT_ONCE // max(len(chosen), AT_ONCE))
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        clean = list(pool.map(lambda program: fuzz(program, share), chosen))
    return 130 if steps.stopped() else min(clean.count(False), 100)


if __name__ == "__main__":
    steps.stop_on_signals()
    sys.exit(main(sys.argv[1:]))
