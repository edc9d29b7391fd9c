"""Shard a scorer's weights, gradients and optimiser states over processes, block by block."""

from __future__ import annotations

from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from interestingness.errors import WeightsError
from interestingness.models.blocks import find_blocks
from interestingness.models.scorer import Scorer


def shard(scorer: Scorer, mesh: DeviceMesh) -> None:
    """Shard a scorer's parameters over the processes of a mesh; a second call changes nothing.

    Each block of the backbone is gathered when it is needed and freed afterwards, so that a process
    holds one whole block at a time. Parameters outside blocks are sharded with the scorer itself.

    Args:
        scorer: the same in all processes.
        mesh: of one dimension, the processes.

    Raises:
        WeightsError: without a backbone: a head alone is too small to shard.
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
