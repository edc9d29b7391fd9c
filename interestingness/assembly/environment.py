"""The environment of processes that we start. Light: sweeps import it before anything else."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def finding_us(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which ``python -m interestingness`` is this very package."""
    package_home = str(Path(__file__).parents[2])
    if sys.path[0] != package_home:
        return dict(environment)
    # A clone that is not installed: its script found the package beside itself.
    paths = filter(None, [package_home, environment.get("PYTHONPATH")])
    return {**environment, "PYTHONPATH": os.pathsep.join(paths)}
