"""Rank images by votes: Bradley–Terry utilities with intervals, within connected groups."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from interestingness.number_text import percent
from interestingness.stats.bootstrap import Interval
from interestingness.stats.bradley_terry import BradleyTerry, bradley_terry
from interestingness.stats.ranking_reliability import LEAST, ranking_reliability
from interestingness.studies.panel import LEVEL, Ballots
from interestingness.studies.result import (
    Cell,
    Column,
    Figure,
    Gallery,
    IntervalChart,
    Shown,
    Table,
)

RIDGE = 0.1
REACH = 1.96
GOOD = 0.9
"""Reliability from which more votes pay little."""


def fitted(ballots: Ballots) -> BradleyTerry:
    """Fit utilities to all usable votes, each counting once."""
    voted = ballots.number > 0
    return bradley_terry(
        ballots.pairs.left[voted], ballots.pairs.right[voted], ballots.share[voted],
        images=len(ballots.pairs.image_ids), weight=ballots.number[voted].astype(float),
        ridge=RIDGE,
    )  # fmt: skip


def ranking_table(ballots: Ballots) -> Table:
    """Tabulate every image that was compared: utility with interval, rank and group."""
    fit = fitted(ballots)
    compared, won = _counts(ballots)
    sizes = np.bincount(fit.component[fit.component >= 0], minlength=max(fit.components, 1))
    by_size = np.argsort(-sizes, kind="stable")
    place = np.empty(len(sizes), dtype=np.int64)
    place[by_size] = np.arange(len(sizes))
    rows: list[dict[str, Cell]] = []
    for group in by_size.tolist():
        members = np.flatnonzero(fit.component == group)
        order = members[np.argsort(-fit.utility[members], kind="stable")]
        for rank, image in enumerate(order.tolist(), start=1):
            rows.append(
                {
                    "image": str(ballots.pairs.image_ids[image]),
                    "group": int(place[group]) + 1 if fit.components > 1 else None,
                    "rank": rank,
                    "utility": _interval(fit, image, int(sizes[group])),
                    "votes": int(compared[image]),
                    "won": float(won[image] / compared[image]),
                }
            )
    return Table(
        "ranking",
        f"Images ranked by the votes of {ballots.name}",
        [
            Column("group", "group", "count", "images that no chain of votes connects cannot be "
                   "compared: ranks hold within a group"),
            Column("rank", "rank", "count"),
            Column("image", "image"),
            Column("utility", "utility", "signed", "Bradley–Terry, in logits, mean 0 in its group"),
            Column("votes", "votes", "count"),
            Column("won", "won", "percent", "share of its votes, a tie half"),
        ],
        rows,
        [_connection(sizes), _method(), _reliability(fit, ballots, int(by_size[0]))],
    )  # fmt: skip


def _method() -> str:
    return (
        f"Logistic utilities with a Gaussian prior of variance {1 / RIDGE:g}, which keeps images "
        "that won or lost every vote finite; intervals are those of the posterior, for the "
        "difference to the mean of the group, and take votes as independent."
    )


def _reliability(fit: BradleyTerry, ballots: Ballots, group: int) -> str:
    """Say how reliable the order of a group is, and how many votes more would pay."""
    members = np.flatnonzero(fit.component == group)
    level = 1 / (RIDGE * max(len(members), 1))
    error = np.sqrt(np.maximum(fit.standard_error[members] ** 2 - level, 0.0))
    inside = (ballots.number > 0) & (fit.component[ballots.pairs.left] == group)
    votes = float(ballots.number[inside].sum())
    found = ranking_reliability(fit.utility[members], error, votes=votes)
    if found is None:
        each = votes * 2 / max(len(members), 1)
        return (
            f"{votes:,.0f} votes on {len(members):,} images are too few to tell how reliable the "
            f"order is: {LEAST:g} votes an image are needed, {each:.1f} are there."
        )
    more = max(found.needed(GOOD) - votes, 0.0)
    if found.reliability <= 0:
        advice = "nothing but chance shows so far"
    elif more == 0:
        advice = f"more votes pay little: {GOOD:g} is reached"
    else:
        advice = f"about {more:,.0f} votes more, on the same images, would make it {GOOD:g}"
    return (
        f"Reliability of the order: {found.reliability:.2f} (share of the utilities' variance that "
        f"is not error); {advice}."
    )


def _connection(sizes: np.ndarray) -> str:
    if len(sizes) == 1:
        return f"The votes connect all {int(sizes[0]):,} images."
    largest = ", ".join(f"{int(n):,}" for n in np.sort(sizes)[::-1][:3])
    more = ", …" if len(sizes) > 3 else ""
    return (
        f"The votes leave {len(sizes):,} groups of images apart ({largest}{more} images): no vote "
        "connects them, so ranks and utilities compare within a group only."
    )


def _interval(fit: BradleyTerry, image: int, size: int) -> Interval:
    """Compute the interval of the difference from the mean of the image's group.

    The posterior variance includes that of the group's common level, which only the prior fixes:
    1 / (ridge · size), exactly, since the level is an eigenvector of the Hessian.
    """
    variance = float(fit.standard_error[image]) ** 2 - 1 / (RIDGE * size)
    utility, reach = float(fit.utility[image]), REACH * max(variance, 0.0) ** 0.5
    return Interval(utility, utility - reach, utility + reach, LEVEL, 0)


def _counts(ballots: Ballots) -> tuple[np.ndarray, np.ndarray]:
    """Count votes on each image, and those that it won."""
    voted = ballots.number > 0
    left, right = ballots.pairs.left[voted], ballots.pairs.right[voted]
    number, share = ballots.number[voted], ballots.share[voted]
    images = len(ballots.pairs.image_ids)
    compared = np.bincount(left, number, images) + np.bincount(right, number, images)
    won = np.bincount(left, number * share, images) + np.bincount(
        right, number * (1 - share), images
    )
    return compared, won


def _largest(table: Table) -> tuple[list[Mapping[str, Cell]], str]:
    """Select the rows of the largest group, and say in words that it is one of several."""
    rows = [row for row in table.rows if row["group"] in (None, 1)]
    if len(rows) == len(table.rows):
        return rows, ""
    groups = len({row["group"] for row in table.rows})
    return rows, f"Group 1 only, {len(rows):,} of {len(table.rows):,} images in {groups:,} groups."


def ranking_gallery(table: Table, ends: int = 6) -> list[Gallery]:
    """Show the pictures at both ends of the largest group's ranking."""
    rows, note = _largest(table)
    if len(rows) < 2 * ends:
        return []
    found = []
    for title, part in (("Highest by the votes", rows[:ends]), ("Lowest", rows[-ends:])):
        shown = [Shown(str(row["image"]), f"{row['votes']} votes, {_won(row)} won") for row in part]
        found.append(Gallery(title, note, images=shown))
    return found


def _won(row: Mapping[str, Cell]) -> str:
    return percent(float(row["won"]), digits=0)  # type: ignore[arg-type]


def ranking_chart(table: Table, ends: int = 12) -> list[Figure]:
    """Draw the highest and the lowest images of the largest group, with their intervals."""
    rows, note = _largest(table)
    chosen = rows if len(rows) <= 2 * ends else [*rows[:ends], *rows[-ends:]]
    which = "" if len(chosen) == len(rows) else f" The {ends} highest and the {ends} lowest."
    return [
        IntervalChart(
            "ranking",
            "Ranking",
            f"Bradley–Terry utilities in logits with 95 % intervals.{which} {note}".rstrip(),
            [(str(row["image"]), row["utility"]) for row in chosen],  # type: ignore[misc]
            {"mean": 0.0},
            "signed",
        )
    ]
