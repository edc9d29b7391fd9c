"""Against a mock of the API that others wrote; it journals, and judges how its clients behave."""

from __future__ import annotations

from typing import Any

import pytest
from bench import Bench, pairs

from interestingness.annotators.engine.run_state import Exit

GOOD = '{"choice": "second", "reason": "more colour"}'


@pytest.fixture
def mock(llmock: Any) -> Any:
    """The package's own fixture: a server for the session, reset for each test."""
    return llmock.reply(GOOD, times=None)


def paid(mock: Any) -> int:
    """Requests that the mock answered, which a provider would charge."""
    return sum(not request.failed for request in mock.requests)


def test_a_run_without_faults(bench: Bench, mock: Any) -> None:
    summary = bench.run(mock.base_url(), pairs(20))
    assert (summary.exit_code, summary.tally.labelled) == (Exit.DONE, 20)
    assert paid(mock) == 20
    assert {choice for (choice,) in bench.rows("SELECT choice FROM label")} == {"second"}
    mock.assert_resilient(strict=True)


@pytest.mark.parametrize("retry_after", [1, 0.3])
def test_a_wait_that_is_named_is_kept(bench: Bench, mock: Any, retry_after: float) -> None:
    """Row 20: the mock sees when each attempt came, and finds nothing to complain about."""
    mock.rate_limit(times=3, retry_after=retry_after)
    summary = bench.run(mock.base_url(), pairs(12), concurrency=4)
    assert (summary.exit_code, summary.tally.labelled, summary.tally.busy) == (Exit.DONE, 12, 3)
    assert paid(mock) == 12
    mock.assert_resilient()


def test_a_storm_of_failures(bench: Bench, mock: Any) -> None:
    """Each is retried, nothing twice after it was answered, and the budget holds."""
    for status in (429, 500, 503, 429, 529, 502):
        mock.fail(status, times=2)
    cap = 40 * 140
    summary = bench.run(mock.base_url(), pairs(40), concurrency=8, cap_uusd=cap)
    assert (summary.exit_code, summary.tally.labelled) == (Exit.DONE, 40)
    assert paid(mock) == 40
    assert bench.charged() <= cap
    mock.assert_resilient()


def test_a_real_quota_per_minute_is_waited_for(bench: Bench, mock: Any) -> None:
    """The mock enforces 600 a minute with a bucket; the wait that it names is enough."""
    mock.limits(rpm=600)
    summary = bench.run(mock.base_url(), pairs(40), concurrency=32)
    assert (summary.exit_code, summary.tally.labelled) == (Exit.DONE, 40)
    mock.assert_resilient()


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [(429, "insufficient_quota", Exit.QUOTA), (401, None, Exit.KEY), (403, None, Exit.KEY)],
)
def test_what_no_waiting_mends(
    bench: Bench, mock: Any, status: int, code: str | None, exit_code: Exit
) -> None:
    """Rows 21 and 22: no more requests than were out already, and it resumes."""
    mock.fail(status, code=code, times=None)
    summary = bench.run(mock.base_url(), pairs(50), concurrency=8)
    assert summary.exit_code == exit_code
    assert len(mock.requests) <= 8
    assert (paid(mock), bench.charged()) == (0, 0)
    mock.assert_resilient()
    mock.reset().reply(GOOD, times=None)
    assert bench.run(mock.base_url(), pairs(50)).tally.labelled == 50


def test_a_bad_request_is_not_repeated(bench: Bench, mock: Any) -> None:
    mock.context_overflow(times=2)
    summary = bench.run(mock.base_url(), pairs(10), concurrency=1)
    assert summary.tally.labelled == 8
    assert len(mock.requests) == 10
    mock.assert_resilient()


def test_an_answer_of_text_is_kept_as_a_reject(bench: Bench, mock: Any) -> None:
    mock.reset().reply("I like the first one.", times=None)
    summary = bench.run(mock.base_url(), pairs(1))
    assert summary.tally.rejected == {"invalid_json": 1}
    assert paid(mock) == len(bench.rows("SELECT * FROM reply")) == 3
