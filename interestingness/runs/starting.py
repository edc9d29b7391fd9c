"""One process per GPU of this machine: started, watched, stopped. Imports no torch.

Each rank is given the composed config instead of the command line, and torchrun's variables. Rank 0
speaks on the terminal, the others into ``ranks/<n>.log`` of the run folder. The first one that
fails ends the run; its message is the run's.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import configure_log, setup_globals
from omegaconf import DictConfig, OmegaConf

from interestingness.disk import writable_cache
from interestingness.errors import ConfigError, InterestingnessError
from interestingness.runs import registry
from interestingness.runs.environment import finding_us, hold_back_sigterm
from interestingness.runs.team import RankLost

RANKS = "ranks"
"""Folder inside the run's: what ranks beside the first have said."""
PER_CORE = 8
"""Processes for each core that one may try several ranks with where there is no GPU."""
GRACE_S = 10.0
"""Seconds that a rank has for its goodbye, and a culprit to be found among those that failed."""

_POLL_S = 0.05


class RankFailed(InterestingnessError):
    """A rank of the run failed or was killed."""

    exit_code = 1


def processes_here(trainer: Mapping[str, Any]) -> int:
    """Processes that a trainer wants on this machine.

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
        if cpu or not _graphics():
            raise ConfigError(
                f"trainer.devices={list(devices)}, a list of GPUs, on the CPU",
                expected="a number of processes",
                todo=f"trainer.devices={len(devices)}",
            )
        return len(devices)
    if devices in {"auto", -1, "-1", None}:
        return 1 if cpu else max(1, _graphics())
    try:
        wanted = int(devices)
        wanted = wanted if wanted == float(devices) else 0
    except (TypeError, ValueError):
        wanted = 0
    if trainer.get("accelerator") in {"gpu", "cuda"} and not _graphics():
        raise ConfigError(
            f"trainer.accelerator={trainer.get('accelerator')}: torch finds no GPU",
            expected="a GPU that torch can use",
            todo="trainer.accelerator=auto, or cpu",
        )
    there = 0 if cpu or wanted == 1 else _graphics()
    most, what = (there, "GPUs") if there else (PER_CORE * (os.cpu_count() or 1), "processes")
    if not 1 <= wanted <= max(most, 1):
        raise ConfigError(
            f"trainer.devices={devices}",
            expected=f"1 to {most} {what} on this machine; auto; or a list of GPUs",
            todo="trainer.devices=auto takes all GPUs",
        )
    return wanted


def _graphics() -> int:
    import torch

    return torch.cuda.device_count()


def start(cfg: DictConfig, door: str, count: int) -> dict[str, Any]:
    """Run a job as several ranks on this machine, and wait for all of them.

    Args:
        cfg: composed config.
        door: what each rank does; see ``as_rank``.
        count: ranks.

    Returns:
        What rank 0 returned.

    Raises:
        ConfigError: for several machines, which one process cannot start.
        RankFailed: if a rank failed or was killed; the others are stopped.
        SystemExit: if rank 0 failed and has said why, or after Ctrl-C.
    """
    if (cfg.trainer.get("num_nodes") or 1) > 1:
        raise ConfigError(
            f"trainer.num_nodes={cfg.trainer.num_nodes}, but this process was started alone",
            expected="torchrun or srun on every machine",
            todo="docs/scaling.md has both commands",
        )
    cfg.paths.cache = str(writable_cache(cfg.paths.cache))
    run = Path(cfg.paths.run)
    job = run / RANKS / "job.json"
    cfg.paths.run = str(run)
    # Unresolved: a value may be set later that others are made of.
    said = {"door": door, "config": OmegaConf.to_container(cfg), "hydra": _hydra()}
    registry.write_text(job, json.dumps(said))
    ranks = [_start(job, rank, environment) for rank, environment in enumerate(_places(count))]
    with _forwarded(ranks) as received:
        failed = _watch(ranks, received)
    result = job.with_suffix(".result.json")
    try:
        if received:
            raise SystemExit(128 + received[0])
        if failed:
            raise _blame(run, ranks, failed)
        returned: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return returned
    finally:
        for file in job.parent.iterdir():
            if file.suffix == ".json" or not file.stat().st_size:
                file.unlink()
        with contextlib.suppress(OSError):
            job.parent.rmdir()  # where no rank has said anything


def as_rank(job: Path, doors: Mapping[str, Callable[[DictConfig], dict[str, Any]]]) -> None:
    """What a process does that ``start`` started.

    Args:
        job: the file that ``start`` wrote.
        doors: jobs by name, each from a composed config to plain values.

    Ends the process quietly if another rank was lost: ``start`` says what happened.
    """
    _end_when_told()
    saved = json.loads(job.read_text(encoding="utf-8"))
    first = os.environ["RANK"] == "0"
    setup_globals()
    if saved["hydra"] is not None:
        node = OmegaConf.structured(HydraConf)
        OmegaConf.set_struct(node, False)
        node.merge_with(saved["hydra"])
        HydraConfig.instance().set_config(OmegaConf.create({"hydra": node}))
        if first:
            configure_log(HydraConfig.get().job_logging)  # type: ignore[arg-type]
    try:
        returned = doors[saved["door"]](OmegaConf.create(saved["config"]))
    except RankLost as error:
        if not first:
            print(f"error: {error}", file=sys.stderr)
        _end(RankLost.exit_code)
    if first:
        registry.write_text(job.with_suffix(".result.json"), json.dumps(returned))
    else:
        _end(0)


def _end(status: int) -> NoReturn:
    """End at once: in a teardown threads of the group may abort, or wait for a rank that hangs."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _end_when_told() -> None:
    """Take SIGTERM for Ctrl-C, and only the first of either.

    In Lightning's hands SIGTERM waits for the other ranks, which may wait for this one meanwhile:
    so a thread takes it. A job in the background inherits a deaf ear for Ctrl-C, and a goodbye is
    not to be interrupted.
    """

    def once(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    def wait() -> None:
        signal.sigwait({signal.SIGTERM})
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, once)
    hold_back_sigterm()
    threading.Thread(target=wait, daemon=True, name="told").start()


