"""What is said of a judge: planted bias is found, none is not invented."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit
from scipy.stats import binomtest

from interestingness.annotators.summary import JudgeSummary, summarise
from interestingness.schema import pair_id


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """A vote table as the ledger gives it."""
    whole = [
        {
            "rater_id": "simulated-judge",
            "question": "interesting",
            "sample": 0,
            "probability": None,
            "reject": None,
            "extra": "{}",
            **row,
        }
        for row in rows
    ]
    types = {"probability": pa.float64(), "reject": pa.string(), "choice": pa.string()}
    types |= {"sample": pa.int32()}
    columns = {k: pa.array([r[k] for r in whole], types.get(k)) for k in whole[0]}
    return pa.table(columns)


def votes(b: float, pairs: int = 400, seed: int = 0, **more: Any) -> list[dict[str, Any]]:
    """Votes in both orders with planted utilities and order term b."""
    rng = np.random.default_rng(seed)
    made = []
    for i, margin in enumerate(rng.normal(0, 1.5, pairs)):
        for first, sign in (("left", 1), ("right", -1)):
            p = expit(margin + sign * b)
            choice = "left" if rng.random() < p else "right"
            name = pair_id(f"{i:04d}a", f"{i:04d}b")
            made.append({"pair_id": name, "first": first, "choice": choice, **more})
    return made


def only(rows: list[dict[str, Any]]) -> JudgeSummary:
    found = summarise(table(rows))
    assert len(found) == 1
    return found[0]


def test_a_planted_bias_is_found_with_its_interval_and_test() -> None:
    found = only(votes(-1.0))
    assert found.low < -1.0 < found.high < -0.5
    bias = found.bias
    assert bias.pairs == 400 and bias.second_twice > bias.first_twice
    swapped = bias.first_twice + bias.second_twice
    assert bias.p_value == pytest.approx(binomtest(bias.second_twice, swapped, 0.5).pvalue)
    said = "\n".join(found.lines())
    assert "it likes the second place" in said and "400 pairs" in said


def test_without_a_bias_none_is_claimed() -> None:
    found = only(votes(0.0, seed=3))
    assert found.low < 0 < found.high
    assert "no bias is shown" in "\n".join(found.lines())


def test_a_term_that_is_the_same_in_all_pairs_has_no_interval() -> None:
    rows = votes(0.0, 6)
    for row in rows:
        row |= {"choice": "left", "probability": 0.7}  # either order: nothing but the margin
    found = only(rows)
    assert found.b == pytest.approx(0.0, abs=1e-12) and np.isnan([found.low, found.high]).all()
    assert "+0.00 [–]" in "\n".join(found.lines())


def test_refusals_are_counted_by_kind_and_by_order() -> None:
    rows = votes(0.0, 10)
    for row in (rows[0], rows[2], rows[3]):
        row |= {"choice": None, "reject": "refused"}
    rows[4] |= {"choice": None, "reject": "invalid_json"}
    found = only(rows)
    assert found.votes == 16
    assert found.unusable == {"invalid_json": 1, "refused": 3}
    assert found.one_sided == 2
    said = "\n".join(found.lines())
    assert "3 refused" in said and "2 pairs are refused in one order only" in said


def test_contradictions_are_a_share_of_the_reasons_that_name_an_image() -> None:
    rows = votes(0.0, 10)
    words = ["supports"] * 12 + ["contradicts"] * 4 + ["unclear"] * 4
    for row, word in zip(rows, words, strict=True):
        row["extra"] = json.dumps({"reason_supports": word})
    found = only(rows)
    assert (found.contradicting, found.reasons) == (0.25, 16)


def test_repetitions_and_probabilities() -> None:
    rows = votes(0.0, 10)
    again = [{**row, "sample": s} for row in rows for s in (1, 2)]
    assert only(rows).stability is None
    assert only(rows + again).stability == 1.0
    again[0]["choice"] = "left" if again[0]["choice"] == "right" else "right"
    assert only(rows + again).stability == pytest.approx((19 + 2 / 3) / 20)
    for row in rows[:5]:
        row["probability"] = 0.7
    assert only(rows).probabilities == 0.25


def test_raters_and_questions_are_told_apart() -> None:
    rows = votes(0.0, 10) + votes(0.0, 10, rater_id="a sailor (simulated-judge)")
    rows += votes(0.0, 10, question="safe")
    assert [s.rater for s in summarise(table(rows))] == [
        "a sailor (simulated-judge)",
        "simulated-judge",
        "simulated-judge",
    ]


def test_nothing_but_refusals() -> None:
    rows = votes(0.0, 3)
    for row in rows:
        row |= {"choice": None, "reject": "refused"}
    found = only(rows)
    assert found.votes == 0 and np.isnan(found.b) and found.bias.pairs == 0
    assert found.lines() == ["simulated-judge: 0 votes; no answer: 6 refused"]
