"""Low-rank updates of weight matrices (LoRA). Why not peft: docs/decisions/0012."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from interestingness.errors import ConfigError, WeightsError
from interestingness.models.blocks import inside


class LowRankUpdate(nn.Module):
    """Parametrisation ``weight + alpha / rank * up @ down``; initially ``up`` is 0.

    It applies wherever the matrix is read, also to the packed query, key and value matrix of
    ``nn.MultiheadAttention``, whose three parts then share ``down``.

    Source:
        Hu et al. 2022, LoRA.
    """

    def __init__(self, weight: Tensor, *, rank: int, alpha: float) -> None:
        """Create factors for a matrix of ``weight``'s shape (out, in) and dtype."""
        super().__init__()
        rows, columns = weight.shape
        self.scale = alpha / rank
        self.down = nn.Parameter(torch.empty(rank, columns, dtype=weight.dtype))
        self.up = nn.Parameter(torch.zeros(rows, rank, dtype=weight.dtype))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """The matrix with its update, shape (out, in)."""
        return torch.addmm(weight, self.up, self.down, alpha=self.scale)


def add_low_rank(
    network: nn.Module, targets: Sequence[str], *, rank: int, alpha: float
) -> list[str]:
    """Add a low-rank update to every matrix in the blocks whose name ends with a target.

    Args:
        network: a frozen transformer; changed in place.
        targets: ends of parameter names, e.g. "attn.in_proj_weight".
        rank: of the update, 1 or more.
        alpha: the update is multiplied by ``alpha / rank``.

    Returns:
        Names of the matrices.

    Raises:
        ConfigError: for no target, or an alpha that is not above 0.
        WeightsError: for a target that matches no matrix, listing the names that exist; for a rank
            that is not smaller than a matrix.
    """
    if not targets:
        raise ConfigError(
            "model.tuning.targets=[]",
            expected="at least one matrix to update",
            todo="model.tuning.targets=[attn.in_proj_weight,attn.out_proj.weight]",
        )
    if not alpha > 0:
        raise ConfigError(
            f"model.tuning.alpha={alpha}",
            expected="a number above 0: updates are multiplied by alpha / rank",
            todo="model.tuning.alpha=16, twice the rank",
        )
    matrices = {n: p for n, p in inside(network) if p.ndim == 2}
    there = sorted({_end(name) for name in matrices})
    for target in targets:
        if not any(_has_end(name, target) for name in matrices):
            raise WeightsError(
                f"no matrix in the blocks of {type(network).__name__} is called {target!r}",
                expected=f"some of {', '.join(there)}",
                todo=f"model.tuning.targets=[{there[0] if there else ''}]",
            )
    chosen = [n for n in matrices if any(_has_end(n, target) for target in targets)]
    small = min((min(matrices[n].shape) for n in chosen), default=0)
    if not 1 <= rank < small:
        raise WeightsError(
            f"model.tuning.rank={rank}: low-rank updates for matrices of {small} rows or columns",
            expected=f"a rank from 1 to {small - 1}",
            todo="model.tuning.rank=8",
        )
    for name in chosen:
        path, _, tensor = name.rpartition(".")
        update = LowRankUpdate(matrices[name], rank=rank, alpha=alpha)
        parametrize.register_parametrization(network.get_submodule(path), tensor, update)
    return chosen


def _end(name: str) -> str:
    """The name inside its block: the part after the last number."""
    parts = name.split(".")
    numbers = [at for at, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[numbers[0] + 1 :] if numbers else parts)


def _has_end(name: str, target: str) -> bool:
    return f".{name}".endswith(f".{target}")
