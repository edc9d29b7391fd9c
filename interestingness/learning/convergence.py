"""How a fit ended: at its optimum, or while its objective still fell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FALL = 0.01
"""Share of its whole fall by which an objective may still fall in the last epoch."""


@dataclass(frozen=True)
class Convergence:
    """What a learner knows after its last epoch.

    Attributes:
        objectives: mean training objective of each epoch of this process's fit, in nats.
        gradient: length of the objective's gradient as a share of the first one; None where the
            optimizer does not solve for the optimum.
        tolerance: what the gradient was to be.
        unbounded: whether longer weights only lower the objective.
    """

    objectives: Sequence[float]
    gradient: float | None = None
    tolerance: float | None = None
    unbounded: bool = False

    def last_fall(self) -> float:
        """Fall of the objective in the last epoch as a share of its whole fall.

        The mean of two epochs, because batches are shuffled. 0 with fewer than four epochs, or
        where the objective did not fall at all.
        """
        if len(self.objectives) < 4:
            return 0.0
        whole = self.objectives[0] - self.objectives[-1]
        return (self.objectives[-3] - self.objectives[-1]) / 2 / whole if whole > 0 else 0.0

    def sentence(self) -> str:
        """What a user is told; "" if there is nothing to tell."""
        if self.gradient is not None and self.tolerance is not None:
            said = f"gradient {self.gradient:.1g} of the first one"
            if self.unbounded:
                return (
                    f"no optimum ({said}): the head separates all training pairs, and without L2 "
                    "longer weights are always better, so that scores are too sure of themselves "
                    "(model.l2=auto)"
                )
            if self.gradient <= self.tolerance:
                return f"fitted to its optimum ({said})"
            return f"not at its optimum: {said}, where {self.tolerance:.1g} was to be reached"
        fall = self.last_fall()
        if fall <= FALL:
            return ""
        return (
            f"the objective still fell in the last epoch, by {100 * fall:.1f} % of its whole fall: "
            "more epochs (trainer.max_epochs), or a larger optimizer.lr"
        )
