"""One process per GPU of this machine: the command is run again under torch's elastic agent.

The agent is that of torchrun, in this process; its workers find torchrun's variables and behave
as under torchrun or srun (``worker``). Process 0 prints on the terminal, the others into files
below ``processes/`` of the run folder. The first one that fails ends the run.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from interestingness.errors import ConfigError, InterestingnessError
from interestingness.runs import registry
from interestingness.runs.job import job_command, job_environment, run_folder
from interestingness.runs.team import ProcessLost

LOGS = "processes"
"""Folder inside the run's: the output of processes beside the first, and errors of all."""
PER_CORE = 8
"""Processes for each core that one may try several with where there is no GPU."""
GRACE_S = 15
"""Seconds that processes have after Ctrl-C or SIGTERM before they are killed."""
INTERRUPTED = {130, -signal.SIGTERM}
"""Exit codes of processes that the agent, or a user, has told to end."""


class ProcessFailed(InterestingnessError):
    """A process of the run failed or was killed."""

    exit_code = 1


def processes_here(trainer: Mapping[str, Any]) -> int:
    """Count the processes that a trainer wants on this machine.

    Args:
        trainer: the config's ``trainer``; ``devices`` as Lightning takes it: a number, ``auto`` or
            −1 (all GPUs; one process where there are none), a list of GPUs.

    Raises:
        ConfigError: for something else, or more GPUs than there are.
    """
    devices = trainer.get("devices", 1)
    cpu = trainer.get("accelerator") == "cpu"
    if isinstance(devices, str) and "," in devices:
        devices = [part for part in devices.split(",") if part.strip()]
    if isinstance(devices, list | tuple) and devices:
        if cpu or not _gpus():
            raise ConfigError(
                f"trainer.devices={list(devices)}, a list of GPUs, on the CPU",
                expected="a number of processes",
                todo=f"trainer.devices={len(devices)}",
            )
        return len(devices)
    if devices in {"auto", -1, "-1", None}:
        return 1 if cpu else max(1, _gpus())
    try:
        wanted = int(devices)
        wanted = wanted if wanted == float(devices) else 0
    except (TypeError, ValueError):
        wanted = 0
    if trainer.get("accelerator") in {"gpu", "cuda"} and not _gpus():
        raise ConfigError(
            f"trainer.accelerator={trainer.get('accelerator')}: torch finds no GPU",
            expected="a GPU that torch can use",
            todo="trainer.accelerator=auto, or cpu",
        )
    there = 0 if cpu or wanted == 1 else _gpus()
    most, what = (there, "GPUs") if there else (PER_CORE * (os.cpu_count() or 1), "processes")
    if not 1 <= wanted <= max(most, 1):
        raise ConfigError(
            f"trainer.devices={devices}",
            expected=f"1 to {most} {what} on this machine; auto; or a list of GPUs",
            todo="trainer.devices=auto takes all GPUs",
        )
    return wanted


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def run_again(cfg: DictConfig, count: int) -> dict[str, Any]:
    """Run this command as several processes on this machine, and wait for all of them.

    Args:
        cfg: composed config of a job of Hydra's.
        count: processes.

    Returns:
        ``{"run", "status", "accuracy"}`` as process 0 left them in the run folder.

    Raises:
        ConfigError: for several machines, which one process cannot start, or without a command
            line that could be run again.
        ProcessFailed: if a process failed or was killed; the others are stopped.
        SystemExit: if process 0 failed and has said why, or after Ctrl-C or SIGTERM.
    """
    if (cfg.trainer.get("num_nodes") or 1) > 1:
        raise ConfigError(
            f"trainer.num_nodes={cfg.trainer.num_nodes}, but this process was started alone",
            expected="torchrun or srun on every machine",
            todo="docs/scaling.md has both commands",
        )
    if not HydraConfig.initialized():
        raise ConfigError(
            f"trainer.devices={cfg.trainer.devices} in a config without a command line",
            expected="a command that can be run again, once for each process",
            todo="python train.py trainer=ddp; torchrun for a program of your own",
        )
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    run = Path(cfg.paths.run).absolute()
    hydra = HydraConfig.get()
    program, *arguments = job_command(hydra, hydra.overrides.task)  # type: ignore[arg-type]
    launch = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id="run",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        shutdown_timeout=GRACE_S,
        logs_specs=DefaultLogsSpecs(
            str(run / LOGS), redirects=dict.fromkeys(range(1, count), Std.ALL)
        ),
    )
    with _agent(count):
        try:
            elastic_launch(launch, program)(*arguments, run_folder(run))
        except SignalException as told:
            # Nothing failed: what processes print while they are stopped is of no use.
            shutil.rmtree(run / LOGS, ignore_errors=True)
            raise SystemExit(128 + told.sigval) from None
        except ChildFailedError as error:
            raise _failed(run, count, error.failures) from None
        finally:
            _tidy(run / LOGS)
    return registry.result(run)


