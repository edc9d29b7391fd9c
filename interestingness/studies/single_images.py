"""Study yes/no answers about single images: consensus, agreement, information."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.labels.aggregation import ROUNDING, check_threshold
from interestingness.schema import Array
from interestingness.stats.bootstrap import Interval
from interestingness.stats.krippendorff import Answers
from interestingness.stats.shares import exact_share
from interestingness.studies.panel import (
    LEVEL,
    NO_INTERVAL,
    PEOPLE,
    agreement_of,
    annotate_command,
)
from interestingness.studies.result import (
    Bars,
    Cell,
    Column,
    Figure,
    StudyResult,
    Table,
)
from interestingness.studies.study import Material, Study
from interestingness.studies.table_columns import NOTE, REFUSALS, interval_charts, percent_text


@dataclass(frozen=True, eq=False)
class Answered:
    """Yes/no answers of one voter.

    Attributes:
        name: "people" or a model.
        number: usable answers to each image, shape (images,).
        yes: share of them that are yes, NaN without one, shape (images,).
        alpha: Krippendorff's, among the raters or repetitions.
        refusals: answers that are neither.
    """

    name: str
    number: NDArray[np.int64]
    yes: Array
    alpha: float
    refusals: int

    @property
    def majority(self) -> Array:
        """Return 1 for yes, 0 no, 0.5 a tie, NaN no answer, shape (images,)."""
        return 0.5 + 0.5 * np.sign(self.yes - 0.5)

    def clear(self, threshold: float) -> NDArray[np.bool_]:
        """Select the consensus set C: images with two or more answers, nearly all the same."""
        agreed = np.maximum(self.yes, 1 - self.yes) >= threshold - ROUNDING
        return (self.number > 1) & agreed


class SingleImages(Study):
    """The paper's first question: how informative is "is this image interesting?"."""

    def __init__(self, *, threshold: float) -> None:
        """Keep the settings.

        Args:
            threshold: least share of equal answers for the consensus set C of an image.

        Raises:
            ConfigError: for a threshold outside (0.5, 1].
        """
        check_threshold(threshold, where="study")
        self.threshold = threshold

    def run(self, material: Material) -> StudyResult:
        """Compute consensus, agreement and information of people and every model.

        Raises:
            DataError: if there are no answers about single images.
        """
        voters = answered(material)
        truth = _pair_votes(material)
        rows = [self._consensus_row(voter, voters[0]) for voter in voters]
        told = [_told_apart(voter, truth, material) for voter in voters]
        people = voters[0]
        return StudyResult(
            name="single_images",
            title="Single images: yes or no",
            answer=_answer(people, rows[0], told[0]),
            used=[
                ("data", f"{material.tables.manifest.name}: {len(people.number):,} images"),
                ("answers", ", ".join(f"{v.name} {int(v.number.sum()):,}" for v in voters)),
            ],
            tables=[
                _consensus_table(rows, self.threshold, people.name),
                _told_table(told, truth is not None),
            ],
            figures=_figures(voters, told),
            notes=[] if truth is not None else ["No votes on pairs to hold the answers against."],
            simulated=material.simulated,
        )

    def _consensus_row(self, voter: Answered, people: Answered) -> dict[str, Cell]:
        clear = voter.clear(self.threshold)
        several = int((voter.number > 1).sum())
        same: dict[str, Cell] = {}
        if voter is not people:
            every, pairs = _agreement(voter, people, voter.number > 0)
            among, _ = _agreement(voter, people, people.clear(self.threshold))
            same = {"agreement": every, "agreement_clear": among, "common": pairs}
            decided = people.majority[(people.majority != 0.5) & (voter.number > 0)]
            decided = decided[~np.isnan(decided)]
            same["constant"] = float(decided.mean()) if len(decided) else None
        total = int(voter.number.sum())
        answers = float(np.nansum(voter.yes * voter.number)) / total if total else None
        return {
            "judge": voter.name,
            "images": int((voter.number > 0).sum()),
            "share": float(clear.sum() / several) if several else None,
            "yes_clear": float((voter.majority[clear] == 1).mean()) if clear.any() else None,
            "yes": answers,
            "alpha": voter.alpha,
            "refusals": voter.refusals or None,
            "note": "" if several else "one answer an image: no consensus",
            **same,
        }


