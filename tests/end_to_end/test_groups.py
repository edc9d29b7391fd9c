"""Photographs in groups whose scores cannot be compared: from the tables to the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from interestingness.assembly.run import evaluate, train
from interestingness.errors import DataError

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec.*",  # Lightning 2.6 with torch 2.15 (2026-11)
    "ignore:.*GPU available.*",
)
KINDS = {"cat": 10.0, "dog": 20.0, "owl": 30.0}
"""Groups, and what is added to their ratings."""


@pytest.fixture
def folder(tmp_path: Path) -> list[str]:
    """Overrides for 36 pictures, each with a feature that its rating follows inside its group."""
    rng = np.random.default_rng(0)
    photos = tmp_path / "photos"
    photos.mkdir()
    names, rows = [], []
    features = rng.normal(size=(36, 8)).astype(np.float32)
    for number in range(36):
        kind = list(KINDS)[number % 3]
        names.append(f"p{number:02d}.png")
        Image.new("RGB", (4, 4), (7 * number, 0, 0)).save(photos / names[-1])
        rows.append(f"{names[-1]},{KINDS[kind] + features[number, 0]:.3f},{kind}")
    (tmp_path / "rated.csv").write_text("\n".join(["image,rating,kind", *rows]) + "\n")
    np.savez(tmp_path / "features.npz", features=features, files=np.array(names))
    return [
        "dataset=folder", f"dataset.images={photos}", f"dataset.scores={tmp_path}/rated.csv",
        "label_source=scores", "label_source.column=rating", "model=cached_features",
        f"model.features={tmp_path}/features.npz", "model.l2=0.1", "trainer.accelerator=cpu",
    ]  # fmt: skip


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found["test"]


def test_each_group_has_its_numbers_and_all_have_no_rank_correlation(
    composed: Callable[..., Any], folder: list[str], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run = tmp_path / "run"
    train(composed("train", *folder, "dataset.pairs_within=kind"))
    found = metrics(run)
    (rating,) = found["references"]
    assert rating["spearman"] is None and rating["accuracy"]["value"] > 0.8
    by_group = {g["group"]: g["references"][0] for g in found["groups"]}
    assert by_group.keys() == KINDS.keys()
    assert all(r["spearman"] > 0.6 and r["images"] == 12 for r in by_group.values())
    assert sum(r["pairs"] for r in by_group.values()) == rating["pairs"]
    printed, page = capsys.readouterr().out, (run / "page.html").read_text()
    assert "By kind" in printed and "owl" in printed and "By kind" in page

    # pairs across groups: what the groups differ in is all that counts, and ranks are of all images
    train(composed("train", *folder, "split=half_by_pair", run="mixed"))
    assert metrics(tmp_path / "mixed")["references"][0]["spearman"] is not None
    evaluate(composed("evaluate", f"ckpt={run}", run="again"))
    assert metrics(tmp_path / "again")["groups"] == found["groups"]


def test_each_group_is_left_out_in_turn_or_by_name(
    composed: Callable[..., Any], folder: list[str], tmp_path: Path
) -> None:
    train(composed("train", *folder, "split=cross_fit", "split.column=kind", run="turns"))
    found = metrics(tmp_path / "turns")
    assert [g["group"] for g in found["groups"]] == list(KINDS)
    train(
        composed(
            "train", *folder, "split=by_fold", "split.column=kind", "split.test=dog", run="dog"
        )
    )
    dog = metrics(tmp_path / "dog")
    turn = next(g for g in found["groups"] if g["group"] == "dog")["references"][0]
    # the same test pairs, by heads of the same training pairs
    assert dog["references"][0]["pairs"] == turn["pairs"]
    assert dog["references"][0]["accuracy"]["value"] == pytest.approx(
        turn["accuracy"]["value"], abs=0.02
    )
    with pytest.raises(DataError, match="one of cat, dog, owl"):
        train(composed("train", *folder, "split=by_fold", "split.column=kind", "split.test=hen"))


def test_accuracy_within_series_stands_beside_the_accuracy(
    composed: Callable[..., Any], folder: list[str], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The column is that of `rank --keep`; without it there is no such number."""
    rows = [f"p{number:02d}.png,burst {number // 4}" for number in range(36)]
    (tmp_path / "series.csv").write_text("\n".join(["image_id,series", *rows]) + "\n")
    told = (f"dataset.groups={tmp_path}/series.csv", "split=half_by_pair")
    train(composed("train", *folder, *told, run="told"))
    inside = metrics(tmp_path / "told")["references"][0]["within_series"]
    assert 0 < inside["pairs"] < metrics(tmp_path / "told")["pairs"] and inside["series"] <= 9
    assert 0 <= inside["accuracy"]["low"] <= inside["accuracy"]["value"] <= 1
    printed = capsys.readouterr().out
    assert "Within series" in printed and "within series" in printed
    train(composed("train", *folder, "split=half_by_pair", run="untold"))
    assert metrics(tmp_path / "untold")["references"][0]["within_series"] is None
    assert "within series" not in capsys.readouterr().out.lower()
