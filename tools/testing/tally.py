"""True counts: one for each test case, and one for each step that could not do its work."""
from __future__ import annotations

import json
import threading
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Part:
    name: str
    passed: int = 0
    failed: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    def add_pass(self, count: int = 1):
        self.passed += count

    def add_failure(self, what: str):
        self.failed += 1
        self.failures.append(what)

    def line(self) -> str:
        return f"{self.name:<10} {self.passed:6} passed {self.failed:5} failed {self.seconds:8.1f} s"


class Tally:
    def __init__(self):
        self.parts: list[Part] = []
        self._lock = threading.Lock()

    def part(self, name: str) -> Part:
        with self._lock:
            self.parts.append(Part(name))
            return self.parts[-1]

    @property
    def passed(self) -> int:
        return sum(part.passed for part in self.parts)

    @property
    def failed(self) -> int:
        return sum(part.failed for part in self.parts)

    def last_line(self) -> str:
        return f"{self.passed} passed, {self.failed} failed"

    @property
    def exit_code(self) -> int:
        return 1 if self.failed or not self.passed else 0


def count_gtest(part: Part, name: str, exit_code: int, report: Path):
    """The cases of one GoogleTest program. One that died counts what it never said as one failure; a skipped or
    disabled case is a failure too: a skip is not a pass."""
    try:
        suites = json.loads(report.read_text())["testsuites"]
    except (OSError, ValueError, KeyError):
        part.add_failure(f"{name}: ended with {exit_code} and left no report")
        return
    failed_before = part.failed
    for suite in suites:
        for case in suite["testsuite"]:
            label = f"{name}: {suite['name']}.{case['name']}"
            if case.get("failures"):
                part.add_failure(label)
            elif case.get("status") != "RUN" or case.get("result") != "COMPLETED":
                part.add_failure(f"{label} (did not run)")
            else:
                part.add_pass()
    if exit_code != 0 and part.failed == failed_before:
        part.add_failure(f"{name}: ended with {exit_code} although its cases passed")


def count_junit(part: Part, name: str, exit_code: int, report: Path):
    """The cases of one pytest run. Errors of fixtures and skipped cases are failures."""
    try:
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        part.add_failure(f"{name}: pytest ended with {exit_code} and left no report")
        return
    failed_before = part.failed
    labels: dict[str, str | None] = {}  # pytest lists a case again when its teardown fails too
    for case in cases:
        label = f"{case.get('classname')}.{case.get('name')}"
        bad = next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), None)
        labels[label] = bad or labels.get(label)
    for label, bad in labels.items():
        if bad:
            part.add_failure(f"{name}: {label} ({bad})")
        else:
            part.add_pass()
    if exit_code != 0 and part.failed == failed_before:
        part.add_failure(f"{name}: pytest ended with {exit_code}")
    elif not cases:
        part.add_failure(f"{name}: pytest found no tests")


def count_plain(part: Part, name: str, exit_code: int):
    """A program without cases of its own."""
    if exit_code == 0:
        part.add_pass()
    else:
        part.add_failure(f"{name}: ended with {exit_code}")
