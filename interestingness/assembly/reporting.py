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
from interestingness.evaluation.evaluate import MOST_GROUPS, ImageGroups, evaluate
from interestingness.evaluation.predicted import Predicted
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
from interestingness.reports.text import plural
from interestingness.runs.team import world_of
from interestingness.studies.result import Column, Kind, Table
from interestingness.studies.study import Picture
from interestingness.tables.tables import Tables, Votes

SERIES = "series"
"""Column of the image table that names the burst of an image; ``rank --keep`` writes one."""
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
            f"{split.rule}; {_counted(prepared, model)}",
        ),
        *shared,
    ]


def _counted(prepared: RunTables, model: Model) -> str:
    """Say how many pairs train and test, and what became of the others."""
    split, every = prepared.split, len(prepared.pairs)
    train, test = len(model.rows["train"]), len(model.rows["test"])
    if split.folds is not None:
        return (
            f"each of {plural(test, 'pair')} is tested, by heads trained on pairs without its "
            f"images; none straddles; the saved one is trained on {train:,}"
        )
    usable = ", ".join(f"{len(rows):,} {part}" for part, rows in model.rows.items())
    straddle = split.dropped - split.facts.get("pairs_with_trained", 0)
    left = f"; left out: {straddle:,} that straddle parts" if straddle else ""
    return f"usable: {usable} of {every:,} pairs{left}"


def announce(cfg: DictConfig, prepared: RunTables, model: Model) -> None:
    """Print what the run uses, before it trains."""
    print_used(describe(cfg, prepared, model), simulated=prepared.tables.manifest.simulated)
    for leak in leaks(cfg, prepared) if prepared.split.folds is None else []:
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
    predicted: Predicted,
    references: Mapping[str, Reference],
) -> Evaluation:
    """Compare predictions of the test pairs with every reference.

    Args:
        cfg: composed config.
        prepared: tables, labels and split.
        model: what was trained.
        predicted: of the test images and pairs, NaN elsewhere.
        references: from ``read_references``.
    """
    return evaluate(
        predicted,
        prepared.pairs,
        model.rows["test"],
        references,
        main="human" if "human" in references else prepared.source.name,
        judge=cfg.get("judge"),
        has_zero=has_zero(cfg),
        groups=_image_groups(cfg, prepared),
        series=_series(prepared),
        seed=cfg.seed,
    )


def _image_groups(cfg: DictConfig, prepared: RunTables) -> ImageGroups | None:
    """Return the groups that pairs lie within, else those of the split, if they are few."""
    within = prepared.tables.manifest.facts.get("pairs_within")
    column = within or cfg.split.get("column")
    if column is None or (not within and cfg.split._target_.endswith("by_time")):
        return None
    cells = prepared.tables.images[column].to_pylist()
    tested = prepared.pairs[prepared.split.test].images_used().tolist()
    if not within and not 1 < len({cells[row] for row in tested}) <= MOST_GROUPS:
        return None
    return ImageGroups(column, np.array(cells, dtype=object), apart=bool(within))


def _series(prepared: RunTables) -> NDArray[np.object_] | None:
    """Return the series of each image, where the image table says it; None otherwise."""
    images = prepared.tables.images
    if SERIES not in images.column_names:
        return None
    return np.array(images[SERIES].to_pylist(), dtype=object)


def _caveats(prepared: RunTables, predicted: Predicted, evaluation: Evaluation) -> tuple[str, ...]:
    """Say what the numbers of cross-fitting describe and what their intervals cover."""
    main, repeated = evaluation.main_result, predicted.repeated
    if repeated is None:
        return ()
    if main is None:
        return (
            "Cross-fitting tested no pair that a reference decides: no pairs without its images "
            "are left to train on. The saved model has learnt from all pairs, untested: add pairs "
            "of other images.",
        )
    least, most = predicted.trained
    said = [
        f"Cross-fitting: each pair is predicted by heads trained on {least:,} to {most:,} pairs "
        "without its images. The numbers describe this procedure, not the saved model, which has "
        "learnt from all pairs.",
        "Intervals cover the choice of test images, not that of training pairs.",
    ]
    if len(repeated) > 1:
        said.append(f"A prediction is the mean of {len(repeated)} repetitions.")
    return tuple(said)


def report(
    cfg: DictConfig,
    prepared: RunTables,
    model: Model,
    predicted: Predicted,
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
        predicted: of the test images and pairs, NaN elsewhere.
        references: from ``read_references``.
        evaluation: from ``compare_scores``.
        loggers: Lightning's; those that can show pictures receive them.

    Returns:
        Accuracy against the main reference.
    """
    run, manifest = Path(cfg.paths.run), prepared.tables.manifest
    write_tables(run, cfg, prepared, model, predicted, evaluation, references)
    result = run_report(
        evaluation,
        title=f"{prepared.source.name} on {manifest.name}",
        used=describe(cfg, prepared, model),
        agreement=run_agreement(predicted.margin, model.rows["test"], references),
        reasons=_reasons(prepared, evaluation, cfg.question),
        skipped=model.skips.reasons if model.skips is not None else {},
        caveats=_caveats(prepared, predicted, evaluation),
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
