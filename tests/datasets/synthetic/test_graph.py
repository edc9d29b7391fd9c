"""Random regular pairs."""

from __future__ import annotations

import numpy as np
import pytest

from interestingness.datasets.synthetic.graph import regular_pairs
from interestingness.errors import DataError


@pytest.mark.parametrize(
    ("images", "degree"), [(1000, 5), (2, 1), (4, 3), (6, 5), (7, 2), (7, 6), (30, 11), (101, 4)]
)
def test_every_image_is_in_exactly_so_many_distinct_pairs(images: int, degree: int) -> None:
    pairs = regular_pairs(images, degree, np.random.default_rng(1))
    assert pairs.shape == (images * degree // 2, 2)
    assert (np.bincount(pairs.ravel(), minlength=images) == degree).all()
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert len({frozenset(row) for row in pairs.tolist()}) == len(pairs)


def test_pairs_are_random_and_seeded() -> None:
    one, same, other = (regular_pairs(200, 5, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    shared = {frozenset(r) for r in one.tolist()} & {frozenset(r) for r in other.tolist()}
    # Two independent graphs share about 500 * 5 / 199 pairs.
    assert len(shared) < 40


def test_pairs_forget_the_ring_they_start_from() -> None:
    rng = np.random.default_rng(3)
    gaps = [np.bincount(np.ptp(regular_pairs(20, 4, rng), axis=1), minlength=20) for _ in range(40)]
    share = np.sum(gaps, axis=0) / np.sum(gaps)
    # The distance of two random places among 20: k apart has 20 - k of 190 pairs.
    expected = np.array([0, *(20 - k for k in range(1, 20))]) / 190
    assert np.abs(share - expected).max() < 0.03


@pytest.mark.parametrize(("images", "degree"), [(1, 1), (0, 1), (5, 5), (5, 3), (10, 0)])
def test_impossible_settings_say_what_to_change(images: int, degree: int) -> None:
    with pytest.raises(DataError, match="what to do"):
        regular_pairs(images, degree, np.random.default_rng(0))
