"""What favourites teach, raw and corrected for exposure, age and owner, where the truth is known.

    python benchmarks/engagement.py                                  # a minute on one core
    python benchmarks/engagement.py --repetitions 2 --images 300 --owners 30

Simulated sharing sites; a ranker learns from each reading of the same favourites and is tested on
images of owners that it has not seen. ``docs/engagement.md`` has the numbers.

tiny: --repetitions 2 --images 150 --owners 10
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from simulations.command import parser_of, tell
from simulations.images import judged, ranker
from simulations.sites import SIMULATED, Site

from interestingness.labels.engagement import EngagementSource
from interestingness.labels.scores import ScoreSource
from interestingness.labels.source import LabelSource
from interestingness.progress import ProgressLine
from interestingness.schema import Array
from interestingness.stats.bootstrap import Interval
from interestingness.stats.correlation import spearman
from interestingness.stats.repetitions import mean_interval
from interestingness.studies.result import Cell, Column, IntervalChart, StudyResult, Table
from interestingness.tables.tables import Tables

MEASURES = ("accuracy", "quality", "popularity", "labels_quality", "labels_popularity")


def _rates(age: str | None, owner: str | None) -> Callable[[Tables], LabelSource]:
    return lambda tables: EngagementSource(
        tables,
        name="engagement",
        counts="favorites",
        exposure="views",
        age=age,
        owner=owner,
        on_excess="error",
    )


WAYS: tuple[tuple[str, str, Callable[[Tables], LabelSource]], ...] = (
    ("favourites", "label_source=favorites: raw counts",
     lambda tables: ScoreSource(tables, name="favorites", column="favorites")),
    ("rate", "label_source=engagement: favourites of views", _rates(None, None)),
    ("rate, age", "… label_source.age=uploaded", _rates("uploaded", None)),
    ("rate, owner", "… label_source.owner=owner", _rates(None, "owner")),
    ("rate, age, owner", "… both", _rates("uploaded", "owner")),
)  # fmt: skip
"""Label sources that learn, by name, and how a user writes them."""
WORLDS = (("luck", 0.0), ("talent", 0.3))
"""Why owners have followers, and the share of quality's variance that is the owner's."""


@dataclass(frozen=True)
class Engagement:
    """A ranker learns from each reading of the same favourites; other owners' images test it.

    Attributes:
        repetitions: sites, 2 or more.
        images: of each site; those of half of the owners train, the others test.
        owners: of each site, 10 or more.
        degree: pairs that each training image is in.

    Raises:
        ValueError: for numbers that cannot be.
    """

    repetitions: int = 20
    images: int = 1200
    owners: int = 120
    degree: int = 10

    def __post_init__(self) -> None:
        small = self.repetitions < 2 or self.owners < 10 or self.degree < 1
        if small or self.images < 5 * self.owners:
            raise ValueError("two repetitions, ten owners, five images an owner, one pair or more")

    def run(self, seed: int) -> StudyResult:
        """Simulate all sites."""
        found = np.empty((len(WORLDS), len(WAYS), len(MEASURES), self.repetitions))
        line = ProgressLine("simulating sites")
        for repetition in range(self.repetitions):
            rng = np.random.default_rng((seed, repetition))
            for world, (_, talent) in enumerate(WORLDS):
                site = Site.draw(self.images, self.owners, rng, talent=talent)
                found[world, :, :, repetition] = self._site(site, int(rng.integers(2**31)))
            line(repetition + 1, self.repetitions)
        return self._result(found, seed)

    def _site(self, site: Site, seed: int) -> Array:
        """All measures of all ways, shape (ways, measures)."""
        training = np.random.default_rng(seed).permutation(self.owners)[: self.owners // 2]
        mine = np.isin(site.owner, training)
        train, held = np.flatnonzero(mine), np.flatnonzero(~mine)
        found = np.empty((len(WAYS), len(MEASURES)))
        with tempfile.TemporaryDirectory() as folder:
            tables = site.tables(Path(folder), train, degree=self.degree, seed=seed)
            for i, (_, _, make) in enumerate(WAYS):
                source = make(tables).fit(tables.pairs)
                labels = source.labels(tables.pairs)
                weights = ranker(site.features[train], tables.pairs, labels, seed=seed)
                score = site.features[held] @ weights
                shown = source.image_scores()
                assert shown is not None
                found[i] = (
                    judged(weights, site.features[held], site.quality[held])[0],
                    spearman(score, site.quality[held]),
                    spearman(score, site.popularity[held]),
                    spearman(shown, site.quality[train]),
                    spearman(shown, site.popularity[train]),
                )
        return found

    def _result(self, found: Array, seed: int) -> StudyResult:
        rows: list[dict[str, Cell]] = []
        for world, (why, _) in enumerate(WORLDS):
            for i, (name, written, _) in enumerate(WAYS):
                means = {m: mean_interval(found[world, i, j]) for j, m in enumerate(MEASURES)}
                rows.append({"world": why, "source": name, **means, "written": written})
        return StudyResult(
            name="engagement",
            title="Engagement read rightly: counts, rates, age and owner",
            answer=_answer(rows),
            used=[("data", "simulated sites"), ("seed", str(seed))],
            tables=[
                Table(
                    "engagement",
                    "What a ranker learns, on images of owners that it never saw",
                    [
                        Column("world", "followers by"),
                        Column("source", "source"),
                        Column("accuracy", "accuracy", "percent", "pairs of the true quality"),
                        Column("quality", "r with quality", "signed", "Spearman of its scores"),
                        Column(
                            "popularity",
                            "r with popularity",
                            "signed",
                            "Spearman of its scores with the owner's followers",
                        ),
                        Column(
                            "labels_quality",
                            "labels: quality",
                            "signed",
                            "Spearman of the labels' scores themselves, training images",
                        ),
                        Column("labels_popularity", "labels: popularity", "signed"),
                        Column("written", "written as"),
                    ],
                    rows,
                )
            ],
            figures=[
                _chart(rows, "quality", "Learnt: quality"),
                _chart(rows, "popularity", "Learnt: popularity of the owner"),
            ],
            notes=[
                f"{self.repetitions} sites of {self.images:,} images by {self.owners} owners; "
                "intervals are 95 % over sites. Half of the owners train, the others judge.",
                "Followers raise views and how readily a view becomes a favourite; an owner's "
                "style shows in the features, so that a ranker can learn who is popular. luck: "
                "followers have nothing to do with quality; talent: 30 % of quality's variance is "
                "the owner's, and the talented have more followers.",
            ],
            simulated=SIMULATED,
        )


def _chart(rows: Sequence[dict[str, Cell]], measure: str, title: str) -> IntervalChart:
    lines = [(f"{row['world']}: {row['source']}", row[measure]) for row in rows]
    return IntervalChart(
        f"learnt_{measure}",
        title,
        "Spearman of the ranker's scores, images of unseen owners; 95 % over sites.",
        lines,  # type: ignore[arg-type]
        {"nothing": 0.0},
        kind="number",
    )


def _answer(rows: Sequence[dict[str, Cell]]) -> str:
    parts = []
    for why, _ in WORLDS:
        mine = [row for row in rows if row["world"] == why]
        told = ", ".join(
            f"{row['source']} {_r(row, 'quality')} ({_r(row, 'popularity')})" for row in mine
        )
        parts.append(f"Followers by {why}: {told}.")
    return (
        "Spearman of what a ranker learns with quality, and in brackets with the owner's "
        f"popularity. {' '.join(parts)}"
    )


def _r(row: dict[str, Cell], measure: str) -> str:
    cell = row[measure]
    assert isinstance(cell, Interval)
    return f"{cell.estimate:.2f}"


def main() -> None:
    """Read the options and simulate."""
    parser = parser_of(__doc__, repetitions=20)
    parser.add_argument("--images", type=int, default=1200, help="of a site (%(default)s)")
    parser.add_argument("--owners", type=int, default=120, help="of a site (%(default)s)")
    parser.add_argument("--degree", type=int, default=10, help="pairs per image (%(default)s)")
    given = parser.parse_args()
    try:
        simulation = Engagement(given.repetitions, given.images, given.owners, given.degree)
    except ValueError as error:
        parser.error(str(error))
    tell("engagement", lambda: simulation.run(given.seed), given.out)


if __name__ == "__main__":
    main()
