"""When the engine gives up, and what makes it forget."""

from __future__ import annotations

import pytest

from interestingness.annotators.engine.breaker import (
    BUSY_IN_A_ROW,
    DOUBTS_IN_A_ROW,
    FIRST_CALLS,
    REFUSED_TASKS,
    UNUSABLE_IN_A_ROW,
    UNWELL_IN_A_ROW,
    Breaker,
)
from interestingness.annotators.engine.run_state import Exit


def proven() -> Breaker:
    breaker = Breaker()
    breaker.good()
    return breaker


@pytest.mark.parametrize("answered", [True, False])
def test_the_first_calls_failing_alike_end_it_with_the_server_s_words(answered: bool) -> None:
    """Row 25."""
    breaker = Breaker()
    told = [breaker.unwell("500", "500 boom", answered=answered) for _ in range(FIRST_CALLS)]
    assert told[:-1] == [None] * (FIRST_CALLS - 1)
    assert told[-1] is not None
    assert told[-1][0] == Exit.LATER
    assert told[-1][1].endswith("500 boom")


def test_different_failures_at_the_start_are_given_more_time() -> None:
    breaker = Breaker()
    told = [breaker.unwell(f"50{i % 3}", "boom") for i in range(UNWELL_IN_A_ROW)]
    assert told[:-1] == [None] * (UNWELL_IN_A_ROW - 1)
    assert told[-1] is not None


def test_once_proven_only_many_in_a_row_end_it() -> None:
    breaker = proven()
    for _ in range(UNWELL_IN_A_ROW - 1):
        assert breaker.unwell("500", "boom") is None
    breaker.good()
    told = [breaker.unwell("500", "boom") for _ in range(UNWELL_IN_A_ROW)]
    assert [verdict is None for verdict in told].index(False) == UNWELL_IN_A_ROW - 1


def test_lost_answers_end_it_soon_because_each_may_cost() -> None:
    breaker = proven()
    told = [breaker.doubt("reset") for _ in range(DOUBTS_IN_A_ROW)]
    assert told.count(None) == DOUBTS_IN_A_ROW - 1


def test_answers_that_are_no_use_end_it() -> None:
    breaker = proven()
    told = [breaker.unusable("{") for _ in range(UNUSABLE_IN_A_ROW)]
    assert told.count(None) == UNUSABLE_IN_A_ROW - 1
    assert told[-1] is not None
    assert told[-1][0] == Exit.GIVEN_UP


def test_the_same_refusal_for_the_first_tasks_ends_it() -> None:
    breaker = Breaker()
    assert breaker.refused("400 x", "task 1", "no") is None
    assert breaker.refused("400 x", "task 1", "no") is None
    assert breaker.refused("400 x", "task 2", "no") is None
    assert breaker.refused("413", "task 3", "large") is None
    verdict = breaker.refused("400 x", "task 4", "no")
    assert verdict is not None
    assert verdict[0] == Exit.CONFIG


def test_later_only_a_model_that_is_gone_ends_it_as_soon() -> None:
    """Row 23."""
    breaker = proven()
    told = [breaker.refused("404 model_not_found", f"task {i}", "x") for i in range(REFUSED_TASKS)]
    assert told[-1] is not None
    breaker = proven()
    told = [breaker.refused("400 bad_image", f"task {i}", "x") for i in range(REFUSED_TASKS)]
    assert told == [None] * REFUSED_TASKS


def test_a_server_that_stays_busy_ends_it() -> None:
    breaker = proven()
    assert [breaker.busy("429") for _ in range(BUSY_IN_A_ROW)].count(None) == BUSY_IN_A_ROW - 1
