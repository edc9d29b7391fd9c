"""Each loss against its definition, and against truth that was planted."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits, margin_ranking_loss

from interestingness.errors import ConfigError, LabelError
from interestingness.learning.pair_losses import (
    BinaryLoss,
    BradleyTerryLoss,
    DavidsonLoss,
    MarginLoss,
    PairLoss,
    SoftLabelLoss,
    l2_penalty,
)


def losses() -> list[PairLoss]:
    return [
        BradleyTerryLoss(),
        MarginLoss(margin=1.0),
        SoftLabelLoss(prior_votes=1.0),
        DavidsonLoss(tie=0.5),
        BinaryLoss(),
    ]


every = pytest.mark.parametrize("loss", losses(), ids=lambda loss: type(loss).__name__)


@every
@given(left=st.floats(-150, 150), right=st.floats(-150, 150), preference=st.floats(0, 1))
def test_swapping_the_images_changes_nothing(
    loss: PairLoss, left: float, right: float, preference: float
) -> None:
    one, (a, b) = torch.ones(1), torch.tensor([[left], [right]])
    here = loss(a, b, torch.tensor([preference]), one)
    there = loss(b, a, torch.tensor([1 - preference]), one)
    assert math.isfinite(here.item())
    # 1 - p is rounded: next to a tie it may be one, and a tie is another outcome for Davidson.
    if preference == 0.5 or abs(preference - 0.5) > 1e-6:
        assert here.item() == pytest.approx(there.item(), rel=1e-4, abs=1e-4)


@every
def test_only_a_loss_with_a_zero_minds_where_it_is(loss: PairLoss) -> None:
    left, right = torch.randn(2, 20)
    preference, weight = torch.rand(20), torch.ones(20)
    here, shifted = (loss(left + by, right + by, preference, weight).item() for by in (0.0, 3.0))
    assert loss.has_zero == isinstance(loss, BinaryLoss)
    assert loss.has_zero != (here == pytest.approx(shifted, rel=1e-4))


@every
def test_uneven_ranks_add_up_and_placeholders_count_nothing(loss: PairLoss) -> None:
    left, right = torch.randn(2, 7)
    preference, weight = torch.rand(7), torch.rand(7)
    weight[3] = 0.0
    whole, half = loss(left, right, preference, weight), weight.sum() / 2
    parts = [
        loss(left[s], right[s], preference[s], weight[s], half)
        for s in (slice(0, 3), slice(3, 4), slice(4, 7))
    ]
    torch.testing.assert_close(sum(parts) / 2, whole)
    assert parts[1].item() == 0


@every
@pytest.mark.parametrize("bad", [1.2, -0.1, float("nan")])
def test_a_preference_outside_0_to_1_is_refused(loss: PairLoss, bad: float) -> None:
    bad = float("inf") if loss.takes_rectified and bad == bad else bad
    with pytest.raises(LabelError):
        loss(torch.zeros(2), torch.zeros(2), torch.tensor([0.5, bad]), torch.ones(2))


def test_bradley_terry_is_the_cross_entropy_of_torch_with_soft_labels_and_weights() -> None:
    left, right = 3 * torch.randn(2, 50)
    preference, weight = torch.rand(50), torch.rand(50)
    expected = binary_cross_entropy_with_logits(left - right, preference, weight, reduction="sum")
    loss = BradleyTerryLoss()(left, right, preference, weight)
    torch.testing.assert_close(loss, expected / weight.sum())
    equal = BradleyTerryLoss()(left, left, preference, weight)
    assert equal.item() == pytest.approx(math.log(2))


def test_l2_is_half_the_squared_length() -> None:
    penalty = l2_penalty([torch.tensor([3.0, 4.0]), torch.tensor([[1.0]])], 0.1)
    assert penalty.item() == pytest.approx(0.05 * 26)


def test_the_hinge_is_that_of_torch() -> None:
    scores, other = torch.randn(2, 40)
    preference = (torch.rand(40) > 0.5).float()
    expected = margin_ranking_loss(scores, other, 2 * preference - 1, margin=0.7)
    ours = MarginLoss(margin=0.7)(scores, other, preference, torch.ones(40))
    torch.testing.assert_close(ours, expected)


def test_few_votes_are_drawn_to_one_half_and_many_are_not() -> None:
    best, one, zero = [], torch.ones(1), torch.zeros(1)
    for votes in (1.0, 100.0):
        margin = torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.LBFGS([margin], max_iter=100, line_search_fn="strong_wolfe")

        def closure(margin=margin, votes=votes, optimizer=optimizer) -> torch.Tensor:
            optimizer.zero_grad()
            loss = SoftLabelLoss(prior_votes=2.0)(margin, zero, one, torch.tensor([votes]))
            loss.backward()
            return loss

        optimizer.step(closure)
        best.append(torch.sigmoid(margin).item())
    assert best == pytest.approx([2 / 3, 101 / 102], abs=1e-3)
    left, right = torch.randn(2, 9)
    preference, weight = torch.rand(9), torch.rand(9)
    torch.testing.assert_close(
        SoftLabelLoss(prior_votes=0.0)(left, right, preference, weight),
        BradleyTerryLoss()(left, right, preference, weight),
    )


def test_davidson_finds_the_planted_scores_and_the_planted_share_of_ties() -> None:
    generator = torch.Generator().manual_seed(0)
    truth, tie = torch.tensor([1.5, 0.5, -0.5, -1.5]), 0.8
    left, right = torch.triu_indices(4, 4, offset=1).repeat(1, 4000)
    margin = truth[left] - truth[right]
    odds = torch.stack([(margin / 2).exp(), torch.full_like(margin, tie), (-margin / 2).exp()], 1)
    outcome = torch.multinomial(odds, 1, generator=generator)[:, 0]
    preference = torch.tensor([1.0, 0.5, 0.0])[outcome]
    scores, loss = torch.zeros(4, requires_grad=True), DavidsonLoss(tie=1.0)
    optimizer = torch.optim.LBFGS([scores, *loss.parameters()], line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(scores[left], scores[right], preference, torch.ones(len(left)))
        value.backward()
        return value

    for _ in range(3):
        optimizer.step(closure)
    found = scores.detach() - scores.detach().mean()
    torch.testing.assert_close(found, truth, atol=0.08, rtol=0)
    assert loss.log_tie.exp().item() == pytest.approx(tie, abs=0.04)


def test_davidson_at_rest_is_ln_3() -> None:
    outcomes, zero = torch.tensor([0.0, 0.5, 1.0]), torch.zeros(3)
    value = DavidsonLoss(tie=1.0)(zero, zero, outcomes, torch.ones(3))
    assert value.item() == pytest.approx(math.log(3))


def test_binary_is_the_cross_entropy_of_both_sides() -> None:
    left, right = 3 * torch.randn(2, 30)
    preference, weight = torch.rand(30), torch.rand(30)
    expected = binary_cross_entropy_with_logits(
        torch.cat([left, right]), torch.cat([preference, 1 - preference]), weight.repeat(2)
    )
    ours = BinaryLoss()(left, right, preference, weight, torch.tensor(30.0))
    torch.testing.assert_close(ours, expected)
    at_rest = BinaryLoss()(torch.zeros(30), torch.zeros(30), preference, weight)
    assert at_rest.item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("number", [-1.0, math.inf, math.nan])
def test_impossible_options(number: float) -> None:
    with pytest.raises(ConfigError, match="margin"):
        MarginLoss(margin=number)
    with pytest.raises(ConfigError, match="prior votes"):
        SoftLabelLoss(prior_votes=number)
    with pytest.raises(ConfigError, match="tie"):
        DavidsonLoss(tie=number)


def test_where_0_is_possible() -> None:
    with pytest.raises(ConfigError, match="margin"):
        MarginLoss(margin=0)
    with pytest.raises(ConfigError, match="tie"):
        DavidsonLoss(tie=0)
    assert SoftLabelLoss(prior_votes=0).prior_votes == 0
