"""What a run says and leaves behind: print-out, metrics, predictions, page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig
from PIL import Image

from interestingness.assembly.checks import plain
from interestingness.assembly.model import features_of
from interestingness.assembly.outputs import write_tables
from interestingness.assembly.parts import Model, has_zero
from interestingness.assembly.prepare import RunTables
from interestingness.data.images import read_image
from interestingness.data.leaks import Leak, leak_report
from interestingness.errors import DataError, ImageError
from interestingness.evaluation.evaluate import evaluate
from interestingness.evaluation.predictions import flat_metrics
from interestingness.evaluation.reference import Reference
from interestingness.evaluation.results import Evaluation
from interestingness.labels.mix import MixSource
from interestingness.labels.votes import VoteSource
from interestingness.reports.agreement import agreement_map
from interestingness.reports.console import describe_run, print_results, print_table
from interestingness.reports.description import RunDescription
from interestingness.reports.figures import write_accuracy_chart
from interestingness.reports.page import PageContent, write_page
from interestingness.reports.reasons import Reason, reasons_of

SHOWN_PIXELS = 512
"""Longer side of the pictures that loggers get."""

KINDS = {"photographs": "photographs", "synthetic": "synthetic scenes"}


def describe(cfg: DictConfig, prepared: RunTables, model: Model) -> RunDescription:
    """Which data, labels, model, weights and split a run uses, one line each."""
    manifest, split, labels = prepared.tables.manifest, prepared.split, prepared.labels
    facts = ", ".join(f"{k} {_short(v)}" for k, v in labels.facts.items() if _plain(v))
    head = cfg.model.head["_target_"].rpartition(".")[2]
    extra = [f"scaling {cfg.model.scaling}", f"L2 {model.l2:.3g}"]
    return RunDescription(
        data=f"{manifest.name}: {len(prepared.pairs.image_ids):,} {KINDS[manifest.domain]}, "
        f"{len(prepared.pairs):,} pairs ({prepared.tables.root})",
        labels=f"{prepared.source.name}: {int(labels.known.sum()):,} pairs labelled, "
        f"{int((labels.known & ~labels.decided).sum()):,} of them ties"
        + (f" ({facts})" if facts else ""),
        model=f"{head} on {model.scorer.dim} features, "
        + ", ".join([*extra, *model.notes])
        + ("" if model.backbone is None else f"; {cfg.trainer.max_epochs} epochs"),
        weights=(
            model.backbone.describe()
            if model.backbone is not None
            else features_of(cfg.model, model.scorer.embedding)
        ),
        split=f"{split.rule}; usable: "
        + ", ".join(f"{len(rows):,} {side}" for side, rows in model.rows.items()),
        simulated=manifest.simulated,
    )


def announce(cfg: DictConfig, prepared: RunTables, model: Model) -> None:
    """Print what the run uses, before it trains."""
    describe_run(describe(cfg, prepared, model))
    for leak in leaks(cfg, prepared):
        print(f"note: {leak.train_test} {leak.what} are on both the training and the test side")
    if isinstance(prepared.source, MixSource):
        print_table("each source of the mix against human votes", prepared.source.comparison())
    print(flush=True)


def leaks(cfg: DictConfig, prepared: RunTables) -> list[Leak]:
    """What training and test have in common, by the columns that the split keeps apart."""
    column = cfg.split.get("column")
    report = leak_report(
        prepared.split, prepared.pairs, prepared.tables.images, columns=[column] if column else []
    )
    return [leak for leak in report if leak.train_test]


def report(
    cfg: DictConfig,
    prepared: RunTables,
    model: Model,
    scores: NDArray[np.float64],
    *,
    loggers: Sequence[Any] = (),
) -> float | None:
    """Judge the scores, print the table, and write metrics, predictions and the page.

    Args:
        cfg: composed config.
        prepared: tables, labels, split and references.
        model: what was trained.
        scores: score per image in logits, NaN where it was not tested, shape (images,).
        loggers: Lightning's; those that show pictures get them.

    Returns:
        Accuracy against the main reference.
    """
    run = Path(cfg.paths.run)
    references = references_of(prepared)
    main = "human" if "human" in references else prepared.source.name
    evaluation = evaluate(
        scores,
        prepared.pairs,
        model.rows["test"],
        references,
        main=main,
        has_zero=has_zero(cfg),
        seed=cfg.seed,
    )
    write_tables(run, cfg, prepared, model, scores, evaluation, references)
    title = f"{prepared.source.name} on {prepared.tables.manifest.name}"
    simulated = prepared.tables.manifest.simulated
    if evaluation.main is not None:
        chart = run / "accuracy.svg"
        write_accuracy_chart(chart, evaluation, title=title, simulated=simulated)
    page = write_page(
        run / "page.html",
        PageContent(
            title=title,
            run=describe(cfg, prepared, model),
            evaluation=evaluation,
            thumbnail=lambda image_id: _picture(prepared, image_id),
            reasons=_reasons(prepared, evaluation, cfg.question),
            skipped=list(model.skips.reasons.items()) if model.skips is not None else [],
            settings=plain(cfg),
            agreement=agreement_map(scores, prepared.pairs, model.rows["test"], references),
        ),
    )
    if loggers:
        from interestingness.learning.run_media import log_run_media

        log_run_media(
            loggers,
            metrics=flat_metrics(evaluation),
            pictures=lambda: _extremes(prepared, evaluation),
            predictions=run / "predictions.parquet",
            page=page,
            simulated=simulated,
        )
    print_results(evaluation, simulated=simulated, page=page)
    result = evaluation.main_result
    return result.accuracy.value if result is not None else None


def _extremes(
    prepared: RunTables, evaluation: Evaluation
) -> dict[str, list[tuple[Image.Image, str]]]:
    """The highest, middle and lowest test images, small, each with its score."""
    shown: dict[str, list[tuple[Image.Image, str]]] = {}
    for group in ("highest", "middle", "lowest"):
        members = shown.setdefault(group, [])
        for image in getattr(evaluation, group):
            if (picture := _picture(prepared, image.image_id)) is not None:
                picture.thumbnail((SHOWN_PIXELS, SHOWN_PIXELS))
                members.append((picture, f"{image.image_id}: {image.score:.2f}"))
    return shown


def references_of(prepared: RunTables) -> dict[str, Reference]:
    """Every reference read once; what was learnt is marked and comes first."""
    found = {}
    for name, source in prepared.references.items():
        learnt = source is prepared.source  # fitted already
        votes = None
        if isinstance(source, VoteSource):
            question, raters = source.question, source.raters
            votes = prepared.tables.votes(question=question, raters=raters, kind="human")
        found[name] = Reference.of(
            source,
            prepared.pairs,
            train=None if learnt else prepared.split.train,
            votes=votes if votes is not None and len(votes) else None,
            learnt=learnt,
        )
    return dict(sorted(found.items(), key=lambda item: not item[1].learnt))


def _reasons(prepared: RunTables, evaluation: Evaluation, question: str) -> dict[str, list[Reason]]:
    """Raters' reasons on the mistaken pairs, where the tables hold any."""
    if not prepared.tables.has("votes"):
        return {}
    mistaken = [mistake.pair_id for mistake in evaluation.mistakes]
    return reasons_of(prepared.tables.vote_table, mistaken, question=question)


def _picture(prepared: RunTables, image_id: str) -> Image.Image | None:
    row = int(np.flatnonzero(prepared.tables.image_ids == image_id)[0])
    try:
        return read_image(prepared.tables.image_path(row))
    except (ImageError, DataError, OSError):
        return None


def _plain(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
