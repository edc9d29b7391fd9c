"""What W&B gets of a study when logging is on: tables, figures, pictures, the page, the answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, WandbLogger
from PIL import Image

from interestingness.learning.run_media import MOST_ROWS, mark_simulated
from interestingness.reports.study_page import render_figure
from interestingness.reports.table_files import arrow
from interestingness.reports.text import plain
from interestingness.studies.result import Gallery, ShownPair, StudyResult
from interestingness.studies.study import Picture, Settings

SIDE = 512
"""Longer side of a picture in pixels."""
MOST = 24
"""Pictures, and pairs, of one gallery."""


def log_study(
    loggers: Iterable[Logger],
    result: StudyResult,
    *,
    page: Path,
    picture: Picture,
    settings: Settings,
) -> None:
    """Send what a study found to W&B, and end its run; other loggers have nothing to show.

    Args:
        loggers: Lightning's.
        result: what was found.
        page: the page that was written.
        picture: image id → picture, None where it cannot be read.
        settings: the config.
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_hyperparams(dict(settings))
            _show(logger, result, page, picture)
            logger.experiment.finish()  # another study in this process would go on in this run


def _show(logger: WandbLogger, result: StudyResult, page: Path, picture: Picture) -> None:
    import wandb

    run = logger.experiment
    for table in result.tables:
        flat = arrow(table).slice(0, MOST_ROWS)
        rows = [list(row.values()) for row in flat.to_pylist()]
        logger.log_table(f"tables/{table.name}", columns=flat.column_names, data=rows)
    shown: dict[str, Any] = {
        f"figures/{figure.name}": wandb.Html(render_figure(figure, picture=picture), inject=False)
        for figure in result.figures
    }
    shown["page"] = wandb.Html(page.read_text(encoding="utf-8"), inject=False)
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
    if result.simulated:
        mark_simulated(run, result.simulated)


def _pictures(gallery: Gallery, picture: Picture) -> list[tuple[Image.Image, str]]:
    """Small pictures with their captions; those that cannot be read are left out."""
    found = []
    for shown in gallery.images[:MOST]:
        if (image := _small(picture(shown.image_id))) is not None:
            found.append((image, plain(f"{shown.image_id}: {shown.caption}".rstrip(": "))))
    return found


def _pairs(pairs: Sequence[ShownPair], picture: Picture) -> list[tuple[Image.Image, str]]:
    """Both pictures of a pair side by side, with what is said of them and the reasons."""
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
    """A title as a key of W&B, which are paths."""
    return re.sub(r"[^\w ]+", " ", plain(title, 60)).strip() or "gallery"
