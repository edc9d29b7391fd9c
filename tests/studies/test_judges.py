"""Judges side by side: by rule, as a panel, and the pairs that divide them from people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from interestingness.errors import ConfigError, DataError
from interestingness.stats.bootstrap import Interval
from interestingness.studies.judges import PANEL, Judges
from interestingness.studies.result import Cell, HeatMap, StudyResult
from interestingness.studies.study import Material


def row(result: StudyResult, judge: str) -> Mapping[str, Cell]:
    return next(r for r in result.tables[0].rows if r["judge"] == judge)


def estimate(cell: Cell) -> float:
    assert isinstance(cell, Interval)
    return cell.estimate


def says(who: str, sides: str, kind: str = "model", **more: Any) -> list[dict[str, Any]]:
    """One vote on each of the pairs ab, bc, cd, … by its letter: l, r or t."""
    word = {"l": "left", "r": "right", "t": "tie"}
    return [
        {"left": chr(97 + i), "right": chr(98 + i), "choice": word[side], "rater": who,
         "kind": kind, **more}
        for i, side in enumerate(sides)
        if side in word
    ]  # fmt: skip


PEOPLE = [v for n in range(5) for v in says(f"p{n}", "llll", "human", reason="nice")]


def test_counts_by_hand(handmade: Callable[..., Material]) -> None:
    votes = [*PEOPLE, *says("m", "llrr"), *says("n", "lrrt"), *says("o", "lrr-")]
    result = Judges(shown=8).run(handmade(votes=votes))
    assert estimate(row(result, "m")["majority"]) == 2 / 4
    assert estimate(row(result, "n")["majority"]) == 1 / 3
    assert row(result, "n")["majority_kept"] == 3 / 4
    # the panel: l, r, r, and on the last pair m alone against a tie
    panel = row(result, PANEL)
    assert estimate(panel["majority"]) == 1 / 4 and panel["majority_kept"] == 1
    # no order is known, so that the rules about orders have nothing to say
    assert "order_consistent" not in row(result, "m")
    assert len(result.tables[1].rows) == 4 * 3 / 2
    assert any(isinstance(f, HeatMap) for f in result.figures)


def test_pairs_that_divide_people_and_models_are_shown(handmade: Callable[..., Material]) -> None:
    votes = [*PEOPLE, *says("m", "llrr", reason="odd"), *says("n", "lrrt")]
    (gallery,) = Judges(shown=1).run(handmade(votes=votes)).galleries
    assert gallery.note.startswith("2 pairs")
    (pair,) = gallery.pairs
    assert (pair.left.image_id, pair.right.image_id) == ("c", "d")
    assert pair.text == "people 5 of 5 left; other side: m, n"
    assert pair.reasons == (("p0", "nice"), ("m", "odd"))


def test_rules_about_orders_mend_a_judge_with_a_bias(synthetic_material: Material) -> None:
    result = Judges(shown=3).run(synthetic_material)
    judge = row(result, "gpt-4o-simulated")
    for rule in ("majority", "order_consistent", "order_corrected"):
        assert 0.5 < estimate(judge[rule]) < 0.85
    kept = [float(judge[f"{r}_kept"]) for r in ("order_consistent", "order_corrected")]  # type: ignore[arg-type]
    assert 0.5 < kept[0] <= kept[1] + 1e-9
    assert float(judge["reasons"]) > 0.97  # type: ignore[arg-type]
    assert float(row(result, "llama-3.2-simulated")["reasons"]) < 0.75  # type: ignore[arg-type]


def test_no_people_or_no_model_or_no_common_pair(handmade: Callable[..., Material]) -> None:
    alone = Judges(shown=3).run(handmade(votes=says("m", "lr")))
    assert alone.notes == ["No votes of people to hold the judges against."]
    assert not alone.galleries and PANEL not in [r["judge"] for r in alone.tables[0].rows]
    with pytest.raises(DataError, match="no votes of models"):
        Judges(shown=3).run(handmade(votes=PEOPLE))
    apart = [*says("p", "l", "human"), *says("m", "-r")]
    result = Judges(shown=3).run(handmade(votes=apart))
    assert row(result, "m")["note"] == "no pair in common with people"
    assert result.answer == "No model has a pair in common with people."


def test_a_judge_that_decides_few_pairs_is_not_the_closest(
    handmade: Callable[..., Material],
) -> None:
    votes = [*PEOPLE, *says("rare", "l---"), *says("often", "llr-")]
    material = handmade(votes=votes)
    result = Judges(shown=3).run(material)
    assert (
        estimate(row(result, "rare")["majority"]) == 1 > estimate(row(result, "often")["majority"])
    )
    assert "rare" not in result.answer
    assert "of 3 pairs" in result.answer and "at least 50 %" in result.answer
    assert "rare" in Judges(shown=3, least_decided=0.25).run(material).answer
    assert "No model decides 100 %" in Judges(shown=3, least_decided=1).run(material).answer
    assert result.tables[0].columns[1].name == "majority_kept"
    with pytest.raises(ConfigError, match="least_decided"):
        Judges(shown=3, least_decided=50)
