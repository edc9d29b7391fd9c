"""`evaluate.py study=…` as a person types it: page, tables, print-out, and W&B offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest


@pytest.mark.slow
def test_a_study_leaves_page_tables_and_a_logged_run(repository: Path, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    environment |= {"WANDB_MODE": "offline", "COLUMNS": "80", "OMP_NUM_THREADS": "1"}
    command = ["evaluate.py", "study=debiasing", "study.quick=true", "logger=wandb"]
    done = subprocess.run(
        [sys.executable, *command, f"paths.runs={tmp_path}", f"paths.cache={tmp_path / 'cache'}"],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.rstrip().splitlines()
    page = Path(lines[-1])
    assert page.is_file() and max(map(len, lines[:-1])) <= 80
    run = page.parent
    tables = sorted(p.stem for p in run.glob("*.parquet"))
    assert tables and all(
        (run / f"{name}.{end}").is_file() for name in tables for end in ("csv", "md")
    )
    text = page.read_text(encoding="utf-8")
    assert all(f'href="{name}.csv"' in text for name in tables)
    assert "Simulated" in text and "Simulated" in done.stdout
    (logged,) = (run / "wandb").glob("offline-run-*")
    media = logged / "files" / "media"
    names = {p.name.rsplit("_", 2)[0]: p for p in (media / "table" / "tables").iterdir()}
    assert sorted(names) == tables
    for name, path in names.items():
        shown = json.loads(path.read_text(encoding="utf-8"))
        assert len(shown["data"]) == len(pq.read_table(run / f"{name}.parquet"))
    assert list((media / "html").glob("page_*.html"))
    assert not (run / "log").exists()
