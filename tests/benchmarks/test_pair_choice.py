"""The study of ways to choose pairs."""

from __future__ import annotations

import numpy as np
import pytest
from pair_choice import SHARP, TARGETS, WAYS, PairChoice

from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import StudyResult


@pytest.fixture(scope="module")
def quick() -> StudyResult:
    return PairChoice(2, 40, 30, rounds=3, compare_at=2, quick=True).run(0)


def test_a_quick_run_has_every_way_for_every_judge(quick: StudyResult) -> None:
    summary, everything = quick.tables
    ways = [name for name, _ in WAYS]
    assert [row["way"] for row in summary.rows] == ways * 2 * 3
    assert len(everything.rows) == len(ways) * len(TARGETS) * 3 * 4
    assert len(quick.figures) == len(TARGETS) * 3
    assert quick.simulated
    for row in summary.rows:
        assert isinstance(row["spearman"], Interval) and row["spearman"].repeats == 2
        assert ("calls" in row) == (row["way"] != "random")


def test_all_ways_start_from_the_same_round(quick: StudyResult) -> None:
    rows = [r for r in quick.tables[1].rows if r["world"] == "sharp" and r["target"] == "asked"]
    least = min(r["calls"] for r in rows)  # type: ignore[type-var]
    first = {r["spearman"].estimate for r in rows if r["calls"] == least}  # type: ignore[union-attr]
    assert len(first) == 1
    later = {r["spearman"].estimate for r in rows if r["calls"] != least}  # type: ignore[union-attr]
    assert len(later) == 9


def test_a_judge_sure_of_most_pairs_makes_choosing_pay() -> None:
    study = PairChoice(images=80, held_out=20, rounds=4)
    found = {
        share: np.mean(
            [study._repetition(SHARP, share, np.random.default_rng(s))[0, -1] for s in range(4)]
        )
        for share in (0.0, 1.0)
    }
    assert found[0.0] > found[1.0] + 0.005


@pytest.mark.parametrize(
    "change",
    [{"repetitions": 1}, {"compare_at": 0}, {"compare_at": 9}, {"images": 9}, {"held_out": 3}],
)
def test_numbers_that_cannot_be_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        PairChoice(**change)
