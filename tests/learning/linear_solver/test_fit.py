from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from interestingness.data.datamodule import PairDataModule
from interestingness.data.features import FeatureBatches
from interestingness.errors import DataError
from interestingness.learning.learner import PreferenceLearner
from interestingness.learning.linear_solver.choice import L2_OF_FEW, choose_l2
from interestingness.learning.linear_solver.fit import NOT_CONVERGED, fit_linear
from interestingness.learning.linear_solver.pair_features import PairFeatures
from interestingness.learning.linear_solver.problems import ALL_TIES, NO_PAIRS
from interestingness.models.contract import EmbeddingContract
from interestingness.models.heads import LinearHead
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer

from .conftest import World, planted


def cosine(one, other) -> float:
    one, other = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def reference(world: World, rows, k, l2) -> np.ndarray:
    """scikit-learn's optimum; a soft label is two weighted hard ones."""
    p, weight = world.preference[rows, k], world.weight[rows, k]
    know = ~np.isnan(p) & (weight > 0)
    p, weight, x = p[know], weight[know], world.differences(rows).astype(float)[know]
    model = LogisticRegression(
        C=1 / (l2 * weight.sum()), fit_intercept=False, tol=1e-10, max_iter=20_000
    )
    n = len(p)
    model.fit(
        np.concatenate([x, x]),
        np.repeat([1, 0], n),
        sample_weight=np.concatenate([weight * p, weight * (1 - p)]),
    )
    return model.coef_[0]


@pytest.mark.parametrize("kind", ["image", "pair"])
@pytest.mark.parametrize("l2", [1.0, 0.01, 1e-4])
def test_agrees_with_scikit_learn(world: World, kind: str, l2: float) -> None:
    splits = world.halves(kind, 3)
    fits = fit_linear(world.features, world.pairs, world.preference, world.weight, splits, l2=l2)
    assert (fits.missing == "").all() and fits.bound.max() <= 0.01
    for s, rows in enumerate(splits):
        for k in range(world.preference.shape[1]):
            expected = reference(world, rows, k, l2)
            assert cosine(fits.weights[s, k], expected) >= 0.9999
            # Not only the direction: scores are logits.
            assert np.linalg.norm(fits.weights[s, k]) == pytest.approx(
                np.linalg.norm(expected), rel=0.01
            )


@pytest.mark.parametrize(
    "images, dim, degree, form",
    [(60, 100, 3, "dual"), (60, 100, 40, "primal, fewer images"), (90, 12, 20, "primal")],
)
def test_every_form_finds_the_same_optimum(images, dim, degree, form) -> None:
    world = planted(images, dim, degree)
    rows = np.arange(len(world.pairs))
    chosen = PairFeatures(world.features, world.pairs, shared=False)
    assert chosen.few(torch.from_numpy(rows)) == (form == "dual")
    fits = fit_linear(world.features, world.pairs, world.preference, world.weight, [rows], l2=0.02)
    for k in range(4):
        assert cosine(fits.weights[0, k], reference(world, rows, k, 0.02)) >= 0.9999


def test_soft_labels_weights_gaps_and_strengths_of_ones_own(world: World) -> None:
    rng = np.random.default_rng(1)
    world.preference = rng.uniform(0, 1, world.preference.shape).round(1)
    world.preference[rng.random(world.preference.shape) < 0.3] = np.nan
    world.weight = rng.integers(0, 6, world.preference.shape).astype(float)
    splits = world.halves("image", 2) + world.halves("pair", 1)
    l2 = 10.0 ** rng.integers(-3, 1, (3, 4))
    fits = fit_linear(world.features, world.pairs, world.preference, world.weight, splits, l2=l2)
    for s, rows in enumerate(splits):
        for k in range(4):
            assert cosine(fits.weights[s, k], reference(world, rows, k, l2[s, k])) >= 0.9999


def test_auto_chooses_for_each_split_and_source_inside_its_training_pairs(world: World) -> None:
    rng = np.random.default_rng(1)
    world.preference[rng.random(len(world.pairs)) < 0.5, 1] = rng.integers(0, 2)  # noise
    world.preference[:, 2] = np.nan
    world.preference[1:, 3] = np.nan  # one pair cannot train and validate
    given = (world.features, world.pairs, world.preference, world.weight)
    splits = [np.arange(200), np.arange(0, len(world.pairs), 2)]
    fits = fit_linear(*given, splits, l2="auto", seed=5)
    assert fits.missing[:, 2:].tolist() == [[NO_PAIRS, ""]] * 2
    for s, rows in enumerate(splits):
        own = world.preference[rows, 0], world.weight[rows, 0]
        l2 = choose_l2(world.features, world.pairs[rows], *own, seed=5)
        assert fits.l2[s, 0] == l2
        alone = fit_linear(*given, [rows], l2=[[l2, 1, 1, 1]])
        np.testing.assert_allclose(fits.weights[s, 0], alone.weights[0, 0], rtol=0.03, atol=1e-3)
    assert np.isnan(fits.l2[:, 2]).all() and (fits.l2[:, 3] == L2_OF_FEW).all()
    filled = fit_linear(*given, splits, l2="auto", seed=5, otherwise=0.5)
    assert (filled.l2[:, 3] == 0.5).all() and (filled.missing[:, 3] == "").all()


