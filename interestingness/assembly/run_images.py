"""The images of a run, opened again by its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

from interestingness.assembly.checks import check, plain
from interestingness.assembly.run_record import checkpoint_of
from interestingness.errors import DataError, InterestingnessError
from interestingness.learning.learner import CHECKPOINT_KEY
from interestingness.plugins import plugin_packages
from interestingness.runs.checkpoints import load_checkpoint


@dataclass(frozen=True)
class RunImages:
    """Files of the images of a run's pairs by name.

    Attributes:
        paths: of all.
        trained: names of those whose pairs trained it; all of them where it was cross-fitted.
    """

    paths: Mapping[str, Path]
    trained: Sequence[str]


def run_images(run: str) -> RunImages:
    """Open a run's data set as it was prepared, and split it as the run did.

    Args:
        run: its folder, or a checkpoint.

    Raises:
        DataError: if the scorer is no run, or its data are not there any more.
    """
    path = Path(run).expanduser()
    try:
        record = load_checkpoint(checkpoint_of(path, best=True))[CHECKPOINT_KEY]["record"]
        cfg = OmegaConf.create({"dataset": record["dataset"], "split": record["split"]})
        check(plain(cfg), trusted=plugin_packages(), recorded=True)
        tables = instantiate(cfg.dataset, progress=None)
        split = instantiate(cfg.split)(tables.pairs, tables.images)
    except (InterestingnessError, InstantiationException, OSError, KeyError) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) else error
        found = cause.found if isinstance(cause, InterestingnessError) else str(cause)
        raise DataError(
            f"the training images of {run} cannot be opened: {found}",
            expected="a run whose data set is where it was",
            todo="name a folder of images to compare with: --among FOLDER",
        ) from None
    used = tables.pairs.images_used()
    paths = {str(tables.image_ids[row]): Path(tables.image_path(int(row))) for row in used}
    trained = used if split.folds is not None else tables.pairs[split.train].images_used()
    return RunImages(paths, [str(tables.image_ids[row]) for row in trained])
