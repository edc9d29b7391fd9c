"""Build a backbone, features, a scorer and a DataModule from the config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from interestingness.assembly.modalities import fused_features
from interestingness.assembly.parts import (
    Model,
    check_optimizer,
    encoded_first,
    few_steps,
    has_zero,
    make_backbone,
    make_head,
    skips_of,
    usable_rows,
    whole_batch,
)
from interestingness.assembly.prepare import RunTables, why_no_cross_fit
from interestingness.assembly.shards import build_on_shards, pictures_of_shards
from interestingness.data.datamodule import PairDataModule
from interestingness.data.encoding import Picture
from interestingness.data.feature_cache import FeatureCache
from interestingness.data.features import FeatureBatches
from interestingness.data.images import Skips
from interestingness.data.loader import BatchSource
from interestingness.data.precomputed import load_features
from interestingness.data.workers import worker_count
from interestingness.errors import ConfigError
from interestingness.learning.flags import check_flags
from interestingness.learning.linear_solver.choice import GRID, choose_each
from interestingness.models.backbone import Backbone
from interestingness.models.contract import EmbeddingContract
from interestingness.models.device import device_for
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer
from interestingness.progress import ProgressLine
from interestingness.runs.team import ALONE, Team
from interestingness.tables.tables import Tables


def build_model(cfg: DictConfig, prepared: RunTables, team: Team) -> Model:
    """Build backbone, features or shards, scaling, head and loaders from the config.

    Raises:
        ConfigError: for options that cannot go together.
        DataError: if no training or test pair has usable images.
        WeightsError: if weights are absent, wrong or refused.
    """
    check_optimizer(cfg)
    _check_rectified(cfg, prepared)
    said = _doubts(cfg, prepared)
    progress = ProgressLine() if team.first else None
    model = _build(cfg, prepared, team, progress=progress)
    model.notes[:0] = said
    return model


def _check_rectified(cfg: DictConfig, prepared: RunTables) -> None:
    """Refuse models whose optimum labels outside [0, 1] would move away without end."""
    if prepared.labels.rectified is None:
        return
    reason = why_no_cross_fit(cfg) or ("model.l2=0" if cfg.model.l2 == 0 else "")
    if reason:
        raise ConfigError(
            f"label_source={prepared.source.name} with {reason}",
            expected="a linear head with L2 on cached features, trained by bradley_terry to its "
            "optimum: labels of this source leave [0, 1]",
            todo="leave the option out, or label_source=mix",
        )


def _doubts(cfg: DictConfig, prepared: RunTables) -> list[str]:
    """Warn of a loss that may not suit the labels."""
    if not has_zero(cfg):
        return []
    source, train = prepared.source, prepared.split.train
    said = check_flags(
        source.name, prepared.labels.preference[train], prepared.pairs[train], source.image_scores()
    )
    return [said] if said else []


def _build(cfg: DictConfig, prepared: RunTables, team: Team, *, progress: Any) -> Model:
    if cfg.data.source == "shards":
        if cfg.model.get("modalities") is not None:
            raise ConfigError(
                f"data=shards with model.modalities=[{','.join(map(str, cfg.model.modalities))}]",
                expected="data=features: a fusion reads rows of features and texts",
                todo="leave data out, or take a model of images alone",
            )
        if cfg.model.get("features") is not None:
            raise ConfigError(
                "data=shards with model.features, which has no images",
                expected="data=features: the features are there already",
                todo="leave data out, or choose a backbone",
            )
        if not encoded_first(cfg):
            return build_on_shards(cfg, prepared, team, progress=progress)
    elif cfg.model.get("tuning"):
        raise ConfigError(
            f"data={cfg.data.source} with a model that trains its backbone",
            expected="images: cached features are those of a frozen backbone",
            todo="data=shards, or model=linear",
        )
    skips = skips_of(cfg)
    notes: list[str] = []
    stored, there = None, None
    if cfg.data.source == "shards":
        stored, there = pictures_of_shards(cfg, prepared, team, notes, progress)
    backbone, embedding, features, present = image_features(
        cfg, prepared.tables, skips, notes, team=team, progress=progress, pictures=stored
    )
    rows = usable_rows(prepared, present, there=there)
    if cfg.model.get("modalities") is not None:
        notes += few_steps(cfg, len(rows["train"]))
    training = prepared.pairs[rows["train"]]
    scaler = FeatureScaler(cfg.model.scaling, embedding.dim).fit(features[training.images_used()])
    head = make_head(cfg, embedding)
    scorer = Scorer(None, scaler, head, embedding=embedding)
    l2 = team.agree(choose_strength(cfg, prepared, rows["train"], scaler, features, notes))

    def part(name: str, rank: int, ranks: int) -> tuple[BatchSource, int] | None:
        if not len(rows[name]):
            return None
        whole = name == "train" and whole_batch(cfg)
        if whole:  # the same in every process
            rank, ranks = 0, 1
        batches = FeatureBatches(
            features,
            prepared.pairs,
            rows[name],
            prepared.labels.target,
            np.where(prepared.labels.known, prepared.labels.weight, 0.0),
            batch_size=len(rows[name]) if whole else cfg.data.batch_size,
            seed=cfg.seed if name == "train" and not whole else None,
            rank=rank,
            ranks=ranks,
        )
        return batches, batches.steps

    return Model(scorer, PairDataModule(part), l2, backbone, rows, notes, skips, features)


def image_features(
    cfg: DictConfig,
    tables: Tables,
    skips: Skips,
    notes: list[str],
    *,
    team: Team = ALONE,
    progress: Any = None,
    ready: Callable[[Backbone], None] | None = None,
    pictures: Mapping[str, Picture] | None = None,
) -> tuple[Backbone | None, EmbeddingContract, NDArray[np.float32], NDArray[np.bool_]]:
    """Compute features of every image in a pair, (images, dim), and which images have them.

    Args:
        cfg: composed config.
        tables: the prepared data set.
        skips: receives images that cannot be read.
        notes: receives sentences for the print-out.
        team: processes that share the encoding; each has all features afterwards.
        progress: called with the number of images done.
        ready: called with the backbone before it encodes, e.g. to load fine-tuned weights.
        pictures: where images are, by id, instead of their files; those that lack are left out.
    """
    if cfg.model.get("modalities") is not None:
        # The image is one of several modalities: the same function encodes it, without the others.
        alone = OmegaConf.merge(cfg, {"model": {"modalities": None}})
        assert isinstance(alone, DictConfig)
        encode = partial(image_features, alone, tables, skips, notes, team=team, progress=progress)
        return fused_features(cfg.model, tables, notes, encode)
    if cfg.model.get("features") is not None:
        given = load_features(Path(cfg.model.features).expanduser(), tables.image_ids.tolist())
        notes.append(given.note)
        embedding = EmbeddingContract.of_cached(given.name, given.fingerprint, given.dim)
        return None, embedding, given.features, given.present
    backbone = make_backbone(cfg, tables, notes)
    if ready is not None:
        ready(backbone)
    used = tables.pairs.images_used()
    paths: list[Path | Picture]
    if pictures is None:
        paths = [tables.image_path(int(row)) for row in used]
    else:
        used = np.array([row for row in used if tables.image_ids[row] in pictures], dtype=np.int64)
        paths = [pictures[tables.image_ids[row]] for row in used]
    cache = FeatureCache(Path(cfg.paths.cache) / "features")
    options: dict[str, Any] = {
        "workers": worker_count(cfg.data.workers, processes=team.here),
        "device": device_for(cfg.trainer.accelerator),
        "progress": progress,
    }
    if team.ranks > 1:
        cache.encode(paths, backbone, team.part, **options)
        team.meet()
    found, ok = cache.features(paths, backbone, skips=skips, **options)
    features = np.zeros((len(tables.image_ids), backbone.dim), dtype=np.float32)
    present = np.zeros(len(features), dtype=bool)
    features[used], present[used] = found, ok
    return backbone, backbone.contract, features, present


def features_of(model: DictConfig, embedding: EmbeddingContract) -> str:
    """Describe the origin of features that are not those of the run's backbone alone."""
    file = model.get("features")
    if model.get("modalities") is None:
        return f"features from {file or embedding.architecture}"
    return f"features from {embedding.architecture}" + (f" (image: {file})" if file else "")


def choose_strength(
    cfg: DictConfig,
    prepared: RunTables,
    train: NDArray[np.int64],
    scaler: FeatureScaler,
    features: NDArray[np.float32],
    notes: list[str],
) -> float:
    """Return the L2 strength: the config's number, or chosen within the training pairs."""
    if cfg.model.l2 != "auto":
        return float(cfg.model.l2)
    chosen = choose_each(
        scaler.scaled(features),
        prepared.pairs[train],
        prepared.labels.target[train, None],
        prepared.labels.weight[train, None],
        seed=cfg.seed,
        groups=inner_groups(cfg, prepared),
    )
    notes.append(
        f"L2 not chosen: {len(train)} training pairs are too few to validate it"
        if chosen.few[0]
        else f"L2 chosen among {len(GRID)} by inner validation"
    )
    return float(chosen.l2[0])


def inner_groups(cfg: DictConfig, prepared: RunTables) -> NDArray[np.object_] | None:
    """Return each image's group where the split keeps groups (or folds) whole, for inner folds."""
    column = cfg.split.get("column")
    if column is None or cfg.split["_target_"].endswith("by_time"):
        return None
    return np.asarray(prepared.tables.images[column].to_pylist(), dtype=object).astype(str)
