"""The kinds of backbones that ship: open_clip, timm, torchvision, and the small embedded CLIP."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from interestingness.errors import WeightsError
from interestingness.models.backbone import PHOTOGRAPHS, SYNTHETIC, Backbone
from interestingness.models.contract import EmbeddingContract
from interestingness.models.hub import HubFile, Published, TorchFile
from interestingness.models.weights import (
    Weights,
    file_sha256,
    load_exactly,
    read_state,
    resolve_weights,
    seeded,
    state_sha256,
)


class OpenClipBackbone(Backbone):
    """The image tower of a CLIP model that open_clip knows; the text tower is never built."""

    reentrant = True

    def __init__(
        self, architecture: str, *, pretrained: str | None, weights: str, licence: str
    ) -> None:
        """Build the tower and load its weights.

        Args:
            architecture: a name of ``open_clip.list_models()``, or the path of a JSON file with a
                model config of open_clip's form (``open_clip_config.json``).
            pretrained: tag that names published weights and, whatever file is loaded, their
                preprocessing; None takes open_clip's default preprocessing.
            weights: "hub", the path of a checkpoint of the whole model or of its image tower, or
                "random[:seed]".
            licence: of the published weights.

        Raises:
            WeightsError: for an unknown architecture or tag, or unusable weights.
        """
        config, preprocessing = _open_clip_config(architecture, pretrained)
        published = _open_clip_published(architecture, pretrained, licence)
        found = resolve_weights(weights, published, name=architecture)
        _check_config_beside(found, config, preprocessing)
        name = Path(architecture).stem if architecture.endswith(".json") else architecture
        self._build(config, preprocessing, found, "open_clip", name, licence=licence)

    def _build(
        self,
        config: Mapping[str, Any],
        preprocessing: Mapping[str, Any],
        found: Weights,
        family: str,
        name: str,
        *,
        licence: str,
        domain: str = PHOTOGRAPHS,
    ) -> None:
        from open_clip.model import _build_vision_tower

        vision = dict(config["vision_cfg"])
        if "timm_model_name" in vision:
            vision["timm_model_pretrained"] = False
        if "output_tokens" in vision:
            vision["output_tokens"] = False
        with seeded(found.seed):
            # The private builder, because the public one also builds the text tower: three times
            # the time and, for ViT-B/32, 60 million numbers that nothing reads.
            tower = _build_vision_tower(
                config["embed_dim"], vision, config.get("quick_gelu", False)
            )
        sha = _load(tower, found, name, _image_tower)
        size = _one_size(vision.get("image_size", 224), name)
        contract = EmbeddingContract(
            family=family,
            architecture=name,
            architecture_hash=_hash([config["embed_dim"], vision, config.get("quick_gelu", False)]),
            weights_sha256=sha,
            dim=int(config["embed_dim"]),
            image_size=size,
            resize=preprocessing.get("resize_mode") or "shortest",
            resize_size=size,
            interpolation=preprocessing.get("interpolation") or "bicubic",
            mean=tuple(preprocessing["mean"]),
            std=tuple(preprocessing["std"]),
        )
        super().__init__(
            tower, contract, licence=_licence(found, licence), origin=found.origin, domain=domain
        )

    def forward(self, images: Tensor) -> Tensor:
        """Features, shape (B, dim), as ``encode_image(normalize=False)`` gives them."""
        features: Tensor = self.network(images)
        return features


class SceneClipBackbone(OpenClipBackbone):
    """The small CLIP in this package, trained on synthetic scenes; refused on photographs."""

    def __init__(self, *, weights: str) -> None:
        """Build the image tower.

        Args:
            weights: "embedded", the path of another file of the same network, or "random[:seed]".
        """
        from interestingness.models.scene_clip import CONFIG, MODEL_NAME, WEIGHTS

        config, preprocessing = _open_clip_config(str(CONFIG), None)
        given = str(WEIGHTS) if weights == "embedded" else weights
        found = resolve_weights(given, None, name=MODEL_NAME)
        if weights == "embedded":
            found = Weights(found.path, 0, "embedded in the package", published=True)
        self._build(
            config,
            preprocessing,
            found,
            "scene_clip",
            MODEL_NAME,
            licence="Apache-2.0",
            domain=SYNTHETIC,
        )


class TimmBackbone(Backbone):
    """A network that timm knows (DINOv2 among them), without its classifier, pooled."""

    reentrant = True

    def __init__(
        self, architecture: str, *, weights: str, image_size: int | None, licence: str
    ) -> None:
        """Build the network; timm's own data config says how images are prepared.

        Args:
            architecture: a name of ``timm.list_models(pretrained=True)``, tag included.
            weights: "hub", the path of a checkpoint in timm's layout, or "random[:seed]".
            image_size: height and width in pixels; None takes timm's.
            licence: of the published weights.

        Raises:
            WeightsError: for an unknown architecture, unusable weights or preprocessing.
        """
        import timm

        if not timm.is_model(architecture.split(".")[0]):
            raise WeightsError(
                f"timm knows no network {architecture!r}",
                expected="a name of timm.list_models(pretrained=True)",
                todo="python -c \"import timm; print(timm.list_models('*dinov2*'))\"",
            )
        config = timm.get_pretrained_cfg(architecture)
        hub = config.hf_hub_id if config is not None else None
        files = (config.hf_hub_filename or "model.safetensors",) if hub else ()
        published = HubFile(hub, (*files, "pytorch_model.bin"), licence) if hub else None
        found = resolve_weights(weights, published, name=architecture)
        size = {} if image_size is None else {"img_size": image_size}
        with seeded(found.seed):
            try:
                network = timm.create_model(architecture, pretrained=False, num_classes=0, **size)
            except TypeError:
                # Convolutional networks take any size and have no such argument.
                network = timm.create_model(architecture, pretrained=False, num_classes=0)
        sha = _load(network, found, architecture, _timm_layout)
        data = timm.data.resolve_model_data_config(network)
        pixels = image_size or _one_size(data["input_size"][1:], architecture)
        squash = data["crop_mode"] == "squash"
        if data["crop_mode"] not in {"center", "squash"}:
            raise WeightsError(
                f"{architecture}: timm prepares images with crop mode {data['crop_mode']!r}",
                expected="center or squash",
                todo="give the backbone a transform of its own (docs/add/backbone.md)",
            )
        contract = EmbeddingContract(
            family="timm",
            architecture=architecture,
            architecture_hash=_hash(size),
            weights_sha256=sha,
            dim=int(network.head_hidden_size),
            image_size=pixels,
            resize="squash" if squash else "shortest",
            resize_size=math.floor(pixels / data["crop_pct"]),
            interpolation=data["interpolation"],
            mean=tuple(data["mean"]),
            std=tuple(data["std"]),
        )
        super().__init__(network, contract, licence=_licence(found, licence), origin=found.origin)

    def forward(self, images: Tensor) -> Tensor:
        """Features before the classifier, shape (B, dim)."""
        features: Tensor = self.network(images)
        return features


class TorchvisionBackbone(Backbone):
    """A classifier of torchvision without its last layer: what enters the last linear layer."""

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
        sha = _load(network, found, architecture, lambda _, state: dict(state))
        dim = _remove_classifier(network, architecture)
        preset = entry.transforms()
        contract = EmbeddingContract(
            family="torchvision",
            architecture=architecture,
            weights_sha256=sha,
            dim=dim,
            image_size=_one_size(preset.crop_size, architecture),
            resize="shortest",
            resize_size=_one_size(preset.resize_size, architecture),
            interpolation=preset.interpolation.value,
            mean=tuple(preset.mean),
            std=tuple(preset.std),
        )
        super().__init__(network, contract, licence=_licence(found, licence), origin=found.origin)

    def forward(self, images: Tensor) -> Tensor:
        """Features before the classifier, shape (B, dim)."""
        features: Tensor = self.network(images)
        return features


Layout = Callable[[nn.Module, Mapping[str, Tensor]], dict[str, Tensor]]


def _load(network: nn.Module, found: Weights, name: str, layout: Layout) -> str:
    """Load weights if there is a file; returns what the contract says of the weights."""
    if found.path is None:
        return f"random:{found.seed}:{state_sha256(network)}"
    state = layout(network, read_state(found.path))
    load_exactly(network, state, where=str(found.path), name=name)
    return file_sha256(found.path)


def _image_tower(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The image tower's part of a checkpoint of the whole model."""
    prefix = "visual."
    tower = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
    return tower or dict(state)


