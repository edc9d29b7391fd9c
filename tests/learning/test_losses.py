import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits

from interestingness.errors import LabelError
from interestingness.learning.losses import bradley_terry_loss, l2_penalty


def test_is_ln2_where_margins_are_zero() -> None:
    loss = bradley_terry_loss(torch.zeros(5), torch.rand(5))
    assert loss.item() == pytest.approx(math.log(2))


def test_equals_the_cross_entropy_of_torch_with_soft_labels_and_weights() -> None:
    margin, preference, weight = torch.randn(50) * 3, torch.rand(50), torch.rand(50)
    reference = binary_cross_entropy_with_logits(margin, preference, weight, reduction="sum")
    loss = bradley_terry_loss(margin, preference, weight=weight)
    torch.testing.assert_close(loss, reference / weight.sum())


@given(st.floats(-500, 500), st.floats(0, 1))
def test_swapping_the_images_changes_nothing(margin: float, preference: float) -> None:
    loss = bradley_terry_loss(torch.tensor([margin]), torch.tensor([preference]))
    swapped = bradley_terry_loss(torch.tensor([-margin]), torch.tensor([1 - preference]))
    assert math.isfinite(loss.item())
    assert loss.item() == pytest.approx(swapped.item(), rel=1e-4, abs=1e-4)


def test_the_normalizer_makes_uneven_ranks_add_up_to_the_global_mean() -> None:
    margin, preference, weight = torch.randn(7), torch.rand(7), torch.rand(7)
    whole = bradley_terry_loss(margin, preference, weight=weight)
    normalizer = weight.sum() / 2
    parts = [
        bradley_terry_loss(margin[s], preference[s], weight=weight[s], normalizer=normalizer)
        for s in (slice(0, 5), slice(5, 7))
    ]
    torch.testing.assert_close(sum(parts) / 2, whole)


@pytest.mark.parametrize("bad", [float("nan"), -0.1, 1.1])
def test_refuses_what_is_no_probability(bad: float) -> None:
    with pytest.raises(LabelError, match="outside"):
        bradley_terry_loss(torch.zeros(2), torch.tensor([0.5, bad]))


def test_l2_is_half_the_squared_length() -> None:
    penalty = l2_penalty([torch.tensor([3.0, 4.0]), torch.tensor([[1.0]])], 0.1)
    assert penalty.item() == pytest.approx(0.05 * 26)
