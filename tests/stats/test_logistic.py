from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, log_expit
from sklearn.linear_model import LogisticRegression

from interestingness.stats.folds import image_disjoint_folds
from interestingness.stats.logistic import antisymmetric_logistic, choose_ridge

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 3))
Y = (rng.random(120) < expit(X @ [1.0, -0.5, 0.0])).astype(float)


@pytest.mark.parametrize("ridge", [0.1, 5.0])
def test_hard_labels_are_those_of_scikit_learn(ridge):
    weight = rng.integers(1, 6, 120)
    other = LogisticRegression(C=1 / ridge, fit_intercept=False, tol=1e-10, max_iter=1000)
    other.fit(X, Y, sample_weight=weight)
    found = antisymmetric_logistic(X, Y, ridge=ridge, weight=weight)
    np.testing.assert_allclose(found, other.coef_[0], atol=1e-6)


def test_soft_labels_are_fractions():
    soft = antisymmetric_logistic(X, 0.25 + 0.5 * Y, ridge=1.0, weight=np.full(120, 4.0))
    twice = np.concatenate([X, X]), np.concatenate([np.ones(120), np.zeros(120)])
    share = np.concatenate([1 + 2 * Y, 3 - 2 * Y])
    hard = antisymmetric_logistic(*twice, ridge=1.0, weight=share)
    np.testing.assert_allclose(soft, hard, atol=1e-7)


def test_swapping_pairs_changes_nothing():
    turned = rng.random(120) < 0.5
    one = antisymmetric_logistic(X, Y, ridge=0.5)
    x, y = np.where(turned[:, None], -X, X), np.where(turned, 1 - Y, Y)
    np.testing.assert_allclose(antisymmetric_logistic(x, y, ridge=0.5), one, atol=1e-9)


def test_separable_signals_stay_finite():
    found = antisymmetric_logistic([[1.0], [-50.0]], [1.0, 0.0], ridge=1e-3)
    assert 0 < found[0] < 20
    assert antisymmetric_logistic(np.zeros((2, 1)), [1.0, 0.0], ridge=1.0)[0] == 0.0


def test_the_ridge_with_the_least_loss_on_other_images_is_chosen():
    left, right = rng.integers(0, 40, 120), rng.integers(40, 80, 120)
    folds = list(image_disjoint_folds(left, right, folds=3, repeats=2, seed=0))
    ridges = (0.01, 1.0, 100.0)
    losses = {}
    for ridge in ridges:
        total = 0.0
        for train, test in folds:
            margin = X[test] @ antisymmetric_logistic(X[train], Y[train], ridge=ridge)
            total -= (Y[test] * log_expit(margin) + (1 - Y[test]) * log_expit(-margin)).sum()
        losses[ridge] = total
    ridge, rows, margins = choose_ridge(X, Y, folds, ridges=ridges)
    assert ridge == min(losses, key=losses.__getitem__)
    assert len(rows) == len(margins) == sum(len(test) for _, test in folds)
    assert choose_ridge(X, Y, [], ridges=ridges)[0] == 100.0


def test_folds_share_no_image():
    left, right = rng.integers(0, 30, 200), rng.integers(0, 30, 200)
    folds = list(image_disjoint_folds(left, right, folds=4, repeats=3, seed=1))
    assert len(folds) == 12
    for train, test in folds:
        assert not {*left[train], *right[train]} & {*left[test], *right[test]}
    tested = np.concatenate([t for _, t in folds])
    assert len(tested) / 200 == pytest.approx(3 / 4, abs=0.2)
    again = list(image_disjoint_folds(left, right, folds=4, repeats=3, seed=1))
    assert all((a[1] == b[1]).all() for a, b in zip(folds, again, strict=True))
    assert list(image_disjoint_folds([], [], folds=2, repeats=1, seed=0)) == []
    assert list(image_disjoint_folds([0, 0], [1, 2], folds=2, repeats=5, seed=0)) == []
