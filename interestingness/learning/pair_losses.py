"""Losses of a batch of pairs (``loss=…``), and the L2 penalty of a head."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu, softplus

from interestingness.errors import ConfigError, LabelError
from interestingness.ranges import NotNegative, Positive


class PairLoss(nn.Module, ABC):
    """Maps the scores of both images and the preferences to a scalar.

    It is a module because a loss may have parameters of its own. Every loss is a weighted sum over
    pairs divided by the normalizer, so that processes with unequal numbers of pairs average to the
    global mean.

    Attributes:
        has_zero: True if a score above 0 means that the image itself is interesting; False if only
            margins are learnt, so that adding a constant to all scores changes nothing.
        takes_rectified: whether labels may leave [0, 1] (``Labels.rectified``): the loss is linear
            in them, and its curvature does not depend on them.
    """

    has_zero: bool = False
    takes_rectified: bool = False

    def forward(
        self,
        left: Tensor,
        right: Tensor,
        preference: Tensor,
        weight: Tensor,
        normalizer: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            left: scores of the left images in logits, shape (pairs,).
            right: scores of the right images, shape (pairs,).
            preference: probability that left is preferred, in [0, 1]; 0.5 a tie, shape (pairs,).
            weight: non-negative, shape (pairs,).
            normalizer: divisor of the weighted sum; None takes the sum of the weights. With
                several processes: the total weight of the global batch divided by their number.

        Returns:
            A scalar.

        Raises:
            LabelError: if a preference is outside [0, 1] or NaN; with ``takes_rectified`` if it is
                not finite.
        """
        fine = (preference >= 0) & (preference <= 1)
        if not bool((preference.isfinite() if self.takes_rectified else fine).all()):
            raise LabelError(
                f"a preference outside [0, 1] or NaN among {preference.numel()}",
                expected="probabilities that left is preferred",
                todo="drop pairs without a preference before training",
            )
        total = weight.sum() if normalizer is None else normalizer
        return (weight * self.each(left, right, preference, weight)).sum() / total

    @abstractmethod
    def each(self, left: Tensor, right: Tensor, preference: Tensor, weight: Tensor) -> Tensor:
        """The loss of each pair, shape (pairs,); the weight is for losses that count votes."""


class BradleyTerryLoss(PairLoss):
    """Cross-entropy of ``sigmoid(margin)`` with the preference: ln 2 where every margin is 0.

    Source:
        Abdullahu and Grabner 2025 (hard labels, RankNet); soft labels as in PickScore.
    """

    takes_rectified = True

    def each(self, left: Tensor, right: Tensor, preference: Tensor, weight: Tensor) -> Tensor:
        """In nats."""
        return cross_entropy_of_margins(left - right, preference)


class MarginLoss(PairLoss):
    """Hinge: the loss of a pair is 0 where the preferred image leads by ``margin`` or more.

    A preference between 0 and 1 averages both hinges; the loss of a tie is constant while the
    scores differ by less than ``margin``, and grows beyond.

    Source:
        Herbrich et al. 2000 (ranking SVM).
    """

    def __init__(self, *, margin: Positive) -> None:
        """Width of the band.

        Args:
            margin: in logits, above 0, finite.

        Raises:
            ConfigError: for another width.
        """
        super().__init__()
        if not 0 < margin < math.inf:
            raise ConfigError(
                f"a margin of {margin}",
                expected="a finite number above 0; at 0 equal scores for all images cost nothing",
                todo="loss.margin=1.0",
            )
        self.margin = margin

    def each(self, left: Tensor, right: Tensor, preference: Tensor, weight: Tensor) -> Tensor:
        """In logits."""
        margin = left - right
        wins, loses = relu(self.margin - margin), relu(self.margin + margin)
        return preference * wins + (1 - preference) * loses


