"""``load``: a scorer from a name or a path."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interestingness.assembly.scorers import make_scorer
from interestingness.data.images import MAX_PIXELS
from interestingness.library.run_tables import read_run_table
from interestingness.library.scorer import LoadedScorer
from interestingness.library.vectors import numbers_of
from interestingness.models.backbone import PHOTOGRAPHS, SYNTHETIC, check_domain
from interestingness.models.device import device_for

LOG = logging.getLogger("interestingness")
IMAGE_SCORES = "image_scores.parquet"
"""Scores of the images of a run's pairs, in its folder."""
CHECKPOINTS = "checkpoints"


def load(
    scorer: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    head: str | os.PathLike[str] | None = None,
    reference: ArrayLike | None = None,
    device: str | None = None,
    workers: int | str = "auto",
    max_pixels: int = MAX_PIXELS,
) -> LoadedScorer:
    """Load a scorer.

    Args:
        scorer: a run folder ("runs/my_run"), a ``.ckpt`` file, a folder that ``interestingness
            export`` or ``LoadedScorer.save`` wrote, or the name of a published head.
        weights: file of the backbone's weights, where it is not where it was and there is no hub.
        head: file of a published head, if it is downloaded already.
        reference: scores of other images, for percentiles; None takes those of the run's test
            images, where ``scorer`` is a run.
        device: "cpu" or "cuda"; None takes a GPU if there is one.
        workers: threads that decode; "auto" takes one per core.
        max_pixels: larger pictures are a problem, and are not decoded.

    Raises:
        WeightsError: if there is no such scorer, or its weights are absent.
        ConfigError: for a device that is not there.

    Example:
        >>> scorer = load("runs/my_run")  # doctest: +SKIP
        >>> scorer.score(["a.jpg", "b.jpg"])[0].score  # doctest: +SKIP
        0.83
    """
    path = Path(os.fspath(scorer)).expanduser()
    named = make_scorer(
        os.fspath(scorer),
        head=None if head is None else os.fspath(head),
        weights=None if weights is None else os.fspath(weights),
    )
    backbone = named.scorer.backbone
    if backbone is not None and backbone.domain == SYNTHETIC:
        LOG.warning(
            "%s learnt from synthetic scenes: its scores of photographs mean nothing", scorer
        )
    elif backbone is not None and (unusual := check_domain(backbone, PHOTOGRAPHS)):
        LOG.warning("%s: %s", scorer, unusual)
    return LoadedScorer(
        named,
        reference=_test_scores(path) if reference is None else reference,
        device=device_for() if device is None else device,
        workers=workers,
        max_pixels=max_pixels,
    )


def _test_scores(path: Path) -> NDArray[np.float64]:
    """Read the scores of a run's test images; none where this is no run."""
    run = path
    if path.is_file():  # RUN/checkpoints/last.ckpt; a file elsewhere belongs to no run
        folder = path.resolve().parent
        if folder.name != CHECKPOINTS:
            return np.empty(0)
        run = folder.parent
    file = run / IMAGE_SCORES
    if not file.is_file():
        return np.empty(0)
    table = read_run_table(file, columns=["score", "split"])
    test = np.asarray(table["split"].to_pylist(), dtype=object) == "test"
    scores = numbers_of(table["score"].to_pylist(), f"{file}: scores", "numbers")
    return scores[test]
