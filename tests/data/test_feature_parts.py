"""Parts of an extraction: together they are the whole, and none waits for another."""

import numpy as np
import pytest
from counting import DIM, Counting, make_images

from interestingness.data.feature_cache import FeatureCache
from interestingness.data.feature_store import FeatureStore
from interestingness.data.images import Skips
from interestingness.data.part import Part
from interestingness.errors import ConfigError


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_parts_together_are_the_whole(tmp_path, count):
    paths = make_images(tmp_path / "images", 7)
    root = tmp_path / "cache"
    encoders = [Counting() for _ in range(count)]
    encoded = [
        FeatureCache(root).encode(paths, encoder, Part(index, count))
        for index, encoder in enumerate(encoders)
    ]
    assert encoded == [len(Part(index, count).of(7)) for index in range(count)]
    assert [encoder.seen for encoder in encoders] == encoded and sum(encoded) == 7
    late = Counting()
    found, ok = FeatureCache(root).features(paths, late)
    assert late.seen == 0 and ok.all()
    np.testing.assert_allclose(found, [late.of(path) for path in paths], rtol=1e-5)


def test_a_part_that_never_came_is_made_by_whoever_needs_all(tmp_path):
    paths = make_images(tmp_path / "images", 8)
    FeatureCache(tmp_path / "cache").encode(paths, Counting(), Part(1, 2))
    encoder = Counting()
    found, ok = FeatureCache(tmp_path / "cache").features(paths, encoder)
    assert encoder.seen == 4 and ok.all()
    np.testing.assert_allclose(found, [encoder.of(path) for path in paths], rtol=1e-5)


def test_parts_do_not_wait_for_each_other_and_clear_up_after_the_dead_only(tmp_path):
    paths = make_images(tmp_path / "images", 4)
    encoder = Counting()
    root = tmp_path / "cache" / encoder.fingerprint()
    root.mkdir(parents=True)
    store = FeatureStore(root, DIM)
    busy, dead = (root / f".unfinished-part-{i}-of-3.abc" for i in (0, 1))
    busy.mkdir()
    dead.mkdir()
    with store.lock("part-0-of-3"):  # another process is at work on its part
        FeatureCache(tmp_path / "cache").encode(paths, encoder, Part(2, 3))
        assert busy.exists() and not dead.exists()
    FeatureCache(tmp_path / "cache").features(paths, encoder)
    assert not busy.exists()


def test_a_part_with_an_unreadable_image_tells_of_it(tmp_path):
    paths = make_images(tmp_path / "images", 4)
    paths[2].write_bytes(b"no picture")
    skips = Skips(max_share=0.0)
    assert FeatureCache(tmp_path / "cache").encode(paths, Counting(), Part(0, 2), skips=skips) == 1
    assert list(skips.reasons) == [str(paths[2])]


@pytest.mark.parametrize("text", ["", "3", "8/8", "-1/8", "1/0", "a/b", "1/2/3"])
def test_a_part_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="part"):
        Part.parse(text)


def test_a_part_is_read_from_text():
    assert Part.parse(" 3/8 ") == Part(3, 8)
    assert [Part(index, 3).of(8) for index in range(3)] == [
        range(0, 8, 3), range(1, 8, 3), range(2, 8, 3)
    ]  # fmt: skip
    assert Part(2, 11).name == "part-02-of-11" and Part().name == "whole"
