"""Processes that we start: how they find us, and how they end with us. Light: imported first."""

from __future__ import annotations

import os
import signal
import sys
import threading
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


def hold_back_sigterm() -> None:
    """Leave SIGTERM to the thread that will wait for it, in all threads that are still to begin.

    One thread that does not hold it back, of a library or ours, and the system may hand it there:
    then whatever handler there is, Lightning's for one, runs instead.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def end_with_parent() -> None:
    """End this process if the one that started it is killed."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True, name="parent").start()
