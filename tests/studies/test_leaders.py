"""The best of several is named only where a paired test says that all others are below it."""

from collections.abc import Sequence

import numpy as np
import pytest

from interestingness.schema import Pairs
from interestingness.studies.leaders import Verdict, leaders
from interestingness.studies.panel import closer

NAMES = ["a", "b", "c"]


def told(means: Sequence[float], verdicts: Sequence[Verdict]) -> str:
    """The sentence for verdicts on all sources but the first."""
    first = max(range(len(means)), key=means.__getitem__)
    others = dict(zip([k for k in range(len(means)) if k != first], verdicts, strict=True))
    found = leaders(means, lambda _, k: others[k])
    assert found.first == first
    return found.told("x", NAMES[: len(means)], [f"{m:g}" for m in means], "over splits")


@pytest.mark.parametrize(
    ("means", "verdicts", "best"),
    [
        ((0.6, 0.7, 0.5), ("below", "below"), True),
        ((0.6, 0.7, 0.5), ("close", "below"), False),
        ((0.663, 0.662, 0.5), ("close", "below"), False),
        ((0.6, 0.7, 0.5), ("below", "untested"), False),
        ((0.6, 0.7), ("untested",), False),
        ((0.6,), (), False),
    ],
)
def test_a_best_is_named_only_where_all_others_are_below(
    means: Sequence[float], verdicts: Sequence[Verdict], best: bool
) -> None:
    said = told(means, verdicts)
    assert said.startswith("The best x is that of b, 0.7") is best
    if not best and len(means) > 1:
        assert said.startswith("The highest x is that of")


def test_those_that_are_not_measurably_below_are_named() -> None:
    assert "not measurably below (paired over splits) is a, 0.663" in told(
        (0.663, 0.67), ("close",)
    )


def pairs_of(images: int) -> Pairs:
    ids = [f"{i:03d}" for i in range(images)]
    left, right = np.triu_indices(images, 1)
    return Pairs.from_ids([ids[i] for i in left], [ids[i] for i in right], ids)[0]


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ((0.0, 0.5), "below"),
        ((0.2, 0.4), "below"),
        ((0.30, 0.31), "close"),
        ((0.3, 0.3), "close"),
        ((0.5, 0.0), "close"),  # the second one agrees more
    ],
)
def test_a_source_is_below_where_its_agreement_surely_is(
    errors: tuple[float, float], expected: Verdict
) -> None:
    """Two sources that err independently, on these shares of 780 pairs."""
    pairs = pairs_of(40)
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, len(pairs)).astype(float)
    one, other = (np.where(rng.random(len(pairs)) < e, 1 - truth, truth) for e in errors)
    assert closer(one, other, truth, pairs) == expected


def test_two_sources_without_a_pair_in_common_are_not_tested() -> None:
    pairs = pairs_of(4)
    one = np.array([1.0, 1, 1, np.nan, 0.5, np.nan])
    other = np.array([np.nan, 0.5, np.nan, 1, 1, 1])
    assert closer(one, other, np.ones(6), pairs) == "untested"
