"""Unique users per partition against sets in a loop; partitions against planted blobs."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from interestingness.errors import ConfigError
from interestingness.stats.common_interest import (
    common_interest,
    semantic_partitions,
    unique_users,
)


def test_users_are_counted_once_per_partition() -> None:
    rng = np.random.default_rng(0)
    partition = np.append(rng.integers(0, 7, 59), 7)  # nobody likes the last image
    image, user = rng.integers(0, 59, 400), rng.integers(0, 30, 400)
    sets: list[set[int]] = [set() for _ in range(8)]
    for i, u in zip(image, user, strict=True):
        sets[partition[i]].add(int(u))
    counts = [len(s) for s in sets]
    assert unique_users(partition, image, user).tolist() == counts
    assert counts[7] == 0 < max(counts[:7])
    found = common_interest(partition, image, user, normalise="max")
    np.testing.assert_allclose(found, np.array(counts)[partition] / max(counts))
    assert found.max() == 1 and found.min() == 0


@pytest.mark.parametrize("linkage", ["ward", "average", "complete"])
def test_planted_blobs_are_partitions(linkage: str) -> None:
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(6, 16)) * 10
    truth = np.repeat(np.arange(6), 50)
    features = centres[truth] + rng.normal(size=(300, 16))
    options = {"clusters": 30, "partitions": 6, "linkage": linkage}
    found = semantic_partitions(features, **options, seed=0)
    assert adjusted_rand_score(truth, found) == 1
    np.testing.assert_array_equal(found, semantic_partitions(features, **options, seed=0))
    coarse = semantic_partitions(features, **{**options, "partitions": 2}, seed=0)
    assert len(set(coarse.tolist())) == 2
    # merged, not clustered anew: each blob is in one of the two whole
    assert all(len(set(coarse[truth == k].tolist())) == 1 for k in range(6))


def test_fewer_images_than_clusters() -> None:
    features = np.repeat(np.eye(3), 4, axis=0)
    found = semantic_partitions(features, clusters=50, partitions=9, linkage="ward", seed=0)
    assert adjusted_rand_score(np.repeat(np.arange(3), 4), found) == 1


@pytest.mark.parametrize("change", [{"clusters": 0}, {"partitions": 0}, {"linkage": "median"}])
def test_settings_that_are_none(change: dict[str, object]) -> None:
    options = {"clusters": 4, "partitions": 2, "linkage": "ward", "seed": 0, **change}
    with pytest.raises(ConfigError):
        semantic_partitions(np.eye(5), **options)
    with pytest.raises(ConfigError, match="normalise"):
        common_interest(np.zeros(1, int), np.zeros(1, int), np.zeros(1, int), normalise="mean")
