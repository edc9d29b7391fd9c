"""Send a report to loggers: final numbers; to W&B tables, figures, pictures, page too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from PIL import Image

from interestingness.reports.page import render_figure, render_page
from interestingness.reports.table_files import arrow
from interestingness.reports.text import plain
from interestingness.studies.result import Gallery, ShownPair, StudyResult
from interestingness.studies.study import Picture, Settings

SIDE = 512
"""Longer side of a picture in pixels."""
MOST_ROWS = 10_000
"""Rows of a table that W&B's pages show."""
MOST = 24
"""Pictures, and pairs, of one gallery."""


@rank_zero_only
def log_report(
    loggers: Iterable[Logger],
    result: StudyResult,
    *,
    page: Path,
    picture: Picture,
    settings: Settings | None = None,
    metrics: Mapping[str, float] | None = None,
    predictions: Path | None = None,
) -> None:
    """Send final numbers to loggers, and the whole report to W&B, whose run is finished.

    A W&B logger whose ``pictures`` is false gets no picture, and a page without pictures.

    The CSV of training curves would get a hundred columns of one number each; ``metrics.json`` has
    them all.

    Args:
        loggers: Lightning's.
        result: what was found.
        page: the page that was written.
        picture: image id → picture, None where it cannot be read.
        settings: the config, where the logger has not got it yet.
        metrics: final numbers by name.
        predictions: Parquet file, of which the first ``MOST_ROWS`` rows are shown.
    """
    for logger in loggers:
        if isinstance(logger, CSVLogger):
            continue
        if metrics:
            logger.log_metrics(dict(metrics))
            logger.save()
        if isinstance(logger, WandbLogger):
            if settings:
                logger.log_hyperparams(dict(settings))
            if getattr(logger, "pictures", True):
                _show(logger, result, page.read_text(encoding="utf-8"), picture)
            else:
                _show(logger, result, render_page(result, picture=nothing, settings={}), nothing)
            if predictions is not None:
                _log_table(logger, "predictions", pq.read_table(predictions))
            logger.experiment.finish()  # another run in this process would continue this W&B run


def nothing(_: str) -> None:
    """Return no picture, for any image."""


def _show(logger: WandbLogger, result: StudyResult, page: str, picture: Picture) -> None:
    import wandb

    run = logger.experiment
    for table in result.tables:
        _log_table(logger, f"tables/{table.name}", arrow(table))
    shown: dict[str, Any] = {
        f"figures/{figure.name}": wandb.Html(render_figure(figure, picture=picture), inject=False)
        for figure in result.figures
    }
    shown["page"] = wandb.Html(page, inject=False)
    run.log(shown)
    for gallery in result.galleries:
        for kind, members in (
            ("pictures", _pictures(gallery, picture)),
            ("pairs", _pairs(gallery.pairs, picture)),
        ):
            if members:
                captions = [caption for _, caption in members]
                images = [image for image, _ in members]
                logger.log_image(f"{kind}/{_key(gallery.title)}", images, caption=captions)
    run.summary["answer"] = result.answer
    if result.simulated:  # said in the run's name, notes and tags
        run.name = f"SIMULATION {run.name}"
        run.notes = result.simulated
        run.tags = (*(run.tags or ()), "simulation")


def _log_table(logger: WandbLogger, name: str, table: pa.Table) -> None:
    table = table.slice(0, MOST_ROWS)
    rows = [list(row.values()) for row in table.to_pylist()]
    logger.log_table(name, columns=table.column_names, data=rows)


def _pictures(gallery: Gallery, picture: Picture) -> list[tuple[Image.Image, str]]:
    """Make small pictures with their captions, without those that cannot be read."""
    found = []
    for shown in gallery.images[:MOST]:
        if (image := _small(picture(shown.image_id))) is not None:
            found.append((image, plain(f"{shown.image_id}: {shown.caption}".rstrip(": "))))
    return found


def _pairs(pairs: Sequence[ShownPair], picture: Picture) -> list[tuple[Image.Image, str]]:
    """Join both pictures of a pair side by side, with caption and reasons."""
    found = []
    for pair in pairs[:MOST]:
        left, right = (_small(picture(side.image_id)) for side in (pair.left, pair.right))
        if left is None or right is None:
            continue
        both = Image.new("RGB", (left.width + right.width + 8, max(left.height, right.height)))
        both.paste(left, (0, 0))
        both.paste(right, (left.width + 8, 0))
        said = [pair.text, *(f"{who}: {plain(reason)}" for who, reason in pair.reasons)]
        found.append((both, plain(" · ".join(filter(None, said)), 1000)))
    return found


def _small(image: Image.Image | None) -> Image.Image | None:
    if image is None:
        return None
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    return small


def _key(title: str) -> str:
    """Turn a title into a key of W&B; these are paths."""
    return re.sub(r"[^\w ]+", " ", plain(title, 60)).strip().lower() or "gallery"