class SoftLabelLoss(PairLoss):
    """Bradley–Terry on the share of votes, shrunk towards one half where votes are few.

    With ``w`` votes (the weight of a label source that counts votes) and a share ``p`` the label is
    ``(w p + a / 2) / (w + a)`` for ``a`` prior votes: the mean under a symmetric Beta prior. The
    weight of the pair stays ``w``. Without prior votes it is ``BradleyTerryLoss``.
    """

    def __init__(self, *, prior_votes: NotNegative) -> None:
        """Strength of the prior.

        Args:
            prior_votes: added to the votes, half for each side; 0 or more, finite.

        Raises:
            ConfigError: for another number.
        """
        super().__init__()
        if not 0 <= prior_votes < math.inf:
            raise ConfigError(
                f"{prior_votes} prior votes",
                expected="a finite number, 0 or more",
                todo="loss.prior_votes=1.0",
            )
        self.prior_votes = prior_votes

    def each(self, left: Tensor, right: Tensor, preference: Tensor, weight: Tensor) -> Tensor:
        """In nats."""
        votes = weight + self.prior_votes
        # A placeholder of weight 0 has no votes; without a prior it would be 0 / 0.
        soft = (weight * preference + self.prior_votes / 2) / votes.clamp_min(1e-12)
        return cross_entropy_of_margins(left - right, soft.clamp(0, 1))


class DavidsonLoss(PairLoss):
    """Three outcomes, left, right and tie; the tie parameter ``ν`` is learnt with the scores.

    ``p(left) : p(tie) : p(right) = exp(m / 2) : ν : exp(-m / 2)``. A preference of exactly 0.5 is a
    tie; any other one is a share of decided votes.

    Source:
        Davidson 1970.
    """

    def __init__(self, *, tie: Positive) -> None:
        """Initial value of ``ν``.

        Args:
            tie: above 0, finite; at 1 a tie is as likely as each side between equal images.

        Raises:
            ConfigError: for another number.
        """
        super().__init__()
        if not 0 < tie < math.inf:
            raise ConfigError(
                f"a tie parameter of {tie}",
                expected="a finite number above 0",
                todo="loss.tie=1.0",
            )
        self.log_tie = nn.Parameter(torch.tensor(float(tie)).log())

    def each(self, left: Tensor, right: Tensor, preference: Tensor, weight: Tensor) -> Tensor:
        """In nats; ln 3 where the margin is 0 and ``ν`` is 1."""
        margin = left - right
        logits = torch.stack([margin / 2, self.log_tie.expand_as(margin), -margin / 2], dim=-1)
        tied = (preference == 0.5).to(preference.dtype)
        target = torch.stack([preference * (1 - tied), tied, (1 - preference) * (1 - tied)], dim=-1)
        return cross_entropy(logits, target.to(logits.dtype), reduction="none")


class BinaryLoss(PairLoss):
    """Interesting or not, image by image: cross-entropy of ``sigmoid(score)``, mean of both images.

    The preferred image of a pair counts as interesting and the other one as not interesting. This
    is correct for pairs of one image of each class. A tie pulls both scores to 0.

    Source:
        LaFin trains on single images of both classes in equal number, with cross-entropy.
    """

    has_zero = True

    def each(self, left: Tensor, right: Tensor, preference: Tensor, weight: Tensor) -> Tensor:
        """In nats; ln 2 where both scores are 0."""
        sides = cross_entropy_of_margins(left, preference)
        return (sides + cross_entropy_of_margins(right, 1 - preference)) / 2


def cross_entropy_of_margins(margin: Tensor, preference: Tensor) -> Tensor:
    """Cross-entropy of ``sigmoid(margin)`` with a preference for each pair, in nats."""
    # softplus(m) - p·m equals cross-entropy with logits and stays finite for any margin.
    return softplus(margin) - preference * margin


def l2_penalty(parameters: list[Tensor], strength: float) -> Tensor:
    """Half the strength times the squared length of the weights, a scalar."""
    return 0.5 * strength * torch.stack([(p**2).sum() for p in parameters]).sum()
