"""Yes or no about images: consensus counted by hand, and why everybody agrees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from interestingness.errors import ConfigError, DataError
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import Cell, StudyResult
from interestingness.studies.single_images import SingleImages
from interestingness.studies.study import Material


def row(result: StudyResult, table: str, judge: str) -> Mapping[str, Cell]:
    found = next(t for t in result.tables if t.name == table)
    return next(r for r in found.rows if r["judge"] == judge)


def answers(image: str, yes: int, of: int = 5, **more: Any) -> list[dict[str, Any]]:
    sides = [True] * yes + [False] * (of - yes)
    return [
        {"image": image, "answer": side, "rater": f"p{i}", "sample": i, **more}
        for i, side in enumerate(sides)
    ]


MODEL = {"rater": "m", "kind": "model"}
JUDGMENTS = [
    *answers("a", 5), *answers("b", 4), *answers("c", 3), *answers("d", 0),
    *answers("a", 5, **MODEL), *answers("b", 5, **MODEL),
    *answers("c", 0, **MODEL), *answers("d", 5, **MODEL),
]  # fmt: skip
PAIRS = [("a", "b"), ("a", "c"), ("c", "d"), ("b", "d")]


def test_counts_by_hand(handmade: Callable[..., Material]) -> None:
    result = SingleImages(threshold=0.8).run(handmade(judgments=JUDGMENTS, pairs=PAIRS))
    people, model = (row(result, "single_images", name) for name in ("people", "m"))
    assert people["share"] == 3 / 4 and people["yes"] == 12 / 20
    assert people["yes_clear"] == pytest.approx(2 / 3)
    assert isinstance(model["agreement"], Interval) and model["agreement"].estimate == 2 / 4
    assert isinstance(model["agreement_clear"], Interval)
    assert model["agreement_clear"].estimate == pytest.approx(2 / 3)
    assert model["constant"] == 3 / 4
    told = row(result, "told_apart", "people")
    # majorities: a, b, c yes and d no, so c–d and b–d are told apart
    assert told["apart"] == 2 / 4 and told["apart_share"] == 1
    assert told["bits"] == pytest.approx(0.8113, abs=1e-4)
    assert "No votes on pairs" in result.notes[0]


def test_single_answers_against_votes_on_pairs(handmade: Callable[..., Material]) -> None:
    votes = [
        {"left": "c", "right": "d", "choice": "left"},
        {"left": "b", "right": "d", "choice": "right"},
        {"left": "a", "right": "b", "choice": "left"},
    ]
    result = SingleImages(threshold=0.8).run(handmade(judgments=JUDGMENTS, votes=votes))
    told = row(result, "told_apart", "people")
    assert isinstance(told["majority_right"], Interval)
    assert told["majority_right"].estimate == 1 / 2 and told["majority_pairs"] == 2
    assert told["majority_guessed"] == pytest.approx((1 + 0 + 0.5) / 3)
    assert isinstance(told["share_right"], Interval)
    assert told["share_right"].estimate == pytest.approx(2 / 3)


def test_everybody_says_yes_to_everything(handmade: Callable[..., Material]) -> None:
    judgments = [a for image in "abcd" for a in answers(image, 5)]
    people = row(
        SingleImages(threshold=0.8).run(handmade(judgments=judgments, pairs=PAIRS)),
        "told_apart",
        "people",
    )
    assert people["bits"] == 0 and people["apart"] == 0


def test_refusals_and_one_answer_an_image(handmade: Callable[..., Material]) -> None:
    judgments = [*answers("a", 1, 1), {"image": "b", "answer": None}, *answers("b", 0, 1)]
    result = SingleImages(threshold=0.8).run(handmade(judgments=judgments, pairs=PAIRS))
    people = row(result, "single_images", "people")
    assert people["refusals"] == 1 and "one answer an image" in str(people["note"])
    assert people["share"] is None


def test_the_synthetic_answers_are_as_the_paper_s(synthetic_material: Material) -> None:
    result = SingleImages(threshold=0.8).run(synthetic_material)
    people = row(result, "single_images", "people")
    assert float(people["share"]) > 0.8 and float(people["yes_clear"]) > 0.95  # type: ignore[arg-type]
    assert abs(float(people["alpha"])) < 0.2  # type: ignore[arg-type]
    told = row(result, "told_apart", "people")
    assert abs(float(told["majority_guessed"]) - 0.5) < 0.05  # type: ignore[arg-type]
    assert result.simulated and not np.isnan(float(told["bits"]))  # type: ignore[arg-type]


def test_nothing_to_read(handmade: Callable[..., Material]) -> None:
    with pytest.raises(DataError, match="no answers about single images"):
        SingleImages(threshold=0.8).run(handmade(pairs=PAIRS))
    with pytest.raises(DataError, match="no answers about single images"):
        SingleImages(threshold=0.8).run(handmade(judgments=[{"image": "a", "answer": None}]))
    with pytest.raises(ConfigError, match="threshold"):
        SingleImages(threshold=0.3)
