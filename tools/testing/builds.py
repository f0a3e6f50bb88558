"""The ways in which the tree is built, and what each build folder says about its tests."""
from __future__ import annotations

import json
import os
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from . import steps

ROOT = Path(__file__).resolve().parents[2]
GCC = {"CC": "ccache gcc", "CXX": "ccache g++"}
CLANG = {"CC": "ccache clang-19", "CXX": "ccache clang++-19"}
SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=0",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


@dataclass
class TestProgram:
    name: str
    command: list[str]
    environment: dict[str, str]
    folder: str | None
    timeout: float


@dataclass
class Build:
    name: str                       # the folder's, below the root
    compiler: dict[str, str]
    options: dict[str, str]
    nice: int = 0
    seconds: float = field(default=0.0, init=False)
    _ready: bool | None = field(default=None, init=False)
    _making: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def folder(self) -> Path:
        return ROOT / self.name

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def make(self, ending: str = "") -> bool:
        """Configures where needed and builds, once: everything, or the programs whose names end so. Any thread. False:
        the log was shown."""
        with self._making:
            if self._ready is None:
                self._ready = self._configure() and self._compile(ending)
            return self._ready

    def _configure(self) -> bool:
        options = [f"-D{name}={value}" for name, value in self.options.items()]
        if not (self.folder / "build.ninja").exists():
            return self._step("configure", ["meson", "setup", str(self.folder), str(ROOT), *options], 300)
        if self._differs():
            return self._step("configure", ["meson", "configure", str(self.folder), *options], 300)
        return True

    def _differs(self) -> bool:
        """Somebody may have configured the folder in another way."""
        def text(value) -> str:
            return ",".join(value) if isinstance(value, list) else str(value).lower()
        current = {option["name"]: text(option["value"]) for option in self._introspect("--buildoptions")}
        return any(current.get(name) != value for name, value in self.options.items())

    def _compile(self, ending: str) -> bool:
        targets = [str(program.relative_to(self.folder)) for program in self.executables(ending)] if ending else []
        return self._step("compile", ["ninja", "-C", str(self.folder), *targets], 3600)

    def _step(self, what: str, command: list[str], timeout: float) -> bool:
        outcome = steps.run(command, self.results / f"{what}.log", timeout, self.compiler, nice=self.nice)
        self.seconds += outcome.seconds
        if outcome.good:
            if outcome.seconds > 2:
                steps.say(f"  {self.name}: {what} took {outcome.seconds:.0f} s")
        else:
            steps.say(f"  {self.name}: {what} failed ({outcome.code}), {outcome.log}\n{outcome.tail(60)}")
        return outcome.good

    def programs(self, suite: str) -> list[TestProgram]:
        return [TestProgram(test["name"], test["cmd"], test["env"], test["workdir"], test["timeout"])
                for test in self._introspect("--tests") if f"ringmaster:{suite}" in test["suite"]]

    def executables(self, ending: str) -> list[Path]:
        return [Path(target["filename"][0]) for target in self._introspect("--targets")
                if target["type"] == "executable" and target["name"].endswith(ending)]

    def _introspect(self, what: str) -> list[dict]:
        command = ["meson", "introspect", what, str(self.folder)]
        listing = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(listing.stdout)


def compiler_cache():
    """The same object serves every clone of the tree, wherever it lies."""
    os.environ.setdefault("CCACHE_NOHASHDIR", "1")
    os.environ.setdefault("CCACHE_BASEDIR", str(ROOT))


# What tools/run makes and users get. The unit tests have a folder of their own: linking each of them with link-time
# optimisation would take longer than compiling everything once more without it.
# -O2: g++ 12 sees overflows in fmt at -O3 that are not there, and warnings are errors here.
_OPTIMIZED = {"optimization": "2", "debug": "false"}
RELEASE = Build("build", GCC, {**_OPTIMIZED, "b_lto": "true", "werror": "true", "tests": "false",
                               "benchmarks": "false"})
UNIT = Build("build-unit", GCC, {**_OPTIMIZED, "tests": "true", "benchmarks": "true"})
# A finding's stack needs lines, and no more of the debug information.
_SANITIZED = {"optimization": "1", "debug": "false", "cpp_args": "-g1", "b_lundef": "false", "mimalloc": "disabled",
              "benchmarks": "false"}
ASAN = Build("build-asan", CLANG, {**_SANITIZED, "b_sanitize": "address,undefined", "fuzzers": "true"}, nice=19)
TSAN = Build("build-tsan", CLANG, {**_SANITIZED, "b_sanitize": "thread"}, nice=19)
ALL = (UNIT, RELEASE, ASAN, TSAN)
FUZZER = "_fuzzer"   # what the names of ASAN's fuzz programs end with
