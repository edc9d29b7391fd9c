"""Which patches of a picture raise or lower its score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from interestingness.models.heads import LinearHead
from interestingness.models.scorer import Scorer
from interestingness.schema import Array

GRID = 8
"""Cells across and down."""
REACH = 2
"""Cells that one window covers, across and down."""
BATCH = 32
CLOSE = 1e-3
"""Error of the sum of a map, as a share of the score's scale, from which it is not exact."""

ScorePixels = Callable[[Tensor], Array]
"""uint8 pixels (B, H, W, 3) → scores, shape (B,)."""


@dataclass(frozen=True, eq=False)
class PatchMap:
    """What cells of a picture add to its score.

    Attributes:
        effect: in the score's unit, above 0 where a cell raises the score, (rows, columns).
        exact: whether the cells add up to the score (but for a constant), as where the features are
            a mean over places and the head is linear; else cells were covered one by one.
    """

    effect: Array
    exact: bool


def occlusion(
    score: ScorePixels, pixels: Tensor, *, grid: int = GRID, reach: int = REACH
) -> PatchMap:
    """Cover windows of the picture by its mean colour; a cell's effect is the mean loss of score.

    Args:
        score: of pixels as the network gets them.
        pixels: of one picture, uint8, shape (H, W, 3).
        grid: cells across and down.
        reach: cells of a window, across and down; windows overlap.

    Source:
        Zeiler and Fergus 2014, with overlapping windows.
    """
    height, width = pixels.shape[:2]
    rows = np.linspace(0, height, grid + 1).round().astype(int)
    columns = np.linspace(0, width, grid + 1).round().astype(int)
    fill = pixels.float().mean(dim=(0, 1)).round().to(torch.uint8)
    starts = [(i, j) for i in range(grid - reach + 1) for j in range(grid - reach + 1)]
    covered = []
    for i, j in starts:
        one = pixels.clone()
        one[rows[i] : rows[i + reach], columns[j] : columns[j + reach]] = fill
        covered.append(one)
    whole = float(score(pixels[None])[0])
    scores = np.concatenate(
        [score(torch.stack(covered[at : at + BATCH])) for at in range(0, len(covered), BATCH)]
    )
    total, windows = np.zeros((grid, grid)), np.zeros((grid, grid))
    for (i, j), without in zip(starts, scores.tolist(), strict=True):
        total[i : i + reach, j : j + reach] += whole - without
        windows[i : i + reach, j : j + reach] += 1
    return PatchMap(total / windows, exact=False)


@torch.inference_mode()
def exact_map(scorer: Scorer, pixels: Tensor) -> PatchMap | None:
    """Divide the score among places where the features are a mean over them.

    Convolutional networks pool so. It is found by running the network: some module's output
    (C, h, w) must have the features as its mean over places.

    Args:
        scorer: whose head must be linear on features that are standardised or left as they are.
        pixels: of one picture, as the network's transform gives them.

    Returns:
        None where the features are no such mean, or the head is not linear.
    """
    head, backbone = scorer.head, scorer.backbone
    if backbone is None or not isinstance(head, LinearHead):
        return None
    if scorer.scaler.mode not in {"none", "standardize"}:
        return None
    found: list[Tensor] = []

    def note(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[1] == backbone.dim:
            found.append(output[0])

    hooks = [module.register_forward_hook(note) for module in backbone.modules()]
    try:
        features = scorer.encode(pixels[None].to(next(iter(backbone.parameters())).device))[0]
    finally:
        for hook in hooks:
            hook.remove()
    places = next((m for m in reversed(found) if _is_mean(m, features)), None)
    if places is None:
        return None
    _, height, width = places.shape
    flat = places.reshape(len(places), -1).T.cpu()
    # Linear: the score of a place is that of its vector, less what a vector of zeros has.
    zero = scorer.score(torch.zeros_like(flat[:1]))
    each = (scorer.score(flat) - zero) / len(flat)
    return PatchMap(each.double().numpy().reshape(height, width), exact=True)


def _is_mean(places: Tensor, features: Tensor) -> bool:
    if places[0].numel() < 2:  # the mean itself
        return False
    scale = float(features.abs().mean()) or 1.0
    return float((places.mean(dim=(1, 2)) - features).abs().max()) < CLOSE * scale


def rank_correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Spearman's correlation of two maps, cell by cell."""
    a, b = (np.argsort(np.argsort(m.ravel())).astype(float) for m in (one, other))
    return float(np.corrcoef(a, b)[0, 1])
