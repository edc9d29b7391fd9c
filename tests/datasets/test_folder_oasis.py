"""``dataset=folder`` on real photographs with the generic options only (../shared/data/oasis)."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interestingness.data.leaks import leak_report
from interestingness.data.splits import by_fold, by_group, by_image
from interestingness.datasets.folder import prepare_folder
from interestingness.errors import DataError
from interestingness.tables.tables import Tables


@pytest.fixture(scope="module")
def oasis(shared_data: Path) -> Path:
    folder = shared_data / "oasis"
    if not (folder / "ratings.csv").is_file():
        pytest.skip("../shared/data/oasis is not here")
    return folder


def prepare(root: Path, oasis: Path, **options: Any) -> Tables:
    usual = {
        "question": "beautiful", "pairs_per_image": 10, "votes_per_rater": 40,
        "on_missing": "skip", "seed": 0,
    }  # fmt: skip
    return prepare_folder(
        root,
        images=oasis / "images",
        scores=oasis / "ratings.csv",
        groups=oasis / "folds_by_concept.csv",
        **{**usual, **options},
    )


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, oasis: Path) -> Tables:
    return prepare(tmp_path_factory.mktemp("scored"), oasis)


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory, oasis: Path) -> Tables:
    return prepare(
        tmp_path_factory.mktemp("rated"),
        oasis,
        ratings=oasis / "beauty_individual.csv.gz",
        image_key="item",
        columns={"rater": "subjID", "rating": "beauty"},
    )


def test_scores_of_814_photographs(scored: Tables, oasis: Path) -> None:
    assert len(scored.image_ids) == 814
    facts = scored.manifest.facts
    assert facts["scores"]["rows_without_image"] == facts["groups"]["rows_without_image"] == 86
    assert facts["scores"]["scores_without_variation"] == ["excluded", "has_image"]
    assert "unreadable_image_headers" not in facts
    with (oasis / "ratings.csv").open(encoding="utf-8") as stream:
        wanted = {row["file"]: float(row["beauty_mean"]) for row in csv.DictReader(stream)}
    beauty = scored.scores("beauty_mean")
    assert beauty.tolist() == [wanted[name] for name in scored.image_ids]
    assert len(scored.pairs) == 814 * 10 // 2


def test_absent_photographs_are_an_error_unless_skipped(tmp_path: Path, oasis: Path) -> None:
    with pytest.raises(DataError) as caught:
        prepare(tmp_path, oasis, on_missing="error")
    assert "86 of 900 rows" in str(caught.value)
    assert "dataset.on_missing=skip" in str(caught.value)


def test_folds_keep_concepts_together(scored: Tables) -> None:
    tests = []
    for fold in range(5):
        split = by_fold(scored.pairs, scored.images, column="fold", test=fold, validation=None)
        for leak in leak_report(split, scored.pairs, scored.images, columns=["concept"]):
            assert not leak.any, leak
        assert split.train.sum() > 1500
        tests.append(split.test)
    within_folds = np.sum(tests, axis=0)
    assert within_folds.max() == 1
    # About a fifth of random pairs lies within some fold: (.27² + .25² + .20² + .17² + .12²).
    assert 0.15 < within_folds.mean() < 0.28


def test_concepts_as_groups_and_plain_images(scored: Tables) -> None:
    options = {"train": 0.6, "validation": 0.2, "test": 0.2, "seed": 0}
    grouped = by_group(scored.pairs, scored.images, column="concept", **options)
    dealt = grouped.facts["images_dealt"]
    assert abs(dealt["train"] - 488) <= 2 and abs(dealt["test"] - 163) <= 2
    plain = by_image(scored.pairs, scored.images, **options)
    report = leak_report(plain, scored.pairs, scored.images, columns=["concept"])
    assert {leak.what: leak.any for leak in report} == {
        "images": False, "pairs": False, "concept": True, "identical files": False,
    }  # fmt: skip


def test_votes_follow_each_raters_own_ratings(rated: Tables, oasis: Path) -> None:
    with (oasis / "ratings.csv").open(encoding="utf-8") as stream:
        file_of = {row["item"]: row["file"] for row in csv.DictReader(stream)}
    given: dict[str, dict[str, float]] = defaultdict(dict)
    with gzip.open(oasis / "beauty_individual.csv.gz", "rt", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            given[row["subjID"]][file_of[row["item"]]] = float(row["beauty"])
    facts = rated.manifest.facts["ratings"]
    assert facts["raters"] == 757 and facts["rows"] == 170325
    assert facts["rows_without_image"] == 16323
    assert rated.table("ratings").num_rows == 170325 - 16323
    votes = rated.vote_table.to_pylist()
    pairs = dict(zip(rated.pairs.pair_ids, range(len(rated.pairs)), strict=True))
    counts: dict[str, int] = defaultdict(int)
    for vote in votes:
        pair = rated.pairs.pair(pairs[vote["pair_id"]])
        own = given[vote["rater_id"]]
        higher = "left" if own[pair.left] > own[pair.right] else "right"
        assert own[pair.left] != own[pair.right] and vote["choice"] == higher
        counts[vote["rater_id"]] += 1
    assert max(counts.values()) == 40
    assert len(votes) == facts["votes"] > 25_000


def test_majority_of_votes_agrees_with_mean_beauty(rated: Tables) -> None:
    votes = rated.votes(question="beautiful")
    at = rated.pairs.find(votes.key)
    left = np.bincount(at, votes.preference, minlength=len(rated.pairs))
    count = np.bincount(at, minlength=len(rated.pairs))
    beauty = rated.scores("beauty_mean")
    higher = beauty[rated.pairs.left] > beauty[rated.pairs.right]
    decided = (count >= 5) & (2 * left != count)
    assert decided.sum() > 1500
    agreement = ((2 * left > count) == higher)[decided].mean()
    assert agreement > 0.85
