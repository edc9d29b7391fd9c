"""Image or feature → score, and the plain values that a checkpoint needs to rebuild a scorer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from interestingness.errors import WeightsError
from interestingness.models.backbone import Backbone
from interestingness.models.contract import EmbeddingContract
from interestingness.models.fusion import FusionHead as FusionHead  # adds itself to HEADS
from interestingness.models.heads import Head, build_head
from interestingness.models.scaling import FeatureScaler
from interestingness.models.tuning import tune_as

SPEC_VERSION = 1


class Scorer(nn.Module):
    """Backbone (or cached features), scaling and head.

    Attributes:
        backbone: image → feature; None where features are given.
        scaler: feature → scaled feature.
        head: scaled feature → score.
        embedding: contract of the features, the backbone's own where there is one.
    """

    def __init__(
        self,
        backbone: Backbone | None,
        scaler: FeatureScaler,
        head: Head,
        *,
        embedding: EmbeddingContract | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            backbone: None if only features are scored.
            scaler: for features of the same length.
            head: for features of the same length.
            embedding: contract of the features; needed without a backbone.

        Raises:
            WeightsError: if the parts disagree about the length of a feature vector.
        """
        super().__init__()
        if backbone is not None:
            embedding = backbone.contract
        if embedding is None:
            raise WeightsError(
                "a scorer without a backbone and without a contract of its features",
                expected="one of the two",
                todo="pass embedding=EmbeddingContract.of_cached(…)",
            )
        if not embedding.dim == scaler.dim == head.dim:
            raise WeightsError(
                f"features of {embedding.dim} numbers, scaling for {scaler.dim}, "
                f"head for {head.dim}",
                expected="the same length",
                todo="build scaler and head with the length of the features",
            )
        self.backbone = backbone
        self.scaler = scaler
        self.head = head
        self.embedding = embedding

    @property
    def dim(self) -> int:
        """Length of a feature vector."""
        return self.embedding.dim

    def encode(self, images: Tensor) -> Tensor:
        """Features (U, dim) of images.

        Args:
            images: the network's input, float (U, 3, H, W), or uint8 ``pixels`` of the backbone's
                transform, in its layout.

        Raises:
            WeightsError: if the scorer has no backbone.
        """
        if self.backbone is None:
            raise WeightsError(
                "images were given to a scorer without a backbone",
                expected=f"features of {self.dim} numbers ({self.embedding.architecture})",
                todo="compute features first, or choose a model with a backbone",
            )
        if images.dtype == torch.uint8:
            images = self.backbone.transform.normalise(images)
        features: Tensor = self.backbone(images)
        return features

    def score(self, features: Tensor) -> Tensor:
        """Scores in logits, shape (U,), of features (U, dim).

        Raises:
            WeightsError: for features of another length.
        """
        if features.shape[-1] != self.dim:
            raise WeightsError(
                f"features of {features.shape[-1]} numbers",
                expected=f"{self.dim}, from {self.embedding.architecture}",
                todo="use the features that the scorer was trained on",
            )
        scores: Tensor = self.head(self.scaler(features))
        return scores

    def forward(self, images: Tensor) -> Tensor:
        """Scores in logits, shape (U,), of images (U, 3, H, W) or features (U, dim)."""
        return self.score(self.encode(images) if images.ndim == 4 else images)

    def head_weights(self) -> list[Tensor]:
        """The tensors that L2 applies to."""
        return self.head.weights()

    def frozen_names(self, prefix: str = "") -> list[str]:
        """Entries of the state dict that training does not change: the backbone's frozen part."""
        if self.backbone is None:
            return []
        changed = self.backbone.changed
        names = (n for n in self.backbone.state_dict() if n not in changed)
        return [f"{prefix}backbone.{name}" for name in names]

    def spec(self) -> dict[str, Any]:
        """Plain values from which ``build_scorer`` makes the same scorer, without its weights."""
        return {
            "version": SPEC_VERSION,
            "embedding": self.embedding.as_dict(),
            "scaling": self.scaler.mode,
            "head": {"kind": self.head.kind, **self.head.options()},
            "trainable_backbone": self.backbone is not None and bool(self.backbone.changed),
            "tuning": None if self.backbone is None else self.backbone.tuning,
        }

    def check_spec(self, spec: Mapping[str, Any]) -> None:
        """Refuse the checkpoint of another scorer.

        Raises:
            WeightsError: naming what differs: backbone, weights, preprocessing, head or scaling.
        """
        _check_version(spec)
        differences = self.embedding.differences(EmbeddingContract.from_dict(spec["embedding"]))
        own = self.spec()
        differences += [
            f"{name}: {own[name]}, not {spec.get(name)}"
            for name in ("scaling", "head", "trainable_backbone", "tuning")
            if own[name] != spec.get(name)
        ]
        if differences:
            raise WeightsError(
                "the checkpoint belongs to another scorer; here "
                + "; ".join(differences)
                + " in the checkpoint",
                expected="the model, backbone and weights that it was trained with",
                todo="take them from its run's effective config, or train again",
            )


def build_scorer(
    spec: Mapping[str, Any], backbone: Backbone | None = None, head: Head | None = None
) -> Scorer:
    """Build the scorer that a checkpoint's plain values describe, without its weights.

    Args:
        spec: from ``Scorer.spec``.
        backbone: the same backbone, or None to score features only.
        head: a head of another package; None builds it from the values.

    Raises:
        WeightsError: for a backbone with another contract, or an unknown head.
    """
    _check_version(spec)
    embedding = EmbeddingContract.from_dict(spec["embedding"])
    if spec["trainable_backbone"] and backbone is not None:
        tuning = spec.get("tuning")
        backbone.unfreeze() if tuning is None else tune_as(backbone, tuning)
    scorer = Scorer(
        backbone,
        FeatureScaler(spec["scaling"], embedding.dim),
        head or build_head(spec["head"]),
        embedding=embedding,
    )
    if backbone is not None:
        scorer.check_spec(spec)
    return scorer


def _check_version(spec: Mapping[str, Any]) -> None:
    if spec.get("version") != SPEC_VERSION:
        raise WeightsError(
            f"a scorer of format version {spec.get('version')}",
            expected=f"version {SPEC_VERSION}",
            todo="use the version of interestingness that wrote it, or train again",
        )
