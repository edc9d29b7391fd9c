"""Losses on margins."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from interestingness.errors import LabelError


def bradley_terry_loss(
    margin: Tensor,
    preference: Tensor,
    *,
    weight: Tensor | None = None,
    normalizer: Tensor | None = None,
) -> Tensor:
    """Weighted mean negative log-likelihood of preferences under Bradley-Terry.

    Args:
        margin: score of left minus score of right, in logits, shape (pairs,).
        preference: probability that left is preferred, in [0, 1]; 0.5 is a tie, shape (pairs,).
        weight: non-negative, e.g. the number of votes, shape (pairs,); None weighs pairs alike.
        normalizer: what the weighted sum is divided by; None takes the sum of the weights. Under
            several ranks: the total weight of the global batch divided by the number of ranks.

    Returns:
        Scalar in nats; ln 2 where every margin is 0.

    Raises:
        LabelError: if a preference is outside [0, 1] or NaN.

    Source:
        Abdullahu and Grabner 2025 (hard labels, RankNet); soft labels as in PickScore.
    """
    check_preferences(preference)
    each = cross_entropy_of_margins(margin, preference)
    weight = torch.ones_like(each) if weight is None else weight
    total = weight.sum() if normalizer is None else normalizer
    return (weight * each).sum() / total


def cross_entropy_of_margins(margin: Tensor, preference: Tensor) -> Tensor:
    """Cross-entropy of ``sigmoid(margin)`` with a preference for each pair, in nats."""
    # softplus(m) - p·m equals cross-entropy with logits and stays finite for any margin.
    return softplus(margin) - preference * margin


def check_preferences(preference: Tensor) -> None:
    """Refuse what is no probability.

    Raises:
        LabelError: if a preference is outside [0, 1] or NaN.
    """
    if not bool(((preference >= 0) & (preference <= 1)).all()):
        raise LabelError(
            f"a preference outside [0, 1] or NaN among {preference.numel()}",
            expected="probabilities that left is preferred",
            todo="drop pairs without a preference before training",
        )


def l2_penalty(parameters: list[Tensor], strength: float) -> Tensor:
    """Half the strength times the squared length of the weights, a scalar."""
    return 0.5 * strength * torch.stack([(p**2).sum() for p in parameters]).sum()
