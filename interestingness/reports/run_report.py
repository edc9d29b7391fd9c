"""Turn what a run measured into the result of a study with one fit, for reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from interestingness.evaluation.powered import VALID
from interestingness.evaluation.results import (
    Evaluation,
    Mistake,
    RankedImage,
    ReferenceResult,
)
from interestingness.reports.cells import format_cell
from interestingness.reports.reasons import Reason
from interestingness.reports.run_figures import INTERVALS, interval_of, row_name, run_figures
from interestingness.reports.text import plural
from interestingness.studies.result import (
    Cell,
    Column,
    Gallery,
    HeatMap,
    Shown,
    ShownPair,
    StudyResult,
    Table,
)
from interestingness.studies.table_columns import percent_text

REASONS = 3
"""Reasons of people, and of models, shown for one pair."""
COLUMNS = [
    Column("reference", "reference"),
    Column("pairs", "pairs", "count", "test pairs on which the reference prefers one side"),
    Column("images", "images", "count"),
    Column("accuracy", "accuracy", "percent", f"on these pairs. {INTERVALS}"),
    Column(
        "powered",
        "with judge",
        "percent",
        f"accuracy by votes on few pairs and the judge's on all (prediction-powered), {VALID}",
    ),
    Column(
        "within_series",
        "within series",
        "percent",
        f"accuracy on pairs of one series (column series), which hardly differ. {INTERVALS}",
    ),
    Column("spearman", "Spearman", "number", "of the model's and the reference's order"),
    Column(
        "one_person",
        "one person",
        "percent",
        "a person's votes against the majority of the others'; a model may be above",
    ),
    Column("kendall", "Kendall", "number", "the same order by tau"),
    Column("ece", "ECE", "fine", "expected calibration error of the predicted preference"),
    Column("brier", "Brier", "fine", "mean squared error of the predicted preference"),
    Column("average_precision", "AP", "number", "how well high scores find its yes; 1 is best"),
    Column("ndcg", "NDCG", "number", "how well high scores find its high scores; 1 is best"),
    Column("ties", "ties", "count", "test pairs that the reference calls equal"),
    Column("note", "note"),
]
"""Of the table of references; those of one group of images are some of them."""
ARROWS = {"left": "←", "right": "→"}


def run_report(
    evaluation: Evaluation,
    *,
    title: str,
    used: Sequence[tuple[str, str]],
    agreement: HeatMap | None = None,
    reasons: Mapping[str, Sequence[Reason]] | None = None,
    skipped: Mapping[str, str] | None = None,
    caveats: Sequence[str] = (),
    simulated: str = "",
) -> StudyResult:
    """Build the result of one training run or of one evaluated checkpoint.

    Args:
        evaluation: what was measured on the test pairs.
        title: a few words, e.g. "human on oasis".
        used: data, labels, model, weights and split, name and text.
        agreement: of the model and the references, from ``run_agreement``.
        reasons: why raters chose as they did, by pair id; texts are untrusted.
        skipped: why an image was left out, by image id.
        caveats: notes below the table: what was tested, and what intervals cover. The first one
            belongs to every number, and is said with the answer.
        simulated: the sentence of a simulation, else "".
    """
    tables = [_reference_table(evaluation, caveats), *_group_table(evaluation)]
    decisions = _yes_or_no_table(evaluation)
    return StudyResult(
        name="run",
        title=title,
        answer=" ".join([_answer(evaluation), *caveats[:1]]),
        used=used,
        tables=[*tables, *decisions, *_skipped_table(skipped or {})],
        figures=[*run_figures(evaluation), *([agreement] if agreement is not None else [])],
        galleries=[*_extremes(evaluation), *_mistakes(evaluation, reasons or {})],
        simulated=simulated,
        printed=len(tables) + len(decisions),
        headline=_headline(evaluation),
    )


def _headline(evaluation: Evaluation) -> tuple[str, str] | None:
    main = evaluation.main_result
    if main is None:
        return None
    return percent_text(main.accuracy.value), f"accuracy against {main.name}"


def _answer(evaluation: Evaluation) -> str:
    """State the main accuracy, the roles of the sources, and what could not be measured."""
    able = [r for r in evaluation.references if r.compared]
    tested = f"{plural(evaluation.pairs, 'test pair')} of {plural(evaluation.images, 'image')}"
    main = evaluation.main_result
    if main is None:
        said = [f"{tested}; no reference can be compared with."]
    else:
        accuracy = percent_text(interval_of(main.accuracy))
        beside = f"chance is {percent_text(main.chance)}"
        if main.one_person:
            beside += f", one person reaches {percent_text(main.one_person.accuracy)}"
        said = [f"Accuracy against {main.name} is {accuracy}; {beside}. {tested}."]
        said += _below_chance(main)
        said += [*_with_judge(main), *_within_series(main), *_least_and_most(evaluation)]
    learnt = [r.name for r in evaluation.references if r.learnt]
    others = [r.name for r in able if not r.learnt]
    if learnt:
        said.append(f"Learnt from {', '.join(learnt)}.")
    if others:
        said.append(f"Only references: {', '.join(others)}.")
    if lacking := evaluation.unscored_images:
        images = plural(lacking, "test image")
        said.append(f"{images} without a score; pairs with such are left out.")
    for result in evaluation.references:
        if result.reason:
            said.append(f"{result.name} is no reference here: {result.reason}.")
    return " ".join(said)


def _below_chance(main: ReferenceResult) -> list[str]:
    """Tell that a model has learnt the opposite."""
    high = main.accuracy.high
    if high is None or not high < main.chance:
        return []
    return [
        f"That is below chance: the model prefers what {main.name} rejects. What it learnt from "
        "contradicts them, or has its sides or scale reversed (label_source.higher_is_better)."
    ]


def _with_judge(main: ReferenceResult) -> list[str]:
    """State the accuracy that few human and many of the judge's labels give."""
    found = main.powered
    if found is None:
        return []
    return [
        f"With the labels of {found.judge} it is {percent_text(interval_of(found.accuracy))}: "
        f"{main.name} labels {found.labelled:,} of {plural(found.pairs, 'pair')}, "
        f"λ = {found.power:.2f}; {VALID}."
    ]


