"""Regularised logistic regressions that share their pairs, minimised together.

Each minimises ``sum(weight * loss) + strength / 2 * |w|²``. Problems of one set of pairs share a
preconditioner, the Hessian at w = 0, factorised once. A problem that has not converged after some
steps is solved by Newton's method in float64, with its own Hessian.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from interestingness.learning.linear_solver.forms import Form

LINE_STEPS = 10
NEWTON_STEPS = 50
TINY = 1e-30


class Problems(NamedTuple):
    """B sets of pairs, stacked, with K problems each. A set may be padded with pairs of weight 0.

    Attributes:
        preference: in [0, 1], shape (B, pairs, K).
        weight: non-negative, shape (B, pairs, K).
        strength: positive, shape (B, 1, K).
    """

    preference: Tensor
    weight: Tensor
    strength: Tensor


class Solution(NamedTuple):
    """Result of the minimiser.

    Attributes:
        x: coordinates, shape (B, size, K).
        bound: the weights are at most this share of their length away from the optimum; their
            cosine with it is then at least ``sqrt(1 - bound²)``. 0 where both are 0; shape (B, K).
    """

    x: Tensor
    bound: Tensor


def minimise(
    form: Form,
    problems: Problems,
    *,
    start: Tensor | None = None,
    tolerance: float = 0.01,
    iterations: int = 40,
) -> Solution:
    """Minimise by preconditioned nonlinear conjugate gradients, then, where needed, by Newton.

    Args:
        form: coordinates.
        problems: to minimise.
        start: coordinates to start from, shape (B, size, K); None starts at 0.
        tolerance: stop when ``Solution.bound`` is this small; 0.01 is a cosine of 0.99995.
        iterations: most steps of conjugate gradients; few are needed if the shared Hessian fits.

    Source:
        Polak–Ribière directions, restarted where they point uphill. Margins are linear along a
        line, so that a line search costs no matrix product. The bound follows from strong
        convexity: |w − w*| ≤ |gradient| / strength.
    """
    found = _conjugate(form, problems, start, tolerance, iterations)
    for b, k in torch.nonzero(~(found.bound <= tolerance)).tolist():
        own = Problems(*(part[b : b + 1, :, k : k + 1].double() for part in problems))
        rest = _newton(form.double(b), own, found.x[b : b + 1, :, k : k + 1].double(), tolerance)
        found.x[b, :, k] = rest.x[0, :, 0].to(found.x.dtype)
        found.bound[b, k] = rest.bound[0, 0]
    return found


def _conjugate(
    form: Form, problems: Problems, start: Tensor | None, tolerance: float, iterations: int
) -> Solution:
    strength = problems.strength
    curvature = problems.weight.mean(2) / 4
    curvature = torch.where(curvature > 0, curvature, 1.0)  # padding: any positive number works
    # Means over columns: the preconditioner is exact if weights and strengths are equal.
    solve = form.preconditioner(curvature, strength.log().mean(2)[:, 0].exp())
    width = (len(strength), form.matrix.shape[2], strength.shape[2])
    x = form.matrix.new_zeros(width) if start is None else start.clone()
    here = _at(problems, torch.zeros_like(problems.weight) if start is None else form.margins(x))
    gradient = form.pull(here.slope) + strength * x
    direction = ahead = old = torch.zeros(())
    old_square = torch.full_like(strength, torch.inf)
    for number in range(iterations):
        step, step_ahead = solve(gradient)
        square = form.inner(gradient, step, step_ahead)
        if number:
            turn = (square - form.inner(old, step, step_ahead)) / old_square
            turn = turn.clamp_(min=0).nan_to_num_(0.0)
            direction, ahead = turn * direction - step, turn * ahead - step_ahead
            descent = form.inner(gradient, direction, ahead)
            back = descent > 0
            if bool(back.any()):
                direction = torch.where(back, -step, direction)
                ahead = torch.where(back, -step_ahead, ahead)
                descent = torch.where(back, -square, descent)
        else:
            direction, ahead, descent = -step, -step_ahead, -square
        length, here = _line(form, problems, x, here, direction, ahead, descent)
        x = torch.addcmul(x, length, direction)
        old, old_square = gradient, square
        gradient = form.pull(here.slope) + strength * x
        # The bound costs a matrix product, so it is computed only after a small step.
        small = square <= (10 * tolerance) ** 2 * strength * form.inner(x, x, here.margin)
        if bool(small.all()) and bool(
            (_bound(form, strength, x, here.margin, gradient) <= tolerance).all()
        ):
            break
    # Margins were accumulated step by step; the returned bound uses exact ones.
    here = _at(problems, form.margins(x))
    gradient = form.pull(here.slope) + strength * x
    return Solution(x, _bound(form, strength, x, here.margin, gradient)[:, 0])


def _newton(form: Form, problems: Problems, x: Tensor, tolerance: float) -> Solution:
    """One problem in float64, by Newton's method."""
    strength = problems.strength
    x = torch.where(torch.isfinite(x).all(), x, 0.0)
    for step in range(NEWTON_STEPS + 1):
        here = _at(problems, form.margins(x))
        gradient = form.pull(here.slope) + strength * x
        bound = _bound(form, strength, x, here.margin, gradient)
        if bool((bound <= tolerance).all()) or step == NEWTON_STEPS:
            break
        solve = form.preconditioner(here.bend[..., 0].clamp(min=1e-12), strength[:, 0, 0])
        direction = -solve(gradient)[0]
        ahead = form.margins(direction)
        descent = form.inner(gradient, direction, ahead)
        length, _ = _line(form, problems, x, here, direction, ahead, descent)
        x = x + length * direction
    return Solution(x, bound[:, 0])


