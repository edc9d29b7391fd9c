"""Lightning's strategies for several processes, with the options that a config names."""

from __future__ import annotations

from datetime import timedelta

from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy


def ddp(*, timeout_s: float, find_unused_parameters: bool = False) -> DDPStrategy:
    """Every process holds the whole model; gradients are averaged.

    Args:
        timeout_s: seconds that a process waits for the others before the run ends with an error.
        find_unused_parameters: for models that leave parameters out in some steps; ours do not.
    """
    return DDPStrategy(
        timeout=timedelta(seconds=timeout_s),
        find_unused_parameters=find_unused_parameters,
        gradient_as_bucket_view=True,
    )


def fsdp(*, timeout_s: float) -> ModelParallelStrategy:
    """Weights, gradients and optimiser states are sharded over the processes as well (FSDP2).

    Checkpoints are the same single files as without it.

    Args:
        timeout_s: seconds that a process waits for the others before the run ends with an error.
    """
    return _AllRanksShareData(
        tensor_parallel_size=1,
        save_distributed_checkpoint=False,
        timeout=timedelta(seconds=timeout_s),
    )


class _AllRanksShareData(ModelParallelStrategy):
    """Lightning's default is one share of the data per machine; ours is one per process."""

    def setup_environment(self) -> None:
        """Set the size once the number of processes is known."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()
