"""Sweeps: names, processes that fail, hang or are killed, interruption, and the table over them.

Jobs here are small scripts in place of trainings; tests/end_to_end/test_sweep.py has real ones.
"""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf

from interestingness import progress
from interestingness.errors import InterestingnessError
from interestingness.evaluation.predictions import metrics
from interestingness.evaluation.results import Estimate, Evaluation, Histogram, ReferenceResult
from interestingness.runs import registry
from interestingness.studies.result import Spread
from interestingness.sweeps import jobs, launcher, names, table
from interestingness.sweeps.jobs import SweepJob, SweepStatus

FINISH = """
import json, pathlib, sys
from interestingness.runs import registry
folder = pathlib.Path(sys.argv[1])
registry.start(folder, "id", [])
(folder / "metrics.json").write_text(sys.argv[2])
registry.finish(folder, folder.parent)
"""


def _metrics(simulated: str = "", **accuracies: float) -> dict[str, Any]:
    results = [
        ReferenceResult(name, i == 0, pairs=100, accuracy=Estimate(v, v - 0.05, v + 0.03))
        for i, (name, v) in enumerate(accuracies.items())
    ]
    results.append(ReferenceResult("lafin", False, reason="no such scores"))
    main = next(iter(accuracies), None)
    evaluation = Evaluation(100, 40, 0, main, tuple(results), (), (), (), (), Histogram())
    return metrics(evaluation, simulated=simulated)


def _job(folder: Path, code: str, *arguments: str, number: int = 0, name: str = "a") -> SweepJob:
    folder = folder / f"{number:03d}_{name}"
    command = [sys.executable, "-c", code, str(folder), *arguments]
    return SweepJob(number, name, {"option": name}, command, folder)


def _run(given: list[SweepJob], **options: Any) -> bool:
    options = {"at_once": 1, "timeout_s": None, "ended": lambda job: None, **options}
    return jobs.run(given, environment=dict(os.environ), **options)


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "command_line", "expected"),
    [
        (["seed=1", "label_source=human"], ["seed=1", "label_source=human,gpt4o"],
         {"label_source": "human"}),
        (["sweep=a", "+x=1", "label_source=human"], ["sweep=a", "+x=1"],
         {"label_source": "human"}),
        (["optimizer.lr=0.01"], ["optimizer.lr=interval(0,1)"], {"optimizer.lr": "0.01"}),
        (["+x='a b'", "y=[1,2]"], ["+x=glob(*)", "y=[1, 2]"], {"x": "a b"}),
        (["seed=1"], ["seed=1"], {}),
    ],
)  # fmt: skip
def test_jobs_are_told_apart_by_what_the_sweep_chose(
    job: list[str], command_line: list[str], expected: dict[str, str]
) -> None:
    assert names.choices(job, command_line) == expected


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"label_source": "gpt4o", "split.seed": "3"}, "label_source-gpt4o_split.seed-3"),
        ({"model/backbone": "clip_vit_b32"}, "backbone-clip_vit_b32"),
        ({"ckpt": "/runs/a=b/20251122_human/"}, "ckpt-20251122_human"),
        ({"trainer.devices": "[0,1]", "dataset.images": "/a b/ü=1"}, None),
        ({}, "job"),
        ({"x": "=" * 10}, "x"),
        ({"x": "y" * 300}, "x-" + "y" * 58),
    ],
)
def test_short_names_are_folder_names(choice: dict[str, str], expected: str | None) -> None:
    name = names.short_name(choice)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name)
    assert expected is None or name == expected


# --- processes ---------------------------------------------------------------------------------


