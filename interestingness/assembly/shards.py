"""Build a model on pair shards: images are decoded in the stream for the backbone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig

from interestingness.assembly.parts import (
    Model,
    few_steps,
    make_backbone,
    make_head,
    skips_of,
    usable_rows,
)
from interestingness.assembly.prepare import RunTables
from interestingness.data.augmentation import enough_for
from interestingness.data.batch import PairBatch
from interestingness.data.datamodule import PairDataModule
from interestingness.data.encoding import Picture
from interestingness.data.loader import BatchSource
from interestingness.data.part import Part
from interestingness.data.shards.copying import copy_shards
from interestingness.data.shards.reader import PairShards
from interestingness.data.shards.remote import is_url
from interestingness.data.shards.stream import POOL, PairLoader, PairShardStream
from interestingness.data.shards.targets import PairTargets
from interestingness.data.shards.writer import source_of, write_shards
from interestingness.data.workers import worker_count
from interestingness.errors import ConfigError
from interestingness.models.backbone import Backbone
from interestingness.models.device import device_for
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer
from interestingness.models.tuning import checkpoint_gradients, tune
from interestingness.runs.team import ALONE, Team
from interestingness.schema import lookup


def build_on_shards(
    cfg: DictConfig, prepared: RunTables, team: Team, *, progress: Any = None
) -> Model:
    """Build loaders over shards and a scorer that holds its backbone.

    Raises:
        ConfigError: for options that need the features of all training images beforehand.
    """
    if cfg.model.scaling == "standardize" or cfg.model.l2 == "auto":
        raise ConfigError(
            "model.scaling=standardize or model.l2=auto with a model that trains its backbone",
            expected="options that do not need all features before training",
            todo="model.scaling=unit and a number for model.l2",
        )
    notes: list[str] = []
    backbone = make_backbone(cfg, prepared.tables, notes)
    open_backbone(cfg, backbone)
    shards = PairShards(shards_root(cfg, prepared, team, progress))
    there = _pairs_there(shards, prepared, notes)
    workers = worker_count(cfg.data.workers, processes=team.here, most=8, kept=1)
    if shards.local is None:
        notes.append(
            f"shards are streamed: what a batch holds depends on the number of processes and of "
            f"workers (data.workers={workers}); data.copy=true does not depend on them"
        )
    elif len(shards.index.bounds) - 1 > POOL:
        notes.append(
            f"pairs of {POOL} shards at a time are mixed: with data=features, which mixes all, the "
            "numbers differ as with another seed"
        )
    rows = usable_rows(prepared, None, there=there)
    if cfg.model.get("tuning"):
        notes += few_steps(cfg, len(rows["train"]))
    head = make_head(cfg, backbone.contract)
    scorer = Scorer(backbone, FeatureScaler(cfg.model.scaling, backbone.dim), head)
    augment = instantiate(cfg.model.augment) if cfg.model.get("augment") else None
    enough = enough_for(augment, backbone.transform.short) if cfg.data.get("reduce") else None
    labels, skips = prepared.labels, skips_of(cfg)
    preference = np.where(labels.known, labels.preference, 0.5)
    weight = np.where(labels.known, labels.weight, 0.0)

    def part(name: str, rank: int, ranks: int) -> tuple[BatchSource, int] | None:
        if not len(rows[name]):
            return None
        stream = PairShardStream(
            shards,
            batch_size=cfg.data.batch_size,
            transform=backbone.transform.handed_on,
            targets=PairTargets.of(prepared.pairs, preference, weight=weight, rows=rows[name]),
            rank=rank,
            ranks=ranks,
            seed=cfg.seed if name == "train" else None,
            augment=augment if name == "train" else None,
            enough=enough,
            max_pixels=skips.max_pixels,
        )
        loader = PairLoader(
            stream,
            workers=workers,
            pin_memory=device_for(cfg.trainer.get("accelerator")) == "cuda",
            skips=skips_of(cfg),
        )

        def batches(epoch: int, start: int) -> Iterator[PairBatch]:
            stream.set_epoch(epoch, start)
            yield from loader
            skips.update(loader.skips.reasons)

        return batches, len(stream)

    return Model(scorer, PairDataModule(part), float(cfg.model.l2), backbone, rows, notes, skips)


def pictures_of_shards(
    cfg: DictConfig, prepared: RunTables, team: Team, notes: list[str], progress: Any = None
) -> tuple[dict[str, Picture], NDArray[np.bool_]]:
    """Find the images of shards that are encoded before training, and which pairs are there.

    Raises:
        ConfigError: for shards that are streamed.
    """
    shards = PairShards(shards_root(cfg, prepared, team, progress))
    if shards.local is None:
        raise ConfigError(
            "data.copy=false with a model that needs the features of all training images",
            expected="shards in a folder, or a copy of them",
            todo="leave data.copy out, or model=paper_recipe",
        )
    return shards.local.pictures(), _pairs_there(shards, prepared, notes)


def _pairs_there(shards: PairShards, prepared: RunTables, notes: list[str]) -> NDArray[np.bool_]:
    there: NDArray[np.bool_] = (
        lookup(np.concatenate(list(shards.index.keys())), prepared.pairs.key) >= 0
    )
    if not there.all():
        notes.append(f"{int((~there).sum()):,} pairs are not in the shards")
    return there


def open_backbone(cfg: DictConfig, backbone: Backbone) -> None:
    """Unfreeze the part of a backbone that the config trains; nothing for a frozen one.

    Raises:
        WeightsError: for a part that the network does not have.
    """
    if not cfg.model.get("tuning"):
        return
    tune(backbone, instantiate(cfg.model.tuning, _convert_="all"))
    if cfg.model.gradient_checkpointing:
        checkpoint_gradients(backbone)
    if cfg.model.compile is not None:
        # The number of distinct images differs from batch to batch: do not recompile for each.
        backbone.network.compile(backend=cfg.model.compile, dynamic=True)


def shards_root(
    cfg: DictConfig, prepared: RunTables, team: Team = ALONE, progress: Any = None
) -> str:
    """Return the shards' folder; write them to the cache if none is given, or copy from a URL."""
    if cfg.data.shards is not None:
        named = str(cfg.data.shards)
        if is_url(named) and cfg.data.get("copy"):
            cache = Path(cfg.paths.cache) / "shards"
            told = progress and partial(progress, what="copying shards, MB")
            # All processes share the work; a machine with its own cache lacks the others' shards.
            for part in dict.fromkeys((team.part, Part(team.rank % team.here, team.here))):
                named = str(copy_shards(cfg.data.shards, cache, part, progress=told, say=_say))
                team.meet()
        return named
    # Other shards of the same pairs (another size, changed files) have a folder of their own.
    source = source_of(prepared.tables, cfg.data.pairs_per_shard, cfg.data.max_side)
    root = Path(cfg.paths.cache) / "shards" / source
    write_shards(
        prepared.tables,
        root,
        pairs_per_shard=cfg.data.pairs_per_shard,
        max_side=cfg.data.max_side,
        progress=progress,
        skips=skips_of(cfg),
    )
    return str(root)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
