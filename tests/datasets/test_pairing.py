from __future__ import annotations

import numpy as np
import pytest

from interestingness.datasets.pairing import random_regular_pairs, shared_rater_pairs
from interestingness.errors import DataError


@pytest.mark.parametrize("images", [2, 3, 4, 5, 6, 9, 12])
@pytest.mark.parametrize("degree", [1, 2, 3, 5, 8, 40])
def test_every_image_is_in_as_many_pairs(images: int, degree: int) -> None:
    for seed in range(4):
        pairs = random_regular_pairs(images, degree, seed=seed)
        assert len(np.unique(pairs, axis=0)) == len(pairs)
        assert (pairs[:, 0] < pairs[:, 1]).all() and pairs.max() < images
        wanted = min(degree, images - 1)
        counts = np.sort(np.bincount(pairs.ravel(), minlength=images))
        odd = images * wanted % 2
        assert counts.tolist() == [wanted - 1] * odd + [wanted] * (images - odd)


def test_the_papers_graph() -> None:
    pairs = random_regular_pairs(1000, 5, seed=0)
    assert len(pairs) == 2500
    assert set(np.bincount(pairs.ravel()).tolist()) == {5}


def test_the_seed_decides() -> None:
    one, same, other = (random_regular_pairs(50, 4, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_pairs_are_spread_evenly() -> None:
    # Every pair of eight images should be drawn about as often as any other: 3 of 7 partners.
    counts = np.zeros((8, 8))
    for seed in range(700):
        for left, right in random_regular_pairs(8, 3, seed=seed):
            counts[left, right] += 1
    drawn = counts[np.triu_indices(8, 1)]
    assert drawn.mean() == 300
    assert abs(drawn - 300).max() < 5 * np.sqrt(700 * 3 / 7 * 4 / 7)


@pytest.mark.parametrize(("images", "degree"), [(0, 3), (1, 3), (5, 0), (5, -1)])
def test_impossible(images: int, degree: int) -> None:
    with pytest.raises(DataError):
        random_regular_pairs(images, degree, seed=0)


def test_pairs_share_a_rater_and_respect_the_degree() -> None:
    rng = np.random.default_rng(0)
    rater = np.repeat(np.arange(30), 8)
    image = np.concatenate([rng.choice(40, 8, replace=False) for _ in range(30)])
    together = np.zeros((40, 40), dtype=bool)
    for r in range(30):
        own = image[rater == r]
        together[np.ix_(own, own)] = True
    pairs = shared_rater_pairs(rater, image, 40, 4, seed=0)
    assert together[pairs[:, 0], pairs[:, 1]].all()
    assert (pairs[:, 0] < pairs[:, 1]).all() and len(np.unique(pairs, axis=0)) == len(pairs)
    degree = np.bincount(pairs.ravel(), minlength=40)
    assert degree.max() == 4 and degree.mean() > 3.5


def test_raters_of_one_image_make_no_pair() -> None:
    alone = np.arange(3)
    assert shared_rater_pairs(alone, alone, 3, 5, seed=0).shape == (0, 2)
    empty = np.empty(0, dtype=np.int64)
    assert shared_rater_pairs(empty, empty, 3, 5, seed=0).shape == (0, 2)