def test_a_failed_or_killed_job_does_not_end_the_sweep(tmp_path: Path) -> None:
    given = [
        _job(tmp_path, "print('noise'); print('error: no tea'); raise SystemExit(2)"),
        _job(tmp_path, "import os; os.kill(os.getpid(), 9)", number=1),
        _job(tmp_path, "pass", number=2),
        _job(tmp_path, "raise KeyError('tea')", number=3),
        SweepJob(4, "lost", {}, [str(tmp_path / "nothing")], tmp_path / "4"),
        _job(tmp_path, FINISH, json.dumps(_metrics(human=0.6)), number=5),
    ]
    seen: list[int] = []
    assert not _run(given, ended=lambda job: seen.append(job.number))
    assert seen == [0, 1, 2, 3, 4, 5]
    assert [job.status for job in given] == [SweepStatus.FAILED] * 5 + [SweepStatus.FINISHED]
    assert given[0].error == "error: no tea"
    assert given[1].error.startswith("killed by SIGKILL")
    assert "metrics.json" in given[2].error
    assert given[3].error.endswith("KeyError: 'tea'")
    assert "nothing" in given[4].error
    assert given[5].results == given[5].folder and given[5].seconds
    for job in given[:4]:
        record = registry.read(job.folder)
        assert record is not None and record["status"] == "failed"
        assert record["error"] == job.error
        assert job.log.is_file()


def test_a_job_that_was_finished_before_is_skipped_with_the_old_results(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "metrics.json").write_text(json.dumps(_metrics(human=0.7)))
    code = """
import pathlib, sys
from interestingness.runs import registry
registry.skip(pathlib.Path(sys.argv[1]), "id", [], pathlib.Path(sys.argv[2]))
"""
    job = _job(tmp_path, code, str(old))
    _run([job])
    assert job.status is SweepStatus.SKIPPED and job.results == old
    assert launcher.result(job) == 0.7


def test_a_job_over_its_time_is_stopped_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "GRACE_S", 0.1)
    code = """
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1], "child").write_text(str(child.pid))
time.sleep(600)
"""
    slow, quick = _job(tmp_path, code), _job(tmp_path, FINISH, "{}", number=1)
    # As long as the job takes to write its child's number, and quick to end, on a busy machine.
    _run([slow, quick], timeout_s=10)
    assert slow.status is SweepStatus.FAILED and "timeout_s=10" in slow.error
    assert quick.status is SweepStatus.FINISHED
    assert _gone(int((slow.folder / "child").read_text()))


def test_a_killed_job_takes_its_children_with_it(tmp_path: Path) -> None:
    code = """
import os, pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1], "child").write_text(str(child.pid))
os.kill(os.getpid(), 9)
"""
    job = _job(tmp_path, code)
    _run([job])
    assert job.status is SweepStatus.FAILED
    assert _gone(int((job.folder / "child").read_text()))


def _gone(pid: int) -> bool:
    """Whether a process ends (one that nobody has asked after yet is a zombie)."""
    try:
        child = psutil.Process(pid)
        for _ in range(1200):
            if child.status() == psutil.STATUS_ZOMBIE:
                return True
            time.sleep(0.05)
    except psutil.NoSuchProcess:
        return True
    child.kill()
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_jobs(tmp_path: Path, number: signal.Signals) -> None:
    code = """
import os, signal, sys, time
try:
    os.kill(os.getppid(), int(sys.argv[2]))
    time.sleep(600)
except KeyboardInterrupt:
    print("interrupted; resume=…")
    raise SystemExit(130)
"""
    done, going = _job(tmp_path, FINISH, "{}"), _job(tmp_path, code, str(int(number)), number=1)
    waiting = _job(tmp_path, FINISH, "{}", number=2)
    before = signal.getsignal(number)
    assert _run([done, going, waiting])
    assert signal.getsignal(number) is before
    assert done.status is SweepStatus.FINISHED
    assert (going.status, waiting.status) == (SweepStatus.INTERRUPTED, SweepStatus.INTERRUPTED)
    assert "resume" in going.log.read_text()
    assert not waiting.folder.exists()


