"""Build the heat map and table of agreement between sources, for every report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from interestingness.schema import Array, Pairs
from interestingness.stats.agreement import agreement_matrix, kappa
from interestingness.studies.panel import agreement_of
from interestingness.studies.result import Cell, Column, HeatMap, Table

CAPTION = (
    "Share of commonly decided pairs, in %, on which both choose the same side; chance is 50. "
    "Ties of either are left out."
)


def agreement_map(
    preferences: Mapping[str, Array],
    *,
    name: str = "agreement",
    title: str = "Who agrees with whom",
    caption: str = CAPTION,
    fewest: int = 1,
    first_is_row_only: bool = False,
) -> HeatMap:
    """Draw the agreement of every two sources as a heat map.

    Args:
        preferences: probability that left is preferred, by source, in [0, 1] or NaN, each of shape
            (pairs,).
        name: of the figure.
        title: its heading.
        caption: what its numbers are.
        fewest: commonly decided pairs, below which a cell stays empty.
        first_is_row_only: whether the first source is compared with the others and is not one of
            the columns (a model beside its references).
    """
    names = list(preferences)
    values = agreement_matrix(list(preferences.values()), fewest=fewest)
    start = 1 if first_is_row_only else 0
    return HeatMap(name, title, caption, names, names[start:], values[:, start:])


def agreement_table(
    preferences: Mapping[str, Array],
    pairs: Pairs,
    *,
    title: str,
    notes: Sequence[str] = (),
) -> Table:
    """Tabulate every two sources: pairs that both decide, agreement with interval, kappa.

    Args:
        preferences: probability that left is preferred, by source, in [0, 1] or NaN, each of shape
            (pairs,).
        pairs: what they are about.
        title: heading of the table.
        notes: sentences below the table.
    """
    rows: list[dict[str, Cell]] = []
    named = list(preferences.items())
    for i, (one, p) in enumerate(named):
        for other, q in named[i + 1 :]:
            found, common = agreement_of(p, q, pairs)
            rows.append(
                {
                    "one": one,
                    "other": other,
                    "pairs": common,
                    "agreement": found,
                    "kappa": kappa(p, q),
                    "note": "" if common else "no pair that both decided",
                }
            )
    return Table(
        "agreement",
        title,
        [
            Column("one", "one"),
            Column("other", "other"),
            Column("pairs", "common pairs", "count", "pairs on which both have a majority side"),
            Column("agreement", "agreement", "percent", "chance is 50: sides are arbitrary"),
            Column(
                "kappa",
                "kappa",
                "number",
                "agreement beyond chance, which is 50: twice the agreement less 1",
            ),
            Column("note", "note"),
        ],
        rows,
        notes,
    )
