from __future__ import annotations

from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from interestingness.assembly.checks import plain
from interestingness.data.leaks import leak_report
from interestingness.data.splits import (
    NAMES,
    PairSplit,
    by_fold,
    by_group,
    by_image,
    by_pair,
    by_time,
)
from interestingness.errors import DataError
from interestingness.schema import Pairs

HALF = {"train": 0.5, "validation": 0.0, "test": 0.5}


def make(images: int, pairs: int, seed: int = 0, **columns: Any) -> tuple[Pairs, pa.Table]:
    """Random distinct pairs over images that are named in order."""
    ids = [f"i{row:04d}" for row in range(images)]
    low, high = np.triu_indices(images, 1)
    rows = np.sort(np.random.default_rng(seed).permutation(len(low))[:pairs])
    made, _, _ = Pairs.from_ids(
        [ids[i] for i in low[rows]], [ids[i] for i in high[rows]], image_ids=ids
    )
    return made, pa.table({"image_id": ids, **columns})


def sides_of_images(split: PairSplit, pairs: Pairs) -> list[set[int]]:
    return [set(np.flatnonzero(s).tolist()) for s in split.image_parts(pairs).values()]


def check_disjoint(split: PairSplit) -> None:
    total = np.sum([mask.astype(int) for mask in split.parts().values()], axis=0)
    assert total.max(initial=0) <= 1
    assert split.dropped == int((total == 0).sum())
    assert sum(split.facts["pairs"].values()) + split.dropped == len(split)


def test_half_by_image_keeps_a_quarter_on_each_side() -> None:
    pairs, images = make(200, 2000)
    split = by_image(pairs, images, **HALF, seed=0)
    check_disjoint(split)
    train, validation, test = sides_of_images(split, pairs)
    assert not train & test and not validation
    assert split.facts["images_dealt"] == {"train": 100, "validation": 0, "test": 100}
    assert abs(split.train.sum() - 500) < 60 and abs(split.test.sum() - 500) < 60
    # Exactly the pairs within a side are kept.
    left, right = pairs.left, pairs.right
    within = np.isin(left, list(train)) & np.isin(right, list(train))
    np.testing.assert_array_equal(split.train, within)


