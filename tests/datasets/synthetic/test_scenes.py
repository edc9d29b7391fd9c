"""Scenes, words and pictures: seeded, complete, well-formed."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from interestingness.datasets.synthetic.draw import draw
from interestingness.datasets.synthetic.scenes import (
    BACKGROUNDS,
    BLOCKS,
    HABITATS,
    POPULATION,
    SUBJECTS,
    UNUSUAL_SHARE,
    joint,
    scene,
    synthetic_scenes,
)
from interestingness.datasets.synthetic.subjects import PAINTERS
from interestingness.datasets.synthetic.words import caption, description, tags


def test_a_scene_depends_on_seed_and_index_only() -> None:
    long, short = list(synthetic_scenes(3, 40)), list(synthetic_scenes(3, 10))
    assert long[:10] == short
    assert list(synthetic_scenes(3, 5, start=20)) == long[20:25]
    assert scene(3, 7) == long[7] != scene(4, 7)


def test_the_same_scene_gives_the_same_pixels() -> None:
    one = scene(0, 11)
    assert draw(one).tobytes() == draw(one).tobytes()
    assert draw(one).tobytes() != draw(scene(0, 12)).tobytes()


@pytest.mark.parametrize("size", [16, 64, 128])
def test_pictures_have_the_size_asked_for(size: int) -> None:
    picture = draw(scene(1, 1), size=size)
    assert picture.size == (size, size)
    assert picture.mode == "RGB"


def test_every_subject_and_place_is_drawn_and_differs() -> None:
    assert set(PAINTERS) == set(SUBJECTS) == set(HABITATS)
    seen = {(s.subject, s.background): s for s in synthetic_scenes(5, 1500)}
    assert {subject for subject, _ in seen} == set(SUBJECTS)
    assert {background for _, background in seen} == set(BACKGROUNDS)
    for chosen in list(seen.values())[:40]:
        pixels = np.asarray(draw(chosen, size=32), dtype=float)
        assert pixels.std() > 3


def test_monochrome_scenes_are_grey_and_vivid_ones_are_not() -> None:
    found = {s.palette: s for s in synthetic_scenes(2, 200) if s.light == "noon"}
    spread = {
        name: np.ptp(np.asarray(draw(s), dtype=float), axis=-1).mean() for name, s in found.items()
    }
    assert spread["monochrome"] < 2
    assert spread["muted"] < spread["vivid"]


def test_shares_are_those_of_the_population() -> None:
    scenes = list(synthetic_scenes(9, 4000))
    for name, shares in POPULATION.items():
        assert sum(shares.values()) == pytest.approx(1)
        counts = Counter(s.value(name) for s in scenes)
        for value, share in shares.items():
            assert counts[value] / len(scenes) == pytest.approx(share, abs=0.035)
    assert np.mean([s.unusual for s in scenes]) == pytest.approx(UNUSUAL_SHARE, abs=0.03)
    for block in BLOCKS:
        assert sum(joint(*block).values()) == pytest.approx(1)


def test_words_speak_of_what_is_seen() -> None:
    for one in synthetic_scenes(4, 200):
        text = caption(one)
        if one.count == 1:
            assert one.subject in text
        if one.subject not in ("person", "butterfly"):
            assert one.subject in text
        assert one.colour in text
        assert len(text.split()) <= 32
        assert description(one).endswith(".")
        words = tags(one, np.random.default_rng(0))
        assert 3 <= len(words) <= 8
        assert one.subject in words


def test_captions_tell_scenes_apart() -> None:
    texts = {caption(s) for s in synthetic_scenes(0, 1000)}
    assert len(texts) > 980


def test_scenes_need_neither_pyarrow_nor_torch() -> None:
    code = (
        "import sys; from interestingness.datasets.synthetic import synthetic_scenes; "
        "from interestingness.datasets.synthetic.draw import draw; "
        "draw(next(synthetic_scenes(0, 1)), size=32); "
        "print([m for m in ('torch', 'pyarrow', 'open_clip') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