def _hydra() -> Any:
    """Hydra's own config, None where the config was composed without a command line."""
    if not HydraConfig.initialized():
        return None
    return OmegaConf.to_container(OmegaConf.create({**HydraConfig.get()}), enum_to_str=True)  # type: ignore[dict-item]


def _places(count: int) -> Iterator[dict[str, str]]:
    """torchrun's variables for each rank."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "GROUP_RANK": "0",
        "TORCHELASTIC_RUN_ID": "interestingness",
        "PYTHONUNBUFFERED": "1",
    }
    # Ranks that each take every core slow each other down.
    share = str(max(1, (os.cpu_count() or 1) // count))
    common["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", share)
    if sys.platform == "linux":  # a host whose name has no address is no obstacle
        common["GLOO_SOCKET_IFNAME"] = os.environ.get("GLOO_SOCKET_IFNAME", "lo")
    for rank in range(count):
        yield {**finding_us(os.environ), **common, "RANK": str(rank), "LOCAL_RANK": str(rank)}


def _start(job: Path, rank: int, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    log = None if rank == 0 else (job.parent / f"{rank}.log").open("wb")
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "interestingness", "_rank", str(job)],
            stdin=subprocess.PIPE,  # its end tells a rank that we are gone
            stdout=log,
            stderr=None if log is None else subprocess.STDOUT,
            env=environment,
            # Signals reach the ranks through us, and each of them once.
            start_new_session=True,
        )
    finally:
        if log is not None:
            log.close()


def _watch(ranks: list[subprocess.Popen[bytes]], received: list[int]) -> list[int]:
    """Wait until all ranks have ended; ranks that failed by themselves, the first one first.

    Once one has failed, or we are told to end, the others are told too, and killed if they stay.
    """
    failed: list[int] = []
    end = kill = math.inf
    while any(rank.poll() is None for rank in ranks):
        time.sleep(_POLL_S)
        now = time.monotonic()
        if kill == math.inf:
            failed += [r for r, p in enumerate(ranks) if p.poll() and r not in failed]
            # One that lost another may be seen first: the culprit has this long to be seen.
            culprit = any(ranks[r].returncode != RankLost.exit_code for r in failed)
            if failed or received:
                end = min(end, now + (1.0 if culprit else GRACE_S))
            if now > end:
                kill = now + GRACE_S
                _signal(ranks, signal.SIGTERM)
        elif now > kill:
            _signal(ranks, signal.SIGKILL)
    return failed or [r for r, p in enumerate(ranks) if p.returncode]


def _signal(ranks: list[subprocess.Popen[bytes]], number: int) -> None:
    """Tell ranks; only the last word goes to the workers that read for them as well."""
    send = os.killpg if number == signal.SIGKILL else os.kill
    for rank in ranks:
        if rank.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                send(rank.pid, number)


def _blame(run: Path, ranks: list[subprocess.Popen[bytes]], failed: list[int]) -> BaseException:
    """The error of the run, from the ranks that failed by themselves."""
    own = [r for r in failed if ranks[r].returncode != RankLost.exit_code]
    rank = 0 if 0 in own else (own or failed)[0]
    code, count = ranks[rank].returncode, len(ranks)
    said, expected, advice = _last_words(run / RANKS / f"{rank}.log")
    if rank == 0 and code > 0 and own:
        return SystemExit(code)  # it has said why, and noted it
    if own and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        found = f"rank {rank} of {count} was killed by {name}{hint}; the others were stopped"
    elif own:
        found = f"rank {rank} of {count} failed: {said or f'exit status {code}'}"
    else:
        record = registry.read(run) or {}
        found = str(record.get("error") or said or "ranks waited for each other in vain")
        found = found.splitlines()[0]
    log, last = run / RANKS / f"{rank}.log", run / "checkpoints" / "last.ckpt"
    todo = f"resume={run} goes on from the last checkpoint" if last.is_file() else "start again"
    if own and advice:
        todo = f"{advice}; then {todo}"
    if rank and log.stat().st_size:
        todo += f"; {log} has all that it said"
    expected = (expected if own else "") or "all ranks until the end"
    error = RankFailed(found, expected=expected, todo=todo)
    if own and code == InterestingnessError.exit_code:
        error.exit_code = code
    if (registry.read(run) or {}).get("status") in {None, "running"} or own:
        registry.fail(run, error)
    return error


def _last_words(log: Path) -> tuple[str, str, str]:
    """The error that a rank printed, else its last line; what it expected; what it advised."""
    try:
        lines = log.read_bytes()[-20_000:].decode(errors="replace").rstrip().split("\n")
    except OSError:
        return "", "", ""
    begins = [i for i, line in enumerate(lines) if line.startswith("error: ")]
    shown = lines[begins[-1] :] if begins else lines[-1:]
    text, _, todo = "\n".join(shown).partition("\n  what to do: ")
    text, _, expected = text.partition("\n  expected: ")
    return text.removeprefix("error: "), expected, todo


@contextlib.contextmanager
def _forwarded(ranks: list[subprocess.Popen[bytes]]) -> Iterator[list[int]]:
    """Hand Ctrl-C and SIGTERM on to the ranks, as Ctrl-C and once; a second one kills them."""
    received: list[int] = []

    def hand_on(number: int, _: Any) -> None:
        _signal(ranks, signal.SIGKILL if received else signal.SIGINT)
        received.append(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {n: signal.signal(n, hand_on) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for rank in ranks:
            if rank.stdin is not None:
                rank.stdin.close()
