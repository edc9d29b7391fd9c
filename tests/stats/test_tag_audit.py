"""Which tags tell two classes apart: planted ones come first."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats.contingency import odds_ratio

from interestingness.stats.tag_audit import predictive_tags


def test_a_planted_tag_comes_first() -> None:
    rng = np.random.default_rng(0)
    flag = rng.random(400) < 0.5
    tags = [["sky"] if rng.random() < 0.3 else [] for _ in flag]
    for some, yes in zip(tags, flag, strict=True):
        if yes and rng.random() < 0.4:
            some.append("Explore")
        if not yes and rng.random() < 0.1:
            some.append("explore")
    found = predictive_tags(tags, flag, least=10)
    assert [one.tag for one in found] == ["explore", "sky"]
    first = found[0]
    table = [[first.yes, first.no], [flag.sum() - first.yes, (~flag).sum() - first.no]]
    expected = odds_ratio(table, kind="sample")
    assert first.log_odds == pytest.approx(np.log(expected.statistic), abs=0.1)
    interval = expected.confidence_interval()
    error = (np.log(interval.high) - np.log(interval.low)) / (2 * 1.96)
    assert first.z == pytest.approx(first.log_odds / error, rel=0.05)
    assert abs(found[1].z) < 2


def test_rare_tags_are_left_out() -> None:
    flag = np.array([True, False, True])
    tags = [["a", "a", "A"], ["b"], ["a"]]
    assert [one.tag for one in predictive_tags(tags, flag, least=2)] == ["a"]
    assert predictive_tags(tags, flag, least=2)[0].yes == 2
