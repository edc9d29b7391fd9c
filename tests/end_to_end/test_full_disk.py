"""A run whose folder takes no more ends with one error, and what it had is whole."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from interestingness.runs import registry
from interestingness.runs.checkpoints import load_checkpoint

SMALL = ["dataset.images=60", "model.backbone.weights=random", "trainer.accelerator=cpu"]


@pytest.fixture
def typed(cache: Path, tmp_path: Path, repository: Path) -> Callable[..., tuple[int, str]]:
    """``typed("-m", "seed=0,1", limit=9)``: exit status and what a command wrote to the terminal.

    ``limit`` is the size in bytes that no file may exceed, as if the disk were full.
    """

    def run(*words: str, limit: int | None = None) -> tuple[int, str]:
        def limited() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        done = subprocess.run(
            [sys.executable, str(repository / "train.py"), *SMALL, f"paths.cache={cache}", *words],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, preexec_fn=limited,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert "Traceback" not in done.stderr and done.stderr.count("error:") <= 1
        return done.returncode, done.stderr

    return run


def test_no_room_for_a_checkpoint(typed, trained, tmp_path: Path) -> None:
    run = trained("model=paper_recipe", "trainer.max_epochs=2")
    before = load_checkpoint(run / "checkpoints" / "last.ckpt")["global_step"]
    more = ["model=paper_recipe", "trainer.max_epochs=4"]
    more.append(f"resume={run / 'checkpoints' / 'last.ckpt'}")
    status, said = typed(*more, f"hydra.run.dir={run}", limit=15_000)
    assert status == 2
    assert f"error: {run / 'checkpoints' / 'epoch-002.ckpt'}: File too large" in said
    assert f"resume={run}" in said
    record = registry.read(run)
    assert record is not None and record["status"] == "failed"
    assert "epoch-002.ckpt: File too large" in record["error"]
    for file in ("last.ckpt", "epoch-001.ckpt"):
        assert load_checkpoint(run / "checkpoints" / file)["global_step"] == before
    assert len(list((run / "checkpoints").iterdir())) == 2


def test_a_file_where_the_run_folder_should_be(typed, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for words in (["hydra.run.dir=file/run"], ["hydra.sweep.dir=file", "seed=0,1", "-m"]):
        status, said = typed(*words)
        assert status == 2
        assert said.startswith(f"error: {tmp_path / 'file'}")
        assert "what to do: move what lies in the way" in said
