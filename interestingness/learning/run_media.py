"""What loggers get when a run ends: final numbers; W&B pictures, predictions and the page too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from PIL import Image

Pictures = Mapping[str, Sequence[tuple[Image.Image, str]]]

MOST_ROWS = 10_000
"""Rows of a table that W&B's pages show."""


@rank_zero_only
def log_run_media(
    loggers: Iterable[Logger],
    *,
    metrics: Mapping[str, float],
    pictures: Callable[[], Pictures],
    predictions: Path | None = None,
    page: Path | None = None,
    simulated: str = "",
) -> None:
    """Final numbers for all loggers but CSV; pictures, predictions, page for W&B, whose run ends.

    The CSV of training curves would get a hundred columns of one number each; ``metrics.json`` has
    them all.

    Args:
        loggers: of the trainer.
        metrics: final numbers by name.
        pictures: makes them, if anybody shows any: by group ("highest", …), with captions.
        predictions: Parquet file, of which the first ``MOST_ROWS`` rows are shown.
        page: the report.
        simulated: sentence that goes with simulated data, else "".
    """
    for logger in loggers:
        if isinstance(logger, CSVLogger):
            continue
        logger.log_metrics(dict(metrics))
        logger.save()
        if isinstance(logger, WandbLogger):
            _show(logger, pictures(), predictions, page, simulated)
            # Another run in this process would go on in this one.
            logger.experiment.finish()


def _show(
    logger: WandbLogger,
    pictures: Pictures,
    predictions: Path | None,
    page: Path | None,
    simulated: str,
) -> None:
    import wandb

    for group, members in pictures.items():
        if members:
            captions = [caption for _, caption in members]
            logger.log_image(f"pictures/{group}", [p for p, _ in members], caption=captions)
    if predictions is not None:
        table = pq.read_table(predictions).slice(0, MOST_ROWS)
        rows = [list(row.values()) for row in table.to_pylist()]
        logger.log_table("predictions", columns=table.column_names, data=rows)
    run = logger.experiment
    if page is not None:
        run.log({"page": wandb.Html(page.read_text(encoding="utf-8"), inject=False)})
    if simulated:
        mark_simulated(run, simulated)


def mark_simulated(run: Any, sentence: str) -> None:
    """Say in a W&B run's name, notes and tags that its numbers are of simulated raters."""
    run.name = f"SIMULATION {run.name}"
    run.notes = sentence
    run.tags = (*(run.tags or ()), "simulation")
