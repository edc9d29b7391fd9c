"""Backbones: networks from an image to a feature vector, with a contract."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, Self

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from interestingness.errors import WeightsError
from interestingness.models.contract import EmbeddingContract
from interestingness.models.preprocessing import ImageTransform, ResizeCropNormalise

PHOTOGRAPHS = "photographs"
SYNTHETIC = "synthetic"
ANY = "any pictures"
"""Domain of what was never trained."""


class Backbone(nn.Module, ABC):
    """Image → un-normalised feature vector.

    A backbone starts frozen: no parameter requires a gradient, and the network stays in eval mode
    even when ``train`` is called on the scorer around it. ``unfreeze`` makes all of it trainable,
    ``models.tuning.tune`` a part; ``settle`` freezes it again after training. To add your own,
    write a subclass, name it in a YAML file of the group ``model/backbone``, and test it with
    ``interestingness.testing.BackboneContract``.

    Attributes:
        contract: everything that determines the features, as plain values.
        transform: RGB picture → float32 tensor (3, H, W); picklable, without the network.
        domain: kind of images that the weights were trained on, "photographs" or "synthetic"; "any
            pictures" for a network without trained weights.
        licence: of the weights.
        origin: where the weights came from, for people.
        reentrant: whether ``forward`` may run in several threads at once: true for a network
            without state between calls, false for one that collects values by hooks.
    """

    reentrant: bool = False

    def __init__(
        self,
        network: nn.Module,
        contract: EmbeddingContract,
        *,
        licence: str,
        origin: str,
        domain: str = PHOTOGRAPHS,
        transform: ImageTransform | None = None,
    ) -> None:
        """Wrap a network and freeze it.

        Args:
            network: kept as ``self.network``.
            contract: see the class.
            licence: of the weights.
            origin: path or name, for people.
            domain: kind of images that the weights were trained on.
            transform: None derives it from the contract.
        """
        super().__init__()
        self.network = network
        self.contract = contract
        self.licence = licence
        self.origin = origin
        self.domain = domain
        self.transform = transform or ResizeCropNormalise(contract)
        self._frozen = True
        self._tuning: dict[str, Any] | None = None
        self._changed: frozenset[str] = frozenset()
        self._trained = ""
        self.freeze()

    @property
    def dim(self) -> int:
        """Length of a feature vector."""
        return self.contract.dim

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Features, shape (B, dim), not normalised, of transformed images (B, 3, H, W)."""

    def fingerprint(self) -> str:
        """Hash of contract and trained weights; equal ones give equal features."""
        if not self._trained:
            return self.contract.fingerprint()
        text = f"{self.contract.fingerprint()}:{self._trained}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def describe(self) -> str:
        """One line for a run's print-out: network, width, weights, licence, domain."""
        c = self.contract
        size = f"{c.image_size} px"
        return (
            f"{c.family} {c.architecture}, {size} → {c.dim} numbers; weights {self.origin} "
            f"({c.weights_sha256[:12]}; {self.licence}); for {self.domain}{self._tuned()}"
        )

    def _tuned(self) -> str:
        if not self._changed:
            return ""
        sizes = {n: p.numel() for n, p in self.named_parameters()}
        learnt = sum(sizes.get(n, 0) for n in self._changed)
        kind = "full" if self._tuning is None else self._tuning["kind"]
        return f"; fine-tuned ({kind}: {learnt:,} of {sum(sizes.values()):,} parameters)"

    @property
    def frozen(self) -> bool:
        """Whether training leaves the network unchanged."""
        return self._frozen

    @property
    def tuning(self) -> dict[str, Any] | None:
        """Plain values from which ``models.tuning`` selects the trained part; None if not tuned."""
        return self._tuning

    @property
    def changed(self) -> frozenset[str]:
        """Entries of the state dict that training changes or has changed."""
        return self._changed

    def freeze(self) -> Self:
        """Turn gradients off and stay in eval mode whatever ``train`` is called with."""
        self._frozen = True
        self._tuning, self._changed, self._trained = None, frozenset(), ""
        self.requires_grad_(False)
        return self.eval()

    def unfreeze(self) -> Self:
        """Make the whole network trainable."""
        self.requires_grad_(True)
        return self.opened(None)

    def opened(self, tuning: Mapping[str, Any] | None) -> Self:
        """Record that some parameters require gradients; see ``models.tuning.tune``."""
        self._frozen = False
        self._tuning, self._trained = None if tuning is None else dict(tuning), ""
        learnt = {n for n, p in self.named_parameters() if p.requires_grad}
        fixed = {n for n, p in self.named_parameters() if not p.requires_grad}
        self._changed = frozenset(learnt | (set(self.state_dict()) - fixed))
        return self

    def settle(self) -> Self:
        """Freeze the trained weights, so that features may be cached under a new fingerprint."""
        if self._changed:
            digest, state = hashlib.sha256(), self.state_dict()
            for name in sorted(self._changed):
                digest.update(name.encode())
                digest.update(state[name].detach().cpu().float().numpy().tobytes())
            self._trained = digest.hexdigest()
        self._frozen = True
        self.requires_grad_(False)
        return self.eval()

    def train(self, mode: bool = True) -> Self:
        """Training mode, unless frozen; batch norms without a trained weight keep their means."""
        super().train(mode and not self._frozen)
        for module in self.modules():
            if isinstance(module, _BatchNorm) and not any(
                p.requires_grad for p in module.parameters()
            ):
                module.eval()
        return self


class Trained(Protocol):
    """A backbone, or another network with images as input (a captioner)."""

    domain: str
    contract: EmbeddingContract


def check_domain(backbone: Trained, dataset_domain: str) -> str | None:
    """Refuse weights that were trained on another kind of images.

    Args:
        backbone: network that gets the images.
        dataset_domain: "photographs" or "synthetic", from the data set's manifest.

    Returns:
        A sentence to print where the weights are unusual for the data but allowed, else None.

    Raises:
        WeightsError: for weights trained on synthetic scenes only, on photographs.
    """
    if backbone.domain in {dataset_domain, ANY}:
        return None
    if backbone.domain == SYNTHETIC:
        raise WeightsError(
            f"{backbone.contract.architecture} was trained on synthetic scenes only, and the data "
            f"set holds {dataset_domain}",
            expected="weights trained on photographs",
            todo="model/backbone=clip_vit_b32, or another one with a local file: "
            "model/backbone=torchvision_mobilenet_v2 model.backbone.weights=/path/to/weights.pt, "
            "or model=cached_features model.features=vectors.npz",
        )
    return (
        f"{backbone.contract.architecture} was trained on {backbone.domain}; the data set is "
        f"{dataset_domain}"
    )
