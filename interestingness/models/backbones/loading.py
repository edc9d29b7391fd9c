"""Functions that all backbones share: loading weights, and plain values for the contract."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from interestingness.errors import WeightsError
from interestingness.models.weights import (
    Weights,
    file_sha256,
    load_exactly,
    read_state,
    state_sha256,
)

Layout = Callable[[nn.Module, Mapping[str, Tensor]], dict[str, Tensor]]


def load_weights(network: nn.Module, found: Weights, name: str, layout: Layout) -> str:
    """Load weights if there is a file; return the hash for the contract."""
    if found.path is None:
        return f"random:{found.seed}:{state_sha256(network)}"
    state = layout(network, read_state(found.path))
    load_exactly(network, state, where=str(found.path), name=name)
    return file_sha256(found.path)


def licence_of(found: Weights, published: str) -> str:
    return published if found.published else "licence as its owner says"


def one_size(size: Any, name: str) -> int:
    sizes = {int(v) for v in (size if isinstance(size, (tuple, list)) else (size,))}
    if len(sizes) != 1:
        raise WeightsError(
            f"{name} takes images of {' × '.join(map(str, size))} pixels",
            expected="as many rows as columns",
            todo="choose another network, or wrap this one in a Backbone of your own",
        )
    return sizes.pop()


def options_hash(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
