"""Check the types of option values against the annotations of their classes and ``PLACES``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import ErrorDetails, SchemaError

OWN = "interestingness"

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Group = Mapping[str, Any]

PLACES: dict[str, Any] = {
    # of every command that has them
    "question": str | None,
    "run_name": str | None,
    "seed": Annotated[int, Field(ge=0, lt=2**32)],  # what NumPy takes
    "trust": Sequence[str],
    "max_bad_share": Share,
    "max_pixels": Count,
    # training and evaluation
    "resume": str | None,
    "skip_finished": bool,
    "ckpt": str,
    "weights": str | None,
    "features": str | None,
    "words": str | None,
    "data.source": str,
    "data.batch_size": Count,
    "data.workers": Literal["auto"] | Annotated[int, Field(ge=0)],
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
    "model.l2": Literal["auto"] | Annotated[float, Field(ge=0)],
    "model.features": str | None,
    "model.vocabulary": str | None,
    "model.modalities": Sequence[str],
    "model.raters": Sequence[str] | None,
    # asking models
    "what": str,
    "comparison": str | None,
    "prompt": str | None,
    "personas": str | Sequence[str],
    "orders": str,
    "samples": int,
    "pilot": int | None,
    "budget": float | None,
    "yes": bool,
    "in_doubt": str,
    "sentinel": int,
    "dry_run": bool,
    "mode": str,
    "ledger": str | None,
    "replace": bool,
    # shards and features
    "out": str,
    "pairs_per_shard": Count,
    "max_side": Count | None,
    "part": str,
}
"""Types of values that no class takes, by their place in the config."""

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
"""What was expected, by the first word of pydantic's type of error."""


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
        hints = get_type_hints(function.__init__ if isinstance(function, type) else function)  # type: ignore[misc]
    except (NameError, TypeError):  # names that others import for their type checker only
        return
    for name, value in node.items():
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
        if expected := mismatch(node[name], kind):
            yield f"{place}={show_value(node[name])}: expected {expected}"
    model = config.get("model")
    if isinstance(model, Mapping) and model.get("vocabulary", "") is None:
        modalities = model.get("modalities")
        if isinstance(modalities, list) and "generated_tags" in modalities:
            yield "model.vocabulary=null: expected a column whose words generated_tags choose from"


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
        said = [_expected(detail) for detail in error.errors(include_url=False)]
        if NoneType in get_args(kind):
            said.append("null")
        return " or ".join(dict.fromkeys(said))
    return ""


def _expected(detail: ErrorDetails) -> str:
    if detail["type"] == "greater_than_equal":
        return f"{detail['ctx']['ge']} or more"
    if detail["type"] == "less_than_equal":
        return f"{detail['ctx']['le']} or less"
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
