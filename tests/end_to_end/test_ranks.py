"""Several processes: they learn what one learns, count each pair once, and end when one dies."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from interestingness.assembly.run import evaluate
from interestingness.runs import registry

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TWO = ["trainer=ddp_cpu"]
# 60 images in 150 pairs in shards of 17; batches of 7: odd counts everywhere, and ranks get unequal
# shares of the last batch. 64 : 16 : 20 leaves few validation pairs, fewer than ranks in a batch.
SMALL = ["dataset.images=60", "dataset.degree=10", "model.backbone.weights=random"]
ODD = ["data.batch_size=7", "split=lafin_64_16_20", "trainer.max_epochs=3"]
FINE = [
    *("model=finetuned_clip", "model/tuning=full", "data.workers=0", "data.pairs_per_shard=17"),
    *("optimizer.lr=0.003", "model.groups.backbone_lr=0.3"),
    # A key's bias has no gradient but rounding, which Adam would blow up to a step of its own.
    "+optimizer.eps=0.0001",
]


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


def ranks_alive(run: Path) -> list[psutil.Process]:
    """Ranks of a run that has not ended, the first one first."""
    job = str(run / "ranks" / "job.json")
    found = [p for p in psutil.process_iter(["cmdline"]) if job in (p.info["cmdline"] or [])]
    return sorted(found, key=lambda p: int(p.environ()["RANK"]))


@pytest.fixture
def command(cache: Path, tmp_path: Path, repository: Path) -> Callable[..., list[str]]:
    """``command("seed=1", run="a")``: the command line of a small run."""

    def make(*overrides: str, run: str, door: str = "train") -> list[str]:
        paths = [
            f"paths.cache={cache}",
            f"paths.runs={tmp_path}",
            f"hydra.run.dir={tmp_path / run}",
        ]
        given = SMALL if door == "train" else []
        return [sys.executable, str(repository / f"{door}.py"), *given, *overrides, *paths]

    return make


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}


@pytest.fixture
def training(command, environment, tmp_path: Path) -> Callable[..., Any]:
    """``with training("seed=1", run="a") as process``: a run that has a checkpoint already."""

    @contextmanager
    def begin(*overrides: str, run: str) -> Iterator[subprocess.Popen[str]]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command(*overrides, run=run),
            env=environment, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True,
        )  # fmt: skip
        with process:
            try:
                wait_for(lambda: (tmp_path / run / "checkpoints" / "last.ckpt").is_file())
                yield process
            finally:
                process.kill()

    return begin


def wait_for(true: Callable[[], object], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def test_two_ranks_fine_tune_as_one_does(trained, tmp_path: Path) -> None:
    one = trained(*SMALL, *FINE, *ODD, run="one")
    two = trained(*SMALL, *FINE, *ODD, *TWO, "logger=wandb", run="two")
    for side in ("train", "validation"):
        ours, theirs = curve(one, f"{side}/loss"), curve(two, f"{side}/loss")
        assert len(ours) == 3 and ours[0] != ours[2]
        assert theirs == pytest.approx(ours, rel=1e-4)
        # Every pair counts once, whoever it was dealt to.
        assert curve(two, f"{side}/pairs") == curve(one, f"{side}/pairs")
    assert curve(one, "train/pairs")[0] % 7 == 1  # fewer pairs in the last batch than ranks
    same_weights(one, two)
    assert judged(one) == judged(two)
    # Written once, by the first rank.
    assert [p.name for p in (two / "checkpoints").iterdir() if p.suffix != ".ckpt"] == []
    assert len(list((two / "checkpoints").iterdir())) == 2
    assert len(list((two / "wandb").glob("offline-run-*"))) == 1
    assert registry.read(two)["status"] == "finished"
    assert not (two / "ranks").exists()
    folders = {p.name for p in tmp_path.iterdir() if p.is_dir()} - {"index"}
    assert folders == {"one", "two"}


def test_weights_cut_among_ranks_learn_the_same(trained, composed, tmp_path: Path) -> None:
    parts = ["trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=2"]
    more = [*FINE, *ODD, "trainer.gradient_clip_val=0.5", "model.gradient_checkpointing=true"]
    for tuning in ("full", "lora"):
        given = [*SMALL, *more, f"model/tuning={tuning}"]
        one = trained(*given, run=f"one-{tuning}")
        two = trained(*given, *parts, run=f"two-{tuning}")
        assert curve(two, "train/loss") == pytest.approx(curve(one, "train/loss"), rel=1e-4)
        same_weights(one, two)
        assert judged(one) == judged(two)
    # The checkpoint is a file like any other: one process judges it, and other ranks go on from it.
    evaluate(composed("evaluate", f"ckpt={two}", run="again"))
    assert judged(tmp_path / "again") == judged(one)
    longer = [*given, "trainer.max_epochs=5"]
    last = f"resume={two / 'checkpoints' / 'last.ckpt'}"
    two = trained(*longer, *parts, last, run="on-two")
    three = trained(*longer, *parts, "trainer.devices=3", last, run="on-three")
    same_weights(two, three)
    same_weights(two, trained(*longer, last, run="on-one"))
    back = f"resume={one / 'checkpoints' / 'last.ckpt'}"
    with pytest.raises(SystemExit):
        trained(*longer, *parts, back, run="back")
    assert "without trainer=fsdp" in str(registry.read(tmp_path / "back")["error"])


def test_what_cannot_be_cut_is_refused_once(command, environment, tmp_path: Path) -> None:
    parts = ["trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=2"]
    for given, text in (
        ([], "trainer=fsdp with cached features"),
        ([*FINE, "loss=davidson"], "DavidsonLoss"),
    ):
        done = subprocess.run(
            command(*given, *parts, run="refused"), env=environment,
            cwd=tmp_path, capture_output=True, text=True, timeout=200,
        )  # fmt: skip
        assert done.returncode == 2
        assert text in done.stderr and done.stderr.count("error:") == 1


def test_more_ranks_than_shards_and_than_pairs_in_a_batch(trained) -> None:
    few = ["data.pairs_per_shard=1000", "data.batch_size=2", "trainer.max_epochs=1"]
    one = trained(*SMALL, *FINE, *few, run="one")
    three = trained(*SMALL, *FINE, *few, *TWO, "trainer.devices=3", run="three")
    same_weights(one, three)
    assert judged(one) == judged(three)


def test_going_on_in_the_middle_of_an_epoch(trained) -> None:
    often = ["+callbacks.checkpoint.every_n_train_steps=3", "+callbacks.checkpoint.save_top_k=-1"]
    often += ["callbacks.checkpoint.filename='s{step:03d}'", *FINE, *ODD]
    whole = trained(*SMALL, *often, *TWO, run="whole")
    files = sorted((whole / "checkpoints").glob("s*.ckpt"))
    middle = files[len(files) // 2]
    at = torch.load(middle, map_location="cpu", weights_only=True)
    assert at["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]["ready"] > 0
    for ranks, run in (([], "one"), (TWO, "two")):
        again = trained(*SMALL, *often, *ranks, f"resume={middle}", run=run)
        same_weights(whole, again)
        assert judged(whole) == judged(again)
        for side in ("train", "validation"):
            # The epoch that was interrupted counts as one, whoever had which of its pairs.
            assert curve(again, f"{side}/pairs") == curve(whole, f"{side}/pairs")
            losses = curve(whole, f"{side}/loss")
            assert curve(again, f"{side}/loss") == pytest.approx(losses, rel=1e-4)


def test_a_rank_that_is_killed_ends_the_run_and_is_named(training, tmp_path: Path) -> None:
    run = tmp_path / "killed"
    long = [*FINE, *TWO, "trainer.max_epochs=1000", "trainer.strategy.timeout_s=60"]
    with training(*long, run="killed") as process:
        ranks = ranks_alive(run)
        assert len(ranks) == 2
        began = time.monotonic()
        ranks[1].send_signal(signal.SIGKILL)
        _, said = process.communicate(timeout=60)
        assert time.monotonic() - began < 60
    assert process.returncode == 1
    assert "rank 1 of 2 was killed by SIGKILL (out of memory?)" in said
    assert f"resume={run}" in said
    assert said.count("error:") == 1 and "Traceback" not in said
    record = registry.read(run)
    assert record["status"] == "failed" and "rank 1 of 2" in record["error"]
    assert not ranks_alive(run)
    assert weights(run)


def test_a_rank_that_hangs_ends_the_run_after_the_time_out(training, tmp_path: Path) -> None:
    run = tmp_path / "hangs"
    long = [*FINE, *TWO, "trainer.max_epochs=1000", "trainer.strategy.timeout_s=10"]
    with training(*long, run="hangs") as process:
        ranks_alive(run)[1].send_signal(signal.SIGSTOP)
        _, said = process.communicate(timeout=90)
    assert process.returncode == 1
    assert "rank 0 of 2 waited for another rank in vain" in said
    assert not ranks_alive(run)


def test_ctrl_c_stops_all_ranks_and_says_how_to_go_on(training, tmp_path: Path) -> None:
    run = tmp_path / "stopped"
    with training(*FINE, *TWO, "trainer.max_epochs=1000", run="stopped") as process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"interrupted; go on with resume={run}" in said
    assert not ranks_alive(run)


def test_sigterm_stops_all_ranks_and_says_how_to_go_on(training, tmp_path: Path) -> None:
    run = tmp_path / "ended"
    with training(*FINE, *TWO, "trainer.max_epochs=1000", run="ended") as process:
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert f"interrupted; go on with resume={run}" in said and "Traceback" not in said
    assert registry.read(run)["status"] == "failed"


def test_a_rank_that_is_told_to_end_ends_the_run(training, tmp_path: Path) -> None:
    with training(*FINE, *TWO, "trainer.max_epochs=1000", run="told") as process:
        ranks_alive(tmp_path / "told")[1].send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode not in {0, None}
    assert not ranks_alive(tmp_path / "told")


def test_ranks_end_when_their_parent_is_killed(training, tmp_path: Path) -> None:
    run = tmp_path / "orphans"
    with training(*FINE, *TWO, "trainer.max_epochs=1000", run="orphans") as process:
        process.kill()
        wait_for(lambda: not ranks_alive(run), 30)


def test_what_every_rank_stumbles_over_is_said_once(command, environment, tmp_path: Path) -> None:
    done = subprocess.run(
        command(*FINE, *TWO, "optimizer.lr=1e37", run="nan"),
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("error:") == 1 and "Traceback" not in done.stderr
    assert "the loss is" in done.stderr or "not finite" in done.stderr


def test_torchrun_and_srun_start_ranks_of_one_run(command, environment, tmp_path: Path) -> None:
    def given(name: str) -> list[str]:
        # Each process names its own folder, as it does where nobody gives one.
        words = command("trainer.max_epochs=2", *TWO, run=name)
        return [w for w in words if not w.startswith("hydra.run.dir")]

    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    torchrun += ["--master-port=29611"]
    done = subprocess.run(
        [*torchrun, *given("a")[1:]],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    slurm = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1"}
    slurm |= {"SLURM_JOB_ID": "4711", "SLURM_NODELIST": "127.0.0.1", "SLURM_NODEID": "0"}
    slurm |= {"SLURM_JOB_NAME": "train"}
    tasks = [
        subprocess.Popen(
            [*given("b"), "seed=1"],
            env={**environment, **slurm, "SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)},
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for i in range(2)
    ]  # fmt: skip
    said = [task.communicate(timeout=200)[0] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], said
    runs = [p for p in tmp_path.iterdir() if p.name != "index"]
    assert len(runs) == 2
    assert all(registry.read(run)["status"] == "finished" for run in runs)


def test_the_wrong_number_of_processes_is_one_error(command, environment, tmp_path: Path) -> None:
    torchrun = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}
    done = subprocess.run(
        command(run="wrong"), env={**environment, **torchrun},
        cwd=tmp_path, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 2
    assert "torchrun started 2 processes, the config wants 1" in done.stderr
    swept = subprocess.run(
        command("-m", "seed=0,1", run="swept"), env={**environment, **torchrun},
        cwd=tmp_path, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert swept.returncode == 2 and "a sweep inside torchrun" in swept.stderr


def test_judging_shares_the_images_among_ranks(trained, composed, tmp_path: Path) -> None:
    run = trained(*SMALL, run="run")
    fresh = tmp_path / "fresh"
    given = [f"ckpt={run}", "dataset=synthetic", "dataset.images=50", "dataset.seed=7"]
    for name, more in (("alone", []), ("shared", TWO)):
        cfg = composed("evaluate", *given, *more, run=name)
        cfg.paths.cache = str(fresh / name)
        evaluate(cfg)
    assert judged(tmp_path / "alone") == judged(tmp_path / "shared")
    assert len(list((fresh / "shared" / "features").glob("*/.lock-part-[01]-of-2"))) == 2
