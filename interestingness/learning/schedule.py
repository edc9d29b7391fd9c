"""Learning-rate schedules that change with every step instead of every epoch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from interestingness.errors import ConfigError
from interestingness.ranges import Share


class StepSchedule(ABC):
    """Factor by which every group's learning rate is multiplied, as a function of the step."""

    @abstractmethod
    def factor(self, step: int, steps: int) -> float:
        """Factor in step ``step`` of ``steps``, counted from 0."""

    def of(self, optimizer: Optimizer, steps: int) -> LambdaLR:
        """Make the schedule for an optimiser that takes ``steps`` steps in the whole run."""
        return LambdaLR(optimizer, lambda step: self.factor(step, steps))


class WarmupCosine(StepSchedule):
    """Linear increase during the warm-up, then decrease along half a cosine.

    Source:
        Goyal et al. 2017 (warm-up); Loshchilov and Hutter 2017 (cosine, without restarts).
    """

    def __init__(self, *, warmup: Share, floor: Share) -> None:
        """Set the shape of the curve.

        Args:
            warmup: share of all steps, in [0, 1).
            floor: factor after the last step, in [0, 1].

        Raises:
            ConfigError: for shares outside these ranges.
        """
        if not (0 <= warmup < 1 and 0 <= floor <= 1):
            raise ConfigError(
                f"warmup={warmup} and floor={floor}",
                expected="a warm-up of at least 0 and below 1 (a share of all steps, not a number "
                "of them), and a floor from 0 to 1",
                todo="scheduler.warmup=0.05 scheduler.floor=0.0",
            )
        self.warmup, self.floor = warmup, floor

    def factor(self, step: int, steps: int) -> float:
        """Factor of a step; above 0 in the first, which would change nothing otherwise."""
        rising = round(self.warmup * steps)
        if step < rising:
            return (step + 1) / (rising + 1)
        done = min(1.0, (step - rising) / max(1, steps - rising))
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done))
