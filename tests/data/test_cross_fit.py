"""Splits of few pairs: every pair is tested, by what saw neither of its images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from interestingness.data.cross_fit import by_size, cross_fit
from interestingness.data.splits import PairSplit
from interestingness.errors import DataError
from interestingness.schema import Pairs
from interestingness.stats.folds import every_pair_once

SIZE = {"groups": 5, "repeats": 2, "train": 0.5, "validation": 0.0, "test": 0.5, "seed": 0}


def make(images: int, pairs: int, seed: int = 0, **columns: Any) -> tuple[Pairs, pa.Table]:
    ids = [f"i{row:04d}" for row in range(images)]
    low, high = np.triu_indices(images, 1)
    rows = np.random.default_rng(seed).permutation(len(low))[:pairs]
    made, _, _ = Pairs.from_ids([ids[i] for i in low[rows]], [ids[i] for i in high[rows]], ids)
    return made, pa.table({"image_id": ids, **columns})


def groups_of(split: PairSplit) -> np.ndarray:
    assert split.folds is not None
    return split.folds


@settings(deadline=None, max_examples=40)
@given(
    images=st.integers(4, 30), groups=st.integers(3, 8), seed=st.integers(0, 9),
    share=st.floats(0.1, 1),
)  # fmt: skip
def test_every_pair_is_tested_once_by_what_saw_neither_image(
    images: int, groups: int, seed: int, share: float
) -> None:
    pairs, table = make(images, max(3, int(share * images * (images - 1) / 2)), seed)
    try:
        split = cross_fit(pairs, table, groups=groups, repeats=2, seed=seed)
    except DataError:
        assert len(pairs.images_used()) < 3
        return
    assert split.train.all() and split.test.all() and split.dropped == 0
    for group in groups_of(split):
        tested = np.zeros(len(pairs), dtype=int)
        for fold in every_pair_once(pairs.left, pairs.right, group):
            tested[fold.test] += 1
            seen, asked = pairs[fold.train].images_used(), pairs[fold.test].images_used()
            assert not set(seen.tolist()) & set(asked.tolist())
            assert not set(group[seen].tolist()) & set(fold.groups)
        assert (tested == 1).all()
        sizes = np.bincount(group[group >= 0])
        assert sizes.max() - sizes.min() <= 1


def test_repetitions_differ_and_the_same_seed_gives_the_same_ones() -> None:
    pairs, table = make(40, 100)
    split = cross_fit(pairs, table, groups=10, repeats=3, seed=1)
    again = cross_fit(pairs, table, groups=10, repeats=3, seed=1)
    other = cross_fit(pairs, table, groups=10, repeats=3, seed=2)
    folds = groups_of(split)
    assert len(np.unique(folds, axis=0)) == 3
    np.testing.assert_array_equal(folds, groups_of(again))
    assert (folds != groups_of(other)).any()
    assert split.facts["dropped"] == 0
    for group in folds:  # 8 or 9 of 10 groups train
        for fold in every_pair_once(pairs.left, pairs.right, group):
            assert 50 < len(fold.train) < 90


def test_copies_of_a_file_are_in_one_group() -> None:
    pairs, table = make(40, 300, sha256=[f"{row // 2}" for row in range(40)])
    for group in groups_of(cross_fit(pairs, table, groups=5, repeats=2, seed=0)):
        np.testing.assert_array_equal(group[::2], group[1::2])


def test_few_groups_of_a_column_are_left_out_in_turn() -> None:
    kind = ["cat", "dog", "owl", "bat"] * 10
    pairs, table = make(40, 300, kind=kind)
    split = cross_fit(pairs, table, groups=10, repeats=3, seed=0, column="kind")
    (group,) = groups_of(split)
    assert len(set(zip(group.tolist(), kind, strict=True))) == 4
    assert split.rule.endswith("bat, cat, dog, owl")
    # many groups are dealt, whole
    owner = [f"o{row // 2}" for row in range(40)]
    pairs, table = make(40, 300, owner=owner)
    for group in groups_of(cross_fit(pairs, table, groups=4, repeats=2, seed=0, column="owner")):
        assert len(set(group.tolist())) == 4
        np.testing.assert_array_equal(group[::2], group[1::2])


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        ({"kind": ["a", "b"] * 10}, {"groups": 5, "repeats": 1, "column": "kind"}, "by_fold"),
        ({"kind": ["a", None] * 10}, {"groups": 5, "repeats": 1, "column": "kind"}, "empty"),
        ({}, {"groups": 5, "repeats": 1, "column": "kind"}, "no such column"),
    ],
)
def test_what_cannot_be_cross_fitted(columns: Any, options: dict[str, Any], said: str) -> None:
    pairs, table = make(20, 60, **columns)
    with pytest.raises(DataError, match=said):
        cross_fit(pairs, table, seed=0, **options)


def test_one_pair_cannot_be_tested() -> None:
    pairs, table = make(2, 1)
    with pytest.raises(DataError, match="1 labelled pair of 2"):
        cross_fit(pairs, table, groups=10, repeats=3, seed=0)


@pytest.mark.parametrize(
    ("below", "shares", "name"),
    [
        (61, {}, "cross_fit"),
        (60, {}, "by_image"),
        (0, {}, "by_image"),
        (61, {"train": 0.6, "test": 0.4}, "by_image"),
        (61, {"validation": 0.25, "test": 0.25}, "by_image"),
    ],
)
def test_few_pairs_are_cross_fitted_unless_shares_are_given(
    below: int, shares: dict[str, float], name: str
) -> None:
    pairs, table = make(20, 60)
    node = by_size(pairs, table, cross_fit_below=below, **{**SIZE, **shares})
    assert node["_target_"].rpartition(".")[2] == name
    assert node["seed"] == 0 and all(node[key] == value for key, value in shares.items())


def test_more_pairs_have_the_split_of_half_by_image(repository: Path) -> None:
    pairs, table = make(20, 60)
    half = yaml.safe_load((repository / "conf/split/half_by_image.yaml").read_text())
    half["test"] = 0.5  # what the others leave
    assert by_size(pairs, table, cross_fit_below=0, **SIZE) == half
