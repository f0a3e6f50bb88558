"""tools/analyse in small, and what is committed of it."""
from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.ringmaster import BUILD, ROOT

CHARTS = {"a1-requests", "a2-spread", "a3-kill", "balance", "movement", "failure", "bound", "cost"}


def assert_is_an_analysis(folder: Path):
    live = json.loads((folder / "live.json").read_text())
    simulation = json.loads((folder / "simulation.json").read_text())
    exact = {(row["table"], row["replicas"]): row["ids"] for row in simulation["ids"]}
    assert len(live["shares"]) == 30
    for row in live["shares"]:
        assert sum(row["counts"]) == live["requests"], row
        for count, ids in zip(row["counts"], exact[row["table"], row["replicas"]], strict=True):
            share = ids / 900_000
            sigma = math.sqrt(live["requests"] * share * (1 - share))
            assert abs(count - live["requests"] * share) <= 5 * sigma, row
    for kill in live["kills"]:
        assert kill["failed"] == kill["not_200"] == 0 and kill["n_restored_after_ms"] < 5000, kill["table"]
        assert all(name.endswith(" 200") for name in kill["endpoints"]), kill["endpoints"]
        assert min(row["least_ready"] for row in kill["timeline"] if row["least_ready"] is not None) >= 2
    assert {path.stem for path in folder.glob("*.svg")} == CHARTS
    for path in folder.glob("*.svg"):
        assert 5_000 < path.stat().st_size < 100_000, path


def test_what_is_committed_is_whole_and_small():
    assert_is_an_analysis(ROOT / "docs" / "analysis")


@pytest.mark.seconds(300)
def test_the_analysis_runs_in_small(tmp_path):
    environment = {**os.environ, "RINGMASTER_BUILD": str(BUILD), "PYTHONPATH": f"{ROOT}/tools:{ROOT}/tests"}
    done = subprocess.run([sys.executable, "-B", "-m", "analysis", "--small", "--out", tmp_path], env=environment,
                          capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_is_an_analysis(tmp_path)
