"""``interestingness features``: images of a data set into the feature cache, whole or in parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from interestingness.assembly.opening import check_config, open_dataset
from interestingness.assembly.parts import make_backbone, skips_of
from interestingness.data.feature_cache import FeatureCache
from interestingness.data.part import Part
from interestingness.errors import ConfigError
from interestingness.models.device import device_for
from interestingness.progress import ProgressLine
from interestingness.runs.processes import processes_here


def extract(cfg: DictConfig) -> dict[str, Any]:
    """Encode one part of the images; training and evaluation then find their features.

    Args:
        cfg: composed ``conf/features.yaml``.

    Returns:
        Images of the part, those encoded now, and the unreadable ones.

    Raises:
        ConfigError: for an impossible part.
        WeightsError: for weights that are absent or refused on this kind of image.
    """
    part = Part.parse(str(cfg.part))
    config = check_config(cfg)
    if (wanted := processes_here(config["trainer"])) > 1:
        raise ConfigError(
            f"trainer.devices={cfg.trainer.devices}: this command is one process",
            expected="a process for each part",
            todo=f"start it {wanted} times, with part=0/{wanted} and so on",
        )
    tables = open_dataset(cfg, ProgressLine("preparing the data set"))
    notes: list[str] = []
    backbone = make_backbone(cfg, tables, notes)
    print("\n".join([f"weights    {backbone.describe()}", *notes]), flush=True)
    used = tables.pairs.images_used()
    skips = skips_of(cfg)
    encoded = FeatureCache(Path(cfg.paths.cache) / "features").encode(
        [tables.image_path(int(row)) for row in used],
        backbone,
        part,
        workers=cfg.data.workers,
        device=device_for(cfg.trainer.accelerator),
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