def _within_series(main: ReferenceResult) -> list[str]:
    """State the accuracy on pairs of one series."""
    found = main.within_series
    if found is None:
        return []
    return [
        f"Within series it is {percent_text(interval_of(found.accuracy))}, on "
        f"{plural(found.pairs, 'pair')} of {found.series:,} series."
    ]


def _least_and_most(evaluation: Evaluation) -> list[str]:
    """Name the groups of images of lowest and highest accuracy."""
    found = [
        (r.accuracy.value, group.group)
        for group in evaluation.groups
        for r in group.references
        if r.name == evaluation.main and r.accuracy.value is not None
    ]
    if len(found) < 2:
        return []
    (low, lowest), (high, highest) = min(found), max(found)
    return [
        f"By {evaluation.group_column} it is from {percent_text(low)} ({lowest}) to "
        f"{percent_text(high)} ({highest})."
    ]


def _reference_table(evaluation: Evaluation, caveats: Sequence[str]) -> Table:
    rows: list[dict[str, Cell]] = [
        {
            "reference": row_name(r),
            "pairs": r.pairs,
            "images": r.images,
            "accuracy": interval_of(r.accuracy),
            "powered": interval_of(r.powered.accuracy) if r.powered else None,
            "within_series": interval_of(r.within_series.accuracy) if r.within_series else None,
            "spearman": r.spearman,
            "one_person": r.one_person.accuracy if r.one_person else None,
            "kendall": r.kendall,
            "ece": r.ece,
            "brier": r.brier,
            "average_precision": r.average_precision,
            "ndcg": r.ndcg,
            "ties": r.ties or None,
            "note": "; ".join(r.notes),
        }
        if r.compared
        else {"reference": row_name(r), "note": r.reason}
        for r in evaluation.references
    ]
    return Table("references", "Against every reference", COLUMNS, rows, caveats)


