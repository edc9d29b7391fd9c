"""What a learner makes small: losses of a batch of pairs, by choice (``loss=…``)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu

from interestingness.errors import ConfigError
from interestingness.learning.losses import check_preferences, cross_entropy_of_margins


class PairLoss(nn.Module, ABC):
    """Scores of both sides and preferences → a scalar.

    A module, because a loss may learn too. Every loss is a weighted sum over pairs divided by the
    normalizer, so that ranks with unequal shares add up to the global mean.

    Attributes:
        has_zero: whether a score above 0 says of the image alone that it is interesting; False
            where only margins are learnt, so that scores may be shifted at will.
    """

    has_zero: bool = False

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
            normalizer: what the weighted sum is divided by; None takes the sum of the weights.

        Raises:
            LabelError: if a preference is outside [0, 1] or NaN.
        """
        check_preferences(preference)
        total = weight.sum() if normalizer is None else normalizer
        return (weight * self.each(left, right, preference, weight)).sum() / total

    @abstractmethod
    def each(self, left: Tensor, right: Tensor, preference: Tensor, weight: Tensor) -> Tensor:
        """The loss of each pair, shape (pairs,); the weight is for those that read it as votes."""


class BradleyTerryLoss(PairLoss):
    """Cross-entropy of ``sigmoid(margin)``; see ``bradley_terry_loss``."""

    def each(self, left: Tensor, right: Tensor, preference: Tensor, weight: Tensor) -> Tensor:
        """In nats."""
        return cross_entropy_of_margins(left - right, preference)


class MarginLoss(PairLoss):
    """Hinge: a pair costs nothing once the preferred image leads by ``margin``.

    A preference between 0 and 1 is an average of both hinges; a tie costs the same at every margin
    inside the band and pulls margins back from outside.

    Source:
        Herbrich et al. 2000 (ranking SVM).
    """

    def __init__(self, *, margin: float) -> None:
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
    """Bradley–Terry on the share of votes, drawn towards one half where votes are few.

    With ``w`` votes (the weight of a label source that counts votes) and a share ``p`` the label is
    ``(w p + a / 2) / (w + a)`` for ``a`` prior votes: the mean under a symmetric Beta prior. The
    pair still weighs ``w``. Without prior votes it is ``BradleyTerryLoss``.
    """

    def __init__(self, *, prior_votes: float) -> None:
        """Strength of the prior.

        Args:
            prior_votes: votes that are added, half for each side; 0 or more, finite.

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
    """Three outcomes, left, right and tie, whose share ``ν`` is learnt beside the scores.

    ``p(left) : p(tie) : p(right) = exp(m / 2) : ν : exp(-m / 2)``. A preference of exactly 0.5 is a
    tie; any other one is a share of decided votes.

    Source:
        Davidson 1970.
    """

    def __init__(self, *, tie: float) -> None:
        """Where ``ν`` starts.

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
    """Interesting or not, image by image: cross-entropy of ``sigmoid(score)``, mean of both sides.

    The preferred image of a pair counts as interesting, the other one as not, which is the truth
    where a pair source takes one of each. A tie does not say what its two images are, and draws
    both scores to 0.

    Source:
        LaFin's cross-entropy of single images, which it has of both classes alike.
    """

    has_zero = True

    def each(self, left: Tensor, right: Tensor, preference: Tensor, weight: Tensor) -> Tensor:
        """In nats; ln 2 where both scores are 0."""
        sides = cross_entropy_of_margins(left, preference)
        return (sides + cross_entropy_of_margins(right, 1 - preference)) / 2
