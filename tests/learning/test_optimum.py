"""The optimum of a head: its gradient, its objective against scikit-learn's, every loss."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from interestingness.data.batch import PairBatch
from interestingness.errors import LabelError
from interestingness.learning.convergence import Convergence
from interestingness.learning.optimum import HeadProblem, Optimum
from interestingness.learning.pair_losses import (
    BinaryLoss,
    BradleyTerryLoss,
    DavidsonLoss,
    MarginLoss,
    PairLoss,
    SoftLabelLoss,
)
from interestingness.models.heads import LinearHead

DIM, IMAGES = 12, 40


def batch(pairs: int, seed: int = 0) -> PairBatch:
    """Pairs that a planted direction decides, with noise."""
    random = torch.Generator().manual_seed(seed)
    images = torch.randn(IMAGES, DIM, generator=random)
    left = torch.randint(IMAGES, (pairs,), generator=random)
    right = (left + 1 + torch.randint(IMAGES - 1, (pairs,), generator=random)) % IMAGES
    margin = (images[left] - images[right]) @ torch.randn(DIM, generator=random)
    return PairBatch(
        images=images,
        left=left,
        right=right,
        preference=torch.bernoulli(margin.sigmoid(), generator=random),
        weight=torch.rand(pairs, generator=random) + 0.5,
        row=torch.arange(pairs),
        normalizer=torch.tensor(float(pairs)),
    )


def solved(given: PairBatch, loss: PairLoss, l2: float) -> tuple[Optimum, nn.Module, HeadProblem]:
    head = LinearHead(DIM) if not loss.has_zero else LinearHead(DIM).shiftable()
    optimizer = Optimum([*head.parameters(), *loss.parameters()])
    optimizer.problem = lambda: HeadProblem.of(head, loss, given.images, given, l2)
    optimizer.step(lambda: None)
    return optimizer, head, optimizer.problem()


@pytest.mark.parametrize("pairs", [30, 400])  # fewer and more than twice the dimensions
@pytest.mark.parametrize("l2", [1e-4, 0.1, 10.0])
def test_reaches_the_optimum_that_scikit_learn_finds(pairs: int, l2: float) -> None:
    given = batch(pairs)
    optimizer, head, problem = solved(given, BradleyTerryLoss(), l2)
    assert optimizer.gradient <= 1e-6
    apart = (given.images[given.left] - given.images[given.right]).double().numpy()
    weight = given.weight.double().numpy()
    theirs = LogisticRegression(C=1 / l2, fit_intercept=False, tol=1e-12, max_iter=10_000)
    theirs.fit(apart, given.preference.numpy(), sample_weight=weight / weight.sum())
    ours = float(problem.objective().detach())
    head.weights()[0].data.copy_(torch.from_numpy(theirs.coef_[0]))
    gap = ours - float(optimizer.problem().objective().detach())
    assert abs(gap) <= 1e-6


@pytest.mark.parametrize(
    "loss", [SoftLabelLoss(prior_votes=1.0), DavidsonLoss(tie=0.5), BinaryLoss()]
)
def test_every_smooth_loss_reaches_its_optimum(loss: PairLoss) -> None:
    optimizer, _, problem = solved(batch(200), loss, 0.01)
    assert optimizer.gradient <= 1e-6
    with torch.no_grad():
        at = float(problem.objective())
        problem.head.weights()[0].mul_(1.01)
        assert float(problem.objective()) > at


def test_labels_that_separate_perfectly_have_a_finite_optimum() -> None:
    given = batch(10)
    optimizer, head, _ = solved(given, BradleyTerryLoss(), 1e-4)
    scores = head(given.images)
    right = (scores[given.left] > scores[given.right]) == (given.preference == 1)
    assert right.all() and torch.isfinite(scores).all() and optimizer.gradient <= 1e-6


def test_one_pair_is_enough_for_an_optimum() -> None:
    given = batch(1)
    optimizer, head, _ = solved(given, BradleyTerryLoss(), 1.0)
    assert optimizer.gradient <= 1e-6 and bool(head.weights()[0].any())


def test_ties_alone_are_refused() -> None:
    given = batch(20)
    given.preference.fill_(0.5)
    with pytest.raises(LabelError, match="tie"):
        solved(given, BradleyTerryLoss(), 1.0)


def test_a_gradient_above_the_tolerance_is_said() -> None:
    head, given = LinearHead(DIM), batch(300)
    optimizer = Optimum(head.parameters(), iterations=1)
    loss = SoftLabelLoss(prior_votes=1.0)
    optimizer.problem = lambda: HeadProblem.of(head, loss, given.images, given, 0.01)
    optimizer.step(lambda: None)
    assert optimizer.gradient > 1e-6
    assert "not at its optimum" in Convergence([], optimizer.gradient, 1e-6).sentence()


@pytest.mark.parametrize(
    "objectives, falls",
    [
        ([0.69 - 0.01 * i for i in range(10)], True),  # a straight line down
        ([0.69 * 0.9**i for i in range(8)], True),
        ([0.5 + 0.19 * 0.4**i for i in range(25)], False),
        ([0.69, 0.5, 0.4, 0.41, 0.42], False),  # it rises
        ([0.69, 0.6, 0.5], False),  # too few epochs to say
        ([], False),
    ],
)
def test_an_objective_that_still_falls_is_said(objectives: list[float], falls: bool) -> None:
    assert ("still fell" in Convergence(objectives).sentence()) == falls


def test_features_in_half_precision_do_not_spoil_the_solution() -> None:
    given = batch(100)
    given.images = given.images.half().float()
    optimizer, head, _ = solved(given, BradleyTerryLoss(), 0.1)
    assert optimizer.gradient <= 1e-6 and np.isfinite(head.weights()[0].detach().numpy()).all()


@pytest.mark.parametrize("loss", [BradleyTerryLoss(), MarginLoss(margin=1.0)])
def test_separable_pairs_have_no_optimum_without_l2(loss: PairLoss) -> None:
    given = batch(DIM - 2)  # fewer pairs than dimensions
    free, _, _ = solved(given, loss, 0.0)
    assert free.unbounded == (not isinstance(loss, MarginLoss))  # the margin is reached
    held, _, _ = solved(given, loss, 0.01)
    assert not held.unbounded
    noisy, _, _ = solved(batch(400), BradleyTerryLoss(), 0.0)
    assert not noisy.unbounded and noisy.gradient <= 1e-6
    assert "no optimum" in Convergence([], 1e-7, 1e-6, unbounded=True).sentence()
