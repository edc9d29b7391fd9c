"""Ward clustering on planted groups, and against scikit-learn."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import cophenet
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from interestingness.errors import ConfigError, DataError
from interestingness.stats.clusters import cut, typical, ward_tree


def planted(sizes=(30, 20, 10), spread=0.05, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    return np.eye(len(sizes))[truth] + rng.normal(0, spread, (len(truth), len(sizes))), truth


def test_planted_groups_are_found_largest_first():
    vectors, truth = planted()
    order = np.random.default_rng(1).permutation(len(truth))
    tree = ward_tree(vectors[order])
    np.testing.assert_array_equal(cut(tree, clusters=3), truth[order])
    np.testing.assert_array_equal(cut(tree, distance=2.0), truth[order])


@pytest.mark.parametrize("clusters", [2, 5, 9])
def test_the_same_clusters_as_scikit_learn(clusters):
    vectors = np.random.default_rng(2).normal(size=(80, 6))
    ours = cut(ward_tree(vectors), clusters=clusters)
    theirs = AgglomerativeClustering(clusters, linkage="ward").fit_predict(vectors)
    assert adjusted_rand_score(ours, theirs) == 1
    sizes = np.bincount(ours)
    assert len(sizes) == clusters and (np.diff(sizes) <= 0).all()


def test_rows_of_one_cluster_merge_within_the_distance_and_others_do_not():
    vectors, _ = planted(spread=0.2)
    tree = ward_tree(vectors)
    cluster = cut(tree, distance=0.8)
    pairs = np.triu_indices(len(vectors), 1)
    same = cluster[pairs[0]] == cluster[pairs[1]]
    np.testing.assert_array_equal(same, cophenet(tree) <= 0.8)


def test_equal_rows_stay_together_and_limit_the_number_of_clusters():
    vectors = np.repeat(np.eye(3), [4, 3, 2], axis=0)
    tree = ward_tree(vectors)
    np.testing.assert_array_equal(cut(tree, clusters=3), [0] * 4 + [1] * 3 + [2] * 2)
    with pytest.raises(DataError, match="4 clusters"):
        cut(tree, clusters=4)
    assert (cut(ward_tree(np.ones((5, 2))), distance=0) == 0).all()


@pytest.mark.parametrize(
    "rule",
    [{}, {"clusters": 2, "distance": 1.0}, {"clusters": 0}, {"distance": -1}, {"distance": np.nan}],
)
def test_a_rule_that_makes_no_sense_is_refused(rule):
    tree = ward_tree(planted()[0])
    with pytest.raises(ConfigError):
        cut(tree, **rule)


@pytest.mark.parametrize("vectors", [np.ones((1, 3)), np.array([[0.0, np.nan], [1, 1]])])
def test_vectors_that_cannot_be_clustered(vectors):
    with pytest.raises(DataError):
        ward_tree(vectors)


def test_typical_rows_are_those_near_the_mean():
    vectors = np.array([[0.0], [9], [1], [2], [7]])
    cluster = np.array([0, 1, 0, 0, 1])
    assert typical(vectors, cluster, 0).tolist() == [2, 0, 3]
    assert sorted(typical(vectors, cluster, 1).tolist()) == [1, 4]
