"""`evaluate.py study=…` as a person types it: page, tables, print-out, and W&B offline."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest


@pytest.mark.slow
def test_a_study_leaves_page_tables_and_a_logged_run(repository: Path, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    environment |= {"WANDB_MODE": "offline", "COLUMNS": "80", "OMP_NUM_THREADS": "1"}
    small = ["dataset.images=40", "dataset.degree=6"]
    command = ["evaluate.py", "study=audit", *small, "logger=wandb"]
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
    assert "SIMULATION" in text and "SIMULATION" in done.stdout
    (logged,) = (run / "wandb").glob("offline-run-*")
    media = logged / "files" / "media"
    names = {p.name.rsplit("_", 2)[0]: p for p in (media / "table" / "tables").iterdir()}
    assert sorted(names) == tables
    for name, path in names.items():
        shown = json.loads(path.read_text(encoding="utf-8"))
        assert len(shown["data"]) == len(pq.read_table(run / f"{name}.parquet"))
    assert list((media / "html").glob("page_*.html"))
    assert not (run / "log").exists()


def told(repository: Path, tmp_path: Path, *command: str) -> tuple[int, list[str], str]:
    """Exit status, error lines and print-out of a command that ends before any work."""
    done = subprocess.run(
        [sys.executable, *command, f"paths.runs={tmp_path}"],
        cwd=repository,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stderr.splitlines(), done.stdout


@pytest.mark.parametrize("experiment", ["oasis_votes", "oasis_beauty", "transfer"])
def test_an_experiment_without_a_study_is_one_error_that_lists_them(
    repository: Path, tmp_path: Path, experiment: str
) -> None:
    code, lines, _ = told(repository, tmp_path, "evaluate.py", f"experiment={experiment}")
    assert code == 2 and len(lines) == 3
    assert lines[0] == f"error: experiment={experiment} names no study"
    studies = [path.stem for path in (repository / "conf" / "study").glob("*.yaml")]
    assert lines[1] == f"  expected: a study: {', '.join(sorted(studies))}" and len(studies) > 10
    assert f"python evaluate.py study=NAME experiment={experiment} " in lines[2]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["experiment=lafin_table1", "dataset.photos=a b.csv"],
         "experiment=lafin_table1, which serves the study lafin_table1: "),
        (["study=audit"], "study=audit: "),
    ],
)  # fmt: skip
def test_training_a_study_is_one_error_that_names_the_command(
    repository: Path, tmp_path: Path, options: list[str], found: str
) -> None:
    code, lines, _ = told(repository, tmp_path, "train.py", *options)
    assert code == 2 and len(lines) == 3
    assert lines[0].startswith(f"error: {found}")
    command = lines[2].partition("what to do: ")[2]
    assert shlex.split(command) == ["python", "evaluate.py", *options, f"paths.runs={tmp_path}"]


def test_a_study_refuses_what_only_training_has(repository: Path, tmp_path: Path) -> None:
    options = ["study=leaderboard", "experiment=oasis_beauty"]
    code, lines, _ = told(repository, tmp_path, "evaluate.py", *options)
    assert code == 2 and len(lines) == 3
    assert "study=leaderboard with label_source, which only a training run has" in lines[0]
    assert "+label_source@sources.mine=NAME" in lines[2]


@pytest.mark.slow
def test_jobs_of_a_sweep_pass_the_same_doors(repository: Path, tmp_path: Path) -> None:
    sweep = ["-m", "experiment=oasis_votes,lafin_table1", "dataset.images=nowhere"]
    code, _, shown = told(repository, tmp_path, "evaluate.py", *sweep)
    assert code == 1
    assert "error: experiment=oasis_votes names no study" in shown
    assert "error: no value for dataset.photos, model.words.path" in shown  # at the study's door
    code, _, shown = told(repository, tmp_path, "train.py", "-m", "experiment=lafin_table1")
    assert code == 1
    assert "what to do: python evaluate.py experiment=lafin_table1 " in shown
