"""Choose how many threads or processes read and decode images."""

from __future__ import annotations

import os

from interestingness.errors import ConfigError

MOST = 16


def worker_count(workers: int | str, *, processes: int = 1, most: int = MOST, kept: int = 0) -> int:
    """Return the number of workers for ``data.workers``.

    Args:
        workers: a number, or "auto" to divide the usable cores among processes.
        processes: number of processes that share the cores of this machine.
        most: largest number of workers that "auto" gives.
        kept: cores of a process's share that "auto" leaves to the process itself.

    Returns:
        At least 1 for "auto"; any other number as it is.

    Raises:
        ConfigError: for anything else.
    """
    if workers == "auto":
        affinity = getattr(os, "sched_getaffinity", None)
        usable = len(affinity(0)) if affinity else os.cpu_count() or 1
        return max(1, min(usable // processes - kept, most))
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 0:
        raise ConfigError(
            f"data.workers={workers}", expected="auto, or a number of 0 or more", todo="choose one"
        )
    return workers