class _Place(NamedTuple):
    """Margins and, by them, the loss's first and second derivative, all (B, pairs, K)."""

    margin: Tensor
    slope: Tensor
    bend: Tensor


def _at(problems: Problems, margin: Tensor) -> _Place:
    p = torch.sigmoid(margin)
    return _Place(
        margin,
        (p - problems.preference) * problems.weight,
        torch.addcmul(p, p, p, value=-1) * problems.weight,
    )


def _line(
    form: Form,
    problems: Problems,
    x: Tensor,
    here: _Place,
    direction: Tensor,
    ahead: Tensor,
    descent: Tensor,
) -> tuple[Tensor, _Place]:
    """Step length of an approximate line search, (B, 1, K), and the point it leads to.

    Newton's method in one dimension, within a bracket, until the slope is a tenth of the first.
    """
    linear = problems.strength * form.inner(x, direction, ahead)
    quadratic = problems.strength * form.inner(direction, direction, ahead)
    square = ahead * ahead
    slope, bend = descent, (here.bend * square).sum(1, keepdim=True) + quadratic
    length = torch.zeros_like(descent)
    low, high = length, torch.full_like(length, torch.inf)
    for _ in range(LINE_STEPS):
        newton = length - slope / bend.clamp(min=TINY)
        middle = torch.where(high.isinf(), 2 * low + 1, (low + high) / 2)
        length = torch.where((newton > low) & (newton < high), newton, middle)
        there = _at(problems, torch.addcmul(here.margin, length, ahead))
        slope = (there.slope * ahead).sum(1, keepdim=True) + linear + length * quadratic
        if bool((slope.abs() <= -0.1 * descent).all()):
            break
        low, high = torch.where(slope < 0, length, low), torch.where(slope < 0, high, length)
        bend = (there.bend * square).sum(1, keepdim=True) + quadratic
    return length, there


def _bound(form: Form, strength: Tensor, x: Tensor, margin: Tensor, gradient: Tensor) -> Tensor:
    steep = form.inner(gradient, gradient, form.margins(gradient)).clamp(min=0).sqrt()
    length = form.inner(x, x, margin).clamp(min=0).sqrt()
    return torch.where(steep == 0, 0.0, steep / (strength * length).clamp(min=TINY))
