"""Print and write what a run found: metrics, predictions, the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig
from PIL import Image

from interestingness.assembly.checks import plain
from interestingness.assembly.model import features_of
from interestingness.assembly.outputs import write_tables
from interestingness.assembly.parts import Model, has_zero, whole_batch
from interestingness.assembly.prepare import RunTables
from interestingness.data.images import read_image
from interestingness.data.leaks import Leak, leak_report
from interestingness.errors import DataError, ImageError
from interestingness.evaluation.evaluate import evaluate
from interestingness.evaluation.predictions import flat_metrics
from interestingness.evaluation.reference import Reference
from interestingness.evaluation.results import Evaluation
from interestingness.labels.mix import MixSource
from interestingness.labels.source import LabelSource
from interestingness.labels.votes import VoteSource
from interestingness.reports.charts.standalone import write_interval_svg
from interestingness.reports.console import print_findings, print_table, print_used
from interestingness.reports.page import write_report
from interestingness.reports.reasons import Reason, reasons_of
from interestingness.reports.run_figures import accuracy_chart, run_agreement
from interestingness.reports.run_report import run_report
from interestingness.runs.team import world_of
from interestingness.studies.result import Column, Kind, Table
from interestingness.studies.study import Picture
from interestingness.tables.tables import Tables, Votes

KINDS = {"photographs": "photographs", "synthetic": "synthetic scenes"}


def describe(cfg: DictConfig, prepared: RunTables, model: Model) -> list[tuple[str, str]]:
    """Describe a run's data, labels, model, weights and split, name and text of each."""
    manifest, split, labels = prepared.tables.manifest, prepared.split, prepared.labels
    facts = ", ".join(f"{k} {_short(v)}" for k, v in labels.facts.items() if _plain(v))
    ties = int((labels.known & ~labels.decided).sum())
    head = cfg.model.head["_target_"].rpartition(".")[2]
    extra = ", ".join([f"scaling {cfg.model.scaling}", f"L2 {model.l2:.3g}", *model.notes])
    backbone, world = model.backbone, world_of()
    shared = [("processes", f"{world.ranks}, which share every batch")] if world else []
    return [
        (
            "data",
            f"{manifest.name}: {len(prepared.pairs.image_ids):,} {KINDS[manifest.domain]}, "
            f"{len(prepared.pairs):,} pairs ({prepared.tables.root})",
        ),
        (
            "labels",
            f"{prepared.source.name}: {int(labels.known.sum()):,} pairs labelled, {ties:,} of "
            "them ties" + (f" ({facts})" if facts else ""),
        ),
        (
            "model",
            f"{head} on {model.scorer.dim} features, {extra}"
            + (
                "" if backbone is None or whole_batch(cfg) else f"; {cfg.trainer.max_epochs} epochs"
            ),
        ),
        (
            "weights",
            features_of(cfg.model, model.scorer.embedding)
            if backbone is None
            else backbone.describe(),
        ),
        (
            "split",
            f"{split.rule}; usable: "
            + ", ".join(f"{len(rows):,} {part}" for part, rows in model.rows.items()),
        ),
        *shared,
    ]


def announce(cfg: DictConfig, prepared: RunTables, model: Model) -> None:
    """Print what the run uses, before it trains."""
    print_used(describe(cfg, prepared, model), simulated=prepared.tables.manifest.simulated)
    for leak in leaks(cfg, prepared):
        print(f"note: {leak.train_test} {leak.what} are in both the training and the test part")
    if isinstance(prepared.source, MixSource):
        print_table(_mix_table(prepared.source.comparison()))
    print(flush=True)


