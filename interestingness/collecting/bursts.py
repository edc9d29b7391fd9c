"""Frames of one burst, by the camera's clock: within seconds of each other."""

from __future__ import annotations

from collections.abc import Iterable

from interestingness.datasets.capture_times import capture_time, capture_time_of
from interestingness.datasets.photographs import Photographs

GAP_S = 2.0
"""Seconds between two frames of a burst, at most."""


def bursts_of(photographs: Photographs) -> dict[str, int]:
    """Number the bursts; photographs alone, and those without a time, are in none.

    Returns:
        Number of the burst by the name of a photograph.
    """
    taken = []
    for row, name in enumerate(photographs.image_ids):
        path = photographs.path(row)
        # Of a file the beginning is read alone.
        time = capture_time(photographs[row].read) if path is None else capture_time_of(path)
        if time == time:
            taken.append((time, name))
    groups = _chained(sorted(taken))
    return {name: number for number, group in enumerate(groups) for name in group}


def _chained(times: Iterable[tuple[float, str]]) -> list[list[str]]:
    """Groups of two or more whose neighbours are at most ``GAP_S`` apart."""
    groups: list[list[str]] = []
    before = float("-inf")
    for time, name in times:
        if time - before > GAP_S:
            groups.append([])
        groups[-1].append(name)
        before = time
    return [group for group in groups if len(group) > 1]