def answered(material: Material) -> list[Answered]:
    """Read the answers of people together, then of each model.

    Raises:
        DataError: if there is no usable answer on the question.
    """
    tables = material.tables
    table = tables.table("judgments") if tables.has("judgments") else None
    if table is not None:
        table = table.filter(pc.equal(table["question"], material.question))
    if table is None or table["answer"].null_count == table.num_rows:
        raise DataError(
            f"{tables.manifest.name}: no answers about single images on {material.question!r}",
            expected="a table of judgments: image, rater, yes or no",
            todo=f"{annotate_command(material, 'annotator=gpt4o', 'what=images')} obtains them",
        )
    human = pc.equal(table["rater_kind"], "human")
    parts = [(PEOPLE, table.filter(human))]
    models = table.filter(pc.invert(human))
    for name in pc.unique(models["rater_id"]).to_pylist():
        parts.append((name, models.filter(pc.equal(models["rater_id"], name))))
    known = [_count_answers(name, rows, tables.image_ids) for name, rows in parts if rows.num_rows]
    return [voter for voter in known if voter.number.any()]


def _count_answers(name: str, rows: pa.Table, image_ids: NDArray[np.object_]) -> Answered:
    at = pc.index_in(rows["image_id"], value_set=pa.array(image_ids.tolist(), pa.string()))
    place = pc.fill_null(at, -1).to_numpy().astype(np.int64)
    answer = rows["answer"].cast(pa.float64()).to_numpy()
    usable = ~np.isnan(answer) & (place >= 0)
    raters = np.asarray(rows["rater_id"].to_pylist(), dtype=object).astype(str)
    number = np.bincount(place[usable], minlength=len(image_ids))
    total = np.bincount(place[usable], weights=answer[usable], minlength=len(image_ids))
    # a repetition counts as another answer: it shows whether the rater is sure
    again = zip(raters, rows["sample"].to_pylist(), strict=True)
    _, who = np.unique([f"{rater} {sample}" for rater, sample in again], return_inverse=True)
    return Answered(
        name,
        number,
        np.where(number > 0, total / np.maximum(number, 1), np.nan),
        Answers.of(place[usable], who[usable], answer[usable]).alpha(sides=False),
        int((np.isnan(answer) & (place >= 0)).sum()),
    )


def _agreement(voter: Answered, people: Answered, where: NDArray[np.bool_]) -> tuple[Interval, int]:
    """Compute the share of images with the same majority, without ties and unanswered ones."""
    one, other = voter.majority, people.majority
    used = where & ~np.isnan(one) & ~np.isnan(other) & (one != 0.5) & (other != 0.5)
    if not used.any():
        return NO_INTERVAL, 0
    same = (one == other)[used]
    return exact_share(int(same.sum()), len(same), level=LEVEL), len(same)


def _pair_votes(material: Material) -> Array | None:
    """Return the majority of people's votes on pairs, (pairs,); None where there are none."""
    human = material.references.there.get("human")
    return None if human is None else material.labels(human).preference


def _told_apart(voter: Answered, truth: Array | None, material: Material) -> dict[str, Cell]:
    """Compare what single answers imply about pairs with votes on the pairs themselves."""
    pairs = material.pairs
    majority, share = voter.majority, voter.yes
    known = ~np.isnan(share[pairs.left]) & ~np.isnan(share[pairs.right])
    by_majority = majority[pairs.left] - majority[pairs.right]
    by_share = share[pairs.left] - share[pairs.right]
    p = float(np.nanmean(majority[voter.number > 0] == 1))
    row: dict[str, Cell] = {
        "judge": voter.name,
        "bits": _bits(p),
        "apart": float((by_majority[known] != 0).mean()) if known.any() else None,
        "apart_share": float((by_share[known] != 0).mean()) if known.any() else None,
    }
    if truth is not None:
        for name, margin in (("majority", by_majority), ("share", by_share)):
            own = np.where(known, 0.5 + 0.5 * np.sign(margin), np.nan)
            right, decided = agreement_of(own, truth, pairs)
            row[f"{name}_right"], row[f"{name}_pairs"] = (right if decided else None), decided
            hit = np.where(own == 0.5, 0.5, (own > 0.5) == (truth > 0.5))
            used = ~np.isnan(own) & ~np.isnan(truth) & (truth != 0.5)
            row[f"{name}_guessed"] = float(hit[used].mean()) if used.any() else None
    return row


