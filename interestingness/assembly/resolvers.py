"""Functions that our config files call, as ``${rest:0.5,0.1}``; importing this registers them."""

from __future__ import annotations

from typing import Any

from omegaconf import OmegaConf


def rest(*shares: Any) -> float:
    """Return what these shares leave of 1, from 0 to 1; 0 if a share is not a number."""
    if not all(isinstance(share, int | float) for share in shares):
        return 0.0  # which is reported, and not here
    return min(1.0, max(0.0, round(1 - sum(shares), 12)))


def first(name: Any, otherwise: Any) -> str:
    """Return the name, or what stands for it where it is null."""
    return str(otherwise if name is None else name)


OmegaConf.register_new_resolver("rest", rest, replace=True)
OmegaConf.register_new_resolver("first", first, replace=True)
