"""Check options directly below ``model``: which are read, and which exclude each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser

from interestingness.runs.job import COMMANDS

ALL = ("backbone", "head", "l2", "scaling")
FUSING = ("features", "modalities", "raters", "tower", "vocabulary", "words")
LEARNING = ("augment", "compile", "gradient_checkpointing", "groups", "tuning")
"""Options of every model, those of a fusion, those of a model whose backbone learns."""


def unread_options(
    model: Any, overrides: Sequence[str] | None, *, checkpoint: bool = False
) -> Iterator[str]:
    """Report options that nothing would read.

    A third-party model's file may define values that its other values refer to; so only what was
    added on the command line is checked.

    Args:
        model: plain ``model`` node of a config.
        overrides: what was typed; None where it is unknown, and all options are checked.
        checkpoint: whether the command's model is that of a checkpoint.
    """
    if not isinstance(model, Mapping):
        return
    added = added_options(model, overrides)
    fuses = {"modalities", "words"} <= model.keys()
    learns = set(LEARNING) - {"tuning"} <= model.keys() or bool(model.get("tuning"))
    there = {*ALL, *(FUSING if fuses else ()), *(LEARNING if learns else ())}
    if not (model.keys() - added) & {"head"} and overrides is not None:
        there = {"backbone"}  # a command that has no model of its own
    if not _has_backbone(model):
        there.add("features")
    for name in sorted(added - there):
        yield f"model: there is no option {name!r}; " + _instead(name, there, checkpoint)
    if learns and not model.get("tuning"):
        yield (
            "model.tuning=null: expected a tuning (last_blocks, lora, full); for a backbone that "
            "stays as it is: model=paper_recipe data=shards"
        )
    if model.get("tuning") and not {"compile", "gradient_checkpointing"} <= model.keys():
        yield (
            "model.tuning: expected a model whose backbone learns: model=finetuned_clip, then "
            "model/tuning=lora without a +"
        )
    if fuses and model.get("features") is not None and _has_backbone(model):
        yield (
            f"model.features={model['features']}: expected no backbone beside a file of features "
            "(add model/backbone=none)"
        )


def added_options(model: Mapping[str, Any], overrides: Sequence[str] | None) -> set[str]:
    """List options directly below ``model`` that only the command line defines."""
    if overrides is None:
        return set(model) - {"features"}  # whose model may have a backbone that goes unused
    paths = [p[1:] for o in overrides if o.startswith(("+model", "++model")) for p in places_of(o)]
    inner = {name: {p[1] for p in paths if p[:1] == [name] and len(p) > 1} for name in model}
    return {
        name
        for name, value in model.items()
        if [name] in paths or (isinstance(value, Mapping) and value and set(value) <= inner[name])
    }


def places_of(override: str) -> list[list[str]]:
    """List the places of the values of a typed ``+option=value``."""
    parsed = OverridesParser.create().parse_override(override)
    return list(_paths(parsed.get_key_element().lstrip("+"), parsed.value()))


def overrides_here() -> list[str] | None:
    """Return the typed overrides without Hydra's own; None where Hydra runs no job."""
    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else None


def shows_config() -> str:
    """Return the command that shows the config of the running one, for messages."""
    name = HydraConfig.get().job.config_name if HydraConfig.initialized() else "train"
    if name in COMMANDS:
        return f"python {COMMANDS[name]}.py --cfg job"
    return f"interestingness {'shards write' if name == 'shards' else name} --cfg job"


def _paths(key: str, value: Any) -> Iterator[list[str]]:
    """List the places of an override's values, whether it names them by dots or in braces."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _paths(f"{key}.{name}", inner)
    else:
        yield key.split(".")


def _has_backbone(model: Mapping[str, Any]) -> bool:
    backbone = model.get("backbone")
    return isinstance(backbone, Mapping) and bool(backbone.get("_target_"))


def _instead(name: str, there: set[str], checkpoint: bool) -> str:
    if checkpoint:
        return (
            "the model is the checkpoint's; files that lie elsewhere by now are named by "
            "weights=FILE, features=FILE, words=FILE"
        )
    said = f"there are {', '.join(sorted(there))}"
    if "head" not in there:
        return said
    if name == "features":
        return f"{said} (features are for model=cached_features)"
    if name in FUSING:
        return f"{said} ({name} is for model=tag_fusion)"
    if name in LEARNING:
        return f"{said} ({name} is for a backbone that learns: model=finetuned_clip)"
    return said
