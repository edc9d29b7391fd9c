"""A run that was interrupted leaves the same folder as one that was not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

OFTEN = [
    "model=paper_recipe",
    *("split=lafin_64_16_20", "dataset.degree=10", "data.batch_size=7", "trainer.max_epochs=4"),
    *("+callbacks.checkpoint.every_n_train_steps=3", "+callbacks.checkpoint.save_top_k=-1"),
    "callbacks.checkpoint.filename='s{step:03d}'",
]


@pytest.fixture
def whole(trained: Callable[..., Path]) -> Path:
    return trained(*OFTEN, run="whole")


# 18 steps an epoch: in the middle of the second one, and after the last step of it.
@pytest.mark.parametrize("step", [30, 36])
@pytest.mark.parametrize("same", [True, False])
def test_metrics_are_those_of_the_uninterrupted_run(
    trained, whole: Path, tmp_path: Path, step: int, same: bool
) -> None:
    expected = (whole / "log" / "metrics.csv").read_text()
    assert expected.count("\n") == 1 + 2 * 4
    file = whole / "checkpoints" / f"s{step:03d}.ckpt"
    again = "again"
    if same:
        shutil.copytree(whole, tmp_path / again)
        file = tmp_path / again / "checkpoints" / file.name
    run = trained(*OFTEN, f"resume={file}", run=again)
    assert (run / "log" / "metrics.csv").read_text() == expected
    assert (whole / "log" / "metrics.csv").read_text() == expected
