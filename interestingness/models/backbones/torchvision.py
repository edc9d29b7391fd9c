"""Classifiers of torchvision without their last layer."""

from __future__ import annotations

from torch import Tensor, nn

from interestingness.errors import WeightsError
from interestingness.models.backbone import Backbone
from interestingness.models.backbones.loading import licence_of, load_weights, one_size
from interestingness.models.contract import EmbeddingContract
from interestingness.models.hub import TorchFile
from interestingness.models.weights import resolve_weights, seeded


class TorchvisionBackbone(Backbone):
    """A classifier of torchvision without its last layer: the input of the last linear layer."""

    reentrant = True

    def __init__(self, architecture: str, *, pretrained: str, weights: str, licence: str) -> None:
        """Build the network.

        Args:
            architecture: a name of ``torchvision.models.list_models()`` whose last layer is linear
                (mobilenet_v2, resnet50, vgg16, …).
            pretrained: name of the published weights (IMAGENET1K_V1); decides the preprocessing,
                whatever file is loaded.
            weights: "hub", the path of a state dict in torchvision's layout, or "random[:seed]".
            licence: of the published weights.

        Raises:
            WeightsError: for an unknown architecture, published name or unusable weights.
        """
        from torchvision import models

        if architecture not in models.list_models(module=models):
            raise WeightsError(
                f"torchvision knows no classifier {architecture!r}",
                expected=f"one of {', '.join(models.list_models(module=models)[:8])}, …",
                todo="choose a name of torchvision.models.list_models()",
            )
        known = {w.name: w for w in models.get_model_weights(architecture)}
        if pretrained not in known:
            raise WeightsError(
                f"torchvision publishes no weights {pretrained!r} for {architecture}",
                expected=f"one of {', '.join(known)}",
                todo="model.backbone.pretrained=IMAGENET1K_V1",
            )
        entry = known[pretrained]
        megabytes = entry.meta.get("_file_size")
        published = TorchFile(entry.url, licence, int(megabytes * 2**20) if megabytes else None)
        found = resolve_weights(weights, published, name=architecture)
        with seeded(found.seed):
            network = models.get_model(architecture, weights=None)
        sha = load_weights(network, found, architecture, lambda _, state: dict(state))
        dim = _remove_classifier(network, architecture)
        preset = entry.transforms()
        contract = EmbeddingContract(
            family="torchvision",
            architecture=architecture,
            weights_sha256=sha,
            dim=dim,
            image_size=one_size(preset.crop_size, architecture),
            resize="shortest",
            resize_size=one_size(preset.resize_size, architecture),
            interpolation=preset.interpolation.value,
            mean=tuple(preset.mean),
            std=tuple(preset.std),
        )
        super().__init__(network, contract, licence=licence_of(found, licence), origin=found.origin)

    def forward(self, images: Tensor) -> Tensor:
        """Features before the classifier, shape (B, dim)."""
        features: Tensor = self.network(images)
        return features


def _remove_classifier(network: nn.Module, name: str) -> int:
    """Replace the last linear layer by an identity; return the length of its input."""
    place, last = list(network.named_modules())[-1]
    if not isinstance(last, nn.Linear):
        raise WeightsError(
            f"the last layer of torchvision's {name} is {type(last).__name__}",
            expected="a linear classifier",
            todo="choose another network, or wrap this one in a Backbone of your own",
        )
    parent, _, child = place.rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Identity())
    return last.in_features
