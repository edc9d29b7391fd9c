"""What a run measured, as the result of a study with one fit: the one that reports show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from interestingness.evaluation.comparison import sigmoid
from interestingness.evaluation.reference import Reference
from interestingness.evaluation.results import (
    Estimate,
    Evaluation,
    Histogram,
    Mistake,
    RankedImage,
    ReferenceResult,
)
from interestingness.reports.cells import written
from interestingness.reports.reasons import Reason
from interestingness.reports.text import plural
from interestingness.schema import Pairs
from interestingness.stats.bootstrap import Interval
from interestingness.studies.agreement import CAPTION, agreement_map
from interestingness.studies.result import (
    Bars,
    Cell,
    Column,
    Curve,
    Curves,
    Figure,
    Gallery,
    HeatMap,
    IntervalChart,
    Shown,
    ShownPair,
    StudyResult,
    Table,
)

FEWEST = 10
"""Pairs that both sources decide, below which a cell of the agreement map stays empty."""
REASONS = 3
"""Reasons of people, and of models, shown for one pair."""
LEVEL, RESAMPLES = 0.95, 1000
INTERVALS = "Intervals are of 95 % over resampled images."
ARROWS = {"left": "←", "right": "→"}


def run_report(
    evaluation: Evaluation,
    *,
    title: str,
    used: Sequence[tuple[str, str]],
    agreement: HeatMap | None = None,
    reasons: Mapping[str, Sequence[Reason]] | None = None,
    skipped: Mapping[str, str] | None = None,
    simulated: str = "",
) -> StudyResult:
    """The result of one training run or of one evaluated checkpoint.

    Args:
        evaluation: what was measured on the test pairs.
        title: a few words, e.g. "human on oasis".
        used: data, labels, model, weights and split, name and text.
        agreement: of the model and the references, from ``run_agreement``.
        reasons: why raters chose as they did, by pair id; texts are untrusted.
        skipped: why an image was left out, by image id.
        simulated: the sentence of a simulation, else "".
    """
    tables = [_reference_table(evaluation)]
    decisions = _yes_or_no_table(evaluation)
    return StudyResult(
        name="run",
        title=title,
        answer=_answer(evaluation),
        used=used,
        tables=[*tables, *decisions, *_skipped_table(skipped or {})],
        figures=[*_figures(evaluation), *([agreement] if agreement is not None else [])],
        galleries=[*_extremes(evaluation), *_mistakes(evaluation, reasons or {})],
        simulated=simulated,
        printed=1 + len(decisions),
        headline=_headline(evaluation),
    )


def run_agreement(
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
        references: read for all pairs; those that decide too few test pairs are left out.

    Returns:
        None where fewer than two references can be compared: the table says it all.
    """
    sides = {
        name: reference.labels.preference[rows]
        for name, reference in references.items()
        if reference.labels is not None and reference.labels.decided[rows].sum() >= FEWEST
    }
    if len(sides) < 2:
        return None
    margin = scores[pairs.left[rows]] - scores[pairs.right[rows]]
    return agreement_map(
        {"the model": sigmoid(margin), **sides},
        caption=f"{CAPTION} Test pairs; cells with fewer than {FEWEST} are empty.",
        fewest=FEWEST,
        first_is_row_only=True,
    )


def _interval(estimate: Estimate) -> Interval | None:
    if estimate.value is None:
        return None
    low, high = (np.nan if end is None else end for end in (estimate.low, estimate.high))
    return Interval(estimate.value, low, high, LEVEL, RESAMPLES)


def _name(result: ReferenceResult) -> str:
    return f"{result.name} (learnt)" if result.learnt else result.name


def _headline(evaluation: Evaluation) -> tuple[str, str] | None:
    main = evaluation.main_result
    if main is None:
        return None
    return f"{written(main.accuracy.value, 'percent')} %", f"accuracy against {main.name}"


def _answer(evaluation: Evaluation) -> str:
    """The accuracy that counts, the roles of the sources, and what could not be measured."""
    able = [r for r in evaluation.references if r.compared]
    tested = f"{plural(evaluation.pairs, 'test pair')} of {plural(evaluation.images, 'image')}"
    main = evaluation.main_result
    if main is None:
        said = [f"{tested}; no reference can be compared with."]
    else:
        accuracy = written(_interval(main.accuracy), "percent")
        beside = f"chance is {written(main.chance, 'percent')} %"
        if main.ceiling:
            beside += f", one person reaches {written(main.ceiling.accuracy, 'percent')} %"
        said = [f"Accuracy against {main.name} is {accuracy} %; {beside}. {tested}."]
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


