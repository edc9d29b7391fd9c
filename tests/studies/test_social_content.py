"""Social against content: planted relations are found, students cross as they should."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from scipy.stats import spearmanr

from interestingness.errors import ConfigError, LabelError
from interestingness.labels.scores import ScoreSource
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import Cell, Spread, StudyResult
from interestingness.studies.social_content import (
    ContentNumbers,
    SocialContent,
    comparable,
    rank_correlation,
)
from interestingness.studies.study import Material, Sources


def row(result: StudyResult, signal: str) -> Mapping[str, Cell]:
    return next(r for r in result.tables[0].rows if r["signal"] == signal)


def test_planted_relations(handmade: Callable[..., Material]) -> None:
    rng = np.random.default_rng(0)
    names = [f"i{n:03d}" for n in range(80)]
    taste = rng.normal(size=80)
    scores = {
        "people": taste,
        "views": taste + rng.normal(size=80),
        "noise": rng.normal(size=80),
        "against": -taste,
    }
    pairs = [(names[i], names[(i + k) % 80]) for i in range(80) for k in (1, 7, 20)]
    columns = {n: dict(zip(names, v.tolist(), strict=True)) for n, v in scores.items()}
    material = handmade(pairs=pairs, scores=columns)
    tables = material.tables
    sources = {n: ScoreSource(tables, name=n, column=n) for n in scores}
    material.label = lambda tables, learn: Sources(dict(sources), {"flag": "no flag"})
    study = SocialContent(
        reference="people", social=["views", "noise", "against", "flag"], splits=0
    )
    result = study.run(material)
    found = {n: row(result, n)["spearman"] for n in ("views", "noise", "against")}
    ranks = {n: c for n, c in found.items() if isinstance(c, Interval)}
    expected = {n: spearmanr(scores[n], taste).statistic for n in found}
    assert {n: c.estimate for n, c in ranks.items()} == pytest.approx(expected)
    assert ranks["views"].low > 0.4 and ranks["noise"].low < 0 < ranks["noise"].high
    assert ranks["against"].estimate == -1
    agreement = row(result, "against")["agreement"]
    assert isinstance(agreement, Interval) and agreement.estimate == 0
    assert result.notes == ["Nothing to read for: flag."]
    assert len(result.tables) == 2 and "of_people" not in row(result, "views")


def test_students_cross_over_held_out_pairs(synthetic_material: Material) -> None:
    names = ["views", "true_utility", "lafin"]
    result = SocialContent(reference="human", social=names, splits=3).run(synthetic_material)
    own, other = row(result, "true_utility"), row(result, "lafin")
    assert isinstance(own["own"], Spread) and isinstance(other["of_people"], Spread)
    # what is planted in the attributes is learnt from the attributes
    assert own["own"].mean > max(0.6, other["of_people"].mean)
    assert isinstance(own["models"], Spread) and own["models"].mean > 0.3
    crossed = next(t for t in result.tables if t.name == "crossed")
    human = next(r for r in crossed.rows if r["learnt"] == "human")
    assert isinstance(human["true_utility"], Spread)
    assert human["true_utility"] == own["of_social"]
    assert result.simulated and "lafin" in dict(result.used)["social"]


def test_groups_that_cannot_be_compared_are_ranked_apart() -> None:
    rng = np.random.default_rng(1)
    group = np.repeat([0, 1, 2], 40)
    truth = rng.normal(size=120)
    # a level of their own in each group: without groups the order would be lost
    apart = ContentNumbers(truth + 10.0 * (2 - group), group)
    score = ContentNumbers(truth + 0.1 * group, np.where(np.arange(120) < 3, -1, 0))
    found = rank_correlation(apart, score, 0)
    each = [spearmanr(truth[group == g], truth[group == g]).statistic for g in range(3)]
    assert found.estimate == pytest.approx(np.mean(each), abs=0.01)
    assert spearmanr(apart.value, score.value).statistic < 0.7
    assert len(comparable(apart, score)[0]) == 117
    same = rank_correlation(ContentNumbers(truth, np.zeros(120, dtype=int)), score, 0)
    assert same.estimate == pytest.approx(spearmanr(truth[3:], score.value[3:]).statistic)


def test_names_that_are_not_there(synthetic_material: Material) -> None:
    with pytest.raises(ConfigError, match="likes"):
        SocialContent(reference="human", social=["likes"], splits=0).run(synthetic_material)
    there = dict(synthetic_material.references.there)
    del there["human"]
    synthetic_material.__dict__["references"] = Sources(there, {"human": "no votes"})
    with pytest.raises(LabelError, match="nothing to read for human"):
        SocialContent(reference="human", social=["views"], splits=0).run(synthetic_material)
