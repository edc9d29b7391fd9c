"""Sweeps through the real command line: ``interestingness train -m …``."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from interestingness.runs import registry

SMALL = [
    "dataset.images=60",
    "model.backbone.weights=random",
    "trainer.max_epochs=2",
    "split=half_by_image",
    "trainer.accelerator=cpu",
]
TRAIN = [sys.executable, "-m", "interestingness", "train"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    cache = tmp_path_factory.mktemp("cache")
    return {**os.environ, "INTERESTINGNESS_CACHE": str(cache), "COLUMNS": "80"}


def _sweep(
    *overrides: str, cwd: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TRAIN, "-m", *overrides],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=280,
    )  # fmt: skip


def _rows(folder: Path) -> list[dict[str, str]]:
    (table,) = folder.glob("**/sweep.csv")
    with table.open() as lines:
        return list(csv.DictReader(lines))


def test_jobs_that_fail_end_in_a_table_and_status_1(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    where = "hydra.sweep.dir='a sweep=1'"  # a name that Hydra's grammar must not trip over
    done = _sweep("label_source=scores", "seed=0,1", where, cwd=tmp_path, environment=environment)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "2 jobs: 2 failed" in done.stdout
    assert "no value for label_source.column" in done.stdout
    folder = tmp_path / "a sweep=1"
    rows = _rows(folder)
    assert [row["name"] for row in rows] == ["seed-0", "seed-1"]
    assert [row["seed"] for row in rows] == ["0", "1"]
    assert {row["status"] for row in rows} == {"failed"}
    for row in rows:
        log = (folder / row["run"] / "job.log").read_text()
        assert log.startswith("error: no value for label_source.column")
        record = registry.read(folder / row["run"])
        assert record is not None and record["status"] == "failed"
    assert (folder / "sweep.md").is_file() and (folder / "sweep.parquet").is_file()


def test_a_sweep_by_name_needs_no_flag_and_takes_overrides(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [*TRAIN, "sweep=splits50", "split.seed=range(2)", "label_source=scores"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 1
    assert "2 jobs: 2 failed" in done.stdout
    (folder,) = (tmp_path / "runs" / "sweeps").iterdir()
    assert folder.name.endswith("_splits50")
    assert [row["split.seed"] for row in _rows(tmp_path)] == ["0", "1"]


def test_an_option_that_does_not_exist_runs_nothing(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    done = _sweep("label_source=human,gpt5", cwd=tmp_path, environment=environment)
    assert done.returncode != 0
    assert "gpt5" in done.stderr and "gpt4o" in done.stderr
    assert not list(tmp_path.glob("**/job.log"))


def test_ctrl_c_stops_the_job_and_leaves_the_table(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    sweep = subprocess.Popen(
        [*TRAIN, "-m", *SMALL, "seed=0,1"],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 240
        while not list(tmp_path.glob("**/000_seed-0/train.log")):  # Hydra has started the job
            assert time.monotonic() < until and sweep.poll() is None
            time.sleep(0.1)
        sweep.send_signal(signal.SIGINT)
        shown, _ = sweep.communicate(timeout=240)
    finally:
        sweep.kill()
    assert sweep.returncode == 130
    assert "2 jobs: 2 interrupted" in shown
    first, second = _rows(tmp_path)
    assert (first["error"], second["error"]) == ("interrupted", "never started")
    record = registry.read(next(tmp_path.glob("**/000_seed-0")))
    assert record is not None and record["status"] == "stopped"


def test_jobs_end_when_their_sweep_is_killed(tmp_path: Path, environment: dict[str, str]) -> None:
    def alive() -> list[psutil.Process]:
        found = psutil.process_iter(["cmdline"])
        return [p for p in found if f"hydra.run.dir='{job}'" in (p.info["cmdline"] or [])]

    long = [*SMALL, "model=paper_recipe", "trainer.max_epochs=100000", "seed=0,1"]
    long.append("hydra.sweep.dir=sweep")
    job = "sweep/000_seed-0"
    with subprocess.Popen(
        [*TRAIN, "-m", *long], cwd=tmp_path, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as sweep:  # fmt: skip
        try:
            until = time.monotonic() + 240
            while not (tmp_path / job / "checkpoints" / "last.ckpt").is_file():
                assert time.monotonic() < until and sweep.poll() is None
                time.sleep(0.1)
            (process,) = alive()
        finally:
            sweep.kill()
    process.wait(120)
    assert not alive()
    record = registry.read(tmp_path / job)
    assert record is not None and record["status"] == "running"  # nobody was left to note it


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_trains_compares_and_does_not_repeat_itself(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    sources = "label_source=human,scores"
    first = _sweep(*SMALL, sources, cwd=tmp_path, environment=environment)
    assert first.returncode == 1, first.stdout + first.stderr  # scores lacks its column
    assert "2 jobs: 1 finished, 1 failed" in first.stdout
    assert "SIMULATION" in first.stdout
    rows = _rows(tmp_path)
    assert [row["status"] for row in rows] == ["finished", "failed"]
    assert rows[0]["simulated"].startswith("SIMULATION")
    (folder,) = (tmp_path / "runs" / "sweeps").iterdir()
    for row in rows[:1]:
        judged = json.loads((folder / row["run"] / "metrics.json").read_text())["test"]
        for reference in judged["references"]:
            value = reference["accuracy"]["value"]
            if value is not None:
                assert float(row[f"accuracy.{reference['name']}"]) == value
        learnt = {r["name"] for r in judged["references"] if r["learnt"]}
        assert learnt == {row["label_source"]}
    page = (folder / "sweep.md").read_text()
    assert "SIMULATION" in page and "human" in page
    shutil.move(folder, tmp_path / "first")

    again = _sweep(*SMALL, "label_source=human", "seed=0,1", cwd=tmp_path, environment=environment)
    assert again.returncode == 0, again.stdout + again.stderr  # the first was moved: run anew
    assert "2 jobs: 2 finished" in again.stdout
    third = _sweep(*SMALL, "label_source=human", "seed=1,0", cwd=tmp_path, environment=environment)
    assert third.returncode == 0
    assert "2 jobs: 2 skipped" in third.stdout
    newest = max((tmp_path / "runs" / "sweeps").iterdir())
    before = min((tmp_path / "runs" / "sweeps").iterdir())
    with (newest / "sweep.csv").open() as new, (before / "sweep.csv").open() as old:
        now, then = list(csv.DictReader(new)), list(csv.DictReader(old))
    assert now[0]["accuracy.human"] == then[1]["accuracy.human"]
    assert (newest / now[0]["run"]).resolve() == (before / then[1]["run"]).resolve()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_job_of_several_processes_does_not_run_the_sweep_again(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    done = _sweep(*SMALL[:-1], "trainer=ddp_cpu", "seed=0", cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "runs" / "sweeps").iterdir())) == 1
    assert len(list(tmp_path.glob("**/metrics.json"))) == 1
    alone = subprocess.run(
        [*TRAIN, *SMALL, "seed=0", "hydra.run.dir=alone"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280, check=True,
    )  # fmt: skip
    assert alone.returncode == 0
    (shared,) = tmp_path.glob("runs/sweeps/*/000_*/metrics.json")
    one = json.loads((tmp_path / "alone" / "metrics.json").read_text())["test"]
    two = json.loads(shared.read_text())["test"]
    assert one["pairs"] == two["pairs"]
    values = [t["references"][0]["accuracy"]["value"] for t in (one, two)]
    assert values[0] == pytest.approx(values[1])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local"])
def test_other_launchers_stay_usable(
    tmp_path: Path, environment: dict[str, str], launcher: str
) -> None:
    # A job of SLURM's is one task that starts its processes itself; here one takes its place.
    several = ["trainer=ddp_cpu"] if launcher == "submitit_local" else []
    seeds = range(1 if several else 2)
    swept = f"seed={','.join(map(str, seeds))}"
    given = [*SMALL, *several, swept, f"hydra/launcher={launcher}"]
    done = _sweep(*given, cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    records = [registry.read(file.parent) for file in tmp_path.glob("**/metrics.json")]
    assert [record["status"] for record in records] == ["finished"] * len(seeds)
