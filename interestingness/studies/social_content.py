"""Compare social and content interestingness: a platform's flag and counts, and people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import LabelError
from interestingness.labels.source import Labels, LabelSource
from interestingness.schema import Array
from interestingness.stats.bootstrap import Interval, bootstrap_images
from interestingness.stats.bradley_terry import bradley_terry
from interestingness.stats.correlation import middle_ranks, spearman
from interestingness.studies.panel import LEVEL, agreement_of
from interestingness.studies.result import (
    Cell,
    Column,
    Figure,
    HeatMap,
    Spread,
    StudyResult,
    Table,
)
from interestingness.studies.source_heads import SourceHeads, Training, fit_heads
from interestingness.studies.study import Material, Study
from interestingness.studies.table_columns import (
    INTERVAL_NOTE,
    has_estimate,
    interval_charts,
    percent_text,
)

REPEATS = 500
"""Resamples behind an interval of a rank correlation."""
RIDGE = 0.1


class SocialContent(Study):
    """Test LaFin's open question: does a platform call the same images interesting as people?"""

    def __init__(self, *, reference: str, social: Sequence[str], splits: int) -> None:
        """Keep the settings.

        Args:
            reference: name of the reference for content: people's votes.
            social: references from a platform: a flag, counts.
            splits: repetitions of the students; 0 trains none.
        """
        self.reference = reference
        self.social = tuple(social)
        self.splits = splits

    def run(self, material: Material) -> StudyResult:
        """Compare labels, ranks and students of each notion with those of the others.

        Raises:
            ConfigError: for a name that is not a reference.
            LabelError: if people, or every social signal, have nothing to read.
        """
        sources = self._sources(material)
        labels = {name: material.labels(source) for name, source in sources.items()}
        numbers = {name: image_numbers(sources[name], labels[name], material) for name in sources}
        students = None
        if self.splits:
            every = np.ones(len(material.pairs), dtype=bool)
            students = fit_heads(
                material, sources, sources, train_on=every, test_on=every,
                training=Training(self.splits, None, "standardize", None, material.seed),
            )  # fmt: skip
        # trained on, tested against, split
        crossed = None if students is None else students.accuracy[0]
        rows = [
            self._row(name, labels, numbers, students, material)
            for name in sources
            if name != self.reference
        ]
        tables = [_table(rows, self.reference), _correlations(numbers, material)]
        figures = _figures(rows, numbers, self.reference)
        if crossed is not None:
            tables.append(_crossed_table(crossed, list(sources)))
            figures.append(_crossed_map(crossed, list(sources)))
        absent = [name for name in self.social if name not in sources]
        return StudyResult(
            name="social_content",
            title="Social against content interestingness",
            answer=_answer(rows, self.reference, students is not None),
            used=_used(material, self.reference, rows, students),
            tables=tables,
            figures=figures,
            notes=_notes(absent, numbers),
            simulated=material.simulated,
        )

    def _sources(self, material: Material) -> dict[str, LabelSource]:
        references = material.references
        names = [self.reference, *self.social]
        for name in names:
            if name not in references.absent:
                references.named(name, "study.social")
        found = {name: references.there[name] for name in names if name in references.there}
        if self.reference not in found or len(found) < 2:
            lacking = self.reference if self.reference not in found else ", ".join(self.social)
            raise LabelError(
                f"nothing to read for {lacking}",
                expected="people's labels, and at least one signal of a platform",
                todo="study.reference=… study.social=[…] with names of references that are there: "
                f"{', '.join(references.there)}",
            )
        return found

    def _row(
        self,
        name: str,
        labels: Mapping[str, Labels],
        numbers: Mapping[str, ContentNumbers],
        students: SourceHeads | None,
        material: Material,
    ) -> dict[str, Cell]:
        own, people = labels[name], labels[self.reference]
        found, pairs = agreement_of(own.preference, people.preference, material.pairs)
        known = own.known
        row: dict[str, Cell] = {
            "signal": name,
            "agreement": found if pairs else None,
            "pairs": pairs,
            "ties": float((own.preference[known] == 0.5).mean()) if known.any() else None,
            "spearman": rank_correlation(numbers[name], numbers[self.reference], material.seed),
            "note": "" if pairs else f"no pair in common with {self.reference}",
        }
        if students is not None:
            at, content = (students.sources.index(n) for n in (name, self.reference))
            row |= {
                "of_people": Spread.of(students.accuracy[0, at, content]),
                "of_social": Spread.of(students.accuracy[0, content, at]),
                "own": Spread.of(students.accuracy[0, at, at]),
                "models": Spread.of(students.rank_correlation[0, at, content]),
                "note": row["note"] or students.why(0, at),
            }
        return row


