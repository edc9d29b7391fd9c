"""The paper's recipe, 25 epochs of Adam without L2, for all label sources × all splits in one loop.

The result is no optimum: it depends on learning rate and epochs, and is reported in a row of its
own beside the converged fit. Epochs, order of pairs and batches are those of ``train.py``, so that
one problem here equals one run there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interestingness.data.plan import shuffled
from interestingness.learning.linear_solver.fit import LinearFits
from interestingness.learning.linear_solver.problems import why_missing
from interestingness.learning.linear_solver.threads import in_threads
from interestingness.schema import Array, Pairs

BETAS, EPSILON = (0.9, 0.999), 1e-8  # torch.optim.Adam's


class Recipe(NamedTuple):
    """Settings of the fit.

    Attributes:
        epochs: passes over the training pairs.
        rate: Adam's.
        batch_size: pairs.
        seed: of the order of pairs.
    """

    epochs: int
    rate: float
    batch_size: int
    seed: int

    def __str__(self) -> str:
        how = f"Adam at rate {self.rate:g}, batches of {self.batch_size}, no L2"
        return f"{self.epochs} epochs of {how}"


class _Group(NamedTuple):
    """Sources of one split that label the same pairs, and so are trained on the same batches."""

    split: int
    columns: NDArray[np.int64]
    rows: NDArray[np.int64]


def fit_recipe(
    features: NDArray[np.floating],
    pairs: Pairs,
    preference: Array,
    weight: Array,
    splits: Sequence[NDArray[np.integer]],
    recipe: Recipe,
) -> LinearFits:
    """Weights after the recipe's epochs, from zero, for every split and label source.

    Args:
        features: scaled as they are to be used, shape (images, dim).
        pairs: all pairs.
        preference: in [0, 1], 0.5 a tie, NaN where a source has no label; shape (pairs, sources).
        weight: non-negative, shape (pairs, sources).
        splits: training rows of each split.
        recipe: epochs, rate, batch size and seed.

    Returns:
        As ``fit_linear``; ``bound`` and ``l2`` are NaN, because there is neither optimum nor L2.

    Source:
        Abdullahu and Grabner 2025: a linear neuron on frozen CLIP features, 25 epochs. Optimiser,
        rate and batch size are not published; these are ours.
    """
    missing = np.array([why_missing(preference[rows], weight[rows]) for rows in splits])
    use = ~np.isnan(preference) & (weight > 0)
    groups: dict[int, list[_Group]] = {}
    for number, rows in enumerate(splits):
        columns = np.flatnonzero(missing[number] == "")
        patterns, which = np.unique(use[np.ix_(rows, columns)], axis=1, return_inverse=True)
        for p in range(patterns.shape[1]):
            own = columns[which == p]
            group = _Group(number, own, rows[patterns[:, p]].astype(np.int64))
            groups.setdefault(len(own), []).append(group)
    values = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
    fitted = np.full((*missing.shape, values.shape[1]), np.nan, dtype=np.float32)
    # One loop for groups of equally many sources: only last batches are padded.
    threads = torch.get_num_threads()
    parts = [some[t::threads] for some in groups.values() for t in range(min(threads, len(some)))]

    def train(number: int) -> None:
        found = _adam(values, pairs, preference, weight, parts[number], recipe)
        for group, w in zip(parts[number], found, strict=True):
            fitted[group.split, group.columns] = w.numpy()

    in_threads(train, len(parts))
    none = np.full(missing.shape, np.nan)
    return LinearFits(fitted, missing, none, none)


def _adam(
    values: Tensor,
    pairs: Pairs,
    preference: Array,
    weight: Array,
    groups: Sequence[_Group],
    recipe: Recipe,
) -> Tensor:
    """Weights of the groups' sources, shape (groups, sources, dim)."""
    left, right = torch.from_numpy(pairs.left), torch.from_numpy(pairs.right)
    target = torch.from_numpy(np.nan_to_num(preference, nan=0.5).astype(np.float32))
    mass = torch.from_numpy(weight.astype(np.float32))
    columns = torch.from_numpy(np.stack([group.columns for group in groups]))[:, None, :]
    w = values.new_zeros(len(groups), columns.shape[2], values.shape[1])
    first, second = torch.zeros_like(w), torch.zeros_like(w)
    steps = torch.zeros(len(groups), 1, 1)
    for rows, there in _batches(groups, recipe):
        difference = values[left[rows]] - values[right[rows]]
        share = mass[rows[..., None], columns] * there[..., None]
        share = share / share.sum(1, keepdim=True).clamp(min=1e-30)
        slope = (torch.sigmoid(difference @ w.mT) - target[rows[..., None], columns]) * share
        gradient = slope.mT @ difference
        # A group whose epoch has ended is not updated until the others have finished theirs.
        active = there.any(1)[:, None, None]
        steps += active
        if bool(active.all()):
            first.lerp_(gradient, 1 - BETAS[0])
            second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        else:
            first = torch.where(active, first.lerp(gradient, 1 - BETAS[0]), first)
            grown = (second * BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            second = torch.where(active, grown, second)
        rate = recipe.rate * active / (1 - BETAS[0] ** steps)
        spread = second.sqrt().div_((1 - BETAS[1] ** steps).sqrt()).add_(EPSILON)
        w -= rate * first / spread
    return w


def _batches(groups: Sequence[_Group], recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of each group's batch, and which of them are not padding, (groups, batch_size)."""
    size = recipe.batch_size
    longest = max(-(-len(group.rows) // size) for group in groups)
    for epoch in range(recipe.epochs):
        rows = np.zeros((len(groups), longest * size), dtype=np.int64)
        there = np.zeros(rows.shape, dtype=bool)
        for g, group in enumerate(groups):
            n = len(group.rows)
            rows[g, :n] = group.rows[shuffled(n, seed=recipe.seed, epoch=epoch)]
            there[g, :n] = True
        for at in range(0, longest * size, size):
            part = slice(at, at + size)
            yield torch.from_numpy(rows[:, part]), torch.from_numpy(there[:, part])
