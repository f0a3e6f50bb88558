"""The counts of tools/test are true: what fails, crashes, is skipped or says nothing never counts as passed."""
from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from testing.tally import Part, Tally, count_gtest, count_junit, count_plain  # noqa: E402


def gtest_report(path: Path, *cases: dict) -> Path:
    path.write_text(json.dumps({"testsuites": [{"name": "Suite", "testsuite": [
        {"name": f"Case{k}", "status": "RUN", "result": "COMPLETED", **case} for k, case in enumerate(cases)]}]}))
    return path


@pytest.mark.parametrize("cases, code, expected", [
    ([{}, {}], 0, (2, 0)),
    ([{}, {"failures": [{"failure": "x"}]}], 1, (1, 1)),
    ([{}, {"result": "SKIPPED"}], 0, (1, 1)),
    ([{}, {"status": "NOTRUN", "result": "SUPPRESSED"}], 0, (1, 1)),
    ([{}, {}], 1, (2, 1)),
])
def test_gtest_cases(tmp_path, cases, code, expected):
    part = Part("unit")
    count_gtest(part, "x", code, gtest_report(tmp_path / "r.json", *cases))
    assert (part.passed, part.failed) == expected


def test_a_gtest_program_that_died_is_a_failure(tmp_path):
    part = Part("unit")
    count_gtest(part, "x", -11, tmp_path / "none.json")
    assert (part.passed, part.failed) == (0, 1)


@pytest.mark.parametrize("xml, code, expected", [
    ('<testcase classname="a" name="1"/><testcase classname="a" name="2"/>', 0, (2, 0)),
    ('<testcase classname="a" name="1"/><testcase classname="a" name="2"><failure/></testcase>', 1, (1, 1)),
    ('<testcase classname="a" name="1"><skipped/></testcase>', 0, (0, 1)),
    ('<testcase classname="a" name="1"/><testcase classname="a" name="1"><error/></testcase>', 1, (0, 1)),
    ("", 5, (0, 1)),
    ("", 0, (0, 1)),
    ('<testcase classname="a" name="1"/>', 2, (1, 1)),
])
def test_pytest_cases(tmp_path, xml, code, expected):
    report = tmp_path / "r.xml"
    report.write_text(f"<testsuites><testsuite>{xml}</testsuite></testsuites>")
    part = Part("e2e")
    count_junit(part, "x", code, report)
    assert (part.passed, part.failed) == expected


def test_a_pytest_run_without_a_report_is_a_failure(tmp_path):
    part = Part("e2e")
    count_junit(part, "x", 124, tmp_path / "none.xml")
    assert (part.passed, part.failed) == (0, 1)


def test_plain_programs_count_by_their_exit_code():
    part = Part("bench")
    count_plain(part, "a", 0)
    count_plain(part, "b", 139)
    assert (part.passed, part.failed) == (1, 1)


def test_the_last_line_and_the_exit_code():
    tally = Tally()
    assert tally.exit_code == 1  # nothing ran
    tally.part("a").add_pass(3)
    assert (tally.last_line(), tally.exit_code) == ("3 passed, 0 failed", 0)
    tally.part("b").add_failure("x")
    assert (tally.last_line(), tally.exit_code) == ("3 passed, 1 failed", 1)
