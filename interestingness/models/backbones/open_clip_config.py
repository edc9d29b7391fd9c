"""Model configs, preprocessing and places of weights as open_clip records them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interestingness.errors import WeightsError
from interestingness.models.hub import HubFile, Published
from interestingness.models.weights import Weights


def model_config(
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


def check_config_beside(
    found: Weights, config: Mapping[str, Any], preprocessing: Mapping[str, Any]
) -> None:
    """Compare our config with the one that open_clip's repositories keep beside the weights.

    Weights do not show which activation and preprocessing they were trained with.
    """
    beside = found.path.with_name("open_clip_config.json") if found.path else None
    if beside is None or not beside.is_file():
        return
    theirs, prepared = model_config(str(beside), None)
    pairs = {
        "quick_gelu": (config.get("quick_gelu", False), theirs.get("quick_gelu", False)),
        **{k: (tuple(preprocessing[k]), tuple(prepared[k])) for k in ("mean", "std")},
    }
    wrong = [
        f"{k}={ours} here, {other} there" for k, (ours, other) in pairs.items() if ours != other
    ]
    if wrong:
        raise WeightsError(
            f"{beside} differs from the chosen backbone: {'; '.join(wrong)}",
            expected="the architecture and preprocessing that the weights were trained with",
            todo=f"model.backbone.architecture={beside} model.backbone.pretrained=null",
        )


def published_by(architecture: str, pretrained: str | None, licence: str) -> Published | None:
    import open_clip
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    tag = open_clip.get_pretrained_cfg(architecture, pretrained) if pretrained else None
    if not tag or not tag.get("hf_hub"):
        return None
    repository, _, file = tag["hf_hub"].rpartition("/")
    files = (file,) if file else (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME)
    return HubFile(repository, files, licence)
