"""Each distinct image is encoded once, and no wrong feature is ever served."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from counting import DIM, Counting, check, make_images
from PIL import Image

from interestingness.data import content, encoding, feature_cache
from interestingness.data.feature_cache import FeatureCache
from interestingness.data.feature_store import FeatureStore
from interestingness.data.images import Skips
from interestingness.errors import DataError, WeightsError


def segments(cache):
    return sorted(cache.root.glob("*/segment-*"))


def test_each_distinct_image_is_encoded_once(cache, paths):
    copy = paths[0].with_name("copy.png")
    copy.write_bytes(paths[3].read_bytes())
    encoder = Counting()
    features, present = cache.features([*paths, copy, paths[5]], encoder, batch_size=8)
    assert encoder.seen == 20
    assert features.dtype == np.float32
    check(features, present, [*paths, copy, paths[5]], encoder)
    np.testing.assert_array_equal(features[20], features[3])


@pytest.mark.parametrize("remembered", [False, True])
def test_nothing_is_encoded_twice(cache, paths, remembered, monkeypatch):
    if remembered:
        monkeypatch.setattr(content, "YOUNG_NS", -(10**18))
    first, _ = cache.features(paths, Counting())
    again = Counting()
    order = [7, 3, 19, 3]
    features, present = cache.features([paths[i] for i in order], again)
    assert again.seen == 0 and present.all()
    np.testing.assert_array_equal(features, first[order])
    if remembered:
        # known by their state: the files are not even read
        monkeypatch.setattr(encoding, "read_bytes", lambda path: pytest.fail("read again"))
        cache.features(paths, again)


def test_only_new_images_are_encoded(cache, paths, tmp_path):
    cache.features(paths[:12], Counting())
    encoder = Counting()
    more = make_images(tmp_path / "more", 5, start=100)
    features, present = cache.features([*more, *paths], encoder)
    assert encoder.seen == 13
    check(features, present, [*more, *paths], encoder)


def test_other_weights_and_other_preprocessing_have_features_of_their_own(cache, paths):
    for encoder in (Counting(), Counting("another"), Counting(size=9)):
        features, present = cache.features(paths, encoder)
        assert encoder.seen == 20
        check(features, present, paths, encoder)
    assert len(list(cache.root.glob("*/"))) == 3


def test_a_replaced_image_of_equal_size_and_date_is_encoded_anew(cache, tmp_path, settled):
    one, other = tmp_path / "one.bmp", tmp_path / "other.bmp"
    Image.new("RGB", (9, 9), (250, 10, 10)).save(one)
    Image.new("RGB", (9, 9), (10, 10, 250)).save(other)
    cache.features([one], Counting())
    before = one.stat()
    time.sleep(0.02)  # one tick of the file system's clock, so that the entry's own time differs
    one.write_bytes(other.read_bytes())
    os.utime(one, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert one.stat().st_size == before.st_size
    encoder = Counting()
    features, present = cache.features([one], encoder)
    assert encoder.seen == 1
    check(features, present, [other], encoder)


def test_features_that_lie_in_order_are_memory_mapped(cache, paths):
    encoder = Counting()
    features, _ = cache.features(paths, encoder, batch_size=4)
    assert isinstance(features, np.memmap) and not features.flags.writeable
    part, _ = cache.features(paths[4:9], encoder)
    assert isinstance(part, np.memmap)
    np.testing.assert_array_equal(part, features[4:9])


def test_unreadable_images_are_skipped_counted_and_listed(cache, paths):
    paths[2].write_bytes(b"no image")
    paths[4].write_bytes(paths[4].read_bytes()[:60])
    paths[6].unlink()
    skips, encoder = Skips(max_share=0.2), Counting()
    features, present = cache.features(paths, encoder, skips=skips)
    assert np.flatnonzero(~present).tolist() == [2, 4, 6]
    assert list(skips.reasons) == [str(paths[i]) for i in (2, 4, 6)]
    assert (features[~present] == 0).all()
    good = [p for i, p in enumerate(paths) if i not in (2, 4, 6)]
    check(features[present], present[present], good, encoder)


def test_too_many_unreadable_images_stop_the_run(cache, paths):
    for path in paths[:3]:
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match="3 of 20"):
        cache.features(paths, Counting(), skips=Skips(max_share=0.1))
    with pytest.raises(DataError, match="3 of 20"):
        cache.features(paths, Counting())
    again = Counting()
    cache.features(paths, again, skips=Skips(max_share=0.15))
    assert again.seen == 0, "what could be read was kept"


def test_progress_counts_the_missing_images(cache, paths):
    cache.features(paths[:5], Counting())
    calls = []
    cache.features(paths[:9], Counting(), progress=lambda *call: calls.append(call))
    # files are too young to be known by their state, so all nine are looked at
    assert [done for done, _, _ in calls] == list(range(1, 10))
    assert {total for _, total, _ in calls} == {9}


def test_no_images_at_all(cache):
    features, present = cache.features([], Counting())
    assert features.shape == (0, DIM) and present.shape == (0,)


def test_a_backbone_in_training_is_refused(cache, paths):
    with pytest.raises(WeightsError, match="being trained"):
        cache.features(paths, Counting().unfreeze())


def test_features_that_are_not_finite_are_never_stored(cache, paths):
    encoder = Counting("broken")
    with torch.no_grad():
        encoder.network.bias[0] = float("nan")
    with pytest.raises(DataError, match=r"000\.png.*not finite"):
        cache.features(paths, encoder, batch_size=4)
    assert not segments(cache)


class Interrupted(Counting):
    """Is stopped before its third batch."""

    def forward(self, images):
        if self.seen >= 8:
            raise KeyboardInterrupt
        return super().forward(images)


def test_an_interrupted_extraction_keeps_what_it_has(cache, paths):
    with pytest.raises(KeyboardInterrupt):
        cache.features(paths, Interrupted(), batch_size=4)
    encoder = Counting()
    features, present = cache.features(paths, encoder, batch_size=4)
    assert encoder.seen == 12
    check(features, present, paths, encoder)


KILLED = """
import os, signal, sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from interestingness.data import feature_cache
from counting import Counting
feature_cache.PART = 4

