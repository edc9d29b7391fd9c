"""Draw figures of a run: accuracy by reference and consensus, calibration, scores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from interestingness.evaluation.predicted import sigmoid
from interestingness.evaluation.reference import Reference
from interestingness.evaluation.results import (
    Estimate,
    Evaluation,
    Histogram,
    ReferenceResult,
)
from interestingness.reports.text import plural
from interestingness.stats.bootstrap import Interval
from interestingness.studies.agreement import CAPTION, agreement_map
from interestingness.studies.result import Bars, Curve, Curves, Figure, HeatMap, IntervalChart

FEWEST = 10
"""Pairs that both sources decide, below which a cell of the agreement map stays empty."""
LEVEL, RESAMPLES = 0.95, 1000
INTERVALS = "Intervals are of 95 % over resampled images."


def run_figures(evaluation: Evaluation) -> list[Figure]:
    """Draw accuracy by reference and by consensus, calibration and scores, where known."""
    main = evaluation.main_result
    found: list[Figure] = []
    if main is not None:
        found.append(accuracy_chart(evaluation))
    if main is not None and main.consensus:
        levels = [
            (f"{level.label} · {plural(level.pairs, 'pair')}", interval)
            for level in main.consensus
            if (interval := interval_of(level.accuracy)) is not None
        ]
        caption = f"Pairs on which more of the votes of {main.name} agree should be easier."
        lines = {"chance": main.chance}
        found.append(IntervalChart("consensus", "Accuracy by consensus", caption, levels, lines))
    if main is not None and main.reliability:
        found.append(_calibration(main))
    if evaluation.histogram.counts:
        found.append(_histogram(evaluation.histogram, evaluation.images))
    return found


def accuracy_chart(evaluation: Evaluation) -> IntervalChart:
    """Draw accuracy with its interval by reference, with chance and one rater."""
    able = [r for r in evaluation.references if r.compared]
    main = evaluation.main_result
    lines = {} if main is None else {"chance": main.chance}
    if main is not None and main.one_person:
        lines["one person"] = main.one_person.accuracy
    rows = [(row_name(r), i) for r in able if (i := interval_of(r.accuracy)) is not None]
    caption = f"Accuracy on held-out pairs. {INTERVALS}"
    return IntervalChart("accuracy", "Accuracy by reference", caption, rows, lines)


def _calibration(main: ReferenceResult) -> Curves:
    predicted, observed = (
        np.array([getattr(b, name) for b in main.reliability]) for name in ("predicted", "observed")
    )
    diagonal = np.array([0.0, 1.0])
    return Curves(
        "calibration",
        "Calibration",
        f"Predicted preference against that of {main.name}, in bins of pairs; on the diagonal a "
        "prediction means what it says.",
        "predicted",
        "observed",
        [Curve("observed", predicted, observed), Curve("ideal", diagonal, diagonal)],
        x_kind="percent",
    )


def _histogram(histogram: Histogram, images: int) -> Bars:
    labels = [f"{low:.2g}".replace("-", "−") for low in histogram.edges[:-1]]
    caption = f"Scores of {plural(images, 'test image')} in logits, by the lower end of each bin."
    return Bars("scores", "Scores", caption, labels, histogram.counts)


def run_agreement(
    margin: NDArray[np.float64],
    rows: NDArray[np.integer],
    references: Mapping[str, Reference],
) -> HeatMap | None:
    """Draw the agreement of the model with each reference, and between references.

    Args:
        margin: of all pairs in logits, NaN where there is none, shape (pairs,).
        rows: which of them are test pairs, shape (test pairs,).
        references: read for all pairs; those that decide too few test pairs are left out.

    Returns:
        None where fewer than two references can be compared: the table is enough.
    """
    sides = {
        name: reference.labels.preference[rows]
        for name, reference in references.items()
        if reference.labels is not None and reference.labels.decided[rows].sum() >= FEWEST
    }
    if len(sides) < 2:
        return None
    return agreement_map(
        {"the model": sigmoid(margin[rows]), **sides},
        caption=f"{CAPTION} Test pairs; cells with fewer than {FEWEST} are empty.",
        fewest=FEWEST,
        first_is_row_only=True,
    )


def interval_of(estimate: Estimate) -> Interval | None:
    """Make a cell of tables and charts from an estimate; None where there is none."""
    if estimate.value is None:
        return None
    low, high = (np.nan if end is None else end for end in (estimate.low, estimate.high))
    return Interval(estimate.value, low, high, LEVEL, RESAMPLES)


def row_name(result: ReferenceResult) -> str:
    """Name the reference, and whether the model has learnt from it."""
    return f"{result.name} (learnt)" if result.learnt else result.name
