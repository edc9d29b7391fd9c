"""A scorer whose weights, gradients and optimiser states are cut among ranks, block by block."""

from __future__ import annotations

from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from interestingness.errors import WeightsError
from interestingness.models.blocks import find_blocks
from interestingness.models.scorer import Scorer


def shard(scorer: Scorer, mesh: DeviceMesh) -> None:
    """Cut a scorer's parameters among the ranks of a mesh; a second call changes nothing.

    Each block of the backbone is gathered when it is needed and let go afterwards, so that a rank
    holds one whole block at a time. What is no block is cut with the scorer itself.

    Args:
        scorer: on all ranks the same.
        mesh: one dimension, the ranks.

    Raises:
        WeightsError: without a backbone: cached features leave nothing large to cut.
    """
    if scorer.backbone is None:
        raise WeightsError(
            "trainer=fsdp with cached features: only a head is trained",
            expected="a backbone that is trained too",
            todo="trainer=ddp, or model=finetuned_clip",
        )
    if isinstance(scorer, FSDPModule):
        return
    for block in find_blocks(scorer.backbone.network).blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(scorer, mesh=mesh)
