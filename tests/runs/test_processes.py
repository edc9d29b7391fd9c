"""Several processes of one command, and what becomes of them when one fails; programs are small."""

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from interestingness.assembly.fitting import check_strategy
from interestingness.errors import ConfigError
from interestingness.runs import processes, registry
from interestingness.runs.job import job_command, job_environment, quoted
from interestingness.runs.processes import LOGS, ProcessFailed, processes_here, run_again
from interestingness.runs.team import ALONE, Launch, ProcessLost, join, lost_processes, world_of

pytestmark = [
    pytest.mark.timeout(120),
    # torch's agent leaves the log files of its workers to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

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
    ("trainer", "gpus", "wanted"),
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
def test_processes_on_this_machine(monkeypatch, trainer, gpus, wanted) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert processes_here(trainer) == wanted


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


def test_sharded_training_resumes_checkpoints_of_its_own_only(tmp_path: Path) -> None:
    def trainer(name: str) -> dict[str, Any]:
        target = f"interestingness.learning.strategies.{name}"
        return {"trainer": {"strategy": {"_target_": target}}}

    file, fsdp = tmp_path / "last.ckpt", OmegaConf.create(trainer("fsdp"))
    check_strategy(fsdp, file, trainer("fsdp"))
    check_strategy(OmegaConf.create(trainer("ddp")), file, trainer("fsdp"))
    for other in (trainer("ddp"), {"trainer": None}, {"trainer": {"devices": 1}}):
        with pytest.raises(ConfigError, match="without trainer=fsdp"):
            check_strategy(fsdp, file, other)


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
        run_again(cfg, 2)


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
def test_which_errors_are_about_another_process(said: str, lost: bool) -> None:
    expected = pytest.raises(ProcessLost if lost else RuntimeError)
    with expected as caught, lost_processes(Launch(0, 2, 0, "torchrun")):
        raise RuntimeError(said)
    assert isinstance(caught.value, ProcessLost) is lost


def test_a_backend_error_is_about_another_process() -> None:
    expected = pytest.raises(ProcessLost, match="process 1 of 2 waited")
    with expected, lost_processes(Launch(1, 2, 1, "srun")):
        raise torch.distributed.DistBackendError("NCCL communicator was aborted")


PROGRAM = """
import json, os, signal, sys, time
process = int(os.environ["RANK"])

def recorded(text):
    with open(os.environ["TORCHELASTIC_ERROR_FILE"], "w") as file:
        extra = {"py_callstack": "", "timestamp": str(int(time.time()))}
        json.dump({"message": {"message": text, "extraInfo": extra}}, file)

BODY
"""
NOTHING = {"test": {"main": None, "references": []}}


@pytest.fixture
def agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., dict[str, Any]]]:
    """``agent("if process == 1: sys.exit(3)")``: processes with a program of our own."""

    def run(body: str, count: int = 2) -> dict[str, Any]:
        program = tmp_path / "program.py"
        program.write_text(PROGRAM.replace("BODY", body))
        hydra = SimpleNamespace(overrides=SimpleNamespace(task=[]))
        known = SimpleNamespace(initialized=lambda: True, get=lambda: hydra)
        monkeypatch.setattr(processes, "HydraConfig", known)
        monkeypatch.setattr(processes, "job_command", lambda *_: [sys.executable, str(program)])
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        (folder / "metrics.json").write_text(json.dumps(NOTHING))
        cfg = OmegaConf.create({"paths": {"run": str(folder)}, "trainer": {}})
        return run_again(cfg, count)

    yield run
    gc.collect()


def test_process_0_has_the_terminal_and_the_others_a_file(agent, tmp_path: Path, capfd) -> None:
    body = "print('hello from', process, os.environ['WORLD_SIZE'], sys.argv[1])"
    assert agent(body) == {"run": str(tmp_path / "run"), "status": "finished", "accuracy": None}
    assert capfd.readouterr().out == f"hello from 0 2 hydra.run.dir='{tmp_path / 'run'}'\n"
    (log,) = (p for p in (tmp_path / "run" / LOGS).glob("**/*.log") if p.stat().st_size)
    assert log.read_text().startswith("hello from 1") and log.parent.name == "1"


def test_nothing_is_left_where_nothing_was_said(agent, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MINE", "1")
    before, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)
    agent("")
    assert not (tmp_path / "run" / LOGS).exists()
    assert dict(os.environ) == before and signal.getsignal(signal.SIGTERM) is handler


def test_a_killed_process_is_named(agent, tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed) as caught:
        agent("if process == 1: os.kill(os.getpid(), 9)\ntime.sleep(600)", 3)
    assert "process 1 of 3" in caught.value.found and "SIGKILL" in caught.value.found
    assert caught.value.exit_code == 1
    record = registry.read(tmp_path / "run")
    assert record is not None and record["status"] == "failed"
    assert "process 1 of 3" in record["error"]


def test_the_error_of_a_process_is_quoted_and_its_exit_status_kept(agent) -> None:
    text = "DataError: no such file\\n  expected: a file\\n  what to do: make it"
    body = f"if process == 1:\n    recorded('{text}'); print('x', flush=True); sys.exit(2)"
    with pytest.raises(ProcessFailed) as caught:
        agent(f"{body}\ntime.sleep(600)")
    assert caught.value.found == "process 1 of 2 failed: no such file"
    assert caught.value.expected == "a file"
    assert caught.value.todo.startswith("make it; then start again") and LOGS in caught.value.todo
    assert caught.value.exit_code == 2