def _timm_layout(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Original checkpoints in timm's names, position embeddings at our size, no classifier."""
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    converted = dict(convert(dict(state), network) if convert else state)
    names: Any = network.pretrained_cfg.get("classifier") or ()  # type: ignore[union-attr,operator]
    own = network.state_dict()
    for name in (names,) if isinstance(names, str) else names:
        for entry in (f"{name}.weight", f"{name}.bias"):
            if entry not in own:
                converted.pop(entry, None)
    return converted


def _remove_classifier(network: nn.Module, name: str) -> int:
    """Put an identity in place of the last linear layer; returns the length of what enters it."""
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


def _open_clip_config(
    architecture: str, pretrained: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Model config and preprocessing of a name, or of a JSON file."""
    import open_clip
    from open_clip.transform import PreprocessCfg

    default = PreprocessCfg()
    preprocessing: dict[str, Any] = {"mean": default.mean, "std": default.std}
    if architecture.endswith(".json"):
        try:
            read = json.loads(Path(architecture).expanduser().read_text())
        except (OSError, ValueError) as error:
            raise WeightsError(
                f"{architecture}: {error}",
                expected="a model config of open_clip as JSON",
                todo="name a file like open_clip_config.json, or an architecture by its name",
            ) from None
        return read.get("model_cfg", read), {**preprocessing, **read.get("preprocess_cfg", {})}
    config = open_clip.get_model_config(architecture)
    if config is None:
        raise WeightsError(
            f"open_clip knows no architecture {architecture!r}",
            expected="a name of open_clip.list_models()",
            todo='python -c "import open_clip; print(open_clip.list_models())"',
        )
    if pretrained is not None:
        tag = open_clip.get_pretrained_cfg(architecture, pretrained)
        if not tag:
            tags = open_clip.list_pretrained_tags_by_model(architecture)
            raise WeightsError(
                f"open_clip publishes no weights {pretrained!r} for {architecture}",
                expected=f"one of {', '.join(tags)}",
                todo="model.backbone.pretrained=<one of these>, or null",
            )
        if "quick_gelu" in tag and tag["quick_gelu"] != config.get("quick_gelu", False):
            raise WeightsError(
                f"the weights {pretrained!r} were trained with quick_gelu={tag['quick_gelu']}, "
                f"and {architecture} is built without that",
                expected="the same activation",
                todo=f"model.backbone.architecture={architecture.removesuffix('-quickgelu')}"
                + ("-quickgelu" if tag["quick_gelu"] else ""),
            )
        keys = ("mean", "std", "interpolation", "resize_mode")
        preprocessing.update({k: tag[k] for k in keys if tag.get(k) is not None})
    return config, preprocessing


def _check_config_beside(
    found: Weights, config: Mapping[str, Any], preprocessing: Mapping[str, Any]
) -> None:
    """Hold our config against the one that open_clip's repositories keep beside the weights.

    The activation and the preprocessing leave no trace in the weights themselves.
    """
    beside = found.path.with_name("open_clip_config.json") if found.path else None
    if beside is None or not beside.is_file():
        return
    theirs, prepared = _open_clip_config(str(beside), None)
    pairs = {
        "quick_gelu": (config.get("quick_gelu", False), theirs.get("quick_gelu", False)),
        **{k: (tuple(preprocessing[k]), tuple(prepared[k])) for k in ("mean", "std")},
    }
    wrong = [
        f"{k}={ours} here, {other} there" for k, (ours, other) in pairs.items() if ours != other
    ]
    if wrong:
        raise WeightsError(
            f"{beside} says otherwise than the chosen backbone: {'; '.join(wrong)}",
            expected="the architecture and preprocessing that the weights were trained with",
            todo=f"model.backbone.architecture={beside} model.backbone.pretrained=null",
        )


def _open_clip_published(
    architecture: str, pretrained: str | None, licence: str
) -> Published | None:
    import open_clip
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    tag = open_clip.get_pretrained_cfg(architecture, pretrained) if pretrained else None
    if not tag or not tag.get("hf_hub"):
        return None
    repository, _, file = tag["hf_hub"].rpartition("/")
    files = (file,) if file else (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME)
    return HubFile(repository, files, licence)


def _licence(found: Weights, published: str) -> str:
    return published if found.published else "licence as its owner says"


def _one_size(size: Any, name: str) -> int:
    sizes = {int(v) for v in (size if isinstance(size, (tuple, list)) else (size,))}
    if len(sizes) != 1:
        raise WeightsError(
            f"{name} sees images of {' × '.join(map(str, size))} pixels",
            expected="as many rows as columns",
            todo="choose another network, or wrap this one in a Backbone of your own",
        )
    return sizes.pop()


def _hash(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