@dataclass(frozen=True, eq=False)
class ContentNumbers:
    """One number per image.

    Attributes:
        value: NaN where nothing is known, shape (images,).
        group: images of different groups cannot be compared; −1 where unknown, shape (images,).
    """

    value: Array
    group: NDArray[np.int64]

    @property
    def groups(self) -> int:
        """Count the groups."""
        return int(self.group.max(initial=-1)) + 1


def image_numbers(source: LabelSource, labels: Labels, material: Material) -> ContentNumbers:
    """Return the source's number for each image, else Bradley–Terry utilities of its labels."""
    own = source.image_scores()
    if own is not None:
        return ContentNumbers(own, np.where(np.isnan(own), -1, 0))
    pairs, known = material.pairs, labels.known
    fit = bradley_terry(
        pairs.left[known], pairs.right[known], labels.preference[known],
        images=len(pairs.image_ids), ridge=RIDGE, standard_errors=False,
    )  # fmt: skip
    return ContentNumbers(fit.utility, fit.component)


def rank_correlation(x: ContentNumbers, y: ContentNumbers, seed: int) -> Interval:
    """Compute Spearman's correlation over images that both know, with its interval.

    Where images fall into groups that cannot be compared, ranks are taken within each group.
    """
    one, other = comparable(x, y)
    return bootstrap_images(
        lambda w: spearman(one, other, weight=w),
        len(one),
        seed=seed,
        repeats=REPEATS,
        level=LEVEL,
    )


def comparable(x: ContentNumbers, y: ContentNumbers) -> tuple[Array, Array]:
    """Return numbers of images that both know; with several groups, ranks in them, in (0, 1)."""
    known = (x.group >= 0) & (y.group >= 0)
    one, other = x.value[known], y.value[known]
    group = x.group[known] * max(y.groups, 1) + y.group[known]
    if len(np.unique(group)) < 2:
        return one, other
    for g in np.unique(group):
        rows = group == g
        weight = np.ones(int(rows.sum()))
        one[rows] = middle_ranks(one[rows], weight) / len(weight)
        other[rows] = middle_ranks(other[rows], weight) / len(weight)
    return one, other


def _table(rows: list[dict[str, Cell]], reference: str) -> Table:
    return Table(
        "social_content",
        f"Signals of a platform against {reference}",
        [
            Column("signal", "signal"),
            Column("agreement", f"as {reference}", "percent", "share of commonly decided pairs "
                   "with the same side; chance is 50"),
            Column("spearman", "rank correlation", "signed", f"Spearman's with {reference} over "
                   "images; of votes, Bradley–Terry utilities are ranked"),
            Column("of_people", f"learnt from it, against {reference}", "percent",
                   "accuracy of its student on held-out pairs, mean ± SD over splits"),
            Column("of_social", f"learnt from {reference}, against it", "percent"),
            Column("own", "learnt from and against it", "percent"),
            Column("models", "rank correlation of the students", "signed", "over test images"),
            Column("ties", "ties", "percent", "share of the pairs that the signal covers"),
            Column("pairs", "common pairs", "count"),
            Column("note", "note"),
        ],
        rows,
        [INTERVAL_NOTE],
    )  # fmt: skip


