"""The tree itself, file by file, against every rule."""
from __future__ import annotations

import os
from pathlib import Path

import pytest
import rules

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT_FOLDERS = (".git", ".cache", "__pycache__", ".pytest_cache", "corpus", "node_modules")
# The rules and their samples name what they forbid.
LEFT_OUT_FILES = {"tests/tidy/rules.py", "tests/tidy/test_rules.py"}


def text_files() -> list[str]:
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in LEFT_OUT_FOLDERS
                      and not (Path(folder) == ROOT and name.startswith("build"))]
        for name in files:
            path = (Path(folder) / name).relative_to(ROOT).as_posix()
            if Path(name).suffix in rules.TEXT and path not in LEFT_OUT_FILES and name != ".git":  # a work tree's
                found.append(path)
    return sorted(found)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_tree_obeys(rule):
    complaints = []
    for path in text_files():
        try:
            text = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue  # a picture or test data
        complaints += [f"{path}:{number}: {what}" for number, what in rule(path, text)]
    assert not complaints, f"{len(complaints)} complaints:\n" + "\n".join(complaints)


def test_the_tree_was_found():
    files = text_files()
    assert "meson.build" in files and sum(path.startswith("src/") for path in files) > 20


def test_every_exception_is_still_needed():
    for path, reason in rules.LONG_FILES.items():
        assert reason and (ROOT / path).read_text().count("\n") > rules.LINES_MAX, path
    for path in rules.PRINTERS:
        assert (ROOT / path).exists(), path
