"""Every drill at a tenth of its size. The full ones: tests/drills/NAME.py, or all.py."""
from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from support.drill import show

FOLDER = Path(__file__).parent
DRILLS = sorted(path for path in FOLDER.glob("*.py") if path.stem not in ("test_drills", "all"))


def test_there_are_drills():
    assert len(DRILLS) >= 11


@pytest.mark.seconds(300)
@pytest.mark.parametrize("path", DRILLS, ids=lambda path: path.stem)
def test_drill(path: Path, tmp_path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = module.run(tmp_path, 0.1)
    show(module.DRILL, result)
    assert not result.faults, "\n".join(result.faults)
