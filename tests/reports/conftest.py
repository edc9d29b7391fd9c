"""A run's content to report on: synthetic scores, plain pictures, and hostile texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from toy_run import toy_evaluation

from interestingness.evaluation.results import Evaluation
from interestingness.reports.reasons import Reason
from interestingness.reports.run_report import run_report
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import (
    Bars,
    Column,
    Curve,
    Curves,
    Gallery,
    HeatMap,
    IntervalChart,
    Scatter,
    Shown,
    ShownPair,
    Spread,
    StudyResult,
    Table,
)

HOSTILE = (
    "<script>alert(1)</script>.jpg",
    '"onerror=alert(1) x=".png',
    "</figure></main>{{ 7 * 7 }}.jpg",
    "a" * 230 + ".jpg",
    "🙂 фото 写真.jpg",
    "line\nbreak.jpg",
)
MakeRun = Callable[..., StudyResult]


@pytest.fixture(scope="session")
def hostile_names() -> tuple[str, ...]:
    """File names that would break a careless page."""
    return HOSTILE


@pytest.fixture(scope="session")
def make_run() -> MakeRun:
    """The result of a run over synthetic scores; names of images may be given."""

    def make(
        images: int = 40,
        names: tuple[str, ...] = (),
        evaluation: Evaluation | None = None,
        **changes: Any,
    ) -> StudyResult:
        measured = toy_evaluation(images, names) if evaluation is None else evaluation
        values: dict[str, Any] = {
            "title": "human on toys",
            "used": [("data", "toys: 40 images"), ("split", "by image")],
            "reasons": {
                m.pair_id: [Reason("person 1", "left", "warm light")] for m in measured.mistakes
            },
            "skipped": {"broken.jpg": "truncated"},
        }
        return run_report(measured, **{**values, **changes})

    return make


SOURCES = (
    "human",
    "gpt4o",
    "llama-3.2-11b-vision",
    "commonly_interesting",
    "aesthetic_predictor_v2_5",
    "memorability",
    "views",
)


@pytest.fixture(scope="session")
def make_study() -> Callable[..., StudyResult]:
    """What a study could have found: numbers drawn from a seed, every kind of table and figure."""

    def make(images: int = 12, names: tuple[str, ...] = (), **changes: Any) -> StudyResult:
        rng = np.random.default_rng(5)
        ids = [*names, *(f"photo {i:03d}.jpg" for i in range(images))]
        accuracy = rng.uniform(0.45, 0.85, len(SOURCES))
        values: dict[str, Any] = {
            "name": "toy_study",
            "title": "Which labels teach a model what people find interesting?",
            "answer": "Of 7 sources `human` teaches best: 73.4 % [67.6, 78.9] on held-out pairs.",
            "used": [("data", "toys: 40 images, 120 pairs"), ("split", "half by image, 50 times")],
            "tables": [_source_table(accuracy), _note_table()],
            "figures": _figures(rng, accuracy, ids),
            "galleries": [
                Gallery("Highest", "Mean score over 50 splits.", [Shown(i, "+1.20") for i in ids]),
                Gallery(
                    "People and GPT-4o disagree most",
                    pairs=[
                        ShownPair(
                            Shown(a, "people"),
                            Shown(b, "GPT-4o"),
                            "5 of 5 people left, GPT-4o right",
                            (
                                ("5 people", "It makes me wonder what happened."),
                                ("GPT-4o", "The vivid colours and the dynamic scene draw the eye."),
                            ),
                        )
                        for a, b in zip(ids[::2], ids[1::2], strict=False)
                    ],
                ),
            ],
            "notes": ["Numbers are drawn from a seed.", "Repeat with `python evaluate.py`."],
        }
        return StudyResult(**{**values, **changes})

    return make


def _source_table(accuracy: Any) -> Table:
    note = "no votes: `interestingness annotate judge=gpt4o` would make them, for about 12.40 $"
    columns = [
        Column("source", "learnt from"),
        Column("accuracy", "accuracy", "percent", "On held-out pairs, mean ± SD over 50 splits."),
        Column("human", "agreement with human", "percent", "With 95 % interval over images."),
        Column("spearman", "r_S", "signed", "Between the rankings of two models."),
        Column("pairs", "pairs", "count"),
        Column("seconds", "per 1,000 pairs", "seconds"),
        Column("dollars", "per 1,000 pairs", "dollars"),
        Column("empty", "nowhere", "number"),
        Column("chosen", "learnt", "text"),
        Column("note", "note"),
    ]
    rows: list[dict[str, Any]] = [
        {
            "source": name,
            "accuracy": Spread(float(a), 0.034, 50),
            "human": Interval(float(a), float(a) - 0.05, float(a) + 0.05, 0.95, 1000),
            "spearman": float(a) - 0.6,
            "pairs": int(1599 * a),
            "seconds": float(100 * a),
            "dollars": 0.002 if i else float("nan"),
            "chosen": i < 3,
            "note": note if i == 1 else "",
        }
        for i, (name, a) in enumerate(zip(SOURCES, accuracy, strict=True))
    ]
    return Table("label_sources", "Label sources", columns, rows, ["Ceiling = mean of (a + b)/2."])


def _note_table() -> Table:
    columns = [Column("what", "what"), Column("value", "value", "number"), Column("why", "why")]
    return Table("odds", "Odds and ends", columns, [{"what": "b", "value": -0.51, "why": "x" * 90}])


def _figures(rng: np.random.Generator, accuracy: Any, ids: list[str]) -> list[Any]:
    calls = np.array([100, 200, 500, 1000, 2000, 5000.0])
    curves = [
        Curve(name, calls, y, y - 0.03, y + 0.03)
        for i, name in enumerate(("discard", "keep as ties", "mean logit", "order term"))
        for y in [0.55 + 0.06 * np.log10(calls / 100) + 0.02 * i]
    ]
    number = rng.integers(0, 5, 300)
    group = [f"cluster {k}: dog, beach, sunset" for k in number]
    place = rng.normal(size=(2, 300)) + 6 * rng.normal(size=(2, 5))[:, number]
    chance = {"chance": 0.5, "one human": 0.78}
    agreement = rng.uniform(0.3, 0.95, (7, 7))
    agreement[2, 3] = np.nan
    return [
        IntervalChart(
            "accuracy",
            "Accuracy by source",
            "Mean ± SD over 50 splits.",
            [(n, Spread(float(a), 0.034, 50)) for n, a in zip(SOURCES, accuracy, strict=True)],
            chance,
        ),
        HeatMap("a", "Agreement", "Source by reference, %.", SOURCES, SOURCES, agreement),
        Curves(
            "calls",
            "Accuracy against calls",
            "Bands are 95 % over 20 repetitions.",
            "calls",
            "held-out accuracy",
            curves,
            log_x=True,
            lines={"chance": 0.5},
        ),
        Bars("scores", "Scores", "All.", [f"{i / 2:g}" for i in range(-6, 7)], [*range(1, 14)]),
        Bars(
            "attributes",
            "What explains the disagreement",
            "Standardised coefficients.",
            ["colourfulness", "brightness", "visual complexity"],
            [0.31, -0.12, 0.05],
            "signed",
        ),
        Scatter(
            "map",
            "Clusters of reasons",
            "Two dimensions by PCA.",
            *place,
            group,
            [f"point {i}" for i in range(300)],
            {i: ids[i] for i in range(min(8, len(ids)))},
        ),
        Scatter(
            "two",
            "Two scores",
            "",
            rng.normal(size=50),
            rng.normal(size=50),
            [""] * 50,
            [""] * 50,
            axes=("human", "GPT-4o"),
        ),
    ]
