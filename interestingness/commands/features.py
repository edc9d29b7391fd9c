"""``interestingness features``: images of a data set into the feature cache, whole or in parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from interestingness.assembly.checks import check, plain
from interestingness.assembly.parts import make_backbone
from interestingness.data.feature_cache import FeatureCache
from interestingness.data.images import Skips
from interestingness.data.part import Part
from interestingness.disk import writable_cache
from interestingness.errors import ConfigError
from interestingness.plugins import plugin_packages
from interestingness.progress import ProgressLine
from interestingness.runs.processes import processes_here
from interestingness.tables.tables import Tables


def extract(cfg: DictConfig) -> dict[str, Any]:
    """Encode one part of the images; training and judging then find their features.

    Args:
        cfg: composed ``conf/features.yaml``.

    Returns:
        Images of the part, those encoded now, and the unreadable ones.

    Raises:
        ConfigError: for a part that is none.
        WeightsError: for weights that are absent or refused on this kind of image.
    """
    part = Part.parse(str(cfg.part))
    config = plain(cfg)
    check(config, trusted=(*plugin_packages(), *cfg.trust))
    if (wanted := processes_here(config["trainer"])) > 1:
        raise ConfigError(
            f"trainer.devices={cfg.trainer.devices}: this command is one process",
            expected="a process for each part",
            todo=f"start it {wanted} times, with part=0/{wanted} and so on",
        )
    cfg.paths.cache = str(writable_cache(cfg.paths.cache))
    tables: Tables = instantiate(cfg.dataset, progress=ProgressLine("preparing the data set"))
    notes: list[str] = []
    backbone = make_backbone(cfg, tables, notes)
    print("\n".join([f"weights    {backbone.describe()}", *notes]), flush=True)
    used = tables.pairs.images_used()
    cuda = torch.cuda.is_available() and cfg.trainer.accelerator != "cpu"
    skips = Skips(max_share=1.0)  # how many are too many is said where the features are used
    encoded = FeatureCache(Path(cfg.paths.cache) / "features").encode(
        [tables.image_path(int(row)) for row in used],
        backbone,
        part,
        workers=cfg.data.workers,
        device="cuda" if cuda else "cpu",
        progress=ProgressLine("images encoded"),
        skips=skips,
    )
    images = len(part.of(len(used)))
    for name, why in skips.reasons.items():
        print(f"left out   {name}: {why}")
    print(
        f"part {part}   {images:,} of {len(used):,} images: {encoded:,} encoded, "
        f"{images - encoded - len(skips):,} known already, {len(skips):,} unreadable"
    )
    return {"images": images, "encoded": encoded, "unreadable": len(skips)}
