"""Who is asked to train together, and what becomes of it when one fails; processes are small."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from interestingness.errors import ConfigError
from interestingness.runs import registry, starting
from interestingness.runs.starting import RankFailed, processes_here, start
from interestingness.runs.team import ALONE, Launch, RankLost, join, lost_ranks, world_of

TORCHRUN = {"TORCHELASTIC_RUN_ID": "1", "RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4"}
SRUN = {"SLURM_NTASKS": "4", "SLURM_PROCID": "2", "SLURM_LOCALID": "0"}


@pytest.mark.parametrize(
    ("environment", "world"),
    [
        ({}, None),
        (TORCHRUN, Launch(3, 4, 1, "torchrun")),
        ({**TORCHRUN, "WORLD_SIZE": "1"}, None),
        ({"RANK": "3", "WORLD_SIZE": "4"}, None),  # somebody's variables, not torchrun's
        (SRUN, Launch(2, 4, 0, "srun")),
        ({**SRUN, "SLURM_JOB_NAME": "interactive"}, None),
        ({**SRUN, "SLURM_NTASKS": "1"}, None),
        ({**SRUN, **TORCHRUN}, Launch(3, 4, 1, "torchrun")),  # torchrun inside of a SLURM job
    ],
)
def test_a_process_knows_its_place(environment, world) -> None:
    assert world_of(environment) == world


@pytest.mark.parametrize(
    ("trainer", "gpus", "processes"),
    [
        ({"devices": 1}, 8, 1),
        ({"devices": "auto"}, 8, 8),
        ({"devices": -1}, 2, 2),
        ({"devices": "auto"}, 0, 1),
        ({"devices": "auto", "accelerator": "cpu"}, 8, 1),
        ({"devices": 3, "accelerator": "cpu"}, 0, 3),
        ({"devices": 2}, 0, 2),
        ({"devices": [1, 3]}, 8, 2),
        ({"devices": "0,2,3"}, 8, 3),
        ({}, 8, 1),
    ],
)
def test_processes_on_this_machine(monkeypatch, trainer, gpus, processes) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert processes_here(trainer) == processes


@pytest.mark.parametrize(
    ("devices", "gpus"), [(9, 8), (0, 8), ("x", 8), (-2, 0), (10_000, 0), (1.5, 8)]
)
def test_devices_that_are_not_there(monkeypatch, devices, gpus) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(ConfigError, match=f"trainer.devices={devices}"):
        processes_here({"devices": devices})


def test_a_list_of_gpus_is_none_on_the_cpu() -> None:
    with pytest.raises(ConfigError, match="a list of GPUs, on the CPU"):
        processes_here({"devices": [0, 1], "accelerator": "cpu"})


def test_alone_nobody_waits() -> None:
    assert join({"devices": 1}, 1) is ALONE and ALONE.first
    assert ALONE.agree("x") == "x"
    ALONE.meet()


def test_more_processes_than_the_config_wants(monkeypatch) -> None:
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="torchrun started 4 processes, the config wants 2"):
        join({"num_nodes": 1}, 2)


def test_several_machines_need_somebody_to_start_them(tmp_path: Path) -> None:
    cfg = OmegaConf.create({"trainer": {"num_nodes": 2}})
    with pytest.raises(ConfigError, match="torchrun or srun on every machine"):
        start(cfg, "train", 2)


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        ("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1", True),
        ("[gloo/transport/tcp/unbound_buffer.cc:78] Timed out waiting 10000ms for recv", True),
        ("Application timeout caused pair closure", True),
        ("mat1 and mat2 shapes cannot be multiplied", False),
        ("CUDA out of memory while waiting", False),
    ],
)
def test_which_errors_are_about_another_rank(said: str, lost: bool) -> None:
    expected = pytest.raises(RankLost if lost else RuntimeError)
    with expected as caught, lost_ranks(Launch(0, 2, 0, "torchrun")):
        raise RuntimeError(said)
    assert isinstance(caught.value, RankLost) is lost


def test_a_backend_error_is_about_another_rank() -> None:
    expected = pytest.raises(RankLost, match="rank 1 of 2 waited")
    with expected, lost_ranks(Launch(1, 2, 1, "srun")):
        raise torch.distributed.DistBackendError("NCCL communicator was aborted")


RANK = """
import os, sys, time, json, signal
rank = os.environ["RANK"]
{body}
"""


@pytest.fixture
def started(tmp_path: Path, monkeypatch):
    """``started("if rank == '1': sys.exit(3)")``: two processes with a program of our own."""
    real = subprocess.Popen

    def run(body: str, count: int = 2) -> dict:
        program = tmp_path / "rank.py"
        program.write_text(RANK.format(body=body))

        def popen(command, **options):
            assert command[:4] == [sys.executable, "-m", "interestingness", "_rank"]
            return real([sys.executable, str(program), command[4]], **options)

        monkeypatch.setattr(subprocess, "Popen", popen)
        monkeypatch.setattr(starting, "GRACE_S", 2.0)
        cfg = OmegaConf.create(
            {"paths": {"run": str(tmp_path / "run"), "cache": str(tmp_path)}, "trainer": {}}
        )
        return start(cfg, "train", count)

    return run


RESULT = """
result = sys.argv[1].removesuffix(".json") + ".result.json"
if rank == "0": open(result, "w").write(json.dumps({"accuracy": 0.5}))
"""


def test_what_rank_0_returned_is_returned(started, tmp_path: Path) -> None:
    assert started(RESULT + "print('hello from', rank)") == {"accuracy": 0.5}
    # Rank 0 has the terminal; what the others said is kept.
    assert [p.name for p in (tmp_path / "run" / "ranks").iterdir()] == ["1.log"]
    assert started(RESULT) == {"accuracy": 0.5}
    assert not (tmp_path / "run" / "ranks").exists()


def test_a_rank_that_dies_takes_the_others_with_it(started, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(RankFailed, match=r"rank 1 of 3 was killed by SIGKILL \(out of memory\?\)"):
        started("if rank == '1': os.kill(os.getpid(), 9)\ntime.sleep(60)", 3)
    assert time.monotonic() - began < 30
    record = registry.read(tmp_path / "run")
    assert record["status"] == "failed" and "rank 1 of 3" in record["error"]


def test_a_rank_that_ignores_the_end_is_killed(started) -> None:
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    began = time.monotonic()
    with pytest.raises(RankFailed, match="rank 1 of 2 failed: exit status 7"):
        started(stubborn + "if rank == '1': sys.exit(7)\ntime.sleep(60)")
    assert time.monotonic() - began < 30


def test_a_rank_is_quoted_and_its_exit_status_kept(started) -> None:
    said = "error: no such file\\n  expected: a file\\n  what to do: make it"
    with pytest.raises(RankFailed) as caught:
        started(f"if rank == '1':\n    print('much\\n{said}'); sys.exit(2)\ntime.sleep(60)")
    assert caught.value.found == "rank 1 of 2 failed: no such file"
    assert caught.value.expected == "a file"
    assert caught.value.todo.startswith("make it; then start again")
    assert "start again" in caught.value.todo and "ranks/1.log" in caught.value.todo
    assert caught.value.exit_code == 2


def test_rank_0_has_said_it_itself(started) -> None:
    # All fail for the same reason: one of them speaks.
    with pytest.raises(SystemExit) as caught:
        started("time.sleep(float(rank) * -0.2 + 0.2); sys.exit(2)")
    assert caught.value.code == 2


def test_the_culprit_is_named_not_who_lost_it(started) -> None:
    lost = "if rank == '0': sys.exit(75)\ntime.sleep(0.5); os.kill(os.getpid(), 11)"
    with pytest.raises(RankFailed, match="rank 1 of 2 was killed by SIGSEGV"):
        started(lost)


def test_ranks_that_waited_in_vain_say_so(started, tmp_path: Path) -> None:
    with pytest.raises(RankFailed, match="in vain"):
        started("print('error: rank waited in vain'); sys.exit(75)")


def test_a_rank_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = "from interestingness.runs.environment import end_with_parent as e; import time\n"
    with subprocess.Popen(
        [sys.executable, "-c", program + "e(); print('up', flush=True); time.sleep(60)"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as rank:  # fmt: skip
        assert rank.stdout is not None and rank.stdin is not None
        assert rank.stdout.readline() == b"up\n"
        rank.stdin.close()
        assert rank.wait(20) == -9


def test_the_job_that_ranks_are_given_keeps_its_interpolations(tmp_path: Path, monkeypatch) -> None:
    written = {}
    monkeypatch.setattr(registry, "write_text", lambda path, text: written.update({path: text}))
    monkeypatch.setattr(starting, "_start", lambda *_: None)
    cfg = OmegaConf.create(
        {
            "paths": {"run": str(tmp_path), "cache": str(tmp_path)},
            "trainer": {},
            "question": None,
            "references": {"human": {"question": "${question}"}},
        }
    )
    with pytest.raises(AttributeError):
        start(cfg, "train", 1)
    (job,) = (json.loads(text) for text in written.values())
    assert job["config"]["references"]["human"]["question"] == "${question}"


def test_ranks_share_the_cores(monkeypatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    places = list(starting._places(4))
    assert {p["OMP_NUM_THREADS"] for p in places} == {"4"}
    assert [p["RANK"] for p in places] == ["0", "1", "2", "3"]
    assert len({p["MASTER_PORT"] for p in places}) == 1
