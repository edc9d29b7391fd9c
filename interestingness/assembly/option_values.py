"""Check the types of option values against the annotations of their classes and ``PLACES``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import ErrorDetails, SchemaError

from interestingness.ranges import Count, NotNegative, Positive, Seed, Share, Size

OWN = "interestingness"

Group = Mapping[str, Any]
UNIONS = (Union, UnionType)

PLACES: dict[str, Any] = {
    # of every command that has them
    "question": str | None,
    "name": str | None,
    "run_name": str | None,
    "seed": Seed,
    "trust": Sequence[str],
    "max_bad_share": Share,
    "max_pixels": Count,
    # training and evaluation
    "resume": str | None,
    "skip_finished": bool,
    "ckpt": str,
    "judge": str | None,
    "weights": str | None,
    "features": str | None,
    "words": str | None,
    "data.source": str,
    "data.batch_size": Count,
    "data.workers": Literal["auto"] | Size,
    "data.max_bad_share": Share,
    "data.max_pixels": Count,
    "data.shards": str | None,
    "data.copy": bool,
    "data.pairs_per_shard": Count,
    "data.max_side": Count | None,
    "data.reduce": bool,
    "paths.cache": str,
    "paths.runs": str,
    "paths.run": str,
    # classes of others, which refuse these only when they are built, if at all
    "optimizer.lr": Positive,
    "optimizer.weight_decay": NotNegative,
    "trainer.max_epochs": Count | Literal[-1] | None,
    "trainer.accumulate_grad_batches": Count | None,
    "trainer.gradient_clip_val": Positive | None,
    # the model
    "model.backbone": Group,
    "model.head": Group,
    "model.words": Group,
    "model.tower": Group,
    "model.groups": Group | None,
    "model.tuning": Group | None,
    "model.augment": Group | None,
    "model.gradient_checkpointing": bool,
    "model.compile": str | None,
    "model.scaling": str,
    "model.l2": Literal["auto"] | NotNegative,
    "model.features": str | None,
    "model.vocabulary": str | None,
    "model.modalities": Sequence[str],
    "model.raters": Sequence[str] | None,
    # asking models
    "what": Literal["pairs", "images", "descriptions", "cupl"],
    "comparison": str | None,
    "prompt": str | None,
    "personas": str | Sequence[str],
    "orders": Literal["both", "random"],
    "samples": Count,
    "pilot": Count | None,
    "budget": NotNegative | None,
    "yes": bool,
    "in_doubt": Literal["hold", "rebuy"],
    "sentinel": Size,
    "dry_run": bool,
    "mode": Literal["sync", "batch"],
    "ledger": str | None,
    "replace": bool,
    # shards and features
    "out": str,
    "pairs_per_shard": Count,
    "max_side": Count | None,
    "part": str,
}
"""Types of values that no class takes, or whose class annotates less, by place in the config."""

EVERYWHERE: dict[str, Any] = {"seed": Seed}
"""Types of options that mean the same in every class of ours, by name."""

SPOKEN: dict[Any, str] = {
    Count: "an integer, 1 or more",
    Size: "an integer, 0 or more",
    Seed: f"an integer from 0 to {2**32 - 1}",
    Share: "a number from 0 to 1",
    Positive: "a positive number",
    NotNegative: "a number, 0 or more",
    NoneType: "null",
}
"""What was expected, by annotation."""

WORDS = {
    "bool": "true or false",
    "int": "an integer",
    "float": "a number",
    "finite": "a finite number",
    "string": "a text",
    "list": "a list",
    "tuple": "a list",
    "iterable": "a list",
    "dict": "a group of options",
    "mapping": "a group of options",
    "is": "a group of options with a _target_",
    "needs": "a group of options with a _target_",
}
"""What was expected, by the first word of pydantic's type of error; for other annotations."""


