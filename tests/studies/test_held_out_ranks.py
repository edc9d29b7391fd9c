"""Ranks of images that a model was not trained on."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import rankdata, spearmanr
from sklearn.linear_model import LogisticRegression

from interestingness.data.splits import by_image
from interestingness.errors import DataError
from interestingness.labels.scores import ScoreSource
from interestingness.models.contract import EmbeddingContract
from interestingness.models.scaling import FeatureScaler
from interestingness.studies.held_out_ranks import both_ways, held_out_ranks
from interestingness.studies.study import ImageFeatures
from tests.studies.conftest import tables_of

IMAGES, DIM = 120, 6


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Scores that are linear in features, and random pairs."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(IMAGES, DIM))
    utility = x @ np.array([1.0, -1, 0.5, 0, 0, 0])
    ids = [f"i{k:03d}" for k in range(IMAGES)]
    pairs = [tuple(sorted(rng.choice(ids, 2, replace=False))) for _ in range(900)]
    tables = tables_of(
        tmp_path_factory.mktemp("ranks"),
        scores={"truth": dict(zip(ids, expit(utility).tolist(), strict=True))},
        pairs=sorted(set(pairs)),
    )
    contract = EmbeddingContract.of_cached("x", "0" * 16, DIM)
    features = ImageFeatures(x.astype(np.float32), np.ones(IMAGES, dtype=bool), contract, "x")
    splits = [
        by_image(tables.pairs, tables.images, train=0.5, validation=0.0, test=0.5, seed=seed)
        for seed in range(3)
    ]
    source = ScoreSource(tables, name="truth", column="truth")
    return tables, features, splits, source, utility


def test_held_out_ranks_follow_the_planted_utility(planted):
    tables, features, splits, source, utility = planted
    found = held_out_ranks(source, features, tables.pairs, splits, seed=0, refits=10)
    known = ~np.isnan(found.rank)
    assert known.mean() > 0.8
    assert spearmanr(found.rank[known], utility[known]).statistic < -0.9
    assert (found.rank[known] >= 0).all() and (found.rank[known] <= 1).all()
    assert found.by_image.shape == found.by_pair.shape == (IMAGES, 10)
    for refit in (found.by_image[known], found.by_pair[known]):
        assert (refit.std(axis=1) > 0).any(), "refits do not differ"


def test_one_split_gives_the_ranks_of_the_plain_fit(planted):
    tables, features, splits, source, _ = planted
    pairs, split = tables.pairs, splits[0]
    found = held_out_ranks(source, features, pairs, [split], seed=0, refits=2)
    labels = source.fit(pairs[split.train]).labels(pairs)
    train = split.train & labels.known
    scaler = FeatureScaler("standardize", DIM).fit(features.values[pairs[train].images_used()])
    scaled = scaler.scaled(features.values)
    left, right = pairs.left[train], pairs.right[train]
    fit = LogisticRegression(C=1 / (found.l2 * train.sum()), fit_intercept=False, tol=1e-10)
    w = fit.fit(scaled[left] - scaled[right], labels.preference[train] > 0.5).coef_[0]
    tested = pairs[split.test].images_used()
    expected = (rankdata(-(scaled[tested] @ w)) - 1) / (len(tested) - 1)
    np.testing.assert_allclose(found.rank[tested], expected, atol=1.5 / len(tested))
    assert np.mean(found.rank[tested] != expected) < 0.1
    others = np.setdiff1d(np.arange(IMAGES), tested)
    assert np.isnan(found.rank[others]).all() and found.tested == len(tested)


def test_images_without_features_are_not_ranked(planted):
    tables, features, splits, source, _ = planted
    present = features.present.copy()
    present[:5] = False
    fewer = ImageFeatures(features.values, present, features.embedding, "x")
    found = held_out_ranks(source, fewer, tables.pairs, splits, seed=0, refits=2)
    assert np.isnan(found.rank[:5]).all()


def test_a_split_without_training_pairs_is_an_error(planted):
    tables, features, splits, source, _ = planted
    bare = ImageFeatures(
        features.values, np.zeros(IMAGES, dtype=bool), features.embedding, "nothing"
    )
    with pytest.raises(DataError, match="0 pairs to train 'truth' on"):
        held_out_ranks(source, bare, tables.pairs, splits, seed=0, refits=2)


def test_both_ways_every_image_is_ranked_once_a_split(planted):
    tables, features, splits, source, _ = planted
    both = both_ways(splits[:1], tables.pairs)
    assert len(both) == 2
    np.testing.assert_array_equal(both[1].train, splits[0].test)
    found = held_out_ranks(source, features, tables.pairs, both, seed=0, refits=2)
    used = pairs_used(tables, both)
    assert np.isfinite(found.rank[used]).all() and len(used) > 0.95 * IMAGES


def pairs_used(tables, splits):
    return np.unique(np.concatenate([tables.pairs[s.test].images_used() for s in splits]))


def test_a_small_test_side_does_not_train(planted):
    tables = planted[0]
    small = by_image(tables.pairs, tables.images, train=0.8, validation=0.0, test=0.2, seed=0)
    assert both_ways([small], tables.pairs) == [small]
