"""Reasons from a vote table."""

from __future__ import annotations

import pyarrow as pa

from interestingness.reports.reasons import Reason, reasons_of
from interestingness.tables.tables import check_table


def test_reasons_by_pair_question_and_without_repeats() -> None:
    votes = check_table(
        "votes",
        pa.table(
            {
                "pair_id": ["a", "a", "a", "a", "b", "c"],
                "rater_id": ["one", "one", "two", "three", "one", "one"],
                "choice": ["left", "left", "right", None, "tie", "left"],
                "question": ["q", "q", "q", "q", "other", "q"],
                "reason": [" warm ", "warm", "cold", "no answer", "same", "  "],
                "rater_kind": ["human", "human", "model", "model", "human", "human"],
            }
        ),
        where="test",
    )
    assert reasons_of(votes, ["a", "b", "c"]) == {
        "a": [Reason("one", "left", "warm"), Reason("two", "right", "cold", "model")],
        "b": [Reason("one", "tie", "same")],
    }
    assert list(reasons_of(votes, ["a", "b"], question="q")) == ["a"]
    assert reasons_of(votes, []) == {}
