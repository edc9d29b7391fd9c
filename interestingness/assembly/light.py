"""Import third-party packages without those of their dependencies that we do not use."""

from __future__ import annotations

import sys
from types import ModuleType


def import_torchmetrics() -> None:
    """Import torchmetrics, which Lightning needs, without ``scipy.signal`` and ``scipy.stats``.

    It imports ``scipy.signal`` only to restore a name that SciPy removed, for another library;
    that takes a second. A stub with that name is enough.
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
