"""interestingness: learn which images people find interesting, from pairs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interestingness.library import ImageScore as ImageScore
    from interestingness.library import LoadedScorer as LoadedScorer
    from interestingness.library import Run as Run
    from interestingness.library import Scores as Scores
    from interestingness.library import fit as fit
    from interestingness.library import load as load
    from interestingness.library import open_run as open_run

__version__ = "0.1.0"
__all__ = ["ImageScore", "LoadedScorer", "Run", "Scores", "fit", "load", "open_run"]


def __getattr__(name: str) -> Any:
    """Import the library when it is first used: without it, this import is light."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("interestingness.library"), name)


def __dir__() -> list[str]:
    """List the library too."""
    return sorted([*globals(), *__all__])