def test_as_many_jobs_at_once_as_asked(tmp_path: Path) -> None:
    """Two that wait for each other end; a third one finds that they have."""
    meet = """
import pathlib, sys, time
here, both = pathlib.Path(sys.argv[1]), sys.argv[3:]
(here / "up").touch()
while not all((here.parent / other / "up").exists() for other in both):
    time.sleep(0.02)
""" + FINISH.replace("sys.argv[2]", '"{}"')
    names_ = ["000_a", "001_a"]
    pair = [_job(tmp_path, meet, "", *names_, number=i) for i in range(2)]
    third = _job(tmp_path, meet, "", number=2)
    ended: list[tuple[int, bool]] = []
    _run(
        [*pair, third],
        at_once=2,
        ended=lambda job: ended.append((job.number, third.folder.exists())),
    )
    assert ended[0][1] is False, "the third began before one of the first two had ended"
    assert {job.status for job in [*pair, third]} == {SweepStatus.FINISHED}


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    assert jobs.last_lines(log) == ""
    log.write_text("epoch 1\repoch 2\repoch 3\n\n\x1b[31mred\x1b[0m\n")
    assert jobs.last_lines(log) == "epoch 3\nred"
    log.write_text("\n".join(map(str, range(20))))
    assert jobs.last_lines(log, most=2) == "18\n19"
    log.write_text(
        "error: first\nmore\nerror: a column is missing\n  expected: it\n  what to do: x\n"
    )
    assert jobs.last_lines(log) == "error: a column is missing\n  expected: it\n  what to do: x"


# --- table -------------------------------------------------------------------------------------


def _jobs(folder: Path) -> list[SweepJob]:
    finished = _job(folder, "", name="label_source-human")
    failed = _job(folder, "", number=1, name="label_source-gpt4o")
    waiting = _job(folder, "", number=2, name="label_source-views")
    finished.folder.mkdir(parents=True)
    written = _metrics("SIMULATION: planted", human=0.612, commonly_interesting=0.5)
    (finished.folder / "metrics.json").write_text(json.dumps(written))
    finished.status, finished.results = SweepStatus.FINISHED, finished.folder
    finished.seconds = 12.3
    failed.status, failed.error, failed.seconds = SweepStatus.FAILED, "error: no votes [sic]", 1.0
    return [finished, failed, waiting]