def _group_table(evaluation: Evaluation) -> list[Table]:
    """Compare with the main reference, and with what was learnt, inside each group of images."""
    wanted = {r.name for r in evaluation.references if r.learnt} | {evaluation.main}
    rows: list[dict[str, Cell]] = [
        {
            "reference": row_name(r),
            "group": group.group,
            "pairs": r.pairs,
            "images": r.images,
            "accuracy": interval_of(r.accuracy),
            "spearman": r.spearman,
            "one_person": r.one_person.accuracy if r.one_person else None,
        }
        for name in (r.name for r in evaluation.references if r.name in wanted)
        for group in evaluation.groups
        for r in group.references
        if r.name == name and r.compared
    ]
    if not rows:
        return []
    reference, *numbers = COLUMNS
    columns = [reference, Column("group", str(evaluation.group_column)), *numbers]
    return [Table("groups", f"By {evaluation.group_column}", columns, rows)]


def _yes_or_no_table(evaluation: Evaluation) -> list[Table]:
    """Evaluate the sign of single images' scores; empty where scores have no zero."""
    rows: list[dict[str, Cell]] = [
        {
            "reference": row_name(r),
            "images": said.images,
            "accuracy": interval_of(said.accuracy),
            "yes": said.yes,
            "precision": said.precision,
            "recall": said.recall,
        }
        for r in evaluation.references
        if (said := r.yes_or_no) is not None
    ]
    if not rows:
        return []
    columns = [
        Column("reference", "reference"),
        Column("images", "images", "count"),
        Column("accuracy", "accuracy", "percent", INTERVALS),
        Column("yes", "yes", "percent", "share of images to which the reference says yes"),
        Column("precision", "precision", "percent", "of the model's yes"),
        Column("recall", "recall", "percent", "of the reference's yes"),
    ]
    note = "Test images to which the reference says yes or no; a score above 0 says yes."
    return [Table("yes_or_no", "Yes or no", columns, rows, [note])]


def _skipped_table(skipped: Mapping[str, str]) -> list[Table]:
    if not skipped:
        return []
    columns = [Column("image_id", "image"), Column("why", "why")]
    rows = [{"image_id": name, "why": why} for name, why in skipped.items()]
    return [Table("skipped", "Images that were left out", columns, rows)]


def _extremes(evaluation: Evaluation) -> list[Gallery]:
    """Show the highest, middle and lowest test images."""
    others = "of its group " if evaluation.apart else ""
    note = (
        f"Of {plural(evaluation.images, 'test image')}: score, and share {others}that scores lower."
    )

    def shown(image: RankedImage) -> Shown:
        score, share = format_cell(image.score, "number"), int(100 * image.percentile)
        return Shown(image.image_id, f"{score} · {share} %")

    groups = {
        "Highest": evaluation.highest,
        "Middle": evaluation.middle,
        "Lowest": evaluation.lowest,
    }
    return [Gallery(t, note, [shown(i) for i in images]) for t, images in groups.items() if images]


def _mistakes(evaluation: Evaluation, reasons: Mapping[str, Sequence[Reason]]) -> list[Gallery]:
    """Show the most confident disagreements with the main reference."""
    if not evaluation.mistakes:
        return []
    main = str(evaluation.main)

    def shown(m: Mistake) -> ShownPair:
        text = "" if m.consensus is None else f"{percent_text(m.consensus)} of votes agree"
        return ShownPair(
            Shown(m.left, format_cell(m.left_score, "number")),
            Shown(m.right, format_cell(m.right_score, "number")),
            text,
            _voices(reasons.get(m.pair_id, ())),
            (("the model", m.probability), (main, m.preference)),
        )

    note = (
        f"The most confident disagreements with {main}, which prefers the framed image; bars: "
        "probability, in %, that an image is preferred."
    )
    return [Gallery("Most wrong", note, pairs=[shown(m) for m in evaluation.mistakes])]


def _voices(reasons: Sequence[Reason]) -> tuple[tuple[str, str], ...]:
    """Choose some reasons of people, then some of models, with the side that they support."""
    chosen = [
        reason
        for kind in ("human", "model")
        for reason in [r for r in reasons if r.kind == kind][:REASONS]
    ]
    return tuple((f"{ARROWS.get(r.choice, '=')} {r.rater}", r.text) for r in chosen)
