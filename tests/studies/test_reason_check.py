"""Reasons held against choices: by what was written, by place, by words, or not at all."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from interestingness.schema import Pairs
from interestingness.studies.reason_check import ReasonCheck, check_reasons, spoken_of
from interestingness.studies.study import Material


def check(*rows: dict[str, object], texts: dict[str, object] | None = None) -> ReasonCheck:
    pairs = Pairs.from_ids(["a"], ["b"])[0]
    columns = ("choice", "first", "reason", "extra")
    table = {name: [row.get(name) for row in rows] for name in columns}
    votes = pa.table({"pair_id": pairs.pair_ids * len(rows), **table})
    return check_reasons(votes, pa.table({"image_id": ["a", "b"], **(texts or {})}), pairs)


def test_a_named_place_is_held_against_the_order_shown() -> None:
    first = {"choice": "right", "first": "right", "reason": "The first image is vivid."}
    second = {"choice": "right", "first": "right", "reason": "The second image is vivid."}
    assert check(first, second, second) == ReasonCheck(1, 2, 0)
    unknown = {"choice": "right", "first": None, "reason": "The first image is vivid."}
    assert check(unknown) == ReasonCheck(0, 0, 1)


def test_words_are_held_against_what_is_to_be_seen() -> None:
    texts = {"description": ["Two red balloons by the sea.", "A cat in a room."]}
    row = {"choice": "left", "first": "left", "reason": "balloon, great colors"}
    assert check(row, texts=texts) == ReasonCheck(1, 0, 0)
    assert check({**row, "choice": "right"}, texts=texts) == ReasonCheck(0, 1, 0)
    assert check({**row, "reason": "nice"}, texts=texts) == ReasonCheck(0, 0, 1)
    assert check(row) == ReasonCheck(0, 0, 1)


def test_what_the_annotator_wrote_comes_first() -> None:
    row = {"choice": "left", "first": "left", "reason": "The second image."}
    assert check({**row, "extra": '{"reason_supports": "supports"}'}) == ReasonCheck(1, 0, 0)
    assert check({**row, "extra": "not json"}) == ReasonCheck(0, 1, 0)
    assert check({**row, "extra": "[1]"}) == ReasonCheck(0, 1, 0)


@pytest.mark.parametrize("choice", ["tie", None])
def test_ties_refusals_and_empty_reasons_do_not_count(choice: str | None) -> None:
    assert check({"choice": choice, "first": "left", "reason": "The first."}).clear == 0
    assert check({"choice": "left", "first": "left", "reason": None}) == ReasonCheck(0, 0, 0)


def test_words_that_both_images_have_say_nothing() -> None:
    left, right = frozenset({"cat", "sea"}), frozenset({"cat", "room"})
    assert spoken_of("a cat", left, right) == ""
    assert spoken_of("The cats by the seas", left, right) == "left"


def test_contradictions_that_are_planted_are_found(synthetic_material: Material) -> None:
    """Simulated: Llama tosses a coin in 70 %, DeepSeek nearly always says "first"; their reasons
    follow their taste. GPT-4o and people give reasons for what they chose."""
    tables = synthetic_material.tables
    found = {}
    for rater in ("gpt-4o*", "llama*", "deepseek*", "simulated-worker*"):
        mask = pc.match_like(tables.vote_table["rater_id"], rater.replace("*", "%"))
        found[rater] = check_reasons(
            tables.vote_table.filter(mask), tables.images, tables.pairs
        ).share
    assert found["gpt-4o*"] > 0.97 and found["simulated-worker*"] > 0.9
    assert 0.55 < found["llama*"] < 0.75
    assert 0.35 < found["deepseek*"] < 0.65
