"""Everything that determines an embedding, as plain values: identity of features, checkpoints."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from interestingness.errors import WeightsError

DECODER = "upright-rgb-1"
"""Version of the rules for decoding to RGB and resizing; increased when they change."""


@dataclass(frozen=True)
class EmbeddingContract:
    """Everything that determines the feature vector of an image: no paths, devices or modules.

    Attributes:
        family: library or kind ("open_clip", "timm", "torchvision", "scene_clip", "cached").
        architecture: name of the network in its library.
        architecture_hash: hash of the network's own options (activation, depth, …) where the name
            alone does not fix them, else "".
        weights_sha256: hash of the weight file; "random:<seed>:<hash>" for random weights.
        dim: length of a feature vector.
        image_size: height and width of the network's input, in pixels; 0 for cached features.
        resize: "shortest" (short side to ``resize_size``, then the centre), "squash" (both sides to
            ``image_size``) or "none".
        resize_size: length of the short side before the centre is cut out, in pixels.
        interpolation: "bicubic" or "bilinear", as Pillow does it.
        mean, std: per channel, on samples in [0, 1].
        normalised: whether vectors are scaled to length 1; published scorers are not.
        dtype: number format of the forward pass.
        decoder: version of the rules from bytes to resized RGB.
        pooling: how tokens become one feature where it was chosen ("token", "avg"); "" is the
            architecture's own.
    """

    family: str
    architecture: str
    weights_sha256: str
    dim: int
    image_size: int = 0
    resize: str = "none"
    resize_size: int = 0
    interpolation: str = "bicubic"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    architecture_hash: str = ""
    normalised: bool = False
    dtype: str = "float32"
    decoder: str = DECODER
    pooling: str = ""

    @classmethod
    def of_cached(cls, name: str, fingerprint: str, dim: int) -> EmbeddingContract:
        """The contract of features that were computed elsewhere, identified by their content."""
        return EmbeddingContract("cached", name, fingerprint, dim, decoder="none")

    def fingerprint(self) -> str:
        """Hash of all values, 32 hexadecimal digits; equal exactly for equal contracts."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def as_dict(self) -> dict[str, Any]:
        """Plain values that JSON and ``torch.load(weights_only=True)`` carry."""
        values = asdict(self)
        if not self.pooling:  # which contracts of earlier versions lack
            del values["pooling"]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The contract that ``as_dict`` wrote.

        Raises:
            WeightsError: if a value is missing or unknown.
        """
        known = {f.name for f in fields(cls)}
        if set(values) | {"pooling"} != known:
            raise WeightsError(
                f"an embedding contract with {', '.join(sorted({*values, 'pooling'} ^ known))} "
                "missing or unknown",
                expected=f"the values {', '.join(sorted(known))}",
                todo="use the version of interestingness that wrote it, or train again",
            )
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**given)

    def differences(self, other: EmbeddingContract) -> list[str]:
        """One phrase per value that differs: ``name: ours, not theirs``."""
        mine, theirs = asdict(self), asdict(other)
        return [
            f"{k}: {_short(mine[k])}, not {_short(theirs[k])}" for k in mine if mine[k] != theirs[k]
        ]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"
