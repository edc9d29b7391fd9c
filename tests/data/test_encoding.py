"""Pictures are decoded in order and within bounds; a batch is shared between lanes."""

import threading

import numpy as np
import pytest
import torch
from counting import Counting, check

from interestingness.data import encoding
from interestingness.data.content import content_key
from interestingness.data.encoding import Picture, decode_all
from interestingness.data.feature_cache import FeatureCache
from interestingness.data.workers import worker_count
from interestingness.errors import ConfigError


def test_decoding_keeps_the_order_and_stays_within_bounds(paths):
    running, most = 0, 0
    lock = threading.Lock()

    def picture(path):
        def read():
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            return path.read_bytes()

        return Picture(path.name, read)

    decoded = decode_all((picture(p) for p in paths), Counting().transform, workers=3, ahead=5)
    for i, image in enumerate(decoded):
        assert image.place == i and image.picture.name == paths[i].name
        assert running <= i + 5
    assert running == 20


def test_bytes_that_come_from_elsewhere_are_encoded_alike(paths):
    encoder = Counting()
    pictures = (Picture(p.name, p.read_bytes) for p in paths)
    decoded = decode_all(pictures, encoder.transform)
    batches = list(encoding.encode_all(decoded, encoder, batch_size=8, device="cpu"))
    assert [len(keys) for keys, _ in batches] == [8, 8, 4]
    assert batches[0][0][0] == content_key(paths[0].read_bytes())
    features = np.concatenate([f for _, f in batches])
    check(features, np.ones(20, bool), paths, encoder)


class Reentrant(Counting):
    """Notes which threads it runs in, and waits there until as many as expected have come."""

    reentrant = True

    def __init__(self, together=1):
        super().__init__()
        self.threads = set()
        self.meet = threading.Barrier(together, timeout=60)

    def forward(self, images):
        self.meet.wait()
        self.threads.add((threading.current_thread().name, torch.get_num_threads()))
        return super().forward(images)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_cpu_batch_is_shared_between_single_threaded_lanes(cache, paths, two_threads):
    encoder = Reentrant(together=2)
    features, present = cache.features(paths, encoder, batch_size=16)
    assert encoder.threads == {("lane_0", 1), ("lane_1", 1)}
    assert torch.get_num_threads() == 2
    check(features, present, paths, Counting())


def test_small_batches_and_backbones_with_a_memory_stay_whole(paths, tmp_path, two_threads):
    encoder = Reentrant()
    FeatureCache(tmp_path / "small").features(paths, encoder, batch_size=8)
    assert encoder.threads == {("MainThread", 2)}
    encoder = Reentrant()
    encoder.reentrant = False
    FeatureCache(tmp_path / "memory").features(paths, encoder, batch_size=16)
    assert encoder.threads == {("MainThread", 2)}


@pytest.mark.parametrize(("given", "threads"), [(0, 0), (1, 1), (7, 7)])
def test_workers(given, threads):
    assert worker_count(given) == threads


def test_workers_by_themselves():
    assert 1 <= worker_count("auto") <= 16
    assert worker_count("auto", processes=10**6, kept=1) == worker_count("auto", most=1) == 1
    for wrong in (-1, "many", 1.5, True, None):
        with pytest.raises(ConfigError, match="workers"):
            worker_count(wrong)
