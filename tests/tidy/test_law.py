"""Which test covers which row of the acceptance table and which of the points on what llhttp leaves to its user.

A row's tests say its name: "R7" as the first word of a spelling, or at the beginning of a test's name.
"""
from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = {"R": 34, "U": 21}
CONVERSATIONS = {"R": "tests/proxy/law_requests_test.cc", "U": "tests/proxy/law_responses_test.cc"}

# What llhttp does not do: the rows, spellings or tests that hold it.
POINTS = {
    "2 Host": ["R23"],
    "3 versions, protocols, methods": ["R24", "method_not_implemented"],
    "4 Transfer-Encoding": ["R2", "R3", "R4", "U3"],
    "5 Transfer-Encoding in HTTP/1.0": ["R25", "U4"],
    "6 Content-Length to 2^63-1": ["R6", "9223372036854775808"],
    "7 limits": ["U16", "R18BoundsTheExtensionsOfAWholeMessage", "ExtensionsHaveABound"],
    "8 trailers": ["R21", "U18"],
    "9 answers without a body": ["U10"],
    "10 interim answers": ["U8"],
    "11 upgrade and CONNECT": ["R29", "R30", "BytesBehindAnUpgradeRequestAreNotPartOfIt"],
    "12 PRI": ["PRI * HTTP/2.0"],
    "13 FIN and RST": ["U11", "U12"],
    "14 fragments": ["arrivals(refused.bytes)", "arrivals(passed.bytes)", "arrivals(row.bytes)"],
    "15 keep-alive": ["R26", "R33"],
    "16 no resynchronisation": ["R20", "U7", "U14"],
    "17 one spelling of our own": ["GivesTheReplicaOneSpellingOfEveryAcceptedRequest",
                                   "PassesOneSpellingOnAndReusesOnlyWhatIsBeyondDoubt"],
    "18 pipelining": ["R32"],
    "19 obs-text and odd bytes in targets": ["R15", "R31"],
    "20 spaces and line ends of the request line": ["20", "R10"],
}


def text_of(*paths: str) -> str:
    return "".join(path.read_text() for pattern in paths for path in sorted(ROOT.glob(pattern)))


def covered(text: str) -> set[str]:
    return {row or name for row, name in re.findall(r'\{"([RU]?\d+)",|TEST_P\(\w+, ([RU]\d+)(?=[A-Z])', text)}


@pytest.mark.parametrize("side", ROWS)
def test_each_row_has_a_conversation(side):
    found = covered(text_of(CONVERSATIONS[side]))
    assert not [f"{side}{k}" for k in range(1, ROWS[side] + 1) if f"{side}{k}" not in found]


@pytest.mark.parametrize("point", POINTS)
def test_each_point_is_held(point):
    text = text_of("tests/proxy/law_*_test.cc", "tests/http/*_test.cc")
    found = covered(text)
    missing = [name for name in POINTS[point]
               if (name not in found if re.fullmatch(r"[RU]?\d{1,2}", name) else name not in text)]
    assert not missing


def test_point_1_nothing_is_made_lenient():
    assert "llhttp_set_lenient" not in text_of("src/**/*.cc", "src/**/*.h", "admin/*.cc", "replica/*.cc")
