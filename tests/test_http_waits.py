"""What a reply says about waiting, in all the ways in which servers say it."""

from __future__ import annotations

import random

import pytest

from interestingness.http_waits import backoff, read_duration, read_wait

DATE = "Tue, 24 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "1"}, 1.0),
        ({"retry-after": "121"}, 121.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "300", "retry-after": "5"}, 0.3),
        ({"retry-after": "Tue, 24 Nov 2026 10:00:07 GMT", "date": DATE}, 7.0),
        ({"retry-after": "Tue, 24 Nov 2026 09:59:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Tue, 24 Nov 2026 10:00:07 GMT"}, None),  # no date: whose clock is right?
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "garbage", "retry-after": "2"}, 2.0),
        ({}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "6m0s"}, None),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "120ms",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "1.5s",
            },
            1.5,
        ),
        (
            {
                "retry-after": "2",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "9s",
            },
            2.0,
        ),
    ],
)
def test_the_wait_that_a_reply_names(headers: dict[str, str], seconds: float | None) -> None:
    """Row 20."""
    assert read_wait(headers) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h2m3.5s", 3723.5), ("120ms", 0.12), ("20", 20.0), ("2 s", None), ("s", None), ("5x", None)],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert read_duration(text) == (pytest.approx(seconds) if seconds is not None else None)


def test_backoff_doubles_has_a_ceiling_and_jitters() -> None:
    rng = random.Random(0)
    for failures, longest in [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (4000, 30.0)]:
        waits = [backoff(failures, rng) for _ in range(2000)]
        assert 0.0 <= min(waits) < 0.05 * longest
        assert 0.95 * longest < max(waits) <= longest
