"""Values of ``conf/model``: each of the kind that its constructor, or the table below, says."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

OWN = "interestingness"
KINDS: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    bool: ("true or false", lambda v: isinstance(v, bool)),
    int: ("a whole number", lambda v: isinstance(v, int) and not isinstance(v, bool)),
    float: (
        "a finite number",
        lambda v: isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v),
    ),
    str: ("a text", lambda v: isinstance(v, str)),
    Path: ("a path", lambda v: isinstance(v, str)),
    NoneType: ("null", lambda v: v is None),
}
"""What a value must be for a type, in words and as a test."""

GROUPS = ("backbone", "head", "words", "tower", "groups", "tuning", "augment")
NULLABLE = ("groups", "tuning", "augment")
"""Groups of options below ``model``, and those that may be left out."""
PLAIN: dict[str, Any] = {
    "gradient_checkpointing": bool,
    "compile": str | None,
    "scaling": str,
    "features": str | None,
    "vocabulary": str | None,
    "modalities": Sequence[str],
    "raters": Sequence[str] | None,
}
"""Options of ``model`` itself that the assembly reads; FeatureScaler says what scaling there is."""


def wrong_values(path: str, node: Mapping[str, Any], function: Callable[..., Any]) -> Iterator[str]:
    """What is wrong with the kinds of a node's values, as its constructor declares them.

    Our own classes only: a stranger's annotations may promise less than the class takes.

    Args:
        path: place of the node in the config.
        node: plain values.
        function: what they are passed to; what it does not annotate plainly is not judged.
    """
    if function.__module__.partition(".")[0] != OWN:
        return
    hints = get_type_hints(function.__init__ if isinstance(function, type) else function)  # type: ignore[misc]
    for name, value in node.items():
        if expected := unfit(value, hints.get(name, Any)):
            yield f"{path}.{name}={shown(value)}: expected {expected}"


def wrong_model(model: Any) -> Iterator[str]:
    """What is wrong with the values that no constructor sees.

    Args:
        model: plain ``model`` node of a config.
    """
    if not isinstance(model, Mapping):
        return
    for name in GROUPS:
        value = model.get(name, {})
        if not isinstance(value, Mapping) and not (value is None and name in NULLABLE):
            yield f"model.{name}={shown(value)}: expected a group of options"
    for name, kind in PLAIN.items():
        if name in model and (expected := unfit(model[name], kind)):
            yield f"model.{name}={shown(model[name])}: expected {expected}"
    modalities = model.get("modalities")
    generates = isinstance(modalities, list) and "generated_tags" in modalities
    if generates and "vocabulary" in model and model["vocabulary"] is None:
        yield "model.vocabulary=null: expected a column whose words generated_tags choose from"
    l2 = model.get("l2", 0)
    if l2 != "auto" and (unfit(l2, float) or l2 < 0):
        yield f"model.l2={shown(l2)}: expected a number, 0 or more, or auto"


def unfit(value: Any, kind: Any) -> str:
    """What was expected where a value is not of a kind; "" where it is, or nobody can say."""
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    words = []
    for part in parts:
        if get_origin(part) in (Sequence, list):
            (inner,) = get_args(part) or (Any,)
            if isinstance(value, list) and not any(unfit(one, inner) for one in value):
                return ""
            words.append(f"a list, like [{value}]" if isinstance(value, str) else "a list of texts")
        elif part in KINDS:
            word, fits = KINDS[part]
            if fits(value):
                return ""
            words.append(word)
        else:
            return ""
    return " or ".join(words)


def shown(value: Any) -> str:
    """A value as one would type it."""
    if isinstance(value, list):
        return f"[{','.join(map(shown, value))}]"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
