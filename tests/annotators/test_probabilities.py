"""Probabilities of a choice, whatever pieces the tokens cut it into."""

from __future__ import annotations

from math import log
from typing import Any

import pytest
from answers import token
from hypothesis import given
from hypothesis import strategies as st

from interestingness.annotators.probabilities import choice_probability

PAIR = ("first", "second")


def p(tokens: list[dict[str, Any]]) -> tuple[float, float]:
    found = choice_probability(tokens, PAIR)
    assert found is not None
    return found.p, found.mass


@pytest.mark.parametrize("as_bytes", [True, False])
@pytest.mark.parametrize(
    ("before", "value", "top"),
    [
        (['{"', "choice", '":"'], "first", {"first": 0.7, "second": 0.2, "neither": 0.1}),
        (['{"choice": "'], "fir", {"fir": 0.6, "first": 0.1, "sec": 0.2, "x": 0.1}),
        (['{"choice"', ":"], '"first', {'"first': 0.7, '"second': 0.2, "'first": 0.1}),
        (['{\n  "choice" :'], ' "f', {' "f': 0.7, ' "s': 0.2, '"f': 0.1}),
    ],
    ids=["whole", "parts", "quote", "spaces"],
)
def test_the_token_of_the_choice_is_found(
    before: list[str], value: str, top: dict[str, float], as_bytes: bool
) -> None:
    tokens = [token(text, 0.0, as_bytes=as_bytes) for text in before]
    logs = {piece: log(share) for piece, share in top.items()}
    tokens += [token(value, log(0.7 if value != "fir" else 0.6), logs, as_bytes=as_bytes)]
    tokens += [token('","reason":"x"}', 0.0, as_bytes=as_bytes)]
    share, mass = p(tokens)
    assert share == pytest.approx(0.7 / 0.9)
    assert mass == pytest.approx(0.9)


def test_the_chosen_token_counts_though_it_is_not_listed() -> None:
    tokens = [token('{"choice":"', 0.0), token("second", log(0.3), {"first": log(0.6)})]
    assert p(tokens) == pytest.approx((2 / 3, 0.9))


def test_a_word_in_the_reason_is_not_taken_for_the_choice() -> None:
    tokens = [token('{"choice":"', 0.0), token("first", 0.0, {"first": 0.0})]
    tokens += [token('","reason":"\\"choice\\":\\"', 0.0), token("second", 0.0, {"second": 0.0})]
    assert p(tokens) == (1.0, 1.0)


@pytest.mark.parametrize(
    "tokens",
    [
        None,
        [],
        "tokens",
        [1, 2],
        [token("no json", -0.1)],
        [token('{"choice":"', 0.0)],
        [token('{"choice":"', 0.0), token("maybe", -0.1, {"perhaps": -2.0})],
        [token('{"choice":"', 0.0), token("first", float("nan"), {"second": -1.0})],
        [token('{"choice":"', 0.0), token("first", 3.0, {"second": -1.0})],
        [{"token": '{"choice":"', "bytes": [999]}, {"token": "first", "logprob": None}],
    ],
    ids=str,
)
def test_without_usable_numbers_there_is_no_probability(tokens: Any) -> None:
    assert choice_probability(tokens, PAIR) is None


@given(st.floats(1e-6, 1 - 1e-6), st.floats(0.5, 1.0), st.integers(0, 3))
def test_shares_are_what_was_planted(share: float, mass: float, cut: int) -> None:
    text = '{"choice":"'
    lead = text[len(text) - cut :] if cut else ""
    top = {lead + "first": log(share * mass), lead + "second": log((1 - share) * mass)}
    tokens = [token(text[: len(text) - cut], 0.0), token(lead + "first", log(share * mass), top)]
    found, covered = p(tokens)
    assert found == pytest.approx(share, abs=1e-9)
    assert covered == pytest.approx(mass, abs=1e-9)
