"""Processes that train or evaluate together, and how they agree outside of training.

A process learns from its environment that it is one of several: from torchrun, which our own start
of one process per GPU uses as well (``processes``), or from srun. Nothing here imports torch before
there is a team. Processes are numbered from 0 over all machines; torch calls the number a rank.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from interestingness.data.part import Part
from interestingness.errors import ConfigError, InterestingnessError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

T = TypeVar("T")

TIMEOUT_S = 1800.0
"""Seconds that a step of training waits for a process, where the strategy names no other."""
PATIENCE = timedelta(days=7)
"""Encoding may take processes hours more or less; one that dies is noticed at once."""
INTERRUPTED = threading.Event()
"""Set once a worker was told to end, by Ctrl-C or SIGTERM."""
_LOST = ("connection closed by peer", "connection reset", "timed out", "timeout", "socket", "peer")


class ProcessLost(InterestingnessError):
    """Another process did not answer: it has ended, hangs, or never started."""

    exit_code = 75


@dataclass(frozen=True)
class Launch:
    """Number of this process among those that were started together.

    Attributes:
        rank: its number, in [0, ranks).
        ranks: processes on all machines.
        local: number of this process on its machine, from 0.
        starter: what started them, for messages.
    """

    rank: int
    ranks: int
    local: int
    starter: str


@dataclass(frozen=True, eq=False)
class Team:
    """What a process needs of the others; alone, nothing waits.

    Attributes:
        rank: number of this process, in [0, ranks).
        ranks: processes of the team.
        here: those of them on this machine.
    """

    rank: int = 0
    ranks: int = 1
    here: int = 1
    _group: ProcessGroup | None = None

    @property
    def first(self) -> bool:
        """Check whether this is process 0, which prints and writes the run folder."""
        return self.rank == 0

    @property
    def part(self) -> Part:
        """Return this process's share of work that is divided by position."""
        return Part(self.rank, self.ranks)

    def agree(self, value: T) -> T:
        """Return the value of process 0 on all processes, once all are here."""
        if self._group is None:
            return value
        from torch import distributed

        self.meet()  # a broadcast lets process 0 continue before the others have arrived
        box = [value]
        distributed.broadcast_object_list(box, src=0, group=self._group)
        return box[0]

    def meet(self) -> None:
        """Wait until all processes are here, however long that takes."""
        if self._group is not None:
            from torch import distributed

            distributed.barrier(group=self._group)


def world_of(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """Find this process's number among others, None if it was started alone.

    Args:
        environment: of the process. As Lightning has it, torchrun goes before SLURM, inside of
            which it may run, and a SLURM job named ``bash`` or ``interactive`` is a shell.
    """
    if "TORCHELASTIC_RUN_ID" in environment and int(environment.get("WORLD_SIZE", 1)) > 1:
        rank, local = int(environment["RANK"]), int(environment["LOCAL_RANK"])
        return Launch(rank, int(environment["WORLD_SIZE"]), local, "torchrun")
    shell = environment.get("SLURM_JOB_NAME") in {"bash", "interactive"}
    tasks = int(environment.get("SLURM_NTASKS", 1))
    named = {"SLURM_PROCID", "SLURM_LOCALID"} <= set(environment)
    if tasks > 1 and named and not shell:
        rank, local = int(environment["SLURM_PROCID"]), int(environment["SLURM_LOCALID"])
        return Launch(rank, tasks, local, "srun")
    return None


ALONE = Team()


def join(trainer: Mapping[str, Any], here: int) -> Team:
    """Join the team, if this process was started as one of several.

    Args:
        trainer: the config's ``trainer``.
        here: processes that it wants on this machine.

    Raises:
        ConfigError: if it wants another number of processes than were started.
        ProcessLost: if not all of them joined.
    """
    world = world_of()
    if world is None:
        return ALONE
    wanted = here * int(trainer.get("num_nodes") or 1)
    if wanted != world.ranks:
        raise ConfigError(
            f"{world.starter} started {world.ranks} processes, the config wants {wanted} "
            f"({here} on each of {trainer.get('num_nodes') or 1} machines)",
            expected="trainer.devices (processes on a machine) × trainer.num_nodes of them",
            todo="trainer=ddp trainer.devices=… trainer.num_nodes=… as they were started",
        )
    from torch import distributed

    if world.starter == "srun":
        _meeting_point()
    device = _device(trainer, world.local)
    # NCCL warns of groups that end with their process, and gloo's threads may abort it.
    atexit.register(_leave)
    strategy = trainer.get("strategy")
    given = strategy.get("timeout_s") if isinstance(strategy, Mapping) else None
    with lost_processes(world):
        distributed.init_process_group(
            "gloo" if device is None else "nccl",
            rank=world.rank,
            world_size=world.ranks,
            timeout=timedelta(seconds=TIMEOUT_S if given is None else float(given)),
            device_id=device,
        )
        group: Any = distributed.new_group(backend="gloo", timeout=PATIENCE)
    return Team(world.rank, world.ranks, here, group)


def _meeting_point() -> None:
    """Set the rendezvous address from SLURM's variables; torchrun has set it."""
    from lightning.fabric.plugins.environments import SLURMEnvironment

    try:
        slurm = SLURMEnvironment()
    except RuntimeError as error:
        raise ConfigError(
            f"srun: {error}",
            expected="as many tasks on each machine as it has GPUs",
            todo="srun --nodes=… --ntasks-per-node=… --gpus-per-node=…",
        ) from None
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = slurm.main_address, str(slurm.main_port)


def _device(trainer: Mapping[str, Any], local: int) -> Any:
    """Choose the GPU of this process and make it current; None on the CPU."""
    import torch

    from interestingness.models.device import device_for

    if device_for(trainer.get("accelerator")) == "cpu":
        return None
    devices = trainer.get("devices")
    if isinstance(devices, str) and "," in devices:
        devices = [int(part) for part in devices.split(",") if part.strip()]
    device = torch.device("cuda", devices[local] if isinstance(devices, list | tuple) else local)
    torch.cuda.set_device(device)
    return device


def _leave() -> None:
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


@contextmanager
def lost_processes(place: Launch | Team) -> Iterator[None]:
    """Turn what torch raises about a process that does not answer into ``ProcessLost``."""
    try:
        yield
    except RuntimeError as error:
        if place.ranks < 2 or not _about_others(error):
            raise
        if INTERRUPTED.is_set():  # all were interrupted, and another one ended sooner
            raise KeyboardInterrupt from None
        first = str(error).strip().splitlines()[0][:300]
        raise ProcessLost(
            f"process {place.rank} of {place.ranks} waited for another one in vain ({first})",
            expected="all processes until the end",
            todo="look at the output of the process that ended first; one that hangs is given "
            "trainer.strategy.timeout_s seconds; resume= goes on from the last checkpoint",
        ) from error


def _about_others(error: RuntimeError) -> bool:
    from torch import distributed

    if isinstance(error, distributed.DistError):
        return True
    trace = str(error).lower()
    return any(said in trace for said in _LOST) and any(
        name in trace for name in ("gloo", "nccl", "processgroup", "store", "wait", "pair closure")
    )
