"""A folder of small photographs, a store, and a session over them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from voting import session_over

from interestingness.collecting.session import VotingSession
from interestingness.collecting.store import VoteStore


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six photographs with awkward names."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a b.jpg", 'it\'s "q".jpg', "sub/ü€.jpg", "<b>.jpg", "e.jpg", f"{'n' * 200}.jpg"):
        pixels = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((320, 240)).save(folder / name)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[VoteStore]:
    opened = VoteStore(tmp_path / "v.sqlite", {"question": "nicer?", "kind": "pairs"})
    yield opened
    opened.close()


@pytest.fixture
def session(photos: Path, store: VoteStore, tmp_path: Path) -> VotingSession:
    return session_over(photos, store, tmp_path)
