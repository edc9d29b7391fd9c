"""Table 3: the door refuses what is not published; below it, arithmetic on simulated votes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interestingness.errors import DataError
from interestingness.labels.scores import ScoreSource
from interestingness.labels.source import LabelSource
from interestingness.labels.votes import VoteSource
from interestingness.studies.iccv25_table3 import (
    ACCURACY,
    AGREEMENT,
    RANKS,
    IccvTable3,
    compare,
)
from interestingness.studies.result import Spread
from interestingness.studies.study import Material, Sources
from interestingness.tables.tables import Manifest, Tables

SETTINGS: dict[str, Any] = {
    "splits": 3,
    "train_on": "consensus",
    "test_on": "consensus",
    "consistent": ["gpt-4o*"],
    "threshold": 0.8,
    "l2": 0.1,
    "scaling": "none",
    "epochs": 3,
    "rate": 0.01,
    "batch_size": 32,
}


def as_published(tables: Tables) -> Sources:
    """Sources as ``conf/study/iccv25_table3.yaml`` has them; GPT-4o by majority."""
    there: dict[str, LabelSource] = {
        "human": VoteSource(
            tables, name="human", raters=["*"], kind="human", aggregation="majority"
        ),
        "gpt4o": VoteSource(
            tables, name="gpt4o", raters=["gpt-4o*"], kind="model", aggregation="majority"
        ),
    }
    for name in AGREEMENT:
        if name not in there and name in tables.score_names():
            there[name] = ScoreSource(tables, name=name, column=name)
    return Sources(there, {})


@pytest.fixture
def simulated(synthetic_material: Material) -> Material:
    return replace(synthetic_material, label=lambda tables, _: as_published(tables))


def with_manifest(material: Material, folder: Path, **changed: str) -> Material:
    """The same tables under another name."""
    names = [n for n in ("images", "pairs", "votes", "scores") if material.tables.has(n)]
    tables = Tables.write(
        folder,
        replace(Manifest("handmade", "photographs"), **changed),
        {name: material.tables.table(name) for name in names},
    )
    return replace(material, prepare=lambda: tables)


def test_the_published_figures_are_those_of_the_paper() -> None:
    # Sums by hand of the columns of Table 3, so that a slip of the pen shows.
    assert sum(m for m, _ in ACCURACY["human"].values()) == pytest.approx(582.0)
    assert sum(m for m, _ in ACCURACY["gpt4o"].values()) == pytest.approx(606.9)
    assert sum(s for _, s in ACCURACY["human"].values()) == pytest.approx(30.4)
    assert sum(s for _, s in ACCURACY["gpt4o"].values()) == pytest.approx(29.3)
    assert sum(m for m, _ in RANKS["human"].values()) == pytest.approx(2.87)
    assert sum(m for m, _ in RANKS["gpt4o"].values()) == pytest.approx(3.49)
    assert sum(a for a, _ in AGREEMENT.values() if a) == pytest.approx(503.6)
    assert sum(b for _, b in AGREEMENT.values() if b) == pytest.approx(529.2)


def test_simulated_votes_never_stand_under_the_papers_name(
    simulated: Material, tmp_path: Path
) -> None:
    study = IccvTable3(**SETTINGS)
    with pytest.raises(DataError, match="only their numbers may stand beside"):
        study.run(simulated)
    # Nor do they by calling themselves so, nor does another data set, simulated or not.
    named = with_manifest(simulated, tmp_path / "a", name="visual_interestingness", simulated="SIM")
    with pytest.raises(DataError, match="SIM"):
        study.run(named)
    other = with_manifest(simulated, tmp_path / "b")
    with pytest.raises(DataError, match=r"(?s)another data set|SIMULATION"):
        study.run(other)


def test_a_simulated_judge_among_published_votes_is_refused(
    handmade: Callable[..., Material], tmp_path: Path
) -> None:
    votes = [
        {"left": "a", "right": "b", "choice": "left", "rater": "gpt-4o-simulated", "kind": "model"}
    ]
    material = with_manifest(handmade(votes=votes), tmp_path / "c", name="visual_interestingness")
    material.label = lambda tables, _: as_published(tables)
    with pytest.raises(DataError, match="SIMULATION"):
        IccvTable3(**SETTINGS).run(material)


def test_differences_are_ours_minus_published(simulated: Material) -> None:
    study = IccvTable3(**SETTINGS)
    found = study.ablation.fit(simulated)
    accuracies, ranks, agreements, sets = compare(found, simulated.pairs, threshold=0.8)
    assert (len(accuracies.rows), len(ranks.rows), len(agreements.rows)) == (18, 16, 16)
    heads = found.heads
    for row in accuracies.rows:
        k, j = heads.sources.index(str(row["source"])), heads.references.index(str(row["judge"]))
        ours = row["ours_0"]
        assert isinstance(ours, Spread) and ours == Spread.of(heads.accuracy[0, k, j])
        mean, _ = ACCURACY[str(row["judge"])][str(row["source"])]
        assert row["difference_0"] == pytest.approx(100 * ours.mean - mean)
        assert row["ours_1"] != row["ours_0"]
    both = {(r["source"], r["model"]): r["ours_0"] for r in ranks.rows}
    assert both["human", "gpt4o"] == both["gpt4o", "human"]
    human, gpt = found.labels["human"], found.labels["gpt4o"]
    steady = found.scope.masks["order_consistent"]
    clear = steady & (human.consensus >= 0.8)
    decided = human.decided & gpt.decided
    same = (human.preference > 0.5) == (gpt.preference > 0.5)
    by_name = {str(r["what"]): r for r in sets.rows}
    for name, where in (("S", steady), ("C_H", clear), ("D_H", steady & ~clear)):
        expected = same[where & decided].mean()
        assert by_name[f"A^(H,G) on {name}"]["ours"] == pytest.approx(expected)
    assert by_name["|C_H| of S"]["ours"] == pytest.approx(clear.sum() / steady.sum())
    one = next(r for r in agreements.rows if (r["source"], r["judge"]) == ("gpt4o", "human"))
    assert one["ours"] == by_name["A^(H,G) on C_H"]["ours"]
    assert one["difference"] == pytest.approx(100 * float(one["ours"]) - 73.8)  # type: ignore[arg-type]


def test_what_the_files_lack_is_said(handmade: Callable[..., Material]) -> None:
    names = [f"i{k:02d}" for k in range(20)]
    couples = [(a, b) for at, a in enumerate(names) for b in names[at + 1 :]][::3]
    votes = [
        {"left": a, "right": b, "choice": "left" if at % 2 else "right", "rater": rater}
        for at, (a, b) in enumerate(couples)
        for rater in "vwxyz"
    ]
    material = handmade(votes=votes)
    material.label = lambda tables, _: Sources(
        {"human": as_published(tables).there["human"]}, {"gpt4o": "no votes"}
    )
    found = IccvTable3(**SETTINGS).ablation.fit(material)
    accuracies, ranks, agreements, sets = compare(found, material.pairs, threshold=0.8)
    for table in (accuracies, ranks, agreements, sets):
        for row in table.rows:
            values = [v for k, v in row.items() if k.startswith(("ours", "difference"))]
            assert any(v is not None for v in values) or row["note"], (table.name, row)
            assert not any(isinstance(v, float) and np.isnan(v) for v in values)
    assert {r["note"] for r in sets.rows} == {"these files lack people's or GPT-4o's votes"}
    noted = {(r["source"], r["judge"]): r.get("note") for r in accuracies.rows}
    assert noted["views", "human"] == "no views in these files" and not noted["human", "human"]
    assert "order_consistent" not in found.scope.masks
