"""What a learner makes small: losses of a batch of pairs, by choice (``loss=…``)."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu, softplus

from interestingness.errors import ConfigError
from interestingness.learning.losses import bradley_terry_loss, check_preferences


class PairLoss(nn.Module, ABC):
    """Scores of both sides and preferences → a scalar.

    A module, because a loss may learn too. Every loss is a weighted sum over pairs divided by the
    normalizer, so that ranks with unequal shares add up to the global mean.

    Attributes:
        has_zero: whether a score above 0 says of the image alone that it is interesting; False
            where only margins are learnt, so that scores may be shifted at will.
    """

    has_zero: bool = False

    @abstractmethod
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


class BradleyTerryLoss(PairLoss):
    """Cross-entropy of ``sigmoid(margin)``; see ``bradley_terry_loss``."""

    def forward(
        self,
        left: Tensor,
        right: Tensor,
        preference: Tensor,
        weight: Tensor,
        normalizer: Tensor | None = None,
    ) -> Tensor:
        """Scalar in nats."""
        return bradley_terry_loss(left - right, preference, weight=weight, normalizer=normalizer)


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
            margin: in logits, above 0.

        Raises:
            ConfigError: for another width.
        """
        super().__init__()
        if margin <= 0:
            raise ConfigError(
                f"a margin of {margin}",
                expected="a number above 0; at 0 equal scores for all images cost nothing",
                todo="loss.margin=1.0",
            )
        self.margin = margin

    def forward(
        self,
        left: Tensor,
        right: Tensor,
        preference: Tensor,
        weight: Tensor,
        normalizer: Tensor | None = None,
    ) -> Tensor:
        """Scalar in logits."""
        check_preferences(preference)
        margin = left - right
        each = preference * relu(self.margin - margin)
        each = each + (1 - preference) * relu(self.margin + margin)
        return _mean(each, weight, normalizer)


class SoftLabelLoss(PairLoss):
    """Bradley–Terry on the share of votes, drawn towards one half where votes are few.

    With ``w`` votes (the weight of a label source that counts votes) and a share ``p`` the label is
    ``(w p + a / 2) / (w + a)`` for ``a`` prior votes: the mean under a symmetric Beta prior. The
    pair still weighs ``w``. Without prior votes it is ``BradleyTerryLoss``.
    """

    def __init__(self, *, prior_votes: float) -> None:
        """Strength of the prior.

        Args:
            prior_votes: votes that are added, half for each side; 0 or more.

        Raises:
            ConfigError: for fewer.
        """
        super().__init__()
        if prior_votes < 0:
            raise ConfigError(
                f"{prior_votes} prior votes", expected="0 or more", todo="loss.prior_votes=1.0"
            )
        self.prior_votes = prior_votes

    def forward(
        self,
        left: Tensor,
        right: Tensor,
        preference: Tensor,
        weight: Tensor,
        normalizer: Tensor | None = None,
    ) -> Tensor:
        """Scalar in nats."""
        check_preferences(preference)
        votes = weight + self.prior_votes
        # A placeholder of weight 0 has no votes; without a prior it would be 0 / 0.
        soft = (weight * preference + self.prior_votes / 2) / votes.clamp_min(1e-12)
        return bradley_terry_loss(
            left - right, soft.clamp(0, 1), weight=weight, normalizer=normalizer
        )


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
            tie: above 0; at 1 a tie is as likely as each side between equal images.

        Raises:
            ConfigError: for 0 or less.
        """
        super().__init__()
        if tie <= 0:
            raise ConfigError(
                f"a tie parameter of {tie}", expected="a number above 0", todo="loss.tie=1.0"
            )
        self.log_tie = nn.Parameter(torch.tensor(float(tie)).log())

    def forward(
        self,
        left: Tensor,
        right: Tensor,
        preference: Tensor,
        weight: Tensor,
        normalizer: Tensor | None = None,
    ) -> Tensor:
        """Scalar in nats; ln 3 where every margin is 0 and ``ν`` is 1."""
        check_preferences(preference)
        margin = left - right
        logits = torch.stack([margin / 2, self.log_tie.expand_as(margin), -margin / 2], dim=-1)
        tied = (preference == 0.5).to(preference.dtype)
        target = torch.stack([preference * (1 - tied), tied, (1 - preference) * (1 - tied)], dim=-1)
        each = cross_entropy(logits, target.to(logits.dtype), reduction="none")
        return _mean(each, weight, normalizer)


class BinaryLoss(PairLoss):
    """Interesting or not, image by image: cross-entropy of ``sigmoid(score)``, mean of both sides.

    The preferred image of a pair counts as interesting, the other one as not, which is the truth
    where a pair source takes one of each. A tie does not say what its two images are, and draws
    both scores to 0.

    Source:
        LaFin's cross-entropy of single images, which it has of both classes alike.
    """

    has_zero = True

    def forward(
        self,
        left: Tensor,
        right: Tensor,
        preference: Tensor,
        weight: Tensor,
        normalizer: Tensor | None = None,
    ) -> Tensor:
        """Scalar in nats; ln 2 where every score is 0."""
        check_preferences(preference)
        # As in ``bradley_terry_loss``: finite for any score.
        each = softplus(left) - preference * left + softplus(right) - (1 - preference) * right
        return _mean(each / 2, weight, normalizer)


def _mean(each: Tensor, weight: Tensor, normalizer: Tensor | None) -> Tensor:
    total = weight.sum() if normalizer is None else normalizer
    return (weight * each).sum() / total
