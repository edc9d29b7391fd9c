"""Several processes: they learn what one learns, count each pair once, and end when one dies."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from interestingness.assembly.run import evaluate
from interestingness.runs import registry
from interestingness.runs.job import run_folder
from interestingness.runs.processes import LOGS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TWO = ["trainer=ddp_cpu"]
SHARDED = ["trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=2"]
# 60 images in 150 pairs in shards of 17; batches of 7: odd counts everywhere, and processes get
# unequal shares of the last batch. 64 : 16 : 20 leaves few validation pairs, fewer than processes
# in a batch.
SMALL = ["dataset.images=60", "dataset.degree=10", "model.backbone.weights=random"]
ODD = ["data.batch_size=7", "split=lafin_64_16_20", "trainer.max_epochs=2"]
FINE = [
    *("model=finetuned_clip", "model/tuning=full", "data.workers=0", "data.pairs_per_shard=17"),
    *("optimizer.lr=0.003", "model.groups.backbone_lr=0.3"),
    # A key's bias has no gradient but rounding, which Adam would blow up to a step of its own.
    "+optimizer.eps=0.0001",
]
RECIPE = ["model=paper_recipe", "split=half_by_image"]  # batches and epochs of cached features
ENDLESS = [*RECIPE, *TWO, "trainer.max_epochs=1000000"]
LONG_S = 240
"""Longer than anything here takes on a busy machine; what hangs is found all the same."""


def weights(run: Path, name: str = "last.ckpt") -> dict[str, torch.Tensor]:
    file = run / "checkpoints" / name
    return torch.load(file, map_location="cpu", weights_only=True)["state_dict"]


def same_weights(one: Path, two: Path) -> None:
    a, b = weights(one), weights(two)
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(b[name], a[name], rtol=2e-4, atol=2e-6, msg=name)


def curve(run: Path, name: str) -> list[float]:
    with (run / "log" / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]


def judged(run: Path) -> dict[str, tuple[int, float | None]]:
    rows = json.loads((run / "metrics.json").read_text())["test"]["references"]
    return {r["name"]: (r["pairs"], r["accuracy"]["value"]) for r in rows}


def workers(run: Path) -> list[psutil.Process]:
    """Processes of a run that has not ended, in order; those that read data for them included."""
    mine = {}
    for process in psutil.process_iter(["cmdline"]):
        if run_folder(run) not in (process.info["cmdline"] or []):
            continue
        with contextlib.suppress(psutil.Error, ProcessLookupError):  # it ends at this moment
            if process.status() != psutil.STATUS_ZOMBIE:
                mine[process] = int(process.environ()["RANK"])
    return sorted(mine, key=mine.__getitem__)


def wait_for(true: Callable[[], object], seconds: float = LONG_S) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def begun(cache: Path, tmp_path: Path, repository: Path) -> Iterator[Callable[..., Any]]:
    """``begun("seed=1", run="a")``: a small run that goes on by itself; nothing outlives it."""
    started: list[subprocess.Popen[str]] = []

    def begin(
        *overrides: str,
        run: str | None,
        door: str = "train",
        by: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        paths = [f"paths.cache={cache}", f"paths.runs={tmp_path}"]
        paths += [f"hydra.run.dir={tmp_path / run}"] if run else []
        given = SMALL if door == "train" else []
        command = [*by, str(repository / f"{door}.py"), *given, *paths, *overrides]
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    # Workers end with what started them; those of a test that failed may not even do that.
    found = [c for p in started if p.poll() is None for c in _children(p.pid)]
    for process in started:
        process.kill()
        process.communicate()
    for child in found:
        if child.is_running():
            child.kill()
    for folder in (path for path in tmp_path.iterdir() if path.is_dir()):
        for left in workers(folder):
            left.kill()


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@pytest.fixture
def done(begun: Callable[..., Any], tmp_path: Path) -> Callable[..., Path]:
    """``done(*TWO, run="a")``: a run that has ended without an error, and its folder."""

    def run(*overrides: str, run: str, **more: Any) -> Path:
        process = begun(*overrides, run=run, **more)
        out, err = process.communicate(timeout=LONG_S)
        assert process.returncode == 0, out + err
        return tmp_path / run

    return run


@pytest.fixture
def training(begun: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """``training("seed=1", run="a")``: a run that has a checkpoint already, and goes on."""

    def begin(*overrides: str, run: str) -> subprocess.Popen[str]:
        process: subprocess.Popen[str] = begun(*ENDLESS, *overrides, run=run)
        last = tmp_path / run / "checkpoints" / "last.ckpt"
        wait_for(lambda: last.is_file() or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        assert len(workers(tmp_path / run)) >= 2
        return process

    return begin


# --- what is learnt ------------------------------------------------------------------------------


def test_two_processes_fine_tune_as_one_does(trained, done, tmp_path: Path) -> None:
    one = trained(*SMALL, *FINE, *ODD, run="one")
    two = done(*FINE, *ODD, *TWO, "logger=wandb", run="two")
    for part in ("train", "validation"):
        ours, theirs = curve(one, f"{part}/loss"), curve(two, f"{part}/loss")
        assert len(ours) == 2 and ours[0] != ours[1]
        assert theirs == pytest.approx(ours, rel=1e-4)
        # Every pair counts once, whoever it was dealt to.
        assert curve(two, f"{part}/pairs") == curve(one, f"{part}/pairs")
    assert curve(one, "train/pairs")[0] % 7 == 1  # fewer pairs in the last batch than processes
    same_weights(one, two)
    assert judged(one) == judged(two)
    # Written once, by the first process.
    assert sorted(p.suffix for p in (two / "checkpoints").iterdir()) == [".ckpt", ".ckpt"]
    assert len(list((two / "wandb").glob("offline-run-*"))) == 1
    record = registry.read(two)
    assert record is not None and record["status"] == "finished"
    folders = {p.name for p in tmp_path.iterdir() if p.is_dir()} - {"index"}
    assert folders == {"one", "two"}


def test_sharded_weights_learn_the_same(trained, done, begun, composed, tmp_path: Path) -> None:
    """Two steps and two more; the checkpoint is a file like any other."""
    tiny = ["dataset.images=24", "data.batch_size=8", "trainer.max_epochs=1", *FINE]
    tiny += ["trainer.gradient_clip_val=0.5", "model.gradient_checkpointing=true"]
    one = trained(*SMALL, *tiny, run="one")
    two = done(*tiny, *SHARDED, run="two")
    assert curve(two, "train/loss") == pytest.approx(curve(one, "train/loss"), rel=1e-4)
    same_weights(one, two)
    assert judged(one) == judged(two)
    evaluate(composed("evaluate", f"ckpt={two}", run="again"))
    assert judged(tmp_path / "again") == judged(one)
    # One process and three go on from it.
    longer = [*tiny, "trainer.max_epochs=2", f"resume={two / 'checkpoints' / 'last.ckpt'}"]
    three = done(*longer, *SHARDED, "trainer.devices=3", run="on-three")
    same_weights(three, trained(*SMALL, *longer, run="on-one"))


def test_sharded_low_rank_updates_learn_the_same(trained, done) -> None:
    tiny = ["dataset.images=24", "data.batch_size=8", "trainer.max_epochs=1", *FINE]
    one = trained(*SMALL, *tiny, "model/tuning=lora", run="one")
    same_weights(one, done(*tiny, "model/tuning=lora", *SHARDED, run="two"))


def test_what_cannot_be_sharded_is_refused_once(begun) -> None:
    process = begun(*SHARDED, run="refused")
    _, said = process.communicate(timeout=LONG_S)
    assert process.returncode == 2
    assert "trainer=fsdp with cached features" in said and said.count("error:") == 1


def test_the_optimum_is_the_same_bits_on_two_processes(trained, done) -> None:
    one = weights(trained(*SMALL, run="one"))
    two = weights(done("split=half_by_image", *TWO, run="two"))
    assert one.keys() == two.keys()
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_more_processes_than_shards_and_than_pairs_in_a_batch(trained, done) -> None:
    few = ["data.pairs_per_shard=1000", "data.batch_size=2", "trainer.max_epochs=1"]
    few += ["dataset.images=24"]
    one = trained(*SMALL, *FINE, *few, run="one")
    three = done(*FINE, *few, *TWO, "trainer.devices=3", run="three")
    same_weights(one, three)
    assert judged(one) == judged(three)


def test_going_on_in_the_middle_of_an_epoch(trained, done) -> None:
    often = ["+callbacks.checkpoint.every_n_train_steps=3", "+callbacks.checkpoint.save_top_k=-1"]
    often += ["callbacks.checkpoint.filename='s{step:03d}'", *FINE, *ODD, "dataset.images=30"]
    whole = done(*often, *TWO, run="whole")
    files = sorted((whole / "checkpoints").glob("s*.ckpt"))
    middle = files[len(files) // 2]
    at = torch.load(middle, map_location="cpu", weights_only=True)
    assert at["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]["ready"] > 0
    runs = [trained(*SMALL, *often, f"resume={middle}", run="one")]
    runs += [done(*often, *TWO, f"resume={middle}", run="two")]
    for again in runs:
        same_weights(whole, again)
        assert judged(whole) == judged(again)
        for part in ("train", "validation"):
            # The epoch that was interrupted counts as one, whoever had which of its pairs.
            assert curve(again, f"{part}/pairs") == curve(whole, f"{part}/pairs")
            losses = curve(whole, f"{part}/loss")
            assert curve(again, f"{part}/loss") == pytest.approx(losses, rel=1e-4)


def test_evaluating_shares_the_images_among_processes(
    trained, begun, composed, tmp_path: Path
) -> None:
    run = trained(*SMALL, run="run")
    given = [f"ckpt={run}", "dataset=synthetic", "dataset.images=50", "dataset.seed=7"]
    cfg = composed("evaluate", *given, run="alone")
    cfg.paths.cache = str(tmp_path / "fresh" / "alone")
    assert evaluate(cfg)["accuracy"] is not None
    shared = tmp_path / "fresh" / "shared"
    process = begun(*given, *TWO, f"paths.cache={shared}", run="shared", door="evaluate")
    out, err = process.communicate(timeout=LONG_S)
    assert process.returncode == 0, out + err
    assert judged(tmp_path / "alone") == judged(tmp_path / "shared")
    assert len(list((shared / "features").glob("*/.lock-part-[01]-of-2"))) == 2


# --- how it ends ---------------------------------------------------------------------------------


def test_a_process_that_is_killed_ends_the_run_and_is_named(training, tmp_path: Path) -> None:
    run = tmp_path / "killed"
    process = training(*FINE, run="killed")
    began = time.monotonic()
    workers(run)[1].kill()
    _, said = process.communicate(timeout=LONG_S)
    assert time.monotonic() - began < 60
    assert process.returncode == 1
    assert "process 1 of 2 was killed by SIGKILL (out of memory?)" in said
    assert f"resume={run}" in said
    assert said.count("error:") == 1 and "Traceback" not in said
    record = registry.read(run)
    assert record is not None and record["status"] == "failed"
    assert "process 1 of 2" in record["error"]
    assert not workers(run)
    assert weights(run)


def test_a_process_that_hangs_ends_the_run_after_the_time_out(training, tmp_path: Path) -> None:
    run = tmp_path / "hangs"
    process = training(*FINE, "trainer.strategy.timeout_s=10", run="hangs")
    workers(run)[1].suspend()
    _, said = process.communicate(timeout=LONG_S)
    assert process.returncode == 1
    assert "process 0 of 2 waited for another one in vain" in said
    assert not workers(run)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_all_processes_end_when_told_and_one_says_how_to_go_on(
    training, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    run = tmp_path / "told"
    # Workers that read for a process end as well.
    process = training(*FINE, "data.workers=1", run="told")
    process.send_signal(number)
    _, said = process.communicate(timeout=LONG_S)
    assert process.returncode == status
    assert said.count("interrupted") == 1
    assert f"interrupted; go on with resume={run}" in said
    record = registry.read(run)
    assert record is not None and record["status"] == "stopped"
    assert not (run / LOGS).exists()
    assert not workers(run)


def test_processes_end_when_their_agent_is_killed(training, tmp_path: Path) -> None:
    process = training(run="orphans")
    process.kill()
    wait_for(lambda: not workers(tmp_path / "orphans"), 60)


def test_an_error_that_all_processes_hit_is_shown_once(begun, tmp_path: Path) -> None:
    process = begun(*FINE, *TWO, "optimizer.lr=1e37", run="nan")
    _, said = process.communicate(timeout=LONG_S)
    assert process.returncode == 2
    assert said.count("error:") == 1 and "Traceback" not in said
    record = registry.read(tmp_path / "nan")
    assert record is not None and record["status"] == "failed"


# --- who starts them -----------------------------------------------------------------------------


def finished_runs(folder: Path) -> list[Path]:
    records = {p: registry.read(p) for p in folder.iterdir() if p.name != "index"}
    assert all(record and record["status"] == "finished" for record in records.values())
    return list(records)


def test_torchrun_starts_processes_of_one_run(trained, begun, tmp_path: Path) -> None:
    """On cached features, in batches of 7: processes get unequal shares of the last one."""
    by = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    given = [*RECIPE, "trainer.max_epochs=2", "data.batch_size=7"]
    # Each process names its own folder, as it does where nobody gives one.
    process = begun(*given, *TWO, f"paths.runs={tmp_path / 'two'}", run=None, by=by)
    out, err = process.communicate(timeout=LONG_S)
    assert process.returncode == 0, out + err
    (two,) = finished_runs(tmp_path / "two")
    one = trained(*SMALL, *given, run="one")
    same_weights(one, two)
    assert judged(one) == judged(two)


def test_srun_starts_processes_of_one_run(begun, tmp_path: Path) -> None:
    slurm = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1"}
    slurm |= {"SLURM_JOB_ID": "4711", "SLURM_NODELIST": "127.0.0.1", "SLURM_NODEID": "0"}
    slurm |= {"SLURM_JOB_NAME": "train"}
    tasks = [
        begun(
            *RECIPE, "trainer.max_epochs=2", *TWO, run=None,
            environment={**slurm, "SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)},
        )
        for i in range(2)
    ]  # fmt: skip
    said = [task.communicate(timeout=LONG_S) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], said
    assert len(finished_runs(tmp_path)) == 1


def test_the_wrong_number_of_processes_is_one_error(begun) -> None:
    torchrun = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}
    process = begun(run="wrong", environment=torchrun)
    _, said = process.communicate(timeout=LONG_S)
    assert process.returncode == 2
    assert "torchrun started 2 processes, the config wants 1" in said
    process = begun("-m", "seed=0,1", run="swept", environment=torchrun)
    _, said = process.communicate(timeout=LONG_S)
    assert process.returncode == 2 and "a sweep inside torchrun" in said
