"""Training of a fusion head: what is planted is learnt, from images and from pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interestingness.errors import DataError
from interestingness.learning.fusion_fit import Examples, FusionRecipe, fit_fusion

WIDTHS = {"image": 6, "tags": 3}
RECIPE = FusionRecipe(lr=0.003, batch_size=64, epochs=40, hidden=16, dropout=0.1)


def planted(images: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two modalities, each of which holds half of the truth; some lack one."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(images, 9)).astype(np.float32)
    truth = rows[:, 0] / np.linalg.norm(rows[:, :6], axis=1) * 2.4
    truth += rows[:, 6] / np.linalg.norm(rows[:, 6:], axis=1) * 1.7
    rows[rng.random(images) < 0.1, 6:] = np.nan
    return rows, truth


def images_of(truth: np.ndarray, low: int, high: int) -> Examples:
    at = np.arange(low, high)
    return Examples(at, None, (truth[at] > 0).astype(float), np.ones(len(at)))


def test_both_modalities_tell_more_than_one() -> None:
    rows, truth = planted()
    sides = images_of(truth, 0, 180), images_of(truth, 180, 220)

    def accuracy(values: np.ndarray, widths: dict[str, int]) -> float:
        scores = fit_fusion(values, widths, *sides, RECIPE, reduce=True, seed=0)
        assert scores.shape == (300,) and np.isfinite(scores).all()
        return float(((scores[220:] > 0) == (truth[220:] > 0)).mean())

    both = accuracy(rows, WIDTHS)
    assert both > 0.8
    assert both > accuracy(rows[:, :6], {"image": 6}) + 0.05
    assert both > accuracy(rows[:, 6:], {"tags": 3}) + 0.05


def test_pairs_and_the_same_answer_twice() -> None:
    rows, truth = planted()
    rng = np.random.default_rng(1)
    left, right = rng.permutation(220)[:200], rng.permutation(220)[:200]
    target = np.where(left == right, 0.5, truth[left] > truth[right])
    every = Examples(left, right, target, np.ones(200))
    sides = every[np.arange(160)], every[np.arange(160, 200)]
    state = torch.get_rng_state()
    one = fit_fusion(rows, WIDTHS, *sides, RECIPE, reduce=False, seed=3)
    torch.testing.assert_close(torch.get_rng_state(), state)
    np.testing.assert_array_equal(
        one, fit_fusion(rows, WIDTHS, *sides, RECIPE, reduce=False, seed=3)
    )
    assert np.corrcoef(one[220:], truth[220:])[0, 1] > 0.5


def test_examples_without_weight_teach_nothing() -> None:
    rows, truth = planted()
    right = images_of(truth, 0, 180)
    wrong = Examples(right.left, None, 1 - right.target, np.zeros(180))
    mixed = Examples(
        np.concatenate([right.left, wrong.left]),
        None,
        np.concatenate([right.target, wrong.target]),
        np.concatenate([right.weight, wrong.weight]),
    )
    scores = fit_fusion(
        rows, WIDTHS, mixed, images_of(truth, 180, 220), RECIPE, reduce=True, seed=0
    )
    assert ((scores[220:] > 0) == (truth[220:] > 0)).mean() > 0.75


def test_an_empty_side_is_refused() -> None:
    rows, truth = planted()
    full, empty = images_of(truth, 0, 100), images_of(truth, 0, 0)
    for sides, name in (((empty, full), "training"), ((full, empty), "validation")):
        with pytest.raises(DataError, match=name):
            fit_fusion(rows, WIDTHS, *sides, RECIPE, reduce=True, seed=0)
