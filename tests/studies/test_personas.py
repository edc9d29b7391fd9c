"""Personas: identical answers counted exactly, before and after the filter by order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from interestingness.errors import DataError
from interestingness.studies.personas import Personas
from interestingness.studies.study import Material


def told(persona: str, both: str) -> list[dict[str, Any]]:
    """Votes in both orders on ab, bc, …: l and r keep the winner, s says second twice."""
    votes = []
    for i, letter in enumerate(both):
        for first in ("left", "right"):
            second = "right" if first == "left" else "left"
            choice = {"l": "left", "r": "right", "s": second}[letter]
            sides = {"left": chr(97 + i), "right": chr(98 + i)}
            who = {"rater": f"{persona} (gpt-4o)", "persona": persona, "kind": "model"}
            votes.append({**sides, **who, "choice": choice, "first": first})
    return votes


def test_counts_by_hand(handmade: Callable[..., Material]) -> None:
    votes = [*told("man", "llrsl"), *told("woman", "llrll"), *told("child", "lrrll")]
    votes.append({"left": "a", "right": "b", "choice": "right", "rater": "gpt-4o", "kind": "model"})
    result = Personas(shown=5).run(handmade(votes=votes))
    every, steady = result.tables[0].rows
    # pair 2 divides them; pair 4 is a contradiction of one, whose majority is then a tie
    assert (every["pairs"], every["identical"], every["different"]) == (5, 3, 2)
    assert (steady["pairs"], steady["identical"], steady["different"]) == (4, 3, 1)
    assert [r["persona"] for r in result.tables[1].rows] == ["man", "woman", "child"]
    (gallery,) = result.galleries
    (pair,) = gallery.pairs
    assert pair.left.image_id == "b" and pair.text == "left: 2 of 3 (man; woman)"
    assert "3 of 4" in result.answer and "4 of 5" in result.notes[0]


def test_no_pair_survives_the_filter(handmade: Callable[..., Material]) -> None:
    result = Personas(shown=5).run(handmade(votes=[*told("man", "ss"), *told("woman", "ll")]))
    assert result.tables[0].rows[1]["pairs"] == 0
    assert "no pair has the same winner in both orders" in result.answer


def test_simulated_data_are_not_shown_to_a_paid_model(synthetic_material: Material) -> None:
    with pytest.raises(DataError, match="no votes of personas") as caught:
        Personas(shown=5).run(synthetic_material)
    assert "annotator=simulated personas=paper" in caught.value.todo
    assert "gpt4o" not in caught.value.todo


def test_what_is_missing_is_said(handmade: Callable[..., Material]) -> None:
    with pytest.raises(DataError, match="no votes of personas") as caught:
        Personas(shown=5).run(handmade(votes=[{"left": "a", "right": "b", "choice": "left"}]))
    assert "annotator=gpt4o personas=paper" in caught.value.todo
    with pytest.raises(DataError, match="votes of 1 persona"):
        Personas(shown=5).run(handmade(votes=told("man", "l")))
    apart = [*told("man", "l"), *(v | {"left": "x", "right": "y"} for v in told("woman", "l"))]
    with pytest.raises(DataError, match="no pair has votes of all 2 personas"):
        Personas(shown=5).run(handmade(votes=apart))
