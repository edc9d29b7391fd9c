"""Impatient limits for downloads from the misbehaving host."""

from __future__ import annotations

import pytest

from interestingness.datasets.download.settings import DownloadSettings


@pytest.fixture
def settings() -> DownloadSettings:
    """Impatient, and allowed to ask this machine."""
    return DownloadSettings(
        pause_s=0, attempts=2, backoff_s=0.05, idle_s=0.5, timeout_s=0.7, max_bytes=200_000,
        max_pixels=4_000_000, loopback=True,
    )  # fmt: skip