def _correlations(numbers: Mapping[str, ContentNumbers], material: Material) -> Table:
    names = list(numbers)
    rows: list[dict[str, Cell]] = []
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            x, y = numbers[one], numbers[other]
            rows.append(
                {
                    "one": one,
                    "other": other,
                    "images": len(comparable(x, y)[0]),
                    "spearman": rank_correlation(x, y, material.seed),
                }
            )
    return Table(
        "rank_correlations",
        "Rank correlations of all signals",
        [
            Column("one", "one"),
            Column("other", "other"),
            Column("images", "images", "count", "with a number from both"),
            Column("spearman", "Spearman", "signed"),
        ],
        rows,
        [INTERVAL_NOTE],
    )


def _crossed_table(crossed: Array, names: Sequence[str]) -> Table:
    return Table(
        "crossed",
        "What a model that learnt from one says of the other",
        [
            Column("learnt", "learnt from"),
            *(Column(name, f"against {name}", "percent") for name in names),
        ],
        [
            {"learnt": name, **{j: Spread.of(crossed[at, k]) for k, j in enumerate(names)}}
            for at, name in enumerate(names)
        ],
        ["Accuracy on held-out pairs, mean ± SD over splits; ties of the reference are left out."],
    )


def _crossed_map(crossed: Array, names: Sequence[str]) -> HeatMap:
    values = np.array(
        [[Spread.of(crossed[i, j]).mean for j in range(len(names))] for i in range(len(names))]
    )
    caption = "Rows learn, columns are references: accuracy on held-out pairs."
    return HeatMap("crossed", "Learnt from one, against another", caption, names, names, values)


def _figures(
    rows: list[dict[str, Cell]], numbers: Mapping[str, ContentNumbers], reference: str
) -> list[Figure]:
    names = list(numbers)
    values = np.full((len(names), len(names)), np.nan)
    for i, one in enumerate(names):
        for j, other in enumerate(names):
            if i != j:
                values[i, j] = spearman(*comparable(numbers[one], numbers[other]))
    found: list[Figure] = interval_charts(
        "agreement",
        f"Pairs on which a signal chooses the side of {reference}",
        "With 95 % intervals over images.",
        [(str(row["signal"]), row["agreement"]) for row in rows],
        {"chance": 0.5},
    )
    caption = "Spearman's rank correlation over images."
    found.append(
        HeatMap("ranks", "Rank correlations", caption, names, names, values, "signed", 0.0)
    )
    return found


def _used(
    material: Material, reference: str, rows: list[dict[str, Cell]], students: SourceHeads | None
) -> list[tuple[str, str]]:
    found = [
        material.data_used,
        ("reference", reference),
        ("social", ", ".join(str(row["signal"]) for row in rows)),
    ]
    if students is not None:
        found += [
            ("splits", f"{len(students.test_pairs)}, {students.rule}"),
            ("features", material.features.note),
        ]
    return found


def _notes(absent: Sequence[str], numbers: Mapping[str, ContentNumbers]) -> list[str]:
    found = [f"Nothing to read for: {', '.join(absent)}."] if absent else []
    return found + [
        f"The labels of {name} leave {n.groups} groups of images apart: its rank correlations are "
        "of ranks within these groups."
        for name, n in numbers.items()
        if n.groups > 1
    ]


def _answer(rows: list[dict[str, Cell]], reference: str, taught: bool) -> str:
    known = sorted(
        (row for row in rows if has_estimate(row["agreement"])),
        key=lambda row: -row["agreement"].estimate,  # type: ignore[union-attr]
    )
    if not known:
        return f"No signal has a pair in common with {reference}."
    ends = known[:1] if len(known) == 1 else [known[0], known[-1]]
    shares = [
        f"{row['signal']} in {percent_text(row['agreement'])} of {row['pairs']:,} pairs"  # type: ignore[arg-type]
        for row in ends
    ]
    said = f"On the side of {reference}: {', '.join(shares)}."
    spread = known[0].get("of_people")
    if taught and has_estimate(spread):
        said += (
            f" A model that learnt from {known[0]['signal']} predicts {percent_text(spread)} of "  # type: ignore[arg-type]
            f"held-out pairs as {reference}."
        )
    return said
