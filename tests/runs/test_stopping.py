"""What a run that is stopped leaves and says, and the exit status of its command."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf

from interestingness.assembly.run_record import recorded
from interestingness.cli import _told
from interestingness.runs import registry, worker
from interestingness.runs.team import Team
from interestingness.runs.worker import as_worker

PREPARED: Any = SimpleNamespace(tables=SimpleNamespace(manifest=SimpleNamespace(simulated="")))


def stopped(run: Path, team: Team, *, checkpoint: bool) -> KeyboardInterrupt:
    cfg = OmegaConf.create({"paths": {"run": str(run), "runs": str(run.parent), "cache": "x"}})
    with pytest.raises(KeyboardInterrupt) as caught, recorded(cfg, team, "id", {}, PREPARED):
        if checkpoint:
            (run / "checkpoints").mkdir(parents=True)
            (run / "checkpoints" / "last.ckpt").touch()
        raise KeyboardInterrupt
    return caught.value


@pytest.mark.parametrize("checkpoint", [False, True])
def test_resuming_is_advised_only_where_there_is_a_checkpoint(
    tmp_path: Path, checkpoint: bool
) -> None:
    run = tmp_path / "run"
    error = stopped(run, Team(), checkpoint=checkpoint)
    assert (f"resume={run}" in str(error)) is checkpoint
    record = registry.read(run)
    assert record is not None and record["status"] == "stopped" and "error" not in record


def test_only_the_first_process_writes_the_record(tmp_path: Path) -> None:
    stopped(tmp_path / "run", Team(rank=1, ranks=2), checkpoint=False)
    assert registry.read(tmp_path / "run") is None


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    yield
    worker.TERMINATED.clear()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_exit_status_says_which_signal_it_was(number: int, status: int, capsys) -> None:
    def job() -> None:
        signal.raise_signal(number)

    with pytest.raises(SystemExit) as caught:
        _told(lambda: as_worker(job))
    assert caught.value.code == status
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(("rank", "told"), [(0, ["interrupted"]), (1, [])])
def test_one_of_several_processes_speaks(rank: int, told: list[str], capfd, monkeypatch) -> None:
    world = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "RANK": rank, "LOCAL_RANK": rank}
    for name, value in world.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("TORCHELASTIC_ERROR_FILE", raising=False)
    monkeypatch.setattr(worker, "_take_sigterm_for_ctrl_c", lambda: None)

    def job() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(SystemExit) as caught:
        _told(lambda: as_worker(job))
    assert caught.value.code == 130
    assert capfd.readouterr().err.splitlines() == told
