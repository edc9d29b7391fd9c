"""A run on few pairs, from its command to its page, and what later commands make of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from interestingness.assembly.run import evaluate, train
from interestingness.errors import ConfigError

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec.*",  # Lightning 2.6 with torch 2.15 (2026-11)
    "ignore:.*GPU available.*",
)
FEW = ["dataset.images=40", "dataset.degree=4", "split.groups=4", "split.repeats=2"]
AUTO = ["split=auto", *FEW]


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


def human(run: Path) -> dict[str, Any]:
    return next(r for r in metrics(run)["test"]["references"] if r["name"] == "human")


def test_few_pairs_are_each_tested_and_all_train(
    trained: Callable[..., Path], composed: Callable[..., Any], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run = trained(*AUTO)
    found = metrics(run)
    assert found["split"]["cross_fit"]["groups"] == 4
    assert found["split"]["dropped"] == 0
    assert found["usable_pairs"] == {"train": 80, "validation": 0, "test": 80}
    assert found["test"]["pairs"] == 80
    rows = pq.read_table(run / "predictions.parquet").to_pylist()
    decided = [r for r in rows if r["preference_human"] not in (None, 0.5)]
    right = [(r["margin"] > 0) == (r["preference_human"] > 0.5) for r in decided]
    assert human(run)["accuracy"]["value"] == pytest.approx(np.mean(right))
    printed = " ".join(capsys.readouterr().out.split())
    least, most = found["cross_fit_training_pairs"]
    # 2 or 3 of 4 groups train
    assert 10 < least < most < 60
    assert f"{least} to {most}" in printed and "80 pairs" in printed
    assert "Cross-fitting" in printed and "Cross-fitting" in (run / "page.html").read_text()

    # the checkpoint is trained on all pairs: an evaluation repeats the test of its run
    evaluate(composed("evaluate", f"ckpt={run}", run="again"))
    assert human(tmp_path / "again") == human(run)

    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert len(checkpoint["interestingness"]["trained_images"]) == 16 * 40  # all images

    named = trained("split=cross_fit", *FEW, run="named")
    assert human(named) == human(run)


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=frozen_clip_mlp"],
        ["loss=soft_labels"],
        ["model.l2=0.0", "optimizer=rmsprop"],
        ["model=paper_recipe", "scheduler=cosine"],
        ["split.cross_fit_below=80"],
        ["split.train=0.6", "split.test=0.4"],
    ],
)
def test_other_models_and_shares_are_tested_on_a_part(
    trained: Callable[..., Path], overrides: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(*AUTO, "model.backbone.weights=random", "trainer.max_epochs=1", *overrides)
    found = metrics(run)["split"]
    assert "cross_fit" not in found and found["rule"].startswith("by image")
    straddling = 80 - found["pairs"]["train"] - found["pairs"]["test"]
    assert found["dropped"] == straddling > 0
    assert f"{straddling} that straddle" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model=frozen_clip_mlp"], "MLPHead"),
        (["loss=binary", "label_source=lafin"], "BinaryLoss"),
        (["data=shards"], "data.source=shards"),
        (["optimizer=adamw"], "AdamW"),
        (["split.groups=2", "split.repeats=0"], "split.groups=2.*\n.*split.repeats=0"),
    ],
)
def test_what_cannot_be_cross_fitted_is_one_error(
    composed: Callable[..., Any], overrides: list[str], said: str
) -> None:
    given = ["model.backbone.weights=random", "split=cross_fit", *FEW[:2], *overrides]
    with pytest.raises(ConfigError, match=said):
        train(composed("train", *given))


def test_a_checkpoint_is_not_cross_fitted(
    trained: Callable[..., Path], composed: Callable[..., Any]
) -> None:
    run = trained(*FEW[:2], "trainer.max_epochs=1")
    with pytest.raises(ConfigError, match="not a checkpoint"):
        evaluate(composed("evaluate", f"ckpt={run}", "split=cross_fit"))
