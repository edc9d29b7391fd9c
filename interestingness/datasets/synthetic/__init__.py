"""Simulate a data set with known truth: scenes and raters, calibrated to the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interestingness.datasets.synthetic.scenes import Scene, scene, synthetic_scenes

if TYPE_CHECKING:
    from interestingness.datasets.synthetic.prepare import prepare_synthetic

__all__ = ["Scene", "prepare_synthetic", "scene", "synthetic_scenes"]


def __getattr__(name: str) -> Any:
    # Scenes need no pyarrow; it is imported for tables only.
    if name == "prepare_synthetic":
        from interestingness.datasets.synthetic.prepare import prepare_synthetic

        return prepare_synthetic
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
