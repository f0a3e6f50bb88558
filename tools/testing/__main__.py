"""tools/test: every part in turn, while the sanitizer builds are made in the background at the lowest priority.

The end-to-end tests wait more than they work, so the builds cost them little. Whatever cannot run counts as one failed
test, with its reason. The last line is the count, also after a signal or LIMIT_SECONDS.
"""
from __future__ import annotations

import concurrent.futures
import shutil
import sys
import threading
import time
from pathlib import Path

from . import builds, steps
from .builds import ASAN, FUZZER, RELEASE, ROOT, SANITIZER_ENVIRONMENT, TSAN, UNIT, Build, TestProgram
from .tally import Part, Tally, count_gtest, count_junit, count_plain

PYTEST = ["/usr/bin/python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
FUZZ_SECONDS = 20
LIMIT_SECONDS = 80 * 60


def run_program(part: Part, build: Build, program: TestProgram, slowness: float):
    report = build.results / part.name / f"{program.name}.json"
    report.unlink(missing_ok=True)
    environment = {**SANITIZER_ENVIRONMENT, **program.environment, "GTEST_OUTPUT": f"json:{report}"}
    outcome = steps.run(program.command, report.with_suffix(".log"), program.timeout * slowness, environment,
                        Path(program.folder) if program.folder else None)
    is_gtest = report.exists() or "[==========]" in outcome.tail(100_000)
    if is_gtest:
        count_gtest(part, program.name, outcome.code, report)
    else:
        count_plain(part, program.name, outcome.code)
    if not outcome.good:
        steps.say(f"  {part.name} {program.name} ended with {outcome.code}, {outcome.log}\n{outcome.tail()}")


def run_programs(part: Part, build: Build, suite: str, slowness: float = 1.0, at_once: int = 2):
    if not build.make():
        part.add_failure(f"{build.name} could not be built")
        return
    programs = build.programs(suite)
    if not programs:
        part.add_failure(f"{build.name} has no tests of the suite '{suite}'")
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda program: run_program(part, build, program, slowness), programs))


def run_pytest(part: Part, build: Build, folder: str, *arguments: str, timeout: float = 1800):
    if not build.make():
        part.add_failure(f"{build.name} could not be built")
        return
    name = folder.replace("/", "-")
    report = build.results / part.name / f"{name}.xml"
    report.unlink(missing_ok=True)
    command = [*PYTEST, str(ROOT / folder), f"--junitxml={report}", *arguments]
    outcome = steps.run(command, report.with_suffix(".log"), timeout,
                        {**SANITIZER_ENVIRONMENT, "RINGMASTER_BUILD": str(build.folder)}, ROOT)
    count_junit(part, folder, outcome.code, report)
    if not outcome.good:
        steps.say(f"  {part.name} {folder} ended with {outcome.code}, {outcome.log}\n{outcome.tail(80)}")


def unit(part: Part):
    run_programs(part, UNIT, "unit", slowness=3)


def bench(part: Part):
    """Before the background builds: the end-to-end comparison refuses to measure beside other work."""
    run_programs(part, UNIT, "bench", at_once=1)
    run_programs(part, UNIT, "perf", at_once=1)


def e2e(part: Part):
    run_pytest(part, RELEASE, "tests/e2e")


def drills(part: Part):
    run_pytest(part, RELEASE, "tests/drills")


def tidy(part: Part):
    # Reads the tree and needs no build.
    report = RELEASE.results / "tidy" / "tidy.xml"
    report.unlink(missing_ok=True)
    outcome = steps.run([*PYTEST, str(ROOT / "tests/tidy"), f"--junitxml={report}"], report.with_suffix(".log"), 120)
    count_junit(part, "tests/tidy", outcome.code, report)
    if not outcome.good:
        steps.say(outcome.tail(80))


def asan(part: Part):
    run_programs(part, ASAN, "unit", slowness=6)
    run_pytest(part, ASAN, "tests/e2e", "-m", "smoke")


def tsan(part: Part):
    run_programs(part, TSAN, "unit", slowness=12)
    run_pytest(part, TSAN, "tests/e2e", "-m", "smoke")


