import numpy as np
import pytest

from interestingness.learning.linear_solver.choice import (
    FEWEST,
    GRID,
    L2_OF_FEW,
    _divisions,
    choose_each,
    choose_l2,
)
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.schema import Pairs


def _planted(images: int, dim: int, noise: float, seed: int = 0):
    """Features, pairs, hard preferences and the true weights of a planted linear utility."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(images, dim))
    truth = rng.normal(size=dim)
    names = [f"i{k:04d}" for k in range(images)]
    one = rng.integers(0, images, 6 * images)
    other = (one + rng.integers(1, images, len(one))) % images
    pairs, _, _ = Pairs.from_ids([names[k] for k in one], [names[k] for k in other], names)
    margin = (features[pairs.left] - features[pairs.right]) @ truth
    preference = (margin + noise * rng.logistic(size=len(pairs)) > 0).astype(float)
    return features, pairs, preference, truth


def test_chooses_stronger_l2_where_there_is_less_to_learn() -> None:
    clean = _planted(150, 40, 0.1)
    noisy = _planted(150, 40, 30.0)
    chosen = [choose_l2(f, p, y, np.ones(len(p)), seed=0) for f, p, y, _ in (clean, noisy)]
    assert chosen[0] < chosen[1]


def test_inner_validation_keeps_groups_whole() -> None:
    # Every group has its own direction: only a fold that splits groups could profit from it.
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 5).astype(object)
    features = np.eye(30)[groups.astype(int)] + 0.01 * rng.normal(size=(150, 30))
    names = [f"i{k:03d}" for k in range(150)]
    utility = rng.normal(size=30)[groups.astype(int)]
    one, other = np.triu_indices(150, 1)
    take = rng.choice(len(one), 1500, replace=False)
    pairs, _, _ = Pairs.from_ids(
        [names[k] for k in one[take]], [names[k] for k in other[take]], names
    )
    preference = (utility[pairs.left] > utility[pairs.right]).astype(float)
    given = (features, pairs, preference[:, None], np.ones((len(pairs), 1)))
    by_image = choose_each(*given, seed=0)
    by_group = choose_each(*given, seed=0, groups=groups)
    assert by_image.losses.min() < 0.45
    assert by_group.losses.min() > 0.6


@pytest.mark.parametrize("sparse", [True, False])
def test_inner_fits_have_l2_in_proportion_to_what_they_know(sparse: bool) -> None:
    # With few pairs each is one more comparison; many pairs tell no more than their images.
    features, pairs, y, _ = _planted(60, 5, 1.0)
    if sparse:
        pairs, y = pairs[::12], y[::12]
    labels, one = y[:, None], np.ones((len(pairs), 1))
    found = choose_each(features, pairs, labels, one, seed=0, strengths=(0.3,), folds=2, most=1)
    (fold,) = _divisions(60, 0, 2, 1)
    left, right = fold[pairs.left], fold[pairs.right]
    loss = []
    for k in (0, 1):
        inner, held = ((left != k) & (right != k)), ((left == k) & (right == k))
        some = pairs[np.flatnonzero(inner)]
        known = [min(len(p), len(p.images_used()) - 1) for p in (pairs, some)]
        l2 = 0.3 * known[0] / known[1]
        (w,) = fit_linear(features, some, labels[inner], one[inner], l2=l2).weights[0]
        margin = (features[pairs.left[held]] - features[pairs.right[held]]) @ w
        loss += (np.logaddexp(0, margin) - y[held] * margin).tolist()
    assert known[1] == (len(some) if sparse else len(some.images_used()) - 1)
    assert found.losses[0, 0] == pytest.approx(np.mean(loss), abs=3e-3)


def test_few_pairs_take_a_fixed_strength() -> None:
    pairs, _, _ = Pairs.from_ids(["a"], ["b"])
    assert choose_l2(np.eye(2), pairs, np.ones(1), np.ones(1), seed=0) == L2_OF_FEW
    names = [f"{k:02d}" for k in range(30)]
    ends = [(a, b) for a in names[:15] for b in names[15:]][: FEWEST + 5]
    many, _, _ = Pairs.from_ids([a for a, _ in ends], [b for _, b in ends])
    rng = np.random.default_rng(0)
    features = rng.normal(size=(30, 4)).astype(np.float32)
    labels = np.ones((len(many), 2))
    labels[FEWEST - 1 :, 0] = np.nan  # one label fewer than are needed
    found = choose_each(features, many, labels, np.ones_like(labels), seed=0)
    assert found.few.tolist() == [True, False]
    assert found.l2[0] == L2_OF_FEW and found.l2[1] in GRID