@settings(deadline=None, max_examples=60)
@given(
    images=st.integers(12, 60),
    weights=st.tuples(st.integers(1, 5), st.integers(0, 3), st.integers(1, 5)),
    seed=st.integers(0, 10**6),
)
def test_no_image_on_two_sides(images: int, weights: tuple[int, int, int], seed: int) -> None:
    pairs, table = make(images, images * (images - 1) // 2)
    train, validation, test = (w / sum(weights) for w in weights)
    try:
        split = by_image(pairs, table, train=train, validation=validation, test=test, seed=seed)
    except DataError:
        # All pairs are given, so only a side of fewer than two images can be without pairs.
        assert min(w for w in weights if w) / sum(weights) * images < 2.5
        return
    check_disjoint(split)
    assert not any(leak.any for leak in leak_report(split, pairs, table))
    dealt = split.facts["images_dealt"]
    assert sum(dealt.values()) == images
    for name, share in zip(NAMES, (train, validation, test), strict=True):
        assert abs(dealt[name] - share * images) < 1


def test_seeds() -> None:
    pairs, images = make(60, 300)
    for rule in (by_image, by_pair):
        one, same, other = (rule(pairs, images, **HALF, seed=seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one.train, same.train)
        assert (one.train != other.train).any()


def test_images_outside_of_pairs_are_not_dealt() -> None:
    ids = [f"i{row:03d}" for row in range(1000)]
    pairs, _, _ = Pairs.from_ids(ids[:9] * 2, ids[1:10] + ids[5:14], image_ids=ids)
    split = by_image(pairs, pa.table({"image_id": ids}), train=0.8, validation=0, test=0.2, seed=3)
    assert sum(split.facts["images_dealt"].values()) == 14


def test_by_pair_uses_every_pair() -> None:
    pairs, images = make(30, 101)
    split = by_pair(pairs, images, train=0.64, validation=0.16, test=0.2, seed=0)
    check_disjoint(split)
    assert split.dropped == 0
    assert [int(m.sum()) for m in split.parts().values()] == [65, 16, 20]
    report = {leak.what: leak for leak in leak_report(split, pairs, images)}
    assert report["images"].train_test > 0 and not report["pairs"].any


def test_by_group_deals_groups_whole_and_evenly() -> None:
    concept = [f"c{row // 7}" for row in range(140)]
    pairs, images = make(140, 3000, concept=concept)
    split = by_group(pairs, images, column="concept", train=0.6, validation=0.2, test=0.2, seed=0)
    check_disjoint(split)
    assert split.facts["images_dealt"] == {"train": 84, "validation": 28, "test": 28}
    report = {leak.what: leak for leak in leak_report(split, pairs, images, columns=["concept"])}
    assert not report["concept"].any and not report["images"].any
    other = by_group(pairs, images, column="concept", train=0.6, validation=0.2, test=0.2, seed=1)
    assert (other.train != split.train).any()


def test_one_huge_group_leaves_the_others_to_the_other_side() -> None:
    owner = ["big"] * 80 + [f"o{row}" for row in range(20)]
    pairs, images = make(100, 4950, owner=owner)
    split = by_group(pairs, images, column="owner", **HALF, seed=0)
    assert split.facts["images_dealt"] == {"train": 80, "validation": 0, "test": 20}


def test_by_group_gives_every_side_a_group() -> None:
    pairs, images = make(30, 435, owner=[0] * 10 + [1] * 10 + [2] * 10)
    split = by_group(pairs, images, column="owner", train=0.9, validation=0.05, test=0.05, seed=0)
    assert split.facts["images_dealt"] == {"train": 10, "validation": 10, "test": 10}


def test_by_fold() -> None:
    pairs, images = make(50, 800, fold=[row % 5 for row in range(50)])
    split = by_fold(pairs, images, column="fold", test=3, validation=None)
    check_disjoint(split)
    test = pairs.left % 5 == 3
    np.testing.assert_array_equal(split.test, test & (pairs.right % 5 == 3))
    np.testing.assert_array_equal(split.train, ~test & (pairs.right % 5 != 3))
    three = by_fold(pairs, images, column="fold", test=3, validation=0)
    assert three.validation.any() and not (three.validation & (pairs.left % 5 != 0)).any()
    np.testing.assert_array_equal(three.test, split.test)


@pytest.mark.parametrize(
    ("column", "test"),
    [
        (["dog", "cat", "owl", "bat", "ant"], "owl"),
        (["10", "2", "7", "1", "0"], 7),
        ([1.0, 2.0, 3.0, 4.0, 5.0], 3),
        ([1, 2, 3, 4, 5], "3"),
        ([True, False, None, False, False], None),
    ],
)
def test_folds_have_names_or_numbers(column: list[Any], test: Any) -> None:
    pairs, images = make(50, 800, fold=[column[row % 5] for row in range(50)])
    if test is None:
        with pytest.raises(DataError, match="empty for 10"):
            by_fold(pairs, images, column="fold", test="True", validation=None)
        return
    split = by_fold(pairs, images, column="fold", test=test, validation=None)
    np.testing.assert_array_equal(split.test, (pairs.left % 5 == 2) & (pairs.right % 5 == 2))
    assert split.train.any() and str(test) in split.rule


def test_by_group_says_which_groups_are_tested() -> None:
    pairs, images = make(60, 1700, kind=["cat", "dog", "owl"] * 20)
    split = by_group(pairs, images, column="kind", train=2 / 3, validation=0, test=1 / 3, seed=0)
    kinds = np.array(["cat", "dog", "owl"] * 20)
    tested = set(kinds[pairs[split.test].images_used()])
    assert set(split.facts["tested_groups"]) == tested and len(tested) == 1
    assert split.rule.endswith(f"tested: {tested.pop()}")


def test_copies_of_a_file_are_on_one_side() -> None:
    content = [f"{row // 2:02d}" for row in range(60)]  # every file is there twice
    pairs, images = make(60, 1700, sha256=content)
    split = by_image(pairs, images, **HALF, seed=0)
    assert not any(leak.train_test for leak in leak_report(split, pairs, images))
    # without copies the deal is that of single images, whatever the hashes
    alone, images = make(60, 1700, sha256=[None, *content[1:30], *[None] * 30])
    dealt = np.random.default_rng(3).permutation(60)
    content[1:30] = [f"x{row}" for row in range(29)]
    images = images.set_column(1, "sha256", pa.array([None, *content[1:30], *[None] * 30]))
    split = by_image(alone, images, **HALF, seed=3)
    train, _, test = sides_of_images(split, alone)
    assert train == set(dealt[:30].tolist()) and test == set(dealt[30:].tolist())


@pytest.mark.parametrize(
    "times",
    [
        [float(row) for row in range(20)],
        [f"2025-03-{row + 1:02d}" for row in range(20)],
        [f"2025-03-01T{row:02d}:30:00+02:00" for row in range(20)],
        [date(2025, 3, row + 1) for row in range(20)],
        [datetime(2025, 3, row + 1, tzinfo=UTC) for row in range(20)],
    ],
)
def test_by_time_trains_on_the_oldest(times: list[Any]) -> None:
    order = np.random.default_rng(0).permutation(20)
    pairs, images = make(20, 190, taken=[times[i] for i in order])
    split = by_time(pairs, images, column="taken", train=0.5, validation=0.2, test=0.3)
    train, validation, test = sides_of_images(split, pairs)
    age = {row: int(order[row]) for row in range(20)}
    assert {age[row] for row in train} == set(range(10))
    assert {age[row] for row in validation} == set(range(10, 14))
    assert {age[row] for row in test} == set(range(14, 20))


def test_images_of_one_time_stay_together() -> None:
    pairs, images = make(10, 45, year=[1, 1, 1, 1, 1, 1, 1, 2, 2, 2])
    split = by_time(pairs, images, column="year", **HALF)
    assert split.facts["images_dealt"] == {"train": 7, "validation": 0, "test": 3}
    pairs, images = make(10, 45, year=[1] * 10)
    with pytest.raises(DataError, match="test part"):
        by_time(pairs, images, column="year", **HALF)


def test_zones_count() -> None:
    # 08:30 in New York is later than 12:00 in Zürich.
    times = ["2025-03-01T08:30-05:00", "2025-03-01T12:00+01:00", "2025-03-01T10:00", "2025-03-02"]
    pairs, images = make(4, 6, taken=times)
    split = by_time(pairs, images, column="taken", **HALF)
    assert sides_of_images(split, pairs) == [{1, 2}, set(), {0, 3}]


ERRORS = [
    (by_image, {"train": 0.5, "validation": 0.1, "test": 0.5, "seed": 0}, "sum to 1"),
    (by_image, {"train": 1.5, "validation": 0, "test": -0.5, "seed": 0}, "sum to 1"),
    (by_image, {"train": 0, "validation": 0, "test": 1, "seed": 0}, "train above 0"),
    (by_image, {"train": float("nan"), "validation": 0, "test": 1, "seed": 0}, "sum to 1"),
    (by_image, {"train": 0.98, "validation": 0.01, "test": 0.01, "seed": 0}, "10 images"),
    (by_image, {"train": 0.9, "validation": 0, "test": 0.1, "seed": 0}, "test part has no pairs"),
    (by_pair, {"train": 0.98, "validation": 0, "test": 0.02, "seed": 0}, "12 pairs"),
    (by_group, {"column": "owner", **HALF, "seed": 0}, "no such column"),
    (by_group, {"column": "same", **HALF, "seed": 0}, "1 group"),
    (by_group, {"column": "holes", **HALF, "seed": 0}, "empty for 2 of 10 images: 'i0001'"),
    (by_group, {"column": "nans", **HALF, "seed": 0}, "empty for 1 of 10 images"),
    (by_fold, {"column": "fold", "test": 7, "validation": None}, "one of 0, 1, 2, 3, 4"),
    (by_fold, {"column": "fold", "test": 1, "validation": 9}, "split.validation=9"),
    (by_fold, {"column": "fold", "test": 1, "validation": 1}, "to test and to validate"),
    (by_fold, {"column": "same", "test": 1, "validation": None}, "one of x"),
    (by_fold, {"column": "holes", "test": 1, "validation": None}, "empty for 2"),
    (by_time, {"column": "same", **HALF}, "is no time"),
    (by_time, {"column": "when", **HALF}, "no such column"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "options", "said"), ERRORS)
def test_errors(rule: Any, options: dict[str, Any], said: str) -> None:
    pairs, images = make(
        10,
        12,
        seed=2,
        same=["x"] * 10,
        holes=[1, None, None, *range(7)],
        nans=[float("nan"), *map(float, range(9))],
        fold=[row % 5 for row in range(10)],
    )
    assert len(pairs.images_used()) == 10
    with pytest.raises(DataError) as caught:
        rule(pairs, images, **options)
    assert said in str(caught.value)
    assert caught.value.expected and caught.value.todo


def test_no_pairs() -> None:
    pairs, images = make(5, 0)
    with pytest.raises(DataError, match="no pairs to split"):
        by_pair(pairs, images, **HALF, seed=0)


def test_a_fold_without_pairs_is_an_error() -> None:
    ids = ["a", "b", "c", "d"]
    pairs, _, _ = Pairs.from_ids(["a", "c"], ["b", "d"], image_ids=ids)
    images = pa.table({"image_id": ids, "fold": [0, 0, 0, 1]})
    with pytest.raises(DataError, match="test part"):
        by_fold(pairs, images, column="fold", test=1, validation=None)


def test_leaks_are_found() -> None:
    ids = ["a", "b", "c", "d", "e", "f"]
    pairs, _, _ = Pairs.from_ids(["a", "c", "e"], ["b", "d", "a"], image_ids=ids)
    images = pa.table(
        {
            "image_id": ids,
            "owner": ["x", "y", "y", None, None, "x"],
            "sha256": ["1", "2", "1", None, "3", "3"],
        }
    )
    side = np.array([0, 2, 2])  # a–b trains; c–d and a–e test
    split = PairSplit(side == 0, side == 1, side == 2, "by hand")
    rows = {leak.what: leak for leak in leak_report(split, pairs, images, columns=["owner"])}
    assert rows["images"].train_test == 1  # a
    assert rows["owner"].train_test == 2  # x by a itself, y by b and c
    assert rows["identical files"].train_test == 1  # a trains, c tests
    assert not rows["pairs"].any
    assert all(leak.train_validation == leak.validation_test == 0 for leak in rows.values())
    with pytest.raises(DataError, match="no column 'rater'"):
        leak_report(split, pairs, images, columns=["rater"])


def test_names_of_sides() -> None:
    pairs, images = make(20, 190)
    split = by_image(pairs, images, **HALF, seed=0)
    names = split.names()
    assert set(names) == {"train", "test", "none"}
    assert (names == "none").sum() == split.dropped


def test_every_option_of_the_config_binds(repository: Path) -> None:
    """Each YAML of conf/split names a rule and all its arguments, no more."""
    pairs, images = make(
        60, 1770, fold=[row % 5 for row in range(60)], owner=[row // 6 for row in range(60)],
        taken=list(range(60)),
    )  # fmt: skip
    column = {"by_group": "owner", "by_time": "taken"}
    found = []
    for path in sorted((repository / "conf" / "split").glob("*.yaml")):
        read = yaml.safe_load(path.read_text())
        rule = read["_target_"].rpartition(".")[2]
        read |= {"column": column[rule]} if rule in column else {}
        node = plain(OmegaConf.create({"split": read}))["split"]
        assert node.pop("_partial_") is True
        module, _, name = node.pop("_target_").rpartition(".")
        split = getattr(import_module(module), name)(pairs, images, **node)
        if path.stem == "auto":  # 1770 pairs are not few
            assert split["_target_"].endswith(".by_image") and split["_partial_"] is True
            split = by_image(pairs, images, **HALF, seed=0)
        assert split.train.any() and split.test.any()
        found.append(path.stem)
    assert found == [
        "auto", "by_fold", "by_group", "by_time", "cross_fit", "half_by_image", "half_by_pair",
        "lafin_64_16_20",
    ]  # fmt: skip
