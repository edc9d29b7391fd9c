"""The leaderboard: planted worth is found, and what cannot be computed is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from interestingness.errors import ConfigError, LabelError
from interestingness.labels.scores import ScoreSource
from interestingness.labels.source import LabelSource
from interestingness.labels.votes import VoteSource
from interestingness.stats.bootstrap import Interval
from interestingness.studies.leaderboard import Leaderboard
from interestingness.studies.result import Cell, IntervalChart, Spread, StudyResult
from interestingness.studies.source_heads import Training, fit_heads
from interestingness.studies.study import Material, Sources
from interestingness.tables.tables import ANNOTATIONS, Tables, write_table


def by_source(result: StudyResult) -> dict[str, Mapping[str, Cell]]:
    return {str(row["source"]): row for row in result.tables[0].rows}


@pytest.fixture
def found(synthetic_material: Material) -> StudyResult:
    return Leaderboard(reference="human", splits=3).run(synthetic_material)


def test_every_source_has_a_row_and_the_planted_one_teaches_best(found: StudyResult) -> None:
    rows = by_source(found)
    assert set(rows) == {
        "human", "human_consensus", "gpt4o", "aesthetic", "commonly_interesting", "memorability",
        "views", "lafin", "true_utility",
    }  # fmt: skip
    students = {n: r["student"] for n, r in rows.items()}
    assert all(isinstance(s, Spread) and s.repeats == 3 for s in students.values())
    means = {n: s.mean for n, s in students.items() if isinstance(s, Spread)}
    assert list(rows) == sorted(rows, key=lambda n: -means[n])
    # what the memorability model likes, people do not
    assert means["memorability"] < 0.5 < means["true_utility"]
    assert found.simulated and any(isinstance(f, IntervalChart) for f in found.figures)


def test_people_are_held_against_the_other_people(found: StudyResult) -> None:
    rows = by_source(found)
    people, planted = rows["human"]["agreement"], rows["true_utility"]["agreement"]
    assert isinstance(people, Interval) and isinstance(planted, Interval)
    assert 0.5 < people.estimate < planted.estimate < 1
    assert "one person against the majority of the others" in found.tables[0].notes[0]
    assert "that of true_utility" not in found.answer


def test_the_planted_truth_is_said_apart_and_never_recommended(found: StudyResult) -> None:
    rows = by_source(found)
    chosen = next(name for name in rows if name != "true_utility")
    # Three splits of few pairs tell no student from the next one: none is called the best.
    assert found.answer.startswith(f"The highest accuracy of a student is that of {chosen}, ")
    assert "none is the best" in found.answer
    assert found.answer.count("true_utility") == 1
    assert "The planted truth (true_utility), which nobody could choose, would give" in found.answer


def test_three_images_with_one_vote_a_pair_say_why_nothing_can_be_told(
    handmade: Callable[..., Material],
) -> None:
    votes = [{"left": a, "right": b, "choice": "left"} for a, b in ("ab", "bc", "ac")]
    material = handmade(votes=votes)
    tables = material.tables
    human: LabelSource = VoteSource(
        tables, name="human", raters=["*"], kind="human", aggregation="majority"
    )
    material.label = lambda tables, learn: Sources({"human": human}, {})
    result = Leaderboard(reference="human", splits=3).run(material)
    assert "no split" in result.answer
    note = str(by_source(result)["human"]["student_note"])
    assert note.startswith("no model on 3 of 3 splits") and note.count("no split") == 1
    assert "impossible" in dict(result.used)["splits"]


def test_a_stated_price_counts_where_nothing_was_booked(
    handmade: Callable[..., Material],
) -> None:
    both = [
        {"left": a, "right": b, "choice": "left", "rater": "m", "kind": "model", "first": first}
        for a, b in ("ab", "bc")
        for first in ("left", "right")
    ]
    material = handmade(votes=[{"left": "a", "right": "b", "choice": "left"}, *both])
    tables = material.tables
    sources: dict[str, LabelSource] = {
        name: VoteSource(
            tables, name=name, raters=["*"], kind=kind, aggregation="majority", price_per_call=price
        )
        for name, kind, price in (("human", "human", None), ("m", "model", 0.002))
    }
    material.label = lambda tables, learn: Sources(sources, {})
    rows = by_source(Leaderboard(reference="human", splits=0).run(material))
    # two calls a pair
    assert rows["m"]["dollars"] == pytest.approx(1000 * 2 * 0.002)
    assert rows["human"]["dollars"] is None
    own = Leaderboard(reference="human", splits=0, prices={"m": 7.0}).run(material)
    assert by_source(own)["m"]["dollars"] == 7.0


def test_only_votes_have_places_and_reasons(found: StudyResult) -> None:
    rows = by_source(found)
    judge = rows["gpt4o"]
    assert isinstance(judge["order_term"], Interval) and judge["order_term"].high < 0
    assert judge["bias_p"] == "< .001" and float(judge["bias_index"]) > 0.2  # type: ignore[arg-type]
    assert float(judge["reasons"]) > 0.97 and judge["repetition"]  # type: ignore[arg-type]
    assert "order_term" not in rows["views"] and "reasons" not in rows["views"]


def test_prices_come_from_the_votes_or_from_the_option(
    synthetic_material: Material, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tables = synthetic_material.tables
    table = tables.vote_table
    ours = pa.array([r.startswith("gpt") for r in table["rater_id"].to_pylist()])
    cost = pa.array([500 if own else None for own in ours.to_pylist()], pa.int64())
    seconds = pa.array([2.0 if own else None for own in ours.to_pylist()], pa.float64())
    priced = table.append_column("cost_uusd", cost).append_column("seconds", seconds)
    tables.__dict__["vote_table"] = priced
    try:
        study = Leaderboard(reference="human", splits=0, prices={"human": 50.0})
        rows = by_source(study.run(synthetic_material))
    finally:
        tables.__dict__["vote_table"] = table
    # ten calls of half a thousandth of a dollar and two seconds on each pair
    assert rows["gpt4o"]["dollars"] == pytest.approx(5.0)
    assert rows["gpt4o"]["seconds"] == pytest.approx(20_000)
    assert rows["human"]["dollars"] == 50.0 and "seconds" not in rows["human"]
    assert "student" not in rows["human"]


def test_prices_of_annotators_are_found(handmade: Callable[..., Material]) -> None:
    people = [{"left": "a", "right": "b", "choice": "left"}]
    material = handmade(votes=people, pairs=[("b", "c")])
    tables = material.tables
    folder = tables.root / ANNOTATIONS
    folder.mkdir()
    ids = tables.pairs.pair_ids
    answers = pa.table(
        {
            "pair_id": [*ids, ids[0]],
            "rater_id": ["m"] * 3,
            "choice": ["left", "right", None],
            "rater_kind": ["model"] * 3,
            "cost_uusd": pa.array([100, 200, 300], pa.int64()),
            "seconds": pa.array([1.0, None, 2.0], pa.float64()),
        }
    )
    write_table("votes", answers, folder / "votes-m-interesting.parquet")
    opened = Tables(tables.root)
    material.__dict__["tables"] = opened
    sources: dict[str, LabelSource] = {
        name: VoteSource(opened, name=name, raters=["*"], kind=kind, aggregation="majority")
        for name, kind in (("human", "human"), ("m", "model"))
    }
    material.label = lambda tables, learn: Sources(sources, {})
    rows = by_source(Leaderboard(reference="human", splits=0).run(material))
    assert rows["m"]["dollars"] == pytest.approx(1000 * 600e-6 / 2)
    assert rows["m"]["seconds"] == pytest.approx(1000 * 3 / 1)
    assert rows["m"]["refusals"] == pytest.approx(1 / 3)
    assert rows["human"]["dollars"] is None


def test_a_source_without_a_common_pair_and_one_of_ties_are_said(
    handmade: Callable[..., Material],
) -> None:
    names = [f"i{n:02d}" for n in range(16)]
    rng = np.random.default_rng(0)
    votes = []
    for i in range(16):
        for j in range(i + 1, 16):
            rater, kind = ("ann", "human") if (i + j) % 3 else ("m", "model")
            choice = "left" if rng.random() < 0.5 else "right"
            sides = {"left": names[i], "right": names[j], "choice": choice}
            votes.append({**sides, "rater": rater, "kind": kind})
    flat = {name: float(n == 0) for n, name in enumerate(names)}
    material = handmade(votes=votes, scores={"flat": flat})
    tables = material.tables

    def voted(name: str, kind: str) -> VoteSource:
        return VoteSource(tables, name=name, raters=["*"], kind=kind, aggregation="majority")

    sources = Sources(
        {
            "human": voted("human", "human"),
            "m": voted("m", "model"),
            "flat": ScoreSource(tables, name="flat", column="flat"),
        },
        {"stars": "no stars"},
    )
    material.label = lambda tables, learn: sources
    result = Leaderboard(reference="human", splits=2).run(material)
    rows = by_source(result)
    assert rows["m"]["common"] == 0 and rows["m"]["note"] == "no pair in common with human"
    flat_row = rows["flat"]
    assert "every training label is a tie" in str(flat_row.get("student_note"))
    assert "stars" in result.notes[0]


def test_few_votes_of_people_with_a_judge_s_on_all(synthetic_material: Material) -> None:
    tables = synthetic_material.tables
    every = synthetic_material.need_sources()
    raters = sorted(tables.votes(kind="human").raters)[::40]
    few = VoteSource(tables, name="human", raters=raters, kind="human", aggregation="majority")
    few_sources = Sources({**every, "human": few}, {})
    material = replace(synthetic_material, label=lambda tables, learn: few_sources)
    rows = by_source(Leaderboard(reference="human", splits=0, judge="gpt4o").run(material))
    row = rows["aesthetic"]
    plain, powered = row["agreement"], row["powered"]
    assert isinstance(plain, Interval) and isinstance(powered, Interval)
    labelled, pairs = row["powered_labelled"], row["powered_pairs"]
    common = row["common"]
    assert isinstance(common, int) and isinstance(labelled, int) and isinstance(pairs, int)
    assert common <= labelled  # ties are labelled, and decide nothing
    assert 20 <= labelled < pairs / 2
    assert powered.low < plain.estimate < powered.high
    assert rows["gpt4o"].get("powered") is None and rows["human"].get("powered") is None
    with pytest.raises(ConfigError, match=r"study\.judge"):
        Leaderboard(reference="human", splits=0, judge="gpt5").run(material)


def test_references_that_are_not_there(synthetic_material: Material) -> None:
    with pytest.raises(ConfigError, match="people"):
        Leaderboard(reference="people", splits=0).run(synthetic_material)
    there = synthetic_material.references.there
    synthetic_material.__dict__["references"] = Sources(there, {"stars": "no score"})
    with pytest.raises(LabelError, match="no score"):
        Leaderboard(reference="stars", splits=0).run(synthetic_material)
    synthetic_material.__dict__["sources"] = Sources({}, {"a": "b"})
    with pytest.raises(LabelError):
        Leaderboard(reference="human", splits=0).run(synthetic_material)


def test_the_student_is_scikit_learn_s(synthetic_material: Material) -> None:
    """The same split, features and strength by a second implementation."""
    material = synthetic_material
    sources = material.sources.there
    result = Leaderboard(reference="human", splits=1).run(material)
    student = by_source(result)["true_utility"]["student"]
    assert isinstance(student, Spread)
    every = np.ones(len(material.pairs), dtype=bool)
    settings = Training(1, None, "standardize", None, material.seed)
    heads = fit_heads(
        material, {"true_utility": sources["true_utility"]}, {"human": sources["human"]},
        train_on=every, test_on=every, training=settings,
    )  # fmt: skip
    pairs, split = material.pairs, material.split(0, material.tables)
    features = material.features.values
    used = pairs[split.train].images_used()
    std = features[used].std(axis=0)
    scaled = (features - features[used].mean(axis=0)) / np.where(std > 1e-6, std, 1)
    label = sources["true_utility"].labels(pairs).preference
    truth = sources["human"].labels(pairs).preference
    rows, test = np.flatnonzero(split.train), np.flatnonzero(split.test & (truth != 0.5))
    difference = scaled[pairs.left] - scaled[pairs.right]
    strength = 1 / (heads.l2[0, 0] * len(rows))
    fit = LogisticRegression(C=strength, fit_intercept=False, tol=1e-8, max_iter=5000)
    margin = difference @ fit.fit(difference[rows], label[rows] > 0.5).coef_[0]
    assert student.mean == pytest.approx(((margin > 0) == (truth > 0.5))[test].mean(), abs=1e-9)
    assert heads.decided[0, 0] == len(test)