@contextlib.contextmanager
def _agent(count: int) -> Iterator[None]:
    """Set variables for the workers and silence the agent's log; undo both afterwards."""
    before = dict(os.environ)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    main = threading.current_thread() is threading.main_thread()  # others receive no signals
    handlers = {number: signal.getsignal(number) for number in numbers if main}
    os.environ |= job_environment(os.environ, processes=count)
    if sys.platform == "linux":  # works on a host whose name has no address
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.environ.clear()
        os.environ |= before


def _failed(run: Path, count: int, failures: Mapping[int, Any]) -> BaseException:
    """Make the error of the run from those of its processes.

    Args:
        run: its folder.
        count: processes.
        failures: torch's ``ProcessFailure`` by process, those that were stopped included.
    """
    process = _culprit(failures)
    code = failures[process].exitcode
    text, expected, advice = _recorded(failures[process], known=code != 1)
    lost = code == ProcessLost.exit_code
    if process == 0 and code > 0 and not lost:
        return SystemExit(code)  # it has printed why, and noted it in run.json
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        found = f"process {process} of {count} was killed by {name}{hint}; the others were stopped"
    elif lost:
        found = text
    else:
        found = f"process {process} of {count} failed: {text or f'exit status {code}'}"
    last = run / "checkpoints" / "last.ckpt"
    todo = f"resume={run} goes on from the last checkpoint" if last.is_file() else "start again"
    if advice and not lost:
        todo = f"{advice}; then {todo}"
    if said := [log for log in _logs(run / LOGS, process) if log.stat().st_size]:
        todo += f"; its output is in {said[-1].parent}"
    error = ProcessFailed(found, expected=expected or "all processes until the end", todo=todo)
    if code == InterestingnessError.exit_code:
        error.exit_code = code
    registry.fail(run, error)
    return error


def _culprit(failures: Mapping[int, Any]) -> int:
    """Choose the process to name: among the first to fail, one that no other made fail."""
    # Seconds; one that the agent has killed because it did not end is much later.
    first = min(failure.timestamp for failure in failures.values())

    def doubts(process: int) -> tuple[bool, bool, bool, int]:
        code = failures[process].exitcode
        return code in INTERRUPTED, code == ProcessLost.exit_code, code > 0, process

    return min((p for p in failures if failures[p].timestamp <= first + 3), key=doubts)


def _recorded(failure: Any, *, known: bool) -> tuple[str, str, str]:
    """Read what torch has recorded of an error: found, expected, todo.

    Args:
        failure: torch's ``ProcessFailure``.
        known: an error of ours, whose class need not be named.
    """
    message = failure.error_file_data["message"]
    text = str(message["message"]) if isinstance(message, Mapping) else ""
    text, _, todo = text.partition("\n  what to do: ")
    text, _, expected = text.partition("\n  expected: ")
    return text.partition(": ")[2] if known else text, expected, todo


def _logs(folder: Path, process: int | str = "*") -> list[Path]:
    return sorted(folder.glob(f"*/attempt_0/{process}/*.log"))


def _tidy(folder: Path) -> None:
    """Remove the folder if no process except the first has printed anything."""
    if not any(log.stat().st_size for log in _logs(folder)):
        shutil.rmtree(folder, ignore_errors=True)
