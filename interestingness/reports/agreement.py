"""How far the model and every reference choose the same side, as a heat map of a run's page."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from interestingness.evaluation.reference import Reference
from interestingness.schema import Pairs
from interestingness.stats.agreement import TIE, accuracy, agreement
from interestingness.studies.result import HeatMap

FEWEST = 10
"""Pairs that both sides decide, below which a cell stays empty."""
MODEL = "the model"


def agreement_map(
    scores: NDArray[np.float64],
    pairs: Pairs,
    rows: NDArray[np.integer],
    references: Mapping[str, Reference],
) -> HeatMap | None:
    """Agreement of the model with each reference, and of the references with each other.

    Args:
        scores: score per image in logits, NaN where there is none, shape (images,).
        pairs: all pairs.
        rows: which of them are test pairs, shape (test pairs,).
        references: read for all pairs; those without labels are left out.

    Returns:
        None where fewer than two references can be read: the table of accuracies says it all.
    """
    sides = {
        name: reference.labels.preference[rows]
        for name, reference in references.items()
        if reference.labels is not None
    }
    sides = {name: side for name, side in sides.items() if _decided(side).sum() >= FEWEST}
    if len(sides) < 2:
        return None
    margin = scores[pairs.left[rows]] - scores[pairs.right[rows]]
    values = np.full((len(sides) + 1, len(sides)), np.nan)
    scored = ~np.isnan(margin)
    for j, (name, side) in enumerate(sides.items()):
        if (scored & _decided(side)).sum() >= FEWEST:
            values[0, j] = accuracy(margin[scored], side[scored])
        for i, (other, its) in enumerate(sides.items()):
            if other != name and (_decided(side) & _decided(its)).sum() >= FEWEST:
                values[i + 1, j] = agreement(side, its)
    return HeatMap(
        "agreement",
        "Who agrees with whom",
        "Share of test pairs, in %, on which both choose the same side; chance is 50. Ties of "
        f"either are left out, and cells with fewer than {FEWEST} pairs are empty.",
        [MODEL, *sides],
        list(sides),
        values,
    )


def _decided(preference: NDArray[np.float64]) -> NDArray[np.bool_]:
    return ~np.isnan(preference) & (preference != TIE)