def test_an_error_that_is_not_ours_has_its_class(agent) -> None:
    with pytest.raises(ProcessFailed, match="process 1 of 2 failed: KeyError: 'tea'"):
        agent("if process == 1: recorded(\"KeyError: 'tea'\"); sys.exit(1)\ntime.sleep(600)")


def test_process_0_has_said_it_itself(agent) -> None:
    # All fail for the same reason, the other one a little earlier: one of them speaks.
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(0.3 if process == 0 else 0)"
    with pytest.raises(SystemExit) as caught:
        agent(f"{body}\nsys.exit(2)")
    assert caught.value.code == 2


def test_the_process_that_failed_is_named_not_one_that_lost_it(agent) -> None:
    lost = f"if process == 0: sys.exit({ProcessLost.exit_code})\n"
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    with pytest.raises(ProcessFailed, match="process 1 of 2 was killed by SIGSEGV"):
        agent(f"{stubborn}{lost}time.sleep(0.5); os.kill(os.getpid(), 11)")
    told = "if process == 1: time.sleep(600)\n"
    with pytest.raises(ProcessFailed, match="waited in vain"):
        agent(f"{told}recorded('ProcessLost: waited in vain'); sys.exit({ProcessLost.exit_code})")


@pytest.mark.parametrize(
    ("failures", "culprit"),
    [
        ({0: (130, 5), 1: (-9, 4)}, 1),
        ({0: (-9, 35), 1: (2, 5)}, 1),  # the agent has killed one that did not end
        ({0: (2, 6), 1: (2, 5)}, 0),
        ({0: (1, 5), 1: (-11, 6)}, 1),
        ({0: (75, 5), 2: (130, 5), 3: (-9, 35)}, 0),  # one that hung, which nobody has seen fail
    ],
)
def test_who_failed_first(failures: dict[int, tuple[int, int]], culprit: int) -> None:
    made = {p: SimpleNamespace(exitcode=code, timestamp=at) for p, (code, at) in failures.items()}
    assert processes._culprit(made) == culprit


def test_ctrl_c_stops_the_processes(agent, tmp_path: Path) -> None:
    body = "if process == 0: os.kill(os.getppid(), signal.SIGINT)\n"
    body += "try: time.sleep(600)\nexcept KeyboardInterrupt: print('told'); sys.exit(130)"
    with pytest.raises(SystemExit) as caught:
        agent(body)
    assert caught.value.code == 130
    assert not (tmp_path / "run" / LOGS).exists()


def test_a_config_without_a_command_line_cannot_be_run_again(monkeypatch) -> None:
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)  # whatever test ran before
    cfg = OmegaConf.create({"trainer": {"devices": 2}})
    with pytest.raises(ConfigError, match=r"trainer\.devices=2"):
        run_again(cfg, 2)


# --- the command of a job ------------------------------------------------------------------------


def hydra_config(folder: Path, **changes: Any) -> Any:
    base = {
        "job": {"config_name": "train"},
        "overrides": {
            "hydra": ["hydra.mode=MULTIRUN", "hydra.run.dir=x", "hydra.verbose=true"],
            "task": ["seed=1"],
        },
        "runtime": {
            "config_sources": [
                {"path": "hydra.conf", "schema": "pkg", "provider": "hydra"},
                {"path": "/here/conf", "schema": "file", "provider": "main"},
                {"path": str(folder), "schema": "file", "provider": "command-line"},
            ]
        },
    }
    return OmegaConf.merge(base, changes)


def test_the_command_of_a_job_is_whole_and_does_not_sweep(tmp_path: Path) -> None:
    given = ["seed=1", "hydra.sweep.dir=x", "+hydra.launcher.jobs=2"]
    assert job_command(hydra_config(tmp_path), given) == [
        sys.executable, "-m", "interestingness", "train",
        "--config-path", "/here/conf", "--config-dir", str(tmp_path),
        "hydra.verbose=true", "seed=1", "hydra.mode=RUN",
    ]  # fmt: skip
    named = hydra_config(tmp_path, job={"config_name": "mine"})
    assert job_command(named, [])[3:6] == ["train", "--config-name", "mine"]
    study = hydra_config(tmp_path, job={"config_name": "study"})
    assert job_command(study, [])[3] == "evaluate"


@pytest.mark.parametrize("value", ["runs/a", "a b,c", "it's=1", "{x}: [y]", "end\\", "a\\'b", "#%"])
def test_a_quoted_value_is_read_back_by_hydra(value: str) -> None:
    override = OverridesParser.create().parse_override(f"key={quoted(value)}")
    assert override.value() == value


def test_processes_share_the_cores_unless_told_otherwise(monkeypatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    assert job_environment({}, processes=4)["OMP_NUM_THREADS"] == "4"
    assert "OMP_NUM_THREADS" not in job_environment({}, processes=1)
    assert job_environment({"OMP_NUM_THREADS": "3"}, processes=4)["OMP_NUM_THREADS"] == "3"


def test_a_process_ends_with_the_one_that_started_it() -> None:
    """A grandchild, whose parent is killed."""
    watching = (
        "from interestingness.runs.job import end_with_parent; import time; "
        "end_with_parent(poll_s=0.05); print('up', flush=True); time.sleep(600)"
    )
    starting = (
        "import os, subprocess, sys\n"
        "environment = {**os.environ, 'INTERESTINGNESS_PARENT': str(os.getpid())}\n"
        f"child = subprocess.Popen([sys.executable, '-c', {watching!r}], env=environment)\n"
        "print(child.pid, flush=True)\nchild.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", starting], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        try:
            assert parent.stdout.readline() == b"up\n"
            parent.kill()
            assert parent.stdout.read() == b""  # ends once the child has gone as well
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
