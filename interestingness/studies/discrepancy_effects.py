"""Explain a discrepancy by measured attributes: two regressions, their table and charts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from interestingness.errors import DataError
from interestingness.number_text import percent, points
from interestingness.schema import Pairs
from interestingness.stats.effects import (
    ChoiceEffects,
    LinearEffects,
    choice_effects,
    linear_effects,
)
from interestingness.stats.paired_splits import holm
from interestingness.studies.discrepancy_clusters import Sides
from interestingness.studies.measured import Measured
from interestingness.studies.result import Cell, Column, Figure, IntervalChart, Table

Names = tuple[str, str]

NAMED = 0.05
"""Corrected p below which the answer names an attribute."""


@dataclass(frozen=True, eq=False)
class Explained:
    """How far measured attributes explain the disagreement.

    Attributes:
        measured: the attributes of every image.
        lead: regression of the source's lead in rank, by image; None where there were too few.
        choices: weight that each source gives to attributes, by pair; None if too few pairs.
    """

    measured: Measured
    lead: LinearEffects | None
    choices: ChoiceEffects | None


def explain(
    measured: Measured, sides: Sides, pairs: Pairs, *, seed: int, repeats: int, notes: list[str]
) -> Explained:
    """Fit both regressions; where one cannot be fitted, a note says why."""
    lead = choices = None
    try:
        lead = linear_effects(
            measured.values, sides.lead, seed=seed, refits=sides.lead_refits, repeats=repeats
        )
    except DataError as error:
        notes.append(f"no regression of the lead on attributes: {error.found}")
    try:
        choices = choice_effects(
            measured.values, pairs.left, pairs.right, sides.reference, sides.source
        )
    except DataError as error:
        notes.append(f"no regression of choices on attributes: {error.found}")
    return Explained(measured, lead, choices)


def attribute_table(explained: Explained, names: Names) -> Table:
    """Tabulate what measured attributes explain, by image and by pair."""
    measured, lead, choices = explained.measured, explained.lead, explained.choices
    reference, source = names
    rows: list[dict[str, Cell]] = []
    for i, (name, unit) in enumerate(zip(measured.names, measured.units, strict=True)):
        values = measured.values[:, i]
        row: dict[str, Cell] = {"attribute": name, "unit": unit}
        if np.isfinite(values).any():
            row["mean"] = float(np.nanmean(values))
        if lead is not None:
            row |= {
                "alone": lead.alone[i],
                "together": lead.together[i],
                "inflation": lead.inflation[i],
            }
        if choices is not None:
            row |= {
                "people": choices.reference[i],
                "judge": choices.source[i],
                "difference": choices.difference[i],
            }
        rows.append(row)
    columns = [
        Column("attribute", "attribute"),
        Column("unit", "unit"),
        Column("mean", "mean", "number", "over the images, in the unit"),
        Column("alone", "lead, alone", "signed", f"correlation with the lead of {source} in rank"),
        Column("together", "lead, together", "signed",
               f"standardised coefficient of a regression of the lead of {source} on all "
               "attributes"),
        Column("inflation", "inflation", "number",
               "variance inflation; from about 5 on, attributes say the same and share their "
               "effect in an arbitrary way"),
        Column("people", f"weight, {reference}", "percent",
               "how many more of 100 choices an image wins that has a standard deviation more of "
               "it than its partner"),
        Column("judge", f"weight, {source}", "percent", "the same"),
        Column("difference", "difference", "percent",
               f"weight of {source} minus weight of {reference}"),
    ]  # fmt: skip
    notes = ["An attribute that goes with a difference need not cause it."]
    if choices is not None:
        notes.insert(0, (
            f"By pair: regressions of both sources' choices on {choices.pairs:,} pairs that both "
            "label, without any model; a source that answers with more noise weighs everything "
            "less; intervals of 95 % that know which pairs share images."
        ))  # fmt: skip
    if lead is not None:
        notes.insert(0, (
            f"By image: {lead.images:,} images; all attributes together explain "
            f"{percent(lead.explained.estimate)} of the variance of the lead, part of which is the "
            "noise of training; intervals of 95 % over resampled images and repeated training."
        ))  # fmt: skip
    return Table("attributes", "Measured attributes", columns, rows, notes)


def attribute_charts(explained: Explained, names: Names) -> list[Figure]:
    """Draw the two regressions as intervals."""
    measured, lead, choices = explained.measured, explained.lead, explained.choices
    charts: list[Figure] = []
    reference, source = names
    if choices is not None:
        charts.append(
            IntervalChart(
                "weights",
                f"What {source} weighs more than {reference}",
                f"Weight of {source} minus weight of {reference}: choices out of 100 that a "
                "standard deviation more of the attribute wins.",
                list(zip(measured.names, choices.difference, strict=True)),
                {"the same": 0.0},
            )
        )
    if lead is not None:
        charts.append(
            IntervalChart(
                "lead_by_attribute",
                f"What goes with a lead of {source} in rank",
                "Standardised coefficients of one regression on all attributes.",
                list(zip(measured.names, lead.together, strict=True)),
                {"nothing": 0.0},
                "signed",
            )
        )
    return charts


def effects_answer(explained: Explained, names: Names) -> str:
    """Name attributes that the source weighs more, and the share of the lead that all explain."""
    reference, source = names
    said = ""
    if explained.choices is not None:
        p = holm(explained.choices.p)
        found = zip(explained.measured.names, explained.choices.difference, p, strict=True)
        named = [(name, 100 * one.estimate) for name, one, its in found if its < NAMED]
        more = [f"{name} ({points(p)})" for name, p in named if p > 0]
        less = [f"{name} ({points(p)})" for name, p in named if p < 0]
        said += (
            f" In choices, {source} weighs {', '.join(more) or 'no attribute'} more than "
            f"{reference}, and {', '.join(less) or 'none'} less (choices of 100 for a standard "
            f"deviation; named where p < {NAMED:g} after Holm's correction for "
            f"{int(np.isfinite(p).sum())} tests)."
        )
    if explained.lead is not None:
        share = explained.lead.explained.estimate
        said += f" All measured attributes explain {percent(share)} of the variance of the lead in"
        said += " rank."
    return said