def fuzz_one(part: Part, program: Path):
    """A short run on top of the corpus in the tree; what it finds stays in the build folder."""
    target = program.name.removesuffix(FUZZER)
    folder = ASAN.results / "fuzz" / target
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "corpus").mkdir(parents=True)
    tree = ROOT / "tests/fuzz"
    words = [f"-dict={path}" for path in sorted(tree.glob("*.dict")) if target.startswith(path.stem)][:1]
    bounds = [f"-max_total_time={FUZZ_SECONDS}", "-timeout=10", "-rss_limit_mb=1024", f"-artifact_prefix={folder}/"]
    # libFuzzer writes new inputs to the first folder that it is given: never to the tree's.
    command = [str(program), *bounds, *words, str(folder / "corpus"), str(tree / "corpus" / target)]
    outcome = steps.run(command, folder / "fuzz.log", FUZZ_SECONDS * 4 + 60, SANITIZER_ENVIRONMENT)
    count_plain(part, f"fuzz {target}", outcome.code)
    if not outcome.good:
        steps.say(f"  fuzz {target} ended with {outcome.code}, {outcome.log}\n{outcome.tail(60)}")


def fuzz(part: Part):
    if not ASAN.make():
        part.add_failure(f"{ASAN.name} could not be built")
        return
    programs = ASAN.executables(FUZZER)
    if not programs:
        part.add_failure(f"{ASAN.name} has no fuzz targets")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda program: fuzz_one(part, program), programs))


def browser(part: Part):
    run_pytest(part, RELEASE, "tests/browser")


def docker(part: Part):
    run_pytest(part, RELEASE, "tests/docker")


PARTS = {"tidy": tidy, "bench": bench, "unit": unit, "e2e": e2e, "drills": drills, "browser": browser, "docker": docker,
         "asan": asan, "tsan": tsan, "fuzz": fuzz}
BACKGROUND = {"asan": ASAN, "fuzz": ASAN, "tsan": TSAN}
BEFORE_BUILDS = ("tidy", "bench")
OPTIONAL_FOLDERS = ("browser", "docker")  # rooms that a later issue brings


def chosen_parts(arguments: list[str]) -> list[str]:
    unknown = [name for name in arguments if name not in PARTS]
    if unknown:
        print(f"tools/test: unknown part {unknown[0]!r}. Parts: {' '.join(PARTS)}", file=sys.stderr)
        sys.exit(64)
    names = arguments or list(PARTS)
    return [name for name in PARTS if name in names
            and (name in arguments or name not in OPTIONAL_FOLDERS or any((ROOT / "tests" / name).glob("test_*.py")))]


def build_in_background(names: list[str]):
    """Each part waits for its own build."""
    def make_all():
        for name in names:
            BACKGROUND[name].make()
    threading.Thread(target=make_all, daemon=True).start()


def run_part(tally: Tally, name: str):
    part = tally.part(name)
    if steps.stopped():
        return part.add_failure(f"{name} did not run: {steps.stopped()}")
    steps.say(f"== {name}")
    began = time.monotonic()
    try:
        PARTS[name](part)
    except Exception as error:  # a fault of a step is one failed test, and the other parts still run
        part.add_failure(f"{name} broke off: {type(error).__name__}: {error}")
    part.seconds = time.monotonic() - began
    steps.say(f"== {part.line()}")


def report(tally: Tally, seconds: float):
    print()
    for build in builds.ALL:
        if build.seconds:
            print(f"{build.name:<40} {build.seconds:8.1f} s")
    for part in tally.parts:
        print(part.line())
        for failure in part.failures:
            print(f"    FAILED {failure}")
    print(f"{seconds:.0f} s in all")
    print(tally.last_line(), flush=True)


def main() -> int:
    names = chosen_parts(sys.argv[1:])
    steps.stop_on_signals()
    steps.mark()
    steps.tell_every(60)
    limit = threading.Timer(LIMIT_SECONDS, steps.stop, [f"the limit of {LIMIT_SECONDS} s is over"])
    limit.daemon = True
    limit.start()
    builds.compiler_cache()
    tally = Tally()
    began = time.monotonic()
    for name in [name for name in names if name in BEFORE_BUILDS]:
        run_part(tally, name)
    build_in_background([name for name in names if name in BACKGROUND])
    for name in [name for name in names if name not in BEFORE_BUILDS]:
        run_part(tally, name)
    for command in steps.end_strays():
        steps.say(f"  was left running, and ended: {command[:150]}")
    report(tally, time.monotonic() - began)
    return tally.exit_code


if __name__ == "__main__":
    sys.exit(main())
