"""Votes that are too few, say nothing, or say the opposite: one clear error, or a sentence."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from interestingness.assembly.run import train
from interestingness.errors import InterestingnessError

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec.*",  # Lightning 2.6 with torch 2.15 (2026-11)
    "ignore:.*GPU available.*",
)
NAMES = [f"p{number:02d}.png" for number in range(24)]
ALL = list(combinations(range(24), 2))
Given = Callable[[list[tuple[int, int, str]]], list[str]]


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """Overrides for 24 pictures with features, whose first number is their place, and votes."""
    (tmp_path / "photos").mkdir()
    for number, name in enumerate(NAMES):
        Image.new("RGB", (4, 4), (7 * number, 0, 0)).save(tmp_path / "photos" / name)
    features = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)
    features[:, 0] = np.linspace(-2, 2, 24)
    np.savez(tmp_path / "features.npz", features=features, files=np.array(NAMES))

    def overrides(votes: list[tuple[int, int, str]]) -> list[str]:
        rows = [f"{NAMES[left]},{NAMES[right]},{choice}" for left, right, choice in votes]
        (tmp_path / "votes.csv").write_text("\n".join(["left,right,choice", *rows]) + "\n")
        return [
            "dataset=folder", f"dataset.images={tmp_path}/photos", "split=auto",
            f"dataset.votes={tmp_path}/votes.csv", "label_source=human", "model=cached_features",
            f"model.features={tmp_path}/features.npz", "model.l2=auto",
            "trainer.accelerator=cpu",
        ]  # fmt: skip

    return overrides


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        ([(0, 1, "left")], "1 labelled pair"),
        ([(a, b, "tie") for a, b in ALL], "tie"),
        ([(a, b, "both_bad") for a, b in ALL], "labels none"),
    ],
)
def test_votes_that_nothing_can_be_learnt_from(
    given: Given, composed: Callable[..., Any], votes: list[tuple[int, int, str]], said: str
) -> None:
    with pytest.raises(InterestingnessError, match=said):
        train(composed("train", *given(votes)))


def test_one_image_in_every_pair_leaves_nothing_to_test(
    given: Given, composed: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    train(composed("train", *given([(0, other, "right") for other in range(1, 9)])))
    printed = " ".join(capsys.readouterr().out.split())
    assert "untested" in printed and "L2 not chosen" in printed


def test_separable_votes(
    given: Given, composed: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    options = given([(a, b, "right") for a, b in ALL])
    train(composed("train", *options, "split=half_by_image"))
    assert "fitted to its optimum" in capsys.readouterr().out
    train(composed("train", *options, "split=half_by_image", "model.l2=0", run="free"))
    assert "no optimum" in " ".join(capsys.readouterr().out.split())
