"""Results of a study or a run as plain values: tables, figures, galleries. No layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from interestingness.number_text import Kind
from interestingness.stats.bootstrap import Interval


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over repetitions, e.g. fifty splits.

    Attributes:
        mean: NaN where there was no repetition.
        sd: with n − 1; NaN below two repetitions.
        repeats: repetitions that gave a number.
    """

    mean: float
    sd: float
    repeats: int

    @classmethod
    def of(cls, values: NDArray[np.float64] | Sequence[float]) -> Spread:
        """Compute mean and SD of the numbers that are not NaN."""
        known = np.asarray(values, dtype=np.float64)
        known = known[~np.isnan(known)]
        mean = float(known.mean()) if len(known) else float("nan")
        sd = float(known.std(ddof=1)) if len(known) > 1 else float("nan")
        return cls(mean, sd, len(known))


Cell = str | int | float | bool | Interval | Spread | None
"""None and NaN are shown as "–"; a row says in words why, e.g. in a column ``note``."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: key of the rows' cells, and name in CSV and Parquet.
        title: heading for people.
        kind: how its numbers are written.
        help: one sentence that defines it, shown below the table; "" if the title says it.
    """

    name: str
    title: str
    kind: Kind = "text"
    help: str = ""


@dataclass(frozen=True, eq=False)
class Table:
    """One table.

    Attributes:
        name: of its files, e.g. ``label_sources``; letters, digits and underscores.
        title: heading.
        columns: in order; a column in which no row has a cell is left out when shown.
        rows: cells by column name; what is absent is None.
        notes: sentences below it: definitions, formulas, which pairs were used.
        file: where all rows are, if not in the table's own files.
        total: how many that is, where it is more than ``rows``.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Cell]]
    notes: Sequence[str] = ()
    file: str = ""
    total: int = 0


@dataclass(frozen=True, eq=False)
class IntervalChart:
    """Estimates with intervals, one line each.

    Attributes:
        rows: label and estimate with interval or spread.
        lines: vertical lines to compare with, by label (chance, one person).
        kind: of the axis.
    """

    name: str
    title: str
    caption: str
    rows: Sequence[tuple[str, Interval | Spread]]
    lines: Mapping[str, float] = field(default_factory=dict)
    kind: Kind = "percent"


@dataclass(frozen=True, eq=False)
class HeatMap:
    """A number for each pair of a row and a column.

    Attributes:
        values: NaN where there is none, shape (rows, columns).
        middle: value with the neutral colour (0.5 for agreement, 0 for correlations).
    """

    name: str
    title: str
    caption: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: NDArray[np.float64]
    kind: Kind = "percent"
    middle: float = 0.5


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a chart, with a band where low and high are given; all of shape (points,)."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Curves:
    """Lines over a common axis, e.g. accuracy against the number of calls."""

    name: str
    title: str
    caption: str
    x_title: str
    y_title: str
    curves: Sequence[Curve]
    log_x: bool = False
    kind: Kind = "percent"
    x_kind: Kind = "count"
    lines: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Scatter:
    """Points in the plane, e.g. a map of clusters or two scores against each other.

    Attributes:
        x, y: shape (points,).
        group: name of each point's group, shown by colour; "" for none, shape (points,).
        label: text of each point (shown on hover and read aloud), shape (points,).
        images: image id of points that show their picture; few, by row.
        axes: titles of the axes; "" where the axes mean nothing (a map).
    """

    name: str
    title: str
    caption: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    group: Sequence[str]
    label: Sequence[str]
    images: Mapping[int, str] = field(default_factory=dict)
    axes: tuple[str, str] = ("", "")


@dataclass(frozen=True, eq=False)
class Bars:
    """Counts or numbers by category or bin, e.g. a histogram of scores."""

    name: str
    title: str
    caption: str
    labels: Sequence[str]
    values: Sequence[float]
    kind: Kind = "count"


Figure = IntervalChart | HeatMap | Curves | Scatter | Bars


@dataclass(frozen=True)
class Shown:
    """One picture of a gallery: image id, a short caption, and where its file is, if known."""

    image_id: str
    caption: str = ""
    link: str = ""


@dataclass(frozen=True)
class ShownPair:
    """Two pictures side by side, with a caption and reasons of raters (untrusted).

    Attributes:
        text: e.g. "people 4 of 5 left, GPT-4o right".
        reasons: rater and text.
        shares: rater and probability in [0, 1] of preferring left; drawn as bars. The
            picture that the last one prefers is framed.
    """

    left: Shown
    right: Shown
    text: str = ""
    reasons: tuple[tuple[str, str], ...] = ()
    shares: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures under a heading, e.g. one cluster, or the highest images."""

    title: str
    note: str = ""
    images: Sequence[Shown] = ()
    pairs: Sequence[ShownPair] = ()


@dataclass(frozen=True, eq=False)
class StudyResult:
    """The result of a study or a run, shown as print-out, Markdown, CSV, Parquet, page and W&B.

    A training run is a study with one fit.

    Attributes:
        name: of the study, e.g. ``label_source_table``.
        title: heading of the page.
        answer: what was found, in one to three sentences with numbers from this run.
        used: what it was computed from, name and text (data, labels, model, split …).
        tables, figures, galleries: in the order of showing.
        notes: what a reader must know before believing it.
        simulated: the sentence that goes with every number of simulated raters, else "".
        pictures_first: whether the page shows galleries before the first table: pages to look at.
        printed: how many tables the console shows, and the page before its figures, from the
            first on.
        headline: the one number of the page and what it is: ("73.4 %", "accuracy against people").
    """

    name: str
    title: str
    answer: str
    used: Sequence[tuple[str, str]]
    tables: Sequence[Table]
    figures: Sequence[Figure] = ()
    galleries: Sequence[Gallery] = ()
    notes: Sequence[str] = ()
    simulated: str = ""
    pictures_first: bool = False
    printed: int = 1
    headline: tuple[str, str] | None = None
