"""The optimizer of frozen models: one step to the optimum of the whole training set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed
from torch.optim import LBFGS, Optimizer

from interestingness.data.batch import PairBatch
from interestingness.errors import LabelError
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.learning.pair_losses import BradleyTerryLoss, PairLoss, l2_penalty
from interestingness.models.heads import Head, LinearHead
from interestingness.ranges import Count, Positive
from interestingness.schema import Pairs

NOTHING = 1e-4
"""An objective below this, in nats, is on its way to 0."""


@dataclass(eq=False)
class HeadProblem:
    """A head, its loss and all training pairs, in float64 on the CPU.

    Attributes:
        head: scaled feature → score.
        loss: of the pairs.
        features: scaled, one row per image, shape (images, dim).
        batch: all training pairs, as rows of the images.
        l2: strength of L2 on the head's weights.
    """

    head: Head
    loss: PairLoss
    features: Tensor
    batch: PairBatch
    l2: float

    @classmethod
    def of(
        cls, head: Head, loss: PairLoss, features: Tensor, batch: PairBatch, l2: float
    ) -> HeadProblem:
        """Copy the modules and the numbers."""
        own = deepcopy(head).to("cpu", torch.float64), deepcopy(loss).to("cpu", torch.float64)
        return cls(*own, features.detach().to("cpu", torch.float64), batch.to("cpu"), l2)

    def parameters(self) -> list[Tensor]:
        """What is minimised over, the head's and the loss's."""
        return [p for p in (*self.head.parameters(), *self.loss.parameters()) if p.requires_grad]

    def objective(self) -> Tensor:
        """Weighted mean of the loss and L2, a scalar."""
        scores, batch = self.head(self.features), self.batch
        preference, weight = batch.preference.double(), batch.weight.double()
        loss: Tensor = self.loss(scores[batch.left], scores[batch.right], preference, weight)
        return loss + l2_penalty(self.head.weights(), self.l2) if self.l2 > 0 else loss

    def steepness(self) -> float:
        """Length of the objective's gradient."""
        gradients = torch.autograd.grad(self.objective(), self.parameters())
        return float(torch.cat([g.flatten() for g in gradients]).norm())

    def minimise(self, tolerance: float, iterations: int) -> None:
        """Move the parameters to the optimum.

        Raises:
            LabelError: if every label is a tie.
        """
        if self.l2 > 0 and type(self.loss) is BradleyTerryLoss and type(self.head) is LinearHead:
            self._solve(tolerance)
        else:
            self._walk(tolerance, iterations)

    def _solve(self, tolerance: float) -> None:
        batch = self.batch
        names = np.arange(len(self.features)).astype(object)
        left, right = (side.numpy().astype(np.int32) for side in (batch.left, batch.right))
        pairs = Pairs(names, left, right, np.arange(len(left), dtype=np.uint64))
        preference, weight = (
            values.double().numpy()[:, None] for values in (batch.preference, batch.weight)
        )
        fits = fit_linear(
            self.features.numpy(), pairs, preference, weight, l2=self.l2, tolerance=tolerance
        )
        if fits.missing[0, 0]:
            raise LabelError(
                f"{len(left)} training pairs: {fits.missing[0, 0]}",
                expected="labels that prefer one side",
                todo="another label source, or more pairs",
            )
        self.head.weights()[0].data.copy_(torch.from_numpy(fits.weights[0, 0]))

    def _walk(self, tolerance: float, iterations: int) -> None:
        parameters = self.parameters()
        size = sum(p.numel() for p in parameters)
        optimizer = LBFGS(
            parameters,
            max_iter=iterations,
            max_eval=2 * iterations,
            tolerance_grad=tolerance * self.steepness() / size**0.5,
            tolerance_change=0.0,
            history_size=50,
            line_search_fn="strong_wolfe",
        )

        def closure() -> float:
            optimizer.zero_grad()
            loss = self.objective()
            loss.backward()
            return float(loss.detach())

        with torch.enable_grad():
            optimizer.step(closure)


class Optimum(Optimizer):
    """Sets head and loss to the optimum of all training pairs; one step is enough.

    The learner sets ``problem``. The first process solves it and broadcasts the result, so that any
    number of processes gets the same weights. Bradley–Terry on a linear head with L2 is solved by
    the project's own solver, everything else by full-batch L-BFGS.

    Attributes:
        problem: gives the training set once a batch was seen.
        gradient: length of the objective's gradient after the step as a share of that before; NaN
            before the first step.
        unbounded: whether longer weights only lower the objective: there is no L2, and the head
            separates the training pairs.
        tolerance: what ``gradient`` is to be at most.
    """

    def __init__(
        self, params: Iterable[Any], *, tolerance: Positive = 1e-6, iterations: Count = 1000
    ) -> None:
        """Keep the parameters.

        Args:
            params: of the head and the loss.
            tolerance: largest gradient at the end, as a share of the first one.
            iterations: most steps of L-BFGS.
        """
        super().__init__(params, {"lr": 1.0})
        self.problem: Callable[[], HeadProblem] | None = None
        self.tolerance, self.iterations = tolerance, iterations
        self.gradient, self.unbounded = float("nan"), False

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Solve, and compute the loss at the optimum.

        Args:
            closure: computes the loss of the one batch; called before and after.
        """
        assert closure is not None
        with torch.enable_grad():
            closure()
        parameters = [p for group in self.param_groups for p in group["params"]]
        several = distributed.is_available() and distributed.is_initialized()
        if not several or distributed.get_rank() == 0:
            self._solve(parameters)
        if several:
            ends = [self.gradient, float(self.unbounded)]
            end = torch.tensor(ends, device=parameters[0].device)
            for tensor in (*parameters, end):
                distributed.broadcast(tensor, src=0)
            self.gradient, self.unbounded = float(end[0]), bool(end[1])
        with torch.enable_grad():
            return closure()

    def _solve(self, parameters: list[Tensor]) -> None:
        assert self.problem is not None
        problem = self.problem()
        with torch.enable_grad():
            before = problem.steepness()
            problem.minimise(self.tolerance, self.iterations)
        for parameter, found in zip(parameters, problem.parameters(), strict=True):
            parameter.copy_(found)
            found.copy_(parameter)  # as rounded
        with torch.enable_grad():
            self.gradient = problem.steepness() / before if before > 0 else 0.0
            self.unbounded = problem.l2 == 0 and 0 < problem.objective().item() < NOTHING
