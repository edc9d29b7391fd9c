"""The study of how many labels are enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from interestingness.data.splits import by_pair
from interestingness.errors import ConfigError, LabelError
from interestingness.labels.calibrated import CalibratedSource
from interestingness.labels.mix import MixSource
from interestingness.labels.prediction_powered import PredictionPoweredSource
from interestingness.labels.scores import ScoreSource
from interestingness.labels.votes import VoteSource
from interestingness.stats.bootstrap import Interval
from interestingness.studies.label_parts import Parts
from interestingness.studies.learning_curve import LearningCurve, Points
from interestingness.studies.result import Spread, StudyResult
from interestingness.studies.study import Material, Sources, StudyInterrupted
from interestingness.tables.tables import Tables

PRICE = 0.05
ADVICE = {"stop", "go on", "cannot tell", "no sign of learning"}


def study(repository: Path, **change: Any) -> LearningCurve:
    file = repository / "conf" / "study" / "learning_curve.yaml"
    given = yaml.safe_load(file.read_text(encoding="utf-8"))
    given |= {"splits": 3, "sizes": 4, "smallest": 10, "prices": {"human": PRICE}}
    return LearningCurve(**({k: v for k, v in given.items() if k != "_target_"} | change))


_ONCE: list[StudyResult] = []


@pytest.fixture
def result(repository: Path, synthetic_material: Material) -> StudyResult:
    """Run once in a process: a result is values that no test changes."""
    if not _ONCE:
        found = study(repository, sources=["human", "gpt4o", "true_utility"])
        _ONCE.append(found.run(synthetic_material))
    return _ONCE[0]


def test_every_source_has_a_curve_and_advice(result: StudyResult) -> None:
    advice, everything = result.tables
    assert {row["source"] for row in advice.rows} == {"human", "gpt4o", "true_utility"}
    for row in advice.rows:
        assert str(row["advice"]).split(":")[0] in ADVICE
        curve = [r for r in everything.rows if r["source"] == row["source"]]
        assert curve[-1]["pairs"] == row["pairs"]
        assert (
            float(curve[0]["votes"] if row["source"] == "true_utility" else curve[0]["pairs"]) == 10
        )  # type: ignore[arg-type]
        votes = [float(r["votes"]) for r in curve]  # type: ignore[arg-type]
        assert votes == sorted(votes)
        assert all(isinstance(r["accuracy"], Spread) and r["accuracy"].repeats == 3 for r in curve)
    assert result.simulated
    assert [figure.name for figure in result.figures] == [
        "accuracy_by_votes",
        "accuracy_by_dollars",
    ]


def test_votes_are_counted_and_what_must_be_collected_is_priced(
    result: StudyResult, synthetic_tables: Tables
) -> None:
    rows = {(r["source"], r["pairs"]): r for r in result.tables[1].rows}
    human = rows["human", 10]
    # five people on every pair
    assert human["votes"] == pytest.approx(50)
    # half of the images test, so that a quarter of the pairs train: all must be asked about
    everything = [r for r in result.tables[1].rows if r["source"] == "human"]
    whole = 5 * len(synthetic_tables.pairs)
    assert everything[-1]["collected"] == pytest.approx(whole)
    assert float(everything[-1]["votes"]) < whole / 3  # type: ignore[arg-type]
    share = 50 / float(everything[-1]["votes"])  # type: ignore[arg-type]
    assert human["collected"] == pytest.approx(whole * share)
    assert human["dollars"] == pytest.approx(whole * share * PRICE)
    # a score has images instead of votes, and no price
    score = next(r for r in result.tables[1].rows if r["source"] == "true_utility")
    # random pairs of ten images, six an image as in the data set
    assert (score["votes"], score["pairs"]) == (10, 30)
    assert np.isnan(float(score["dollars"]))  # type: ignore[arg-type]


def test_the_truth_is_learnt_better_from_more_of_it(result: StudyResult) -> None:
    curve = [r["accuracy"] for r in result.tables[1].rows if r["source"] == "true_utility"]
    assert curve[-1].mean > 0.55  # type: ignore[union-attr]


def test_pairs_made_of_scored_images_are_no_test_pairs(
    synthetic_material: Material, synthetic_tables: Tables
) -> None:
    pairs = synthetic_tables.pairs
    synthetic_material.split = lambda number, t: by_pair(
        t.pairs, t.images, train=0.5, validation=0.0, test=0.5, seed=number
    )
    source = ScoreSource(synthetic_tables, name="t", column="true_utility")
    parts = Parts(synthetic_material, source, np.ones(len(pairs), dtype=bool))
    made, labels, votes = parts.labels(0, 60)
    test = pairs[parts.split(0).test]
    assert votes == 60 and len(made) == len(labels) > 100
    assert (test.find(made.key) < 0).all()
    # a smaller part is of images that the larger has too
    small = parts.labels(0, 20)[0]
    assert set(small.images_used().tolist()) <= set(parts.order(0)[:60].tolist())


@pytest.mark.parametrize("kind", ["mix", "prediction_powered"])
def test_a_mix_counts_human_votes_and_pays_for_its_models(
    repository: Path, synthetic_material: Material, synthetic_tables: Tables, kind: str
) -> None:
    human = VoteSource(
        synthetic_tables, name="human", raters=["*"], kind="human", aggregation="share"
    )
    model = VoteSource(
        synthetic_tables, name="gpt4o", raters=["gpt-4o*"], kind="model",
        aggregation="order_corrected", price_per_call=0.001,
    )  # fmt: skip
    score = ScoreSource(synthetic_tables, name="aesthetic", column="aesthetic")
    common: dict[str, Any] = {"human": human, "human_pairs": None, "seed": 0}
    mix: CalibratedSource = MixSource(
        synthetic_tables, name="mix", sources={"gpt4o": model, "aesthetic": score}, **common
    )
    if kind == "prediction_powered":
        mix = PredictionPoweredSource(
            synthetic_tables, name=kind, model=model, power="auto", **common
        )
    synthetic_material.label = lambda _, learn: Sources(
        {"mix": mix} if learn else {"human": human}, {}
    )
    found = study(repository).run(synthetic_material)
    first, last = found.tables[1].rows[0], found.tables[1].rows[-1]
    assert first["pairs"] == 10 and first["votes"] == pytest.approx(50)
    whole = model.labels(synthetic_tables.pairs).facts["votes"]
    assert first["collected"] == pytest.approx(50 * float(last["collected"]) / float(last["votes"]))  # type: ignore[arg-type]
    assert first["dollars"] == pytest.approx(float(first["collected"]) * PRICE + 0.001 * whole)  # type: ignore[arg-type]
    assert float(last["votes"]) > 100  # type: ignore[arg-type]
    # the source itself is left as it was
    assert mix.human_pairs is None


def planted(exponent: float, noise: float, seed: int = 0) -> Points:
    rng = np.random.default_rng(seed)
    pairs = np.geomspace(20, 2000, 8).round().astype(int)
    accuracy = 0.8 - 0.9 * pairs**-exponent + noise * rng.normal(size=(20, 8))
    return Points(pairs, 5.0 * pairs, 20.0 * pairs, np.full(8, np.nan), accuracy)


@pytest.mark.parametrize(
    ("exponent", "noise", "said"),
    [
        (0.9, 0.002, "stop: 40,000 more votes would bring"),
        (0.3, 0.002, "go on: 40,000 more votes would bring"),
        (0.6, 0.06, "cannot tell: 40,000 more votes would bring"),
    ],
)
def test_advice_follows_the_planted_curve(
    repository: Path, exponent: float, noise: float, said: str
) -> None:
    asked, points = study(repository), planted(exponent, noise)
    ahead = asked._ahead(points, seed=0)
    assert ahead is not None
    assert asked._told(points, ahead).startswith(said)


def test_chance_is_no_learning(repository: Path) -> None:
    points = planted(0.3, 0.002)
    coin = np.where(np.arange(20)[:, None] % 2 == 0, 0.51, 0.49) * np.ones((20, 8))
    points = Points(points.pairs, points.votes, points.collected, points.dollars, coin)
    asked = study(repository)
    ahead = asked._ahead(points, seed=0)
    assert ahead is not None
    assert asked._told(points, ahead).startswith("no sign of learning")


def test_the_price_of_going_on_is_named(repository: Path) -> None:
    points = planted(0.3, 0.002)
    # 120 dollars of models that are paid for already
    price = 120 + 0.05 * points.collected
    points = Points(points.pairs, points.votes, points.collected, price, points.accuracy)
    asked = study(repository)
    ahead = asked._ahead(points, seed=0)
    assert ahead is not None
    assert "40,000 more votes for $2,000.00" in asked._told(points, ahead)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.0046, 0.0169, "−0.46 to +1.69 points"),
        (0.001, 0.002, "+0.10 to +0.20 points"),
        (-0.03, -0.01, "−3.00 to −1.00 points"),
    ],
)
def test_the_words_have_the_interval_of_the_table(
    repository: Path, low: float, high: float, said: str
) -> None:
    asked, points = study(repository), planted(0.3, 0.002)
    ahead = asked._ahead(points, seed=0)
    assert ahead is not None
    gain = replace(ahead.gain, low=low, high=high)
    assert said in asked._told(points, replace(ahead, gain=gain))
    cell = asked._row("x", points, replace(ahead, gain=gain))["gain"]
    assert isinstance(cell, Interval)
    assert (cell.low, cell.high) == pytest.approx((100 * low, 100 * high))


@pytest.mark.parametrize(("after", "rows"), [(5, ["human", "true_utility"]), (4, ["human"])])
def test_ctrl_c_keeps_the_sources_and_splits_that_are_done(
    repository: Path, synthetic_material: Material, monkeypatch, after: int, rows: list[str]
) -> None:
    """Three splits of each source: in the fifth, the second source has one split less than two."""
    done = iter(range(100))

    def told(*_: Any) -> None:
        if next(done) == after - 1:
            raise KeyboardInterrupt

    synthetic_material.progress = lambda _: told  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(StudyInterrupted) as stopped:
        study(repository, sources=["human", "true_utility", "gpt4o"]).run(synthetic_material)
    result = stopped.value.result
    assert [row["source"] for row in result.tables[0].rows if "accuracy" in row] == (
        sorted(rows, key=lambda name: name != "true_utility") if len(rows) > 1 else rows
    )
    assert "Interrupted" in result.notes[0] and "gpt4o" in result.notes[0]


def test_ctrl_c_before_anything_is_done_is_plain(
    repository: Path, synthetic_material: Material
) -> None:
    def told(*_: Any) -> None:
        raise KeyboardInterrupt

    synthetic_material.progress = lambda _: told  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(KeyboardInterrupt) as stopped:
        study(repository, sources=["human"]).run(synthetic_material)
    assert not isinstance(stopped.value, StudyInterrupted)


def test_sources_that_cannot_learn_are_rows_with_the_reason(
    repository: Path, synthetic_material: Material
) -> None:
    found = study(repository, smallest=500, sources=["human"]).run(synthetic_material)
    row = found.tables[0].rows[0]
    assert "too few for a curve from 500 on" in str(row["advice"])
    assert found.answer.startswith("No source has enough")


def tied(handmade: Callable[..., Material], tables: Tables) -> Material:
    """Material in which all votes are ties, on the pairs of these tables."""
    ids = tables.image_ids[np.stack([tables.pairs.left, tables.pairs.right])].T.tolist()
    return handmade(votes=[{"left": a, "right": b, "choice": "tie"} for a, b in ids])


def test_a_reference_of_ties_only_is_an_error(
    repository: Path, handmade: Callable[..., Material], synthetic_tables: Tables
) -> None:
    with pytest.raises(LabelError, match=r"'human' decides none of \d+ test pairs: all are ties"):
        study(repository, sources=["human"]).run(tied(handmade, synthetic_tables))


def test_a_source_of_ties_only_teaches_nothing_and_says_so(
    repository: Path, handmade: Callable[..., Material], synthetic_tables: Tables,
    synthetic_material: Material,
) -> None:  # fmt: skip
    ties = VoteSource(
        tied(handmade, synthetic_tables).tables, name="ties", raters=["*"], kind="human",
        aggregation="majority",
    )  # fmt: skip
    human = synthetic_material.references.there["human"]
    synthetic_material.label = lambda _, learn: Sources(
        {"ties": ties} if learn else {"human": human}, {}
    )
    row = study(repository).run(synthetic_material).tables[0].rows[0]
    assert str(row["advice"]).startswith("nothing could be learnt")


def test_unknown_names_are_said_with_those_there_are(
    repository: Path, synthetic_material: Material
) -> None:
    for change in ({"reference": "nobody"}, {"sources": ["nobody"]}):
        with pytest.raises(ConfigError, match="nobody"):
            study(repository, **change).run(synthetic_material)


@pytest.mark.parametrize(
    "change",
    [{"splits": 1}, {"sizes": 3}, {"smallest": 1}, {"worth": -1.0}, {"prices": {"human": -0.1}}],
)
def test_numbers_that_cannot_be_are_refused(repository: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="splits="):
        study(repository, **change)