def test_the_table_is_written_whatever_failed(tmp_path: Path) -> None:
    table.write(_jobs(tmp_path), tmp_path)
    page = (tmp_path / "sweep.md").read_text()
    assert "SIMULATION: planted" in page
    assert "61.2 [56.2, 64.2]" in page and "50.0 [45.0, 53.0]" in page
    assert "3 jobs: 1 waiting, 1 finished, 1 failed" in page
    assert "error: no votes [sic]" in page and "job.log" in page
    with (tmp_path / "sweep.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["status"] for row in rows] == ["finished", "failed", "waiting"]
    assert rows[0]["accuracy.human"] == "0.612" and rows[1]["accuracy.human"] == ""
    assert rows[0]["option"] == "label_source-human"
    columns = pq.read_table(tmp_path / "sweep.parquet").to_pydict()
    assert columns["accuracy.human.low"] == [pytest.approx(0.562), None, None]
    assert columns["accuracy.human.pairs"] == [100, None, None]
    assert columns["run"][0] == "000_label_source-human"
    assert list(columns) == list(rows[0])


def repeated(folder: Path, *choices: dict[str, str], accuracy: float = 0.6) -> list[SweepJob]:
    made = []
    for number, choice in enumerate(choices):
        job = _job(folder, "", number=number, name=names.short_name(choice))
        job.choices = choice
        job.folder.mkdir(parents=True)
        written = _metrics(human=accuracy + number / 100)
        (job.folder / "metrics.json").write_text(json.dumps(written))
        job.status, job.results = SweepStatus.FINISHED, job.folder
        made.append(job)
    return made


def test_repetitions_have_a_row_with_mean_and_sd(tmp_path: Path, capsys) -> None:
    seeds = [{"label_source": s, "seed": str(i)} for s in ("human", "views") for i in range(2)]
    swept = repeated(tmp_path, *seeds)
    means = table.means_of(swept)
    assert means is not None
    (human, views) = means.rows
    assert (human["label_source"], human["jobs"], views["jobs"]) == ("human", 2, 2)
    spread = human["accuracy.human"]
    assert isinstance(spread, Spread)
    assert (spread.mean, spread.sd) == pytest.approx((0.605, 0.01 / 2**0.5))
    table.show(swept, tmp_path)
    assert "60.5 ± 0.7" in capsys.readouterr().out
    table.write(swept, tmp_path)
    assert "60.5 ± 0.7" in (tmp_path / "sweep.md").read_text()


@pytest.mark.parametrize(
    ("choices", "rows"),
    [
        ([{"split.seed": "0"}, {"split.seed": "1"}, {"split.seed": "2"}], 1),
        ([{"split.test": "0"}, {"split.test": "1"}], 1),
        ([{"seed": "0", "split.seed": "0"}, {"seed": "1", "split.seed": "1"}], 1),
        ([{"label_source": "human"}, {"label_source": "views"}], None),  # nothing repeats
        ([{"label_source": "human", "seed": "0"}, {"label_source": "views", "seed": "1"}], None),
        ([{"seed": "0"}], None),
    ],
)
def test_what_counts_as_a_repetition(tmp_path: Path, choices, rows: int | None) -> None:
    means = table.means_of(repeated(tmp_path, *choices))
    assert (means and len(means.rows)) == rows


def test_a_running_job_shows_the_end_of_its_log(sweep, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(progress, "EVERY_S_LOG", 0.0)
    swept = sweep()
    job = _job(tmp_path, "", number=3, name="seed-3")
    job.folder.mkdir(parents=True)
    job.log.write_text("data  x\nepoch 2/25  step 3/75\n")
    swept.going([job])
    assert capsys.readouterr().err == "3 seed-3: epoch 2/25  step 3/75\n"
    monkeypatch.setattr(progress, "EVERY_S_LOG", 1000.0)
    swept.going([job])
    assert capsys.readouterr().err == ""


def test_a_sweep_in_which_nothing_worked_has_a_table_too(tmp_path: Path) -> None:
    table.write([_job(tmp_path, "")], tmp_path)
    assert "waiting" in (tmp_path / "sweep.md").read_text()
    assert pq.read_table(tmp_path / "sweep.parquet").num_rows == 1


@pytest.mark.parametrize(
    "text", ["", "[1]", "null", '{"references": 3}', '{"test": {"references": [1]}}']
)
def test_metrics_of_another_shape_leave_empty_cells(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    job = _job(tmp_path, "")
    job.results = tmp_path
    assert launcher.result(job) is None
    table.write([job], tmp_path)
    assert pq.read_table(tmp_path / "sweep.parquet").num_rows == 1


def test_the_result_of_a_run_is_its_accuracy_against_the_main_reference(tmp_path: Path) -> None:
    finished = _jobs(tmp_path)[0]
    result = {"run": str(finished.folder), "status": "finished", "accuracy": 0.612}
    assert registry.result(finished.folder) == result
    registry.skip(tmp_path / "again", "id", [], finished.folder)
    skipped = registry.result(tmp_path / "again")
    assert skipped == {"run": str(finished.folder), "status": "skipped", "accuracy": None}


def test_the_printed_table_has_what_worked_and_what_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table.show(_jobs(tmp_path), Path("runs"))
    shown = capsys.readouterr().out
    assert "61.2" in shown and "no votes [sic]" in shown and "SIMULATION" in shown
    assert shown.splitlines()[-1].startswith("3 jobs") and "1 failed" in shown


# --- Hydra's side ------------------------------------------------------------------------------


def _config(folder: Path, **changes: Any) -> Any:
    base = {
        "skip_finished": False,
        "hydra": {
            "mode": "MULTIRUN",
            "sweep": {"dir": str(folder / "the sweep")},
            "sweeper": {"_target_": launcher.BASIC_SWEEPER},
            "job": {"config_name": "train"},
            "overrides": {
                "hydra": ["hydra.mode=MULTIRUN", "hydra.verbose=true"],
                "task": ["seed=range(5)"],
            },
            "runtime": {
                "config_sources": [
                    {"path": "hydra.conf", "schema": "pkg", "provider": "hydra"},
                    {"path": "/here/conf", "schema": "file", "provider": "main"},
                    {"path": "/mine", "schema": "file", "provider": "command-line"},
                ]
            },
        },
    }
    return OmegaConf.merge(base, changes)


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., launcher.Sweep]:
    """``sweep()``: as Hydra makes it, with jobs that are small programs."""

    def make(**changes: Any) -> launcher.Sweep:
        context: Any = SimpleNamespace(callbacks=SimpleNamespace(callbacks=[]))
        config = _config(tmp_path, **changes)
        made = launcher.Sweep(context, config, at_once=1, timeout_s=60)
        real = made.job

        def small(overrides: Any, number: int) -> SweepJob:
            job = real(overrides, number)
            job.command = _fake(overrides, job.folder)
            return job

        monkeypatch.setattr(made, "job", small)
        assert context.callbacks.callbacks == [made]
        return made

    return make


def _fake(overrides: Any, folder: Path) -> list[str]:
    """Fails for seed 1; else leaves metrics in the folder that the launcher chose."""
    seed = int(overrides[0].removeprefix("seed="))
    if seed == 1:
        return [sys.executable, "-c", "raise SystemExit('error: seed 1')"]
    written = json.dumps(_metrics(human=0.6 + seed / 100))
    grouped = "import os; assert os.environ['WANDB_RUN_GROUP'] == 'the sweep'\n"
    return [sys.executable, "-c", grouped + FINISH, str(folder), written]


def test_a_batch_with_a_failure_ends_in_status_1_after_all_batches(
    sweep, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WANDB_RUN_GROUP", raising=False)
    swept = sweep()
    returns = swept.launch([["seed=0"], ["seed=1"], ["seed=2"]], 0)
    assert [r.return_value for r in returns] == [0.6, None, 0.62]
    more = swept.launch([["seed=3"], ["seed=4"]], 3)
    assert [r.return_value for r in more] == [0.63, 0.64]
    folders = sorted(p.name for p in (tmp_path / "the sweep").iterdir() if p.is_dir())
    assert folders == [*(f"00{i}_seed-{i}" for i in range(5)), "index"]
    lines = capsys.readouterr().out.splitlines()
    assert [line[:5] for line in lines if line.startswith("[")] == [
        "[1/3]", "[2/3]", "[3/3]", "[4/5]", "[5/5]",
    ]  # fmt: skip
    with pytest.raises(SystemExit) as stopped:
        swept.on_multirun_end(config=None)
    assert stopped.value.code == 1
    shown = capsys.readouterr().out
    assert "error: seed 1" in shown and "5 jobs: 4 finished, 1 failed" in shown
    assert "001_seed-1/job.log" in shown.replace("\n", "")
    assert pq.read_table(tmp_path / "the sweep/sweep.parquet").num_rows == 5


def test_other_sweepers_are_told_of_failures(sweep) -> None:
    swept = sweep(hydra={"sweeper": {"_target_": "hydra_plugins.optuna.X"}})
    good, bad = swept.launch([["seed=0"], ["seed=1"]], 0)
    assert good.return_value == 0.6
    with pytest.raises(launcher.JobFailed, match="seed 1"):
        _ = bad.return_value
    with pytest.raises(SystemExit):
        swept.on_multirun_end(config=None)


def test_a_sweep_without_failures_ends_quietly(sweep) -> None:
    swept = sweep()
    swept.launch([["seed=0"]], 0)
    swept.on_multirun_end(config=None)


def test_a_job_skips_what_is_finished_unless_told_otherwise(tmp_path: Path) -> None:
    context: Any = SimpleNamespace(callbacks=SimpleNamespace(callbacks=[]))
    swept = launcher.Sweep(context, _config(tmp_path), at_once=1, timeout_s=None)
    job = swept.job(["skip_finished=false", "hydra.sweep.dir=x"], 7)
    command = list(job.command)
    assert command.index("skip_finished=true") < command.index("skip_finished=false")
    assert "hydra.mode=RUN" in command and "hydra.sweep.dir=x" not in command
    assert command[-1] == "hydra.job.id=7" and job.folder.name.startswith("007_skip")
    with pytest.raises(InterestingnessError, match=r"hydra\.launcher\.jobs=0"):
        launcher.Sweep(context, _config(tmp_path), at_once=0, timeout_s=None)


def test_sweeps_and_their_hydra_plugin_need_no_torch() -> None:
    code = """
import sys
import hydra_plugins.interestingness_processes
mine = [m for m in sys.modules if m.startswith("interestingness")]
assert not mine, mine
import interestingness.sweeps.launcher
heavy = {"torch", "lightning", "pyarrow", "numpy", "wandb"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)