def test_the_bound_holds(world: World) -> None:
    rows = world.halves("image", 1)
    arguments = (world.features, world.pairs, world.preference, world.weight, rows)
    rough, exact = (fit_linear(*arguments, l2=0.01, tolerance=t) for t in (0.3, 1e-5))
    away = np.linalg.norm(rough.weights - exact.weights, axis=-1)
    assert (away <= rough.bound * np.linalg.norm(rough.weights, axis=-1) * 1.001).all()
    assert away.max() > 1e-4  # the rough fit is rough


def test_cycles_of_pairs_do_no_harm_where_regularisation_is_weak() -> None:
    # Coefficients along cycles change no weight; unchecked they grow until float32 gives way.
    world = planted(images=100, dim=300, degree=3)
    rows = np.arange(len(world.pairs))
    chosen = PairFeatures(world.features, world.pairs, shared=False)
    assert chosen.few(torch.from_numpy(rows)) and len(rows) > 100 + 40  # a forest has 99
    fits = fit_linear(world.features, world.pairs, world.preference, world.weight, [rows], l2=1e-4)
    for k in range(4):
        assert cosine(fits.weights[0, k], reference(world, rows, k, 1e-4)) >= 0.9999


def test_threads_change_nothing(world: World) -> None:
    splits = world.halves("image", 6)
    arguments = (world.features, world.pairs, world.preference, world.weight, splits)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = fit_linear(*arguments, l2=0.01)
        torch.set_num_threads(2)
        two = fit_linear(*arguments, l2=0.01)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(one.weights, two.weights)


def test_a_source_that_cannot_be_learnt_is_named(world: World) -> None:
    world.preference[:, 1] = np.nan
    world.preference[:, 2] = 1.0
    world.preference[:, 3] = 0.5
    splits = [*world.halves("image", 1), np.empty(0, dtype=int)]
    fits = fit_linear(world.features, world.pairs, world.preference, world.weight, splits, l2=0.1)
    assert fits.missing.tolist() == [["", NO_PAIRS, "", ALL_TIES], [NO_PAIRS] * 4]
    assert np.isfinite(fits.weights[0, [0, 2]]).all()
    assert np.isnan(fits.weights[0, [1, 3]]).all() and np.isnan(fits.weights[1]).all()


def test_which_image_is_stored_as_left_changes_nothing(world: World) -> None:
    pairs, preference = world.pairs, world.preference[:, :1]
    first = preference[:, 0] == 1
    turned = replace(
        pairs,
        left=np.where(first, pairs.left, pairs.right),
        right=np.where(first, pairs.right, pairs.left),
    )
    weight, splits = np.ones_like(preference), [np.arange(len(pairs))]
    mixed = fit_linear(world.features, pairs, preference, weight, splits, l2=0.1, tolerance=1e-4)
    one_side = fit_linear(
        world.features, turned, np.ones_like(preference), weight, splits, l2=0.1, tolerance=1e-4
    )
    assert one_side.missing.tolist() == [[""]]
    np.testing.assert_allclose(one_side.weights, mixed.weights, rtol=0, atol=1e-3)


def test_what_does_not_converge_is_named(world: World) -> None:
    fits = fit_linear(
        world.features,
        world.pairs,
        world.preference,
        world.weight,
        world.halves("image", 1),
        l2=1e-3,
        tolerance=0.0,
    )
    assert (fits.missing == NOT_CONVERGED).all() and np.isnan(fits.weights).all()


@pytest.mark.parametrize("l2", [0.0, -1.0, float("nan")])
def test_a_strength_without_an_optimum_is_refused(world: World, l2: float) -> None:
    with pytest.raises(DataError) as caught:
        fit_linear(world.features, world.pairs, world.preference, world.weight, l2=l2)
    assert f"{l2:g}" in caught.value.found


@pytest.mark.parametrize(
    "name, value",
    [("preference", np.inf), ("weight", -1.0), ("weight", np.nan), ("features", np.inf)],
)
def test_numbers_without_an_optimum_are_refused(world: World, name: str, value: float) -> None:
    getattr(world, name)[0, 0] = value
    with pytest.raises(DataError) as caught:
        fit_linear(world.features, world.pairs, world.preference, world.weight, l2=0.1)
    assert name in caught.value.found


@pytest.mark.parametrize("kind", ["image", "pair"])
def test_agrees_with_the_learner_run_to_convergence(world: World, kind: str) -> None:
    import lightning as L

    from interestingness.assembly.fitting import quiet_lightning

    quiet_lightning()
    rows, l2 = world.halves(kind, 1)[0], 0.02
    fits = fit_linear(world.features, world.pairs, world.preference, world.weight, [rows], l2=l2)
    batches = FeatureBatches(
        world.features,
        world.pairs,
        rows,
        world.preference[:, 0],
        world.weight[:, 0],
        batch_size=len(rows),
        seed=None,
    )
    dim = world.features.shape[1]
    head = LinearHead(dim)
    scorer = Scorer(
        None,
        FeatureScaler("none", dim),
        head,
        embedding=EmbeddingContract.of_cached("planted", "0", dim),
    )
    learner = PreferenceLearner(
        scorer,
        optimizer=lambda p: torch.optim.LBFGS(
            p, lr=1.0, max_iter=50, line_search_fn="strong_wolfe", tolerance_change=1e-12
        ),
        l2=l2,
    )
    trainer = L.Trainer(
        max_epochs=8,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    data = PairDataModule(lambda side, rank, ranks: (batches, 1) if side == "train" else None)
    trainer.fit(learner, data)
    trained = head.weight.detach().numpy()
    assert cosine(fits.weights[0, 0], trained) >= 0.9999
    assert np.linalg.norm(trained) == pytest.approx(np.linalg.norm(fits.weights[0, 0]), rel=0.01)