def wrong_values(path: str, node: Mapping[str, Any], function: Callable[..., Any]) -> Iterator[str]:
    """Report a node's values that do not match the annotations of its class or function.

    Our own classes are strict: no number for true or false, no NaN, no infinity. Third-party
    classes are assumed to accept whatever can be converted.

    Args:
        path: place of the node in the config.
        node: plain values.
        function: what they are passed to.
    """
    strict = function.__module__.partition(".")[0] == OWN
    try:
        called = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
        hints = get_type_hints(called, include_extras=True) | (EVERYWHERE if strict else {})
    except (NameError, TypeError):  # names that others import for their type checker only
        return
    for name, value in node.items():
        if f"{path}.{name}" in PLACES:
            continue
        if expected := mismatch(value, hints.get(name, Any), strict=strict):
            yield f"{path}.{name}={show_value(value)}: expected {expected}"


def wrong_places(config: Mapping[str, Any]) -> Iterator[str]:
    """Report wrong values among those that no class takes.

    Args:
        config: plain composed config.
    """
    for place, kind in PLACES.items():
        *groups, name = place.split(".")
        node: Any = config
        for group in groups:
            node = node.get(group) if isinstance(node, Mapping) else None
        if not isinstance(node, Mapping) or name not in node:
            continue
        if node[name] is None and groups == ["data"] and "ckpt" in config:
            continue  # the run's own
        if expected := mismatch(node[name], kind):
            yield f"{place}={show_value(node[name])}: expected {expected}"
    yield from _wrong_shares(config.get("split"))
    model = config.get("model")
    if isinstance(model, Mapping) and model.get("vocabulary", "") is None:
        modalities = model.get("modalities")
        if isinstance(modalities, list) and "generated_tags" in modalities:
            yield "model.vocabulary=null: expected a column whose words generated_tags choose from"


def _wrong_shares(split: Any) -> Iterator[str]:
    """Report shares of a split that do not sum to 1; each alone is checked by its annotation."""
    names = ("train", "validation", "test")
    if not isinstance(split, Mapping) or not set(names) <= set(split):
        return
    if not str(split.get("_target_")).startswith(f"{OWN}."):
        return
    shares = [split[name] for name in names]
    alone = any(isinstance(s, bool) or mismatch(s, Share) for s in shares)
    if not alone and not 0.999999 < sum(shares) < 1.000001:
        given = " ".join(f"split.{n}={show_value(s)}" for n, s in zip(names, shares, strict=True))
        yield f"{given}: expected shares that sum to 1; without split.test, the rest tests"


def mismatch(value: Any, kind: Any, *, strict: bool = True) -> str:
    """Describe the expected type if a value is not of it; "" if it is, or if that is unknown.

    Args:
        value: plain, as YAML has it; one that holds a ``_target_`` becomes an object, which is not
            checked here.
        kind: an annotation.
        strict: whether only integers may be converted, to floats.
    """
    if kind is Any or _becomes_an_object(value):
        return ""
    check = _check_of(kind, strict)
    if check is None:
        return ""
    try:
        check.validate_json(json.dumps(value, default=str))  # YAML's values are those of JSON
    except ValidationError as error:
        if spoken := _spoken(kind):
            return spoken
        said = [_expected(detail) for detail in error.errors(include_url=False)]
        if NoneType in get_args(kind):
            said.append("null")
        return " or ".join(dict.fromkeys(said))
    return ""


def _spoken(kind: Any) -> str:
    """Describe an annotation by ``SPOKEN``; "" if it has other parts."""
    if kind in SPOKEN:
        return SPOKEN[kind]
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    parts = [_spoken(part) for part in get_args(kind)] if get_origin(kind) in UNIONS else []
    return " or ".join(parts) if parts and all(parts) else ""


def _expected(detail: ErrorDetails) -> str:
    said = detail["msg"].removeprefix("Input should be ")
    return WORDS.get(detail["type"].split("_")[0], said)


@cache
def _check_of(kind: Any, strict: bool) -> TypeAdapter[Any] | None:
    config = ConfigDict(strict=strict, allow_inf_nan=not strict, arbitrary_types_allowed=True)
    try:
        return TypeAdapter(kind, config=config)
    except (PydanticUserError, SchemaError):  # annotations that pydantic cannot check
        return None


def _becomes_an_object(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value.get("_target_")) or any(map(_becomes_an_object, value.values()))
    return isinstance(value, list) and any(map(_becomes_an_object, value))


def show_value(value: Any) -> str:
    """Format a value as one would type it."""
    if isinstance(value, list):
        return f"[{','.join(map(show_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{name}:{show_value(inner)}' for name, inner in value.items())}}}"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
