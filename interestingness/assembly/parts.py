"""Parts that a model is built of, both for features and for shards."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig

from interestingness.assembly.prepare import RunTables
from interestingness.data.datamodule import PairDataModule
from interestingness.data.images import MAX_PIXELS, Skips
from interestingness.errors import ConfigError, DataError
from interestingness.learning.pair_losses import PairLoss
from interestingness.models.backbone import Backbone, check_domain
from interestingness.models.contract import EmbeddingContract
from interestingness.models.fusion import widths_of
from interestingness.models.heads import Head
from interestingness.models.scorer import Scorer
from interestingness.tables.tables import Tables


@dataclass(eq=False)
class Model:
    """A scorer and the data that it is trained on.

    Attributes:
        scorer: image or feature → score.
        data: loaders of the three parts of the split.
        l2: strength of L2.
        backbone: None for features read from a file.
        rows: usable pairs of each part of the split, rows of the data set's pairs, by name.
        notes: sentences for the run's print-out (L2 chosen, images skipped, unusual weights).
        skips: images that could not be read.
        features: of every image, shape (images, dim); None where images are streamed.
    """

    scorer: Scorer
    data: PairDataModule
    l2: float
    backbone: Backbone | None
    rows: dict[str, NDArray[np.int64]]
    notes: list[str] = field(default_factory=list)
    skips: Skips | None = None
    features: NDArray[np.float32] | None = None


def whole_batch(cfg: DictConfig) -> bool:
    """Check whether the optimizer needs all training pairs at once, whatever the batch size."""
    return str(cfg.optimizer.get("_target_", "")).endswith((".Optimum", ".LBFGS"))


def encoded_first(cfg: DictConfig) -> bool:
    """Check whether all images are encoded before training, instead of batch by batch."""
    model = cfg.model
    every = whole_batch(cfg) or model.get("scaling") == "standardize" or model.get("l2") == "auto"
    return cfg.data.source != "shards" or (every and not model.get("tuning"))


def check_optimizer(cfg: DictConfig) -> None:
    """Refuse an optimizer of whole training sets that cannot have them.

    Raises:
        ConfigError: for a backbone that is trained, and for ``optimum`` with a head that is not
            linear.
    """
    if not whole_batch(cfg):
        return
    name = str(cfg.optimizer["_target_"]).rpartition(".")[2].lower()
    if not encoded_first(cfg):
        raise ConfigError(
            f"optimizer={name}, which needs the features of all training images, with a model that "
            "trains its backbone",
            expected="an optimizer of batches",
            todo="optimizer=adamw, or a frozen backbone",
        )
    head = str(cfg.model.head["_target_"]).rpartition(".")[2]
    linear = head == "LinearHead" or (head == "LayersHead" and not cfg.model.head.get("hidden"))
    if name == "optimum" and not linear:
        raise ConfigError(
            f"optimizer=optimum with a {head}",
            expected="a linear head",
            todo="optimizer=adam, or model=linear",
        )


def few_steps(cfg: DictConfig, pairs: int) -> list[str]:
    """Warn if one batch holds all training pairs: a network needs many steps."""
    if int(cfg.data.batch_size) <= pairs or whole_batch(cfg):
        return []
    return [
        f"data.batch_size={cfg.data.batch_size} is more than the {pairs} training pairs: one step "
        f"an epoch, {cfg.trainer.max_epochs} in all"
    ]


def skips_of(cfg: DictConfig) -> Skips:
    """Make the limits on unreadable images from ``data.*`` of a run, or from a command's own."""
    group = "data" if "data" in cfg else ""
    node = cfg.data if group else cfg
    most = node.get("max_pixels", MAX_PIXELS)  # which records of older runs lack
    share = node.get("max_bad_share", 1.0)  # `features` leaves the limit to those who use them
    return Skips(max_share=share, max_pixels=most, group=f"{group}." if group else "")


def make_backbone(cfg: DictConfig, tables: Tables, notes: list[str]) -> Backbone:
    """Build the config's backbone, if it may see such images.

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
    """Build the config's head for the backbone's features.

    Raises:
        ConfigError: for another width, or a loss that the head cannot be trained with.
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
            todo="model=linear, finetuned_clip, frozen_clip_mlp or tag_fusion; or "
            "loss=bradley_terry for pairs",
        )
    return head


def has_zero(cfg: DictConfig) -> bool:
    """Check whether the run's loss gives scores a zero, above which an image is interesting."""
    loss: PairLoss = instantiate(cfg.loss)
    return loss.has_zero


def usable_rows(
    prepared: RunTables,
    present: NDArray[np.bool_] | None,
    *,
    there: NDArray[np.bool_] | None = None,
    learn: bool = True,
) -> dict[str, NDArray[np.int64]]:
    """Select each part's pairs with usable images; training and validation also need labels.

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
                f"the {name} part of the split is empty ({split.rule})",
                expected="pairs to learn from and pairs to test on",
                todo=f"give it a share: split.{name}=0.5",
            )
        if not len(rows[name]):
            raise DataError(
                f"no {name} pair has both images and, to learn from, a label",
                expected=f"at least one of the split's {dealt} pairs",
                todo="check the images and labels, or choose another split",
            )
    return rows