def _bits(p: float) -> float:
    """Compute the entropy in bits of a yes with probability p: 1 at 0.5, 0 at 0 and 1."""
    terms = [-q * np.log2(q) for q in (p, 1 - p) if q > 0]
    return float(sum(terms))


def _consensus_table(rows: Sequence[dict[str, Cell]], threshold: float, people: str) -> Table:
    return Table(
        "single_images",
        "Consensus on single images",
        [
            Column("judge", "x"),
            Column(
                "share", "|C_x|", "percent",
                f"share of images with two or more answers of which at least {100 * threshold:g} % "
                "are the same",
            ),
            Column("yes_clear", "yes in C_x", "percent"),
            Column("yes", "yes", "percent", "share of all answers"),
            Column("agreement", f"as {people} on S", "percent", "share of images with the same "
                   "majority"),
            Column("agreement_clear", "on C_H", "percent", f"where {people} agree"),
            Column("constant", "always yes", "percent", f"agreement with {people} of a rater who "
                   "says yes to everything, without looking"),
            Column("alpha", "alpha", "number", "Krippendorff's: agreement of the answers "
                   "with each other, beyond what the shares of yes and no give by chance"),
            Column("images", "images", "count"),
            Column("common", "compared", "count"),
            REFUSALS,
            NOTE,
        ],
        rows,
        ["High agreement and an alpha near 0 together mean: everybody says yes to everything."],
    )  # fmt: skip


def _told_table(rows: Sequence[dict[str, Cell]], votes: bool) -> Table:
    return Table(
        "told_apart",
        "What single answers tell of pairs",
        [
            Column("judge", "x"),
            Column("bits", "bits an image", "number", "entropy of the majority answer; 1 at most"),
            Column("apart", "pairs told apart", "percent", "pairs whose images have different "
                   "majorities"),
            Column("majority_right", "right of those", "percent",
                   "share of them on which the image with the yes wins people's pair votes"),
            Column("majority_guessed", "right of all, guessing the rest", "percent"),
            Column("apart_share", "told apart by share of yes", "percent"),
            Column("share_right", "right of those", "percent"),
            Column("share_guessed", "right of all, guessing the rest", "percent"),
        ],
        rows,
        ["Held against the majority of people's votes on the same pairs; chance is 50."]
        if votes
        else [],
    )  # fmt: skip


def _figures(voters: Sequence[Answered], told: Sequence[dict[str, Cell]]) -> list[Figure]:
    people = voters[0]
    bins = np.minimum((people.yes[people.number > 0] * 5).round().astype(int), 5)
    return [
        Bars(
            "yes",
            f"Share of yes of {people.name}",
            "Images by the share of answers that are yes.",
            ["0", "20 %", "40 %", "60 %", "80 %", "100 %"],
            np.bincount(bins, minlength=6).astype(float).tolist(),
        ),
        *interval_charts(
            "told_apart",
            "Does the image with more yes win the pair?",
            "On pairs that the share of yes tells apart, against people's votes on pairs.",
            [(str(row["judge"]), row.get("share_right")) for row in told],
            {"chance": 0.5},
        ),
    ]


def _answer(people: Answered, row: dict[str, Cell], told: dict[str, Cell]) -> str:
    said = ""
    if isinstance(row["yes"], float):
        said = f"{people.name.capitalize()} say yes in {percent_text(row['yes'])} of answers."
    if isinstance(apart := told["apart"], float):
        said += f" Their majorities tell the images of {percent_text(apart)} of pairs apart."
    if isinstance(guessed := told.get("majority_guessed"), float):
        said += f" So they predict {percent_text(guessed)} of the pair votes; a coin has 50 %."
    return said
