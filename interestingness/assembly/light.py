"""Imports of others, without what they import and we do not use."""

from __future__ import annotations

import sys
from types import ModuleType


def import_torchmetrics() -> None:
    """Import torchmetrics, which Lightning needs, without ``scipy.signal`` and ``scipy.stats``.

    Its package imports ``scipy.signal`` only to give it back a name that SciPy took away, for
    another library; that costs a second. A stand-in that has the name is enough.
    """
    name = "scipy.signal"
    if "torchmetrics" in sys.modules or name in sys.modules:
        return
    stand_in = ModuleType(name)
    stand_in.hamming = None  # type: ignore[attr-defined]
    sys.modules[name] = stand_in
    try:
        import torchmetrics  # noqa: F401
    finally:
        del sys.modules[name]
