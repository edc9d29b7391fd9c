"""From `annotate` over `train.py label_source=judge` to `evaluate.py`, on OASIS photographs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_whole_run_against_a_local_server(
    repository: Path, shared_data: Path, tmp_path: Path
) -> None:
    """Some of the photographs; the judge is simulated from people's mean ratings."""
    figures = tmp_path / "figures.json"
    options = ["--images", "[A-C]*.jpg", "--out", str(tmp_path / "run"), "--json", str(figures)]
    done = subprocess.run(
        [sys.executable, str(repository / "benchmarks" / "annotate_oasis.py"), *options],
        env={**os.environ, "OASIS": str(shared_data / "oasis")},
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    found = json.loads(figures.read_text())
    assert found["asked in the dry run"] == found["asked again by a repeated command"] == 0
    preflight = 3
    assert found["answered by the server, preflight included"] == (
        found["votes in the table"] + preflight
    )
    assert found["votes in the table"] > 1000
    assert found["estimated order term"] == pytest.approx(found["planted order term"], abs=0.1)
    assert found["bias index"] > 0.1
    # chance is .5; the votes are made of people's mean ratings, so that a model can learn from them
    assert found["accuracy against judge"] > 0.6
    assert done.stdout.count("SIMULATION") >= 6
    ledgers = list((tmp_path / "run").glob("annotations/*/local.sqlite"))
    assert len(ledgers) == 1
