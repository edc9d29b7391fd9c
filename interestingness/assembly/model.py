"""From the config to a backbone, features, a scorer and a DataModule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from interestingness.assembly.modalities import fused_features
from interestingness.assembly.prepare import RunTables
from interestingness.assembly.team import ALONE, Team
from interestingness.data.datamodule import PairDataModule
from interestingness.data.encoding import worker_count
from interestingness.data.feature_cache import FeatureCache
from interestingness.data.features import FeatureBatches
from interestingness.data.images import Skips
from interestingness.data.loader import BatchSource
from interestingness.data.precomputed import load_features
from interestingness.errors import ConfigError, DataError
from interestingness.labels.tables import Tables
from interestingness.learning.flags import check_flags
from interestingness.learning.pair_losses import PairLoss
from interestingness.learning.regularisation import L2Choice, choose_l2
from interestingness.models.backbone import Backbone, check_domain
from interestingness.models.contract import EmbeddingContract
from interestingness.models.fusion import widths_of
from interestingness.models.heads import Head
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer


@dataclass(eq=False)
class Model:
    """What is trained, and on what.

    Attributes:
        scorer: image or feature → score.
        data: loaders of the three sides.
        l2: strength of L2.
        backbone: None for features that somebody else computed.
        rows: usable pairs of each side, rows of the data set's pairs, by side.
        notes: sentences for the run's print-out (L2 chosen, images skipped, unusual weights).
        skips: images that could not be read.
    """

    scorer: Scorer
    data: PairDataModule
    l2: float
    backbone: Backbone | None
    rows: dict[str, NDArray[np.int64]]
    notes: list[str] = field(default_factory=list)
    skips: Skips | None = None


def build_model(cfg: DictConfig, prepared: RunTables, team: Team, *, progress: Any = None) -> Model:
    """Backbone, features or shards, scaling, head and loaders, as the config says.

    Raises:
        ConfigError: for options that cannot go together.
        DataError: if no training or test pair has usable images.
        WeightsError: if weights are absent, wrong or refused.
    """
    said = _doubts(cfg, prepared)
    model = _build(cfg, prepared, team, progress=progress)
    model.notes[:0] = said
    return model


def _doubts(cfg: DictConfig, prepared: RunTables) -> list[str]:
    """What is to be said of a loss and labels that may not go together."""
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
        from interestingness.assembly.shards import build_on_shards

        return build_on_shards(cfg, prepared, team, progress=progress)
    if cfg.model.get("tuning"):
        raise ConfigError(
            f"data={cfg.data.source} with a model that trains its backbone",
            expected="images: cached features are those of a frozen backbone",
            todo="data=shards, or model=frozen_clip_linear",
        )
    skips = Skips(max_share=cfg.data.max_bad_share)
    notes: list[str] = []
    backbone, embedding, features, present = image_features(
        cfg, prepared.tables, skips, notes, team=team, progress=progress
    )
    rows = usable_rows(prepared, present)
    if cfg.model.get("modalities") is not None:
        notes += few_steps(cfg, len(rows["train"]))
    training = prepared.pairs[rows["train"]]
    scaler = FeatureScaler(cfg.model.scaling, embedding.dim).fit(features[training.images_used()])
    head = make_head(cfg, embedding)
    scorer = Scorer(None, scaler, head, embedding=embedding)
    l2 = team.agree(choose_strength(cfg, prepared, rows["train"], scaler, features, notes))

    def side(name: str, rank: int, ranks: int) -> tuple[BatchSource, int] | None:
        if not len(rows[name]):
            return None
        batches = FeatureBatches(
            features,
            prepared.pairs,
            rows[name],
            prepared.labels.preference,
            np.where(prepared.labels.known, prepared.labels.weight, 0.0),
            batch_size=cfg.data.batch_size,
            seed=cfg.seed if name == "train" else None,
            rank=rank,
            ranks=ranks,
        )
        return batches, batches.steps

    return Model(scorer, PairDataModule(side), l2, backbone, rows, notes, skips)


def image_features(
    cfg: DictConfig,
    tables: Tables,
    skips: Skips,
    notes: list[str],
    *,
    team: Team = ALONE,
    progress: Any = None,
    ready: Callable[[Backbone], None] | None = None,
) -> tuple[Backbone | None, EmbeddingContract, NDArray[np.float32], NDArray[np.bool_]]:
    """Features of every image in a pair, shape (images, dim), and which images have them.

    Args:
        cfg: composed config.
        tables: the prepared data set.
        skips: takes images that cannot be read.
        notes: takes sentences for the print-out.
        team: ranks that share the encoding; each has all features afterwards.
        progress: told how many images are done.
        ready: given the backbone before it encodes, e.g. to load what training changed.
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
    paths = [tables.image_path(int(row)) for row in used]
    cache = FeatureCache(Path(cfg.paths.cache) / "features")
    cuda = torch.cuda.is_available() and cfg.trainer.accelerator != "cpu"
    options: dict[str, Any] = {
        "workers": worker_count(cfg.data.workers, processes=team.here),
        "device": "cuda" if cuda else "cpu",
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
    """Where features come from that no backbone of the run made alone, for the print-out."""
    file = model.get("features")
    if model.get("modalities") is None:
        return f"features from {file or embedding.architecture}"
    return f"features from {embedding.architecture}" + (f" (image: {file})" if file else "")


def few_steps(cfg: DictConfig, pairs: int) -> list[str]:
    """What is to be said where a batch takes all training pairs: a network learns in many steps."""
    if int(cfg.data.batch_size) <= pairs:
        return []
    return [
        f"data.batch_size={cfg.data.batch_size} is more than the {pairs} training pairs: one step "
        f"an epoch, {cfg.trainer.max_epochs} in all"
    ]


def make_backbone(cfg: DictConfig, tables: Tables, notes: list[str]) -> Backbone:
    """The config's backbone, if it may see such images.

    Raises:
        ConfigError: if the config has none.
        WeightsError: for weights that are absent or refused on this kind of image.
    """
    if not cfg.model.backbone.get("_target_"):
        raise ConfigError(
            "the model has neither a backbone nor features",
            expected="model/backbone=… or "
            + ("" if "modalities" in cfg.model else "model=cached_features ")
            + "model.features=FILE",
            todo="choose one of them",
        )
    backbone: Backbone = instantiate(cfg.model.backbone)
    unusual = check_domain(backbone, tables.manifest.domain)
    if unusual:
        notes.append(unusual)
    return backbone


def make_head(cfg: DictConfig, embedding: EmbeddingContract) -> Head:
    """The config's head, for the backbone's features.

    Raises:
        ConfigError: if the config names another width, or a loss that the head cannot learn.
    """
    given = cfg.model.head.get("dim")
    if given is not None and given != embedding.dim:
        raise ConfigError(
            f"model.head.dim={given}: {embedding.architecture} gives {embedding.dim} numbers",
            expected=f"a head for {embedding.dim}",
            todo="leave model.head.dim out, or choose the backbone that the head is for",
        )
    more = {}
    if "modalities" in cfg.model:
        if cfg.model.modalities is None:
            raise ConfigError(
                "model.modalities=null",
                expected="a list of modalities",
                todo="model.modalities=[image,tags], or another model for images alone",
            )
        more["widths"] = widths_of(embedding.architecture)
    head: Head = instantiate(cfg.model.head, dim=embedding.dim, **more)
    if not has_zero(cfg):
        return head
    head = head.shiftable()
    if not head.can_shift:
        raise ConfigError(
            f"{cfg.loss._target_.rpartition('.')[2]} with a {type(head).__name__}, which has no "
            "bias: where its scores are 0 is not learnt",
            expected="a head that can shift all scores, because this loss asks for their sign",
            todo="model=frozen_clip_linear, finetuned_clip, frozen_clip_mlp or tag_fusion; or "
            "loss=bradley_terry for pairs",
        )
    return head


def has_zero(cfg: DictConfig) -> bool:
    """Whether the run's loss gave scores a zero: above it an image is interesting."""
    loss: PairLoss = instantiate(cfg.loss)
    return loss.has_zero


def usable_rows(
    prepared: RunTables,
    present: NDArray[np.bool_] | None,
    *,
    there: NDArray[np.bool_] | None = None,
    learn: bool = True,
) -> dict[str, NDArray[np.int64]]:
    """Pairs of each side whose images can be used; for training and validation also labelled.

    Args:
        prepared: tables, labels and split.
        present: which images can be used, shape (images,); None takes all.
        there: which pairs can be used, shape (pairs,); None takes all.
        learn: whether training follows, so that there must be training pairs.

    Raises:
        DataError: if no training pair or no test pair is left.
    """
    pairs, split = prepared.pairs, prepared.split
    ok = np.ones(len(pairs), dtype=bool) if there is None else there.copy()
    if present is not None:
        ok &= present[pairs.left] & present[pairs.right]
    learnable = ok & prepared.labels.known & (prepared.labels.weight > 0)
    masks = {
        "train": split.train & learnable,
        "validation": split.validation & learnable,
        "test": split.test & ok,
    }
    rows = {name: np.flatnonzero(mask) for name, mask in masks.items()}
    for name in ("train", "test") if learn else ("test",):
        dealt = int(getattr(split, name).sum())
        if not dealt:
            raise DataError(
                f"the {name} side of the split is empty ({split.rule})",
                expected="pairs to learn from and pairs to judge by",
                todo=f"give it a share: split.{name}=0.5",
            )
        if not len(rows[name]):
            raise DataError(
                f"no {name} pair has both images and, to learn from, a label",
                expected=f"at least one of the split's {dealt} pairs",
                todo="check the images and labels, or choose another split",
            )
    return rows


def choose_strength(
    cfg: DictConfig,
    prepared: RunTables,
    train: NDArray[np.int64],
    scaler: FeatureScaler,
    features: NDArray[np.float32],
    notes: list[str],
) -> float:
    """The L2 strength: a number of the config, or chosen inside the training pairs."""
    if cfg.model.l2 != "auto":
        return float(cfg.model.l2)
    choice: L2Choice = choose_l2(
        scaler.scaled(features),
        prepared.pairs[train],
        prepared.labels.preference[train],
        prepared.labels.weight[train],
        seed=cfg.seed,
        groups=_groups(cfg, prepared),
    )
    notes.append(f"L2 {choice.l2:.3g} chosen among {len(choice.strengths)} by inner validation")
    return choice.l2


def _groups(cfg: DictConfig, prepared: RunTables) -> NDArray[np.object_] | None:
    """Group of each image where the split keeps groups (or folds) whole: inner folds do too."""
    column = cfg.split.get("column")
    if column is None or cfg.split["_target_"].endswith("by_time"):
        return None
    return np.asarray(prepared.tables.images[column].to_pylist(), dtype=object).astype(str)