def _mix_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Build the table of what each source of a mix is worth."""
    columns = [
        Column(name, name.replace("_", " "), _KINDS.get(type(value), "fine"))
        for name, value in rows[0].items()
    ]
    return Table("mix", "each source of the mix against human votes", columns, rows)


_KINDS: Mapping[type, Kind] = {str: "text", int: "count"}


def leaks(cfg: DictConfig, prepared: RunTables) -> list[Leak]:
    """Report what training and test share, by the columns that the split keeps apart."""
    column = cfg.split.get("column")
    found = leak_report(
        prepared.split, prepared.pairs, prepared.tables.images, columns=[column] if column else []
    )
    return [leak for leak in found if leak.train_test]


def read_references(prepared: RunTables) -> dict[str, Reference]:
    """Read every reference once; the learnt source is marked, comes first and has its labels."""
    found = {}
    for name, source in prepared.references.items():
        learnt = source is prepared.source
        found[name] = Reference.of(
            source,
            prepared.pairs,
            labels=prepared.labels if learnt else None,
            train=prepared.split.train,
            votes=_human_votes(source),
            learnt=learnt,
        )
    return dict(sorted(found.items(), key=lambda item: not item[1].learnt))


def _human_votes(source: LabelSource) -> Votes | None:
    """Read single votes of people behind a source, which say what one person reaches."""
    if not isinstance(source, VoteSource):
        return None
    votes = source.tables.votes(question=source.question, raters=source.raters, kind="human")
    return votes if len(votes) else None


def compare_scores(
    cfg: DictConfig,
    prepared: RunTables,
    model: Model,
    scores: NDArray[np.float64],
    references: Mapping[str, Reference],
) -> Evaluation:
    """Compare a model's scores of the test images with every reference.

    Args:
        cfg: composed config.
        prepared: tables, labels and split.
        model: what was trained.
        scores: score per image in logits, NaN where it was not tested, shape (images,).
        references: from ``read_references``.
    """
    return evaluate(
        scores,
        prepared.pairs,
        model.rows["test"],
        references,
        main="human" if "human" in references else prepared.source.name,
        has_zero=has_zero(cfg),
        seed=cfg.seed,
    )


def report(
    cfg: DictConfig,
    prepared: RunTables,
    model: Model,
    scores: NDArray[np.float64],
    references: Mapping[str, Reference],
    evaluation: Evaluation,
    *,
    loggers: Sequence[Any] = (),
) -> float | None:
    """Write metrics, predictions and the page, log them, and print the table.

    Args:
        cfg: composed config.
        prepared: tables, labels and split.
        model: what was trained.
        scores: score per image in logits, NaN where it was not tested, shape (images,).
        references: from ``read_references``.
        evaluation: from ``compare_scores``.
        loggers: Lightning's; those that can show pictures receive them.

    Returns:
        Accuracy against the main reference.
    """
    run, manifest = Path(cfg.paths.run), prepared.tables.manifest
    write_tables(run, cfg, prepared, model, scores, evaluation, references)
    result = run_report(
        evaluation,
        title=f"{prepared.source.name} on {manifest.name}",
        used=describe(cfg, prepared, model),
        agreement=run_agreement(scores, prepared.pairs, model.rows["test"], references),
        reasons=_reasons(prepared, evaluation, cfg.question),
        skipped=model.skips.reasons if model.skips is not None else {},
        simulated=manifest.simulated,
    )
    if evaluation.main is not None:
        chart = replace(accuracy_chart(evaluation), title=result.title)
        write_interval_svg(run / "accuracy.svg", chart, simulated=manifest.simulated)
    picture = picture_of(prepared.tables)
    page = write_report(run, result, picture=picture, settings=plain(cfg), table_files=False)
    if loggers:
        from interestingness.reports.media import log_report

        log_report(
            loggers,
            result,
            page=page,
            picture=picture,
            metrics=flat_metrics(evaluation),
            predictions=run / "predictions.parquet",
        )
    print_findings(result, page=page)
    main = evaluation.main_result
    return main.accuracy.value if main is not None else None


def picture_of(tables: Tables) -> Picture:
    """Return a function from image id to picture, None where it cannot be read."""

    @cache
    def rows() -> dict[str, int]:
        return {str(name): row for row, name in enumerate(tables.image_ids)}

    def picture(image_id: str) -> Image.Image | None:
        try:
            return read_image(tables.image_path(rows()[image_id]))
        except (ImageError, DataError, OSError, KeyError):
            return None

    return picture


def _reasons(prepared: RunTables, evaluation: Evaluation, question: str) -> dict[str, list[Reason]]:
    """Collect raters' reasons on the mistaken pairs, where the tables hold any."""
    if not prepared.tables.has("votes"):
        return {}
    mistaken = [mistake.pair_id for mistake in evaluation.mistakes]
    return reasons_of(prepared.tables.vote_table, mistaken, question=question)


def _plain(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