class Killed(Counting):
    def forward(self, images):
        if self.seen >= 10:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(images)

paths = sorted(Path({images!r}).glob("*.png"))
feature_cache.FeatureCache({cache!r}).features(paths, Killed(), batch_size=2)
"""


def test_a_killed_writer_leaves_finished_segments_and_no_lock(cache, paths, repository):
    script = KILLED.format(
        folder=str(repository / "tests" / "data"),
        images=str(paths[0].parent),
        cache=str(cache.root),
    )
    killed = subprocess.run([sys.executable, "-c", script], cwd=repository, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(segments(cache)) == 2
    leftover = segments(cache)[0].parent / ".unfinished-1-x"
    leftover.mkdir()
    (leftover / "features.npy").write_bytes(b"half")
    encoder = Counting()
    features, present = cache.features(paths, encoder)
    assert encoder.seen == 12
    check(features, present, paths, encoder)
    assert not leftover.exists()
    assert len(segments(cache)) == 1, "small segments are merged"


def test_several_processes_at_once_encode_once(cache, paths):
    # threads stand in for processes: a file lock of one object does not let another one in
    encoders = [Counting() for _ in range(4)]
    results = {}

    def work(i):
        results[i] = FeatureCache(cache.root).features(paths, encoders[i], batch_size=4)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(encoder.seen for encoder in encoders) == 20
    for i in range(4):
        check(*results[i], paths, Counting())


def flip(path):
    data = bytearray(path.read_bytes())
    data[-5] ^= 64
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda s: flip(s / "features.npy"),
        lambda s: flip(s / "keys.npy"),
        lambda s: (s / "features.npy").write_bytes((s / "features.npy").read_bytes()[:-8]),
        lambda s: (s / "segment.json").write_text("{"),
        lambda s: (s / "segment.json").write_text("[]"),
        lambda s: (s / "keys.npy").unlink(),
    ],
)
def test_a_damaged_segment_is_computed_again_and_said(cache, paths, damage, caplog):
    cache.features(paths, Counting())
    damage(segments(cache)[0])
    encoder = Counting()
    with caplog.at_level(logging.WARNING):
        features, present = cache.features(paths, encoder)
    assert encoder.seen == 20
    assert "damaged" in caplog.text
    check(features, present, paths, encoder)


def test_segments_are_written_and_merged(cache, paths, monkeypatch):
    monkeypatch.setattr(feature_cache, "PART", 6)
    encoder = Counting()
    features, present = cache.features(paths, encoder, batch_size=3)
    assert len(segments(cache)) == 1
    check(features, present, paths, encoder)


def test_keys_that_end_in_zero_bytes_are_told_apart(tmp_path):
    from interestingness.data.feature_store import FeatureStore

    keys = [bytes([1]) + bytes(31), bytes([1, 1]) + bytes(30), bytes(32), bytes(31) + b"\1"]
    store = FeatureStore(tmp_path, 2)
    store.write(keys, np.arange(8, dtype=np.float32).reshape(4, 2), {})
    assert store.find(keys[::-1]).tolist() == [3, 2, 1, 0]
    assert store.keys() == set(keys)
    assert store.find([b"\2" * 32]).tolist() == [-1]


def test_real_photographs_with_real_weights(cache, shared_data):
    from interestingness.models.backbones import TorchvisionBackbone

    weights = shared_data / "backbones" / "mobilenet_v2_torchvision_layout.pt"
    backbone = TorchvisionBackbone(
        "mobilenet_v2", pretrained="IMAGENET1K_V1", weights=str(weights), licence="Apache-2.0"
    )
    photographs = sorted((shared_data / "oasis" / "images").glob("*.jpg"))[:6]
    features, present = cache.features(photographs, backbone, batch_size=4)
    assert present.all()
    with torch.no_grad():
        for path, feature in zip(photographs, features, strict=True):
            direct = backbone(backbone.transform(Image.open(path).convert("RGB"))[None])[0]
            np.testing.assert_allclose(feature, direct.numpy(), rtol=1e-3, atol=1e-4)


def test_the_index_of_many_segments_finds_every_key(tmp_path):
    # Segments are added to the index one by one: places must be those of a fresh look.
    rng = np.random.default_rng(0)
    store, keys = FeatureStore(tmp_path, DIM), []
    for rows in rng.integers(1, 40, 60).tolist():
        some = [rng.bytes(32) for _ in range(rows)]
        store.write(some, np.full((rows, DIM), len(keys), dtype=np.float32), {})
        keys += [(key, len(keys)) for key in some]
        shown = [keys[i] for i in rng.integers(0, len(keys), 20).tolist()]
        found = store.gather(store.find([key for key, _ in shown]))[:, 0]
        fresh = FeatureStore(tmp_path, DIM)
        fresh.refresh()
        again = fresh.gather(fresh.find([key for key, _ in shown]))[:, 0]
        np.testing.assert_array_equal(found, again)
    assert store.find([b"\0" * 32]).tolist() == [-1]


@pytest.mark.parametrize("load", [0, 1, 2])  # keys, features, features mapped again
def test_a_segment_that_another_process_merges_meanwhile_is_left_out(tmp_path, monkeypatch, load):
    FeatureStore(tmp_path, DIM).write([b"k" * 32], np.ones((1, DIM), dtype=np.float32), {})
    real, loads = np.load, []

    def removed_before(file, **options):
        if len(loads) == load:
            shutil.rmtree(file.parent)
        loads.append(file)
        return real(file, **options)

    monkeypatch.setattr(np, "load", removed_before)
    reader = FeatureStore(tmp_path, DIM)
    reader.refresh()
    assert reader.segments == [] and reader.find([b"k" * 32]).tolist() == [-1]
    assert len(loads) == load + 1
