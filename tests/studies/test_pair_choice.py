"""The study of ways to choose pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from interestingness.errors import ConfigError
from interestingness.stats.bootstrap import Interval
from interestingness.studies.pair_choice import SHARP, TARGETS, WAYS, PairChoice
from interestingness.studies.result import StudyResult
from interestingness.studies.study import Material


def pure(seed: int = 0) -> Material:
    """Material that refuses to be asked for data."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("a pure simulation asked for data")

    return Material("q", seed, Path("nowhere"), refuse, refuse, refuse, refuse)


def settings(repository: Path, **change: Any) -> dict[str, Any]:
    file = repository / "conf" / "study" / "pair_choice.yaml"
    given = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {k: v for k, v in given.items() if k != "_target_"} | change


@pytest.fixture(scope="module")
def quick(repository: Path) -> StudyResult:
    return PairChoice(**settings(repository, quick=True)).run(pure())


def test_a_quick_run_has_every_way_for_every_judge(quick: StudyResult) -> None:
    summary, everything = quick.tables
    ways = [name for name, _ in WAYS]
    assert [row["way"] for row in summary.rows] == ways * 2 * 3
    assert len(everything.rows) == len(ways) * len(TARGETS) * 3 * 4
    assert len(quick.figures) == len(TARGETS) * 3
    assert "[" not in quick.answer
    assert all("no intervals" in figure.caption for figure in quick.figures)  # type: ignore[union-attr]
    assert (
        "quick" in quick.notes[0]
        and quick.answer.startswith(quick.notes[0])
        and quick.simulated.startswith("Simulated")
    )
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


def test_a_judge_sure_of_most_pairs_makes_choosing_pay(repository: Path) -> None:
    study = PairChoice(**settings(repository, images=80, held_out=20, rounds=4))
    found = {
        share: np.mean(
            [study._repetition(SHARP, share, np.random.default_rng(s))[0, -1] for s in range(4)]
        )
        for share in (0.0, 1.0)
    }
    assert found[0.0] > found[1.0] + 0.005


@pytest.mark.parametrize(
    "change",
    [{"repeats": 1}, {"compare_at": 0}, {"compare_at": 9}, {"images": 9}, {"held_out": 3}],
)
def test_numbers_that_cannot_be_are_refused(repository: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="repeats="):
        PairChoice(**settings(repository, **change))
