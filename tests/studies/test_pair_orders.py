"""Both orders, consensus sets and agreement on them, counted by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from interestingness.errors import ConfigError, DataError
from interestingness.stats.bootstrap import Interval
from interestingness.studies.pair_orders import PairOrders
from interestingness.studies.result import Cell, StudyResult
from interestingness.studies.study import Material


def row(result: StudyResult, table: str, **key: Cell) -> Mapping[str, Cell]:
    found = next(t for t in result.tables if t.name == table)
    return next(r for r in found.rows if key.items() <= r.items())


def people(left: str, right: str, for_left: int) -> list[dict[str, Any]]:
    sides = ["left"] * for_left + ["right"] * (5 - for_left)
    return [
        {"left": left, "right": right, "choice": side, "rater": f"p{i}"}
        for i, side in enumerate(sides)
    ]


def judge(left: str, right: str, first: str | None, second: str | None) -> list[dict[str, Any]]:
    """A model's choices with left shown first and with right shown first."""
    shown = {"left": first, "right": second}
    return [
        {"left": left, "right": right, "choice": c, "first": f, "rater": "gpt-4o", "kind": "model"}
        for f, c in shown.items()
    ]


VOTES = [
    *people("a", "b", 5), *judge("a", "b", "left", "left"),
    *people("b", "c", 4), *judge("b", "c", "right", "right"),
    *people("c", "d", 3), *judge("c", "d", "left", "left"),
    *people("d", "e", 5), *judge("d", "e", "right", "left"),  # second both times
    *people("e", "f", 2), *judge("e", "f", "left", "right"),  # first both times
    *people("f", "g", 1), *judge("f", "g", "right", None),
]  # fmt: skip


def test_counts_by_hand(handmade: Callable[..., Material]) -> None:
    material = handmade(votes=VOTES)
    result = PairOrders(threshold=0.8, consistent=["gpt-4o*"]).run(material)
    orders = row(result, "orders", judge="gpt-4o")
    assert orders["both_orders"] == 5 and orders["consistent"] == 3 / 5
    assert orders["second_twice"] == orders["first_twice"] == 1 / 5
    # of the pairs on which people agree (ab, bc, de, fg) three are answered in both orders
    assert orders["clear"] == pytest.approx(2 / 3) and orders["dissent"] == 1 / 2
    assert dict(result.used)["S"].startswith("3 pairs")
    sets = row(result, "consensus_sets", judge="people")
    assert (sets["clear"], sets["pairs"]) == (2, 3)
    found = row(result, "agreement", one="people", other="gpt-4o")
    assert isinstance(found["all"], Interval) and isinstance(found["clear_one"], Interval)
    assert found["all"].estimate == pytest.approx(2 / 3)
    assert found["clear_one"].estimate == 1 / 2
    assert isinstance(found["dissent_one"], Interval) and found["dissent_one"].estimate == 1
    assert found["pairs"] == 3


def test_every_pair_without_a_filter(handmade: Callable[..., Material]) -> None:
    result = PairOrders(threshold=0.8, consistent=[]).run(handmade(votes=VOTES))
    assert dict(result.used)["S"] == "6 pairs"
    # ties of the judge (contradictions) are left out: ab, bc, cd, fg
    assert row(result, "agreement", one="people")["pairs"] == 4


def test_a_filter_that_names_nobody_is_said(handmade: Callable[..., Material]) -> None:
    votes = people("a", "b", 5)
    result = PairOrders(threshold=0.8, consistent=["claude*"]).run(handmade(votes=votes))
    assert "claude*" in result.notes[0]
    assert [t.name for t in result.tables] == ["consensus_sets"]
    assert result.answer.endswith("on 1 of 1 pairs with two or more votes (100.0 %).")


def test_the_planted_bias_of_the_synthetic_judge(synthetic_material: Material) -> None:
    result = PairOrders(threshold=0.8, consistent=["gpt-4o*"]).run(synthetic_material)
    orders = row(result, "orders", judge="gpt-4o-simulated")
    assert 0.2 < float(orders["second_twice"]) < 0.5  # type: ignore[arg-type]
    assert orders["first_twice"] == 0
    assert result.simulated


@pytest.mark.parametrize("threshold", [0.5, 1.2])
def test_thresholds_that_cannot_be(threshold: float) -> None:
    with pytest.raises(ConfigError, match=r"study\.threshold"):
        PairOrders(threshold=threshold, consistent=[])


def test_no_votes_on_the_question(handmade: Callable[..., Material]) -> None:
    material = handmade(votes=people("a", "b", 5))
    material.question = "beautiful"
    with pytest.raises(DataError, match="no votes on the question 'beautiful'"):
        PairOrders(threshold=0.8, consistent=[]).run(material)
