"""Backbones by the names of their options, beside the model's own."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf, open_dict

from interestingness.assembly.errors import translate_errors
from interestingness.assembly.model import image_features
from interestingness.assembly.parts import skips_of
from interestingness.assembly.run_record import typed_overrides
from interestingness.data.encoding import Picture, decode_all, encode_all
from interestingness.data.workers import worker_count
from interestingness.models.backbone import Backbone
from interestingness.models.device import device_for
from interestingness.models.hub import cached_only
from interestingness.progress import ProgressLine
from interestingness.studies.study import EncodedTower, ImageFeatures
from interestingness.tables.tables import Tables

BATCH = 32
"""Images of a forward pass that is timed."""


class BackboneTowers:
    """The options of ``model/backbone``, and features that somebody computed."""

    def __init__(self, cfg: DictConfig) -> None:
        """Keep the config of the study, of which only the backbone is exchanged."""
        self.cfg = cfg

    def names(self) -> list[str]:
        """Return the options that are a network."""
        names = GlobalHydra.instance().config_loader().get_group_options("model/backbone")
        return [name for name in names if name != "none"]

    def encode(
        self, tables: Tables, name: str, *, weights: str | None, download: bool, timed: int
    ) -> EncodedTower:
        """Encode every image, from the cache where it was done before."""
        node = _option(name)
        if weights is not None:
            node["weights"] = weights
        cfg = self._with(backbone=node)
        with translate_errors(cfg), nullcontext() if download else cached_only():
            backbone, features = _features(cfg, tables, f"encoding images by {name}")
        assert backbone is not None  # the option names one
        return EncodedTower(
            features,
            sum(p.numel() for p in backbone.parameters()),
            backbone.contract.image_size,
            _rate(backbone, tables, features.present, timed, cfg),
            backbone.licence,
        )

    def read(self, tables: Tables, file: str) -> EncodedTower:
        """Read a file of features."""
        _, features = _features(self._with(features=file), tables, "reading features")
        return EncodedTower(features)

    def _with(self, **model: Any) -> DictConfig:
        """Return the config with another backbone, or other features."""
        cfg = self.cfg.copy()
        with open_dict(cfg):
            for key in ("modalities", "features", "backbone"):
                cfg.model.pop(key, None)
            cfg.model.update(model)
        return cfg


def _option(name: str) -> DictConfig:
    """Compose one option of ``model/backbone``, as the command line would."""
    others = [word for word in typed_overrides() if not word.lstrip("+~").startswith("model")]
    loader, hydra = GlobalHydra.instance().config_loader(), HydraConfig.get()
    words = [*others, f"model/backbone={name}"]
    cfg = loader.load_configuration(hydra.job.config_name, words, RunMode.RUN)
    found = OmegaConf.create(OmegaConf.to_container(cfg.model.backbone, resolve=True))
    assert isinstance(found, DictConfig)
    return found


def _features(cfg: DictConfig, tables: Tables, what: str) -> tuple[Backbone | None, ImageFeatures]:
    skips, notes = skips_of(cfg), []  # type: ignore[var-annotated]
    backbone, embedding, values, present = image_features(
        cfg, tables, skips, notes, progress=ProgressLine(what)
    )
    return backbone, ImageFeatures(
        values, present, embedding, "; ".join(notes), tuple(skips.reasons.items())
    )


def _rate(
    backbone: Backbone,
    tables: Tables,
    present: NDArray[np.bool_],
    timed: int,
    cfg: DictConfig,
) -> float | None:
    """Measure images/s from file to feature, after one batch that is not counted."""
    rows = np.flatnonzero(present)
    if timed < 1 or not len(rows):
        return None
    chosen = np.random.default_rng(0).permutation(rows)[:timed]
    pictures = [Picture.file(Path(tables.image_path(int(row)))) for row in chosen]
    _encode(backbone, pictures[:BATCH], cfg)
    start = time.perf_counter()
    images = _encode(backbone, pictures, cfg)
    return images / (time.perf_counter() - start)


def _encode(backbone: Backbone, pictures: list[Picture], cfg: DictConfig) -> int:
    """Decode and encode; return how many distinct pictures there were."""
    device = device_for(cfg.trainer.accelerator)
    workers = worker_count(cfg.data.workers)
    decoded = decode_all(pictures, backbone.transform, workers=workers)
    batches = encode_all(decoded, backbone.to(device), batch_size=BATCH, device=device)
    return sum(len(keys) for keys, _ in batches)