def _reference_table(evaluation: Evaluation) -> Table:
    rows: list[dict[str, Cell]] = [
        {
            "reference": _name(r),
            "pairs": r.pairs,
            "images": r.images,
            "accuracy": _interval(r.accuracy),
            "spearman": r.spearman,
            "ceiling": r.ceiling.accuracy if r.ceiling else None,
            "kendall": r.kendall,
            "ece": r.ece,
            "brier": r.brier,
            "average_precision": r.average_precision,
            "ndcg": r.ndcg,
            "ties": r.ties or None,
            "note": "; ".join(r.notes),
        }
        if r.compared
        else {"reference": _name(r), "note": r.reason}
        for r in evaluation.references
    ]
    columns = [
        Column("reference", "reference"),
        Column("pairs", "pairs", "count", "test pairs on which the reference prefers one side"),
        Column("images", "images", "count"),
        Column("accuracy", "accuracy", "percent", f"on these pairs; {INTERVALS}"),
        Column("spearman", "Spearman", "number", "of the model's and the reference's order"),
        Column("ceiling", "ceiling", "percent", "one human rater against most of the others"),
        Column("kendall", "Kendall", "number", "the same order by tau"),
        Column("ece", "ECE", "fine", "expected calibration error of the predicted preference"),
        Column("brier", "Brier", "fine", "mean squared error of the predicted preference"),
        Column("average_precision", "AP", "number", "how well high scores find its yes; 1 is best"),
        Column("ndcg", "NDCG", "number", "how well high scores find its high scores; 1 is best"),
        Column("ties", "ties", "count", "test pairs that the reference calls equal"),
        Column("note", "note"),
    ]
    return Table("references", "Against every reference", columns, rows)


def _yes_or_no_table(evaluation: Evaluation) -> list[Table]:
    """Single images, called by the sign of their score; empty where scores have no zero."""
    rows: list[dict[str, Cell]] = [
        {
            "reference": _name(r),
            "images": said.images,
            "accuracy": _interval(said.accuracy),
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


def _figures(evaluation: Evaluation) -> list[Figure]:
    """What there is to draw."""
    main = evaluation.main_result
    found: list[Figure] = []
    if main is not None:
        found.append(accuracy_chart(evaluation))
    if main is not None and main.consensus:
        levels = [
            (f"{level.label} · {plural(level.pairs, 'pair')}", interval)
            for level in main.consensus
            if (interval := _interval(level.accuracy)) is not None
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
    """Accuracy with its interval by reference, beside chance and one rater of the main one."""
    able = [r for r in evaluation.references if r.compared]
    main = evaluation.main_result
    lines = {} if main is None else {"chance": main.chance}
    if main is not None and main.ceiling:
        lines["one person"] = main.ceiling.accuracy
    rows = [(_name(r), i) for r in able if (i := _interval(r.accuracy)) is not None]
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


def _extremes(evaluation: Evaluation) -> list[Gallery]:
    """Highest, middle and lowest test images."""
    note = f"Of {plural(evaluation.images, 'test image')}: score, and share that scores lower."

    def shown(image: RankedImage) -> Shown:
        score, share = written(image.score, "number"), int(100 * image.percentile)
        return Shown(image.image_id, f"{score} · {share} %")

    groups = {
        "Highest": evaluation.highest,
        "Middle": evaluation.middle,
        "Lowest": evaluation.lowest,
    }
    return [Gallery(t, note, [shown(i) for i in images]) for t, images in groups.items() if images]


def _mistakes(evaluation: Evaluation, reasons: Mapping[str, Sequence[Reason]]) -> list[Gallery]:
    """The most confident disagreements with the main reference."""
    if not evaluation.mistakes:
        return []
    main = str(evaluation.main)

    def shown(m: Mistake) -> ShownPair:
        text = "" if m.consensus is None else f"{written(m.consensus, 'percent')} % of votes agree"
        return ShownPair(
            Shown(m.left, written(m.left_score, "number")),
            Shown(m.right, written(m.right_score, "number")),
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
    """Some reasons of people, then some of models, with the side that they speak for."""
    chosen = [
        reason
        for kind in ("human", "model")
        for reason in [r for r in reasons if r.kind == kind][:REASONS]
    ]
    return tuple((f"{ARROWS.get(r.choice, '=')} {r.rater}", r.text) for r in chosen)
