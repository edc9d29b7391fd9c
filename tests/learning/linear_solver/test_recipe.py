import numpy as np
import pytest
import torch

from interestingness.data.features import FeatureBatches
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.learning.linear_solver.problems import NO_PAIRS
from interestingness.learning.linear_solver.recipe import Recipe, fit_recipe
from interestingness.learning.pair_losses import BradleyTerryLoss

from .conftest import World, planted

RECIPE = Recipe(epochs=4, rate=0.01, batch_size=16, seed=3)


def alone(world: World, rows: np.ndarray, k: int) -> np.ndarray:
    """One problem by torch's own Adam over the batches that train.py makes."""
    know = ~np.isnan(world.preference[rows, k]) & (world.weight[rows, k] > 0)
    batches = FeatureBatches(
        world.features,
        world.pairs,
        rows[know],
        world.preference[:, k],
        world.weight[:, k],
        batch_size=RECIPE.batch_size,
        seed=RECIPE.seed,
    )
    w = torch.zeros(world.features.shape[1], requires_grad=True)
    adam = torch.optim.Adam([w], lr=RECIPE.rate)
    for epoch in range(RECIPE.epochs):
        for batch in batches(epoch, 0):
            scores = batch.images @ w
            loss = BradleyTerryLoss()(
                scores[batch.left],
                scores[batch.right],
                batch.preference,
                batch.weight,
                batch.normalizer,
            )
            adam.zero_grad()
            loss.backward()
            adam.step()
    return w.detach().numpy()


@pytest.mark.parametrize("kind", ["image", "pair"])
def test_each_problem_is_the_run_of_one(world: World, kind: str) -> None:
    # Two sources know all pairs, two have gaps of their own; sides differ in size.
    rng = np.random.default_rng(0)
    world.preference[rng.random(len(world.pairs)) < 0.3, 2] = np.nan
    world.weight[:, 3] = rng.integers(0, 4, len(world.pairs))
    splits = [*world.halves(kind, 2), np.arange(50)]
    fits = fit_recipe(world.features, world.pairs, world.preference, world.weight, splits, RECIPE)
    assert (fits.missing == "").all()
    for s, rows in enumerate(splits):
        for k in range(4):
            np.testing.assert_allclose(
                fits.weights[s, k], alone(world, rows, k), rtol=2e-3, atol=2e-4
            )


def test_is_not_the_optimum() -> None:
    world = planted(images=80, dim=300)
    arguments = (world.features, world.pairs, world.preference, world.weight)
    rows = [np.arange(len(world.pairs))]
    one = fit_recipe(*arguments, rows, RECIPE).weights[0]
    other = fit_linear(*arguments, rows, l2=0.01).weights[0]
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert (cosine < 0.99).all() and (cosine > 0.2).all()


def test_a_source_without_labels_is_named(world: World) -> None:
    world.preference[:, 0] = np.nan
    fits = fit_recipe(
        world.features,
        world.pairs,
        world.preference,
        world.weight,
        world.halves("image", 1),
        RECIPE,
    )
    assert fits.missing[0].tolist() == [NO_PAIRS, "", "", ""]
    assert np.isnan(fits.weights[0, 0]).all() and np.isfinite(fits.weights[0, 1:]).all()
