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
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from rich.console import Console

from interestingness.evaluation.predictions import metrics
from interestingness.evaluation.results import Estimate, Evaluation, Histogram, ReferenceResult
from interestingness.runs import registry
from interestingness.sweeps import jobs, launcher, names, table
from interestingness.sweeps.jobs import JobOutcome, SweepJob, SweepStatus
from interestingness.sweeps.live import Live

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


def _job(folder: Path, code: str, *arguments: str, number: int = 0, name: str = "a") -> JobOutcome:
    folder = folder / f"{number:03d}_{name}"
    command = (sys.executable, "-c", code, str(folder), *arguments)
    return JobOutcome(SweepJob(number, name, {"option": name}, command, folder))


def _run(outcomes: list[JobOutcome], **options: Any) -> bool:
    given = {"at_once": 1, "timeout_s": None, "ended": lambda o: None, **options}
    return jobs.run(outcomes, environment=dict(os.environ), **given)


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


@pytest.mark.parametrize("value", ["runs/a", "a b,c", "it's=1", "{x}: [y]", "end\\", "a\\'b", "#%"])
def test_a_quoted_value_is_read_back_by_hydra(value: str) -> None:
    override = OverridesParser.create().parse_override(f"key={launcher.quoted(value)}")
    assert override.value() == value


# --- processes ---------------------------------------------------------------------------------


def test_a_failed_or_killed_job_does_not_end_the_sweep(tmp_path: Path) -> None:
    outcomes = [
        _job(tmp_path, "print('noise'); print('error: no tea'); raise SystemExit(2)"),
        _job(tmp_path, "import os; os.kill(os.getpid(), 9)", number=1),
        _job(tmp_path, "pass", number=2),
        _job(tmp_path, "raise KeyError('tea')", number=3),
        _job(tmp_path, FINISH, json.dumps(_metrics(human=0.6)), number=4),
    ]
    seen: list[int] = []
    assert not _run(outcomes, ended=lambda o: seen.append(o.job.number))
    assert seen == [0, 1, 2, 3, 4]
    assert [o.status for o in outcomes] == [SweepStatus.FAILED] * 4 + [SweepStatus.FINISHED]
    assert outcomes[0].error == "error: no tea"
    assert outcomes[1].error == "killed by SIGKILL (out of memory?)"
    assert outcomes[2].error == "ended without metrics.json"
    assert outcomes[3].error.endswith("KeyError: 'tea'")
    assert outcomes[4].results == outcomes[4].job.folder
    for outcome in outcomes[:4]:
        record = registry.read(outcome.job.folder)
        assert record is not None and record["status"] == "failed"
        assert record["error"] == outcome.error
        assert outcome.job.log.is_file()


def test_a_program_that_is_not_there_is_a_failed_job(tmp_path: Path) -> None:
    lost = JobOutcome(SweepJob(0, "a", {}, (str(tmp_path / "nothing"),), tmp_path / "0"))
    good = _job(tmp_path, FINISH, "{}", number=1)
    _run([lost, good])
    assert lost.status is SweepStatus.FAILED and "nothing" in lost.error
    assert good.status is SweepStatus.FINISHED


def test_a_job_that_was_finished_before_is_skipped_with_the_old_results(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "metrics.json").write_text(json.dumps(_metrics(human=0.7)))
    code = """
import pathlib, sys
from interestingness.runs import registry
registry.skip(pathlib.Path(sys.argv[1]), "id", [], pathlib.Path(sys.argv[2]))
"""
    outcome = _job(tmp_path, code, str(old))
    _run([outcome])
    assert outcome.status is SweepStatus.SKIPPED and outcome.results == old
    assert table.row_of(outcome).headline == 0.7


def test_a_job_over_its_time_is_stopped_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "GRACE_S", 0.1)
    code = """
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1], "child").write_text(str(child.pid))
time.sleep(600)
"""
    slow, quick = _job(tmp_path, code), _job(tmp_path, FINISH, "{}", number=1)
    _run([slow, quick], timeout_s=1.5)
    assert slow.status is SweepStatus.FAILED and "timeout_s=1.5" in slow.error
    assert quick.status is SweepStatus.FINISHED
    assert _gone(int((slow.job.folder / "child").read_text()))


def test_a_killed_job_takes_its_other_ranks_with_it(tmp_path: Path) -> None:
    code = """
import os, pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1], "child").write_text(str(child.pid))
os.kill(os.getpid(), 9)
"""
    outcome = _job(tmp_path, code)
    _run([outcome])
    assert outcome.status is SweepStatus.FAILED
    assert _gone(int((outcome.job.folder / "child").read_text()))


def _gone(pid: int) -> bool:
    """Whether a process ended (one that nobody has asked after yet is a zombie)."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        subprocess.run(["sleep", "0.02"], check=True)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_children(tmp_path: Path, number: signal.Signals) -> None:
    code = """
import pathlib, sys, time
pathlib.Path(sys.argv[1], "up").touch()
try:
    time.sleep(600)
except KeyboardInterrupt:
    print("interrupted; resume=…")
    raise SystemExit(130)
"""
    done = _job(tmp_path, FINISH, "{}")
    going, waiting = _job(tmp_path, code, number=1), _job(tmp_path, FINISH, "{}", number=2)
    sent: list[int] = []

    def tick() -> None:
        if not sent and (going.job.folder / "up").exists():
            sent.append(1)
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    assert _run([done, going, waiting], tick=tick)
    assert signal.getsignal(number) is before
    assert done.status is SweepStatus.FINISHED
    assert (going.status, waiting.status) == (SweepStatus.INTERRUPTED, SweepStatus.INTERRUPTED)
    assert "resume" in going.job.log.read_text()
    assert not waiting.job.folder.exists()


def test_as_many_jobs_at_once_as_asked(tmp_path: Path) -> None:
    code = "import pathlib, sys, time\n" + FINISH + "\ntime.sleep(.3)"
    outcomes = [_job(tmp_path, code, "{}", number=i) for i in range(4)]
    most = 0

    def tick() -> None:
        nonlocal most
        most = max(most, sum(o.status is SweepStatus.RUNNING for o in outcomes))

    _run(outcomes, at_once=2, tick=tick)
    assert most == 2
    assert all(o.status is SweepStatus.FINISHED for o in outcomes)


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


def _rows(folder: Path) -> list[table.Row]:
    finished = _job(folder, "", name="label_source-human")
    failed = _job(folder, "", number=1, name="label_source-gpt4o")
    waiting = _job(folder, "", number=2, name="label_source-views")
    finished.job.folder.mkdir(parents=True)
    written = _metrics("SIMULATION: planted", human=0.612, commonly_interesting=0.5)
    (finished.job.folder / "metrics.json").write_text(json.dumps(written))
    finished.status, finished.results = SweepStatus.FINISHED, finished.job.folder
    finished.seconds = 12.3
    failed.status, failed.error, failed.seconds = SweepStatus.FAILED, "error: no votes [sic]", 1.0
    return [table.row_of(o) for o in (finished, failed, waiting)]


def test_the_table_is_written_whatever_failed(tmp_path: Path) -> None:
    table.write(_rows(tmp_path), tmp_path)
    page = (tmp_path / "sweep.md").read_text()
    assert "**SIMULATION: planted**" in page
    assert "61.2\\* [56.2, 64.2]" in page and "50.0 [45.0, 53.0]" in page
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


def test_a_sweep_in_which_nothing_worked_has_a_table_too(tmp_path: Path) -> None:
    table.write([table.row_of(_job(tmp_path, ""))], tmp_path)
    assert "| job | status | s |" in (tmp_path / "sweep.md").read_text()
    assert pq.read_table(tmp_path / "sweep.parquet").num_rows == 1
    assert table.simulation([table.row_of(_job(tmp_path, ""))]) == ""


@pytest.mark.parametrize(
    "text", ["", "[1]", "null", '{"references": 3}', '{"references": [1, {"accuracy": "x"}]}']
)
def test_metrics_of_another_shape_leave_empty_cells(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    outcome = _job(tmp_path, "")
    outcome.results = tmp_path
    row = table.row_of(outcome)
    assert row.accuracies == {} and row.headline is None


def test_references_may_be_given_by_name(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(
        '{"simulated": true, "references": {"human": {"accuracy": 0.7}, "views": {"accuracy": []}}}'
    )
    outcome = _job(tmp_path, "")
    outcome.results = tmp_path
    row = table.row_of(outcome)
    assert row.accuracies == {"human": table.Accuracy(0.7)}
    assert row.simulated == "SIMULATION"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_printed_table_fits_the_terminal(tmp_path: Path, width: int) -> None:
    rows = _rows(tmp_path)
    wide = {f"reference_number_{i}": table.Accuracy(0.5, 0.4, 0.6) for i in range(11)}
    rows[0] = table.Row(rows[0].outcome, wide, None, rows[0].simulated)
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    table.show(rows, console, Path("runs"))
    console.file.close()
    text = console.export_text()
    lines = text.splitlines()
    assert max(len(line) for line in lines if "/" not in line) <= width  # paths stay whole
    assert text.count("50.0 ±10") == 11
    for i in range(11):
        assert re.search(rf"(^|\s){i}(\s|$)", text, re.MULTILINE)
    assert "no votes [sic]" in text and "SIMULATION" in text
    assert lines[-1].startswith("3 jobs") and "1 failed" in lines[-1]


def test_the_live_line_counts_and_estimates(tmp_path: Path) -> None:
    outcomes = [_job(tmp_path, "", number=i, name=f"n{i}") for i in range(4)]
    live = Live(Console(file=sys.stdout), outcomes, 1)
    outcomes[0].status = SweepStatus.RUNNING
    assert live.line() == "0 of 4 done · running 0 n0"
    outcomes[0].status, outcomes[0].seconds = SweepStatus.FINISHED, 10.0
    outcomes[1].status, outcomes[1].seconds = SweepStatus.SKIPPED, 1.0
    outcomes[2].status = SweepStatus.RUNNING
    assert live.line() == "about 20 s left · 2 of 4 done · running 2 n2"
    outcomes[2].seconds = 4.0
    assert live.line().startswith("about 16 s left")
    assert jobs.seconds_left(outcomes, 8) == 8.0


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


def _sweep(
    folder: Path, command: Callable[[Any], Any] | None = None, **changes: Any
) -> tuple[launcher.Sweep, Any]:
    context: Any = SimpleNamespace(callbacks=SimpleNamespace(callbacks=[]))
    config = _config(folder, **changes)
    sweep = launcher.Sweep(context, config, at_once=1, timeout_s=60, command=command)
    return sweep, context.callbacks.callbacks[0]


def _fake(arguments: Any) -> list[str]:
    """Fails for seed 1; else leaves metrics in the folder that the launcher chose."""
    parsed = OverridesParser.create().parse_overrides(list(arguments))
    values = {o.key_or_group: o.value() for o in parsed}
    if values["seed"] == 1:
        return [sys.executable, "-c", "raise SystemExit('error: seed 1')"]
    written = json.dumps(_metrics(human=0.6 + values["seed"] / 100))
    return [sys.executable, "-c", FINISH, values["hydra.run.dir"], written]


def test_a_batch_with_a_failure_ends_in_status_1_after_all_batches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep, end = _sweep(tmp_path, _fake)
    returns = sweep.launch([["seed=0"], ["seed=1"], ["seed=2"]], 0)
    assert [r.return_value for r in returns] == [0.6, None, 0.62]
    more = sweep.launch([["seed=3"], ["seed=4"]], 3)
    assert [r.return_value for r in more] == [0.63, 0.64]
    folders = sorted(p.name for p in (tmp_path / "the sweep").iterdir() if p.is_dir())
    assert folders == [*(f"00{i}_seed-{i}" for i in range(5)), "index"]
    with pytest.raises(SystemExit) as stopped:
        end.on_multirun_end(config=None)
    assert stopped.value.code == 1
    shown = capsys.readouterr().out
    assert "error: seed 1" in shown and "5 jobs: 4 finished, 1 failed" in shown
    assert "001_seed-1/job.log" in shown.replace("\n", "")
    assert pq.read_table(tmp_path / "the sweep/sweep.parquet").num_rows == 5


def test_other_sweepers_are_told_of_failures(tmp_path: Path) -> None:
    sweep, end = _sweep(tmp_path, _fake, hydra={"sweeper": {"_target_": "hydra_plugins.optuna.X"}})
    good, bad = sweep.launch([["seed=0"], ["seed=1"]], 0)
    assert good.return_value == 0.6
    with pytest.raises(launcher.JobFailed, match="seed 1"):
        _ = bad.return_value
    with pytest.raises(SystemExit):
        end.on_multirun_end(config=None)


def test_a_sweep_without_failures_ends_quietly(tmp_path: Path) -> None:
    sweep, end = _sweep(tmp_path, _fake)
    sweep.launch([["seed=0"]], 0)
    end.on_multirun_end(config=None)


def test_the_command_of_a_job_is_whole_and_does_not_sweep(tmp_path: Path) -> None:
    command = launcher.job_command(_config(tmp_path))(["seed=1"])
    assert command == [
        sys.executable, "-m", "interestingness", "_job", "train",
        "--config-path", "/here/conf", "--config-dir", "/mine",
        "skip_finished=true", "hydra.verbose=true", "seed=1",
    ]  # fmt: skip
    named = _config(tmp_path, hydra={"job": {"config_name": "mine"}})
    assert launcher.job_command(named)([])[4:7] == ["train", "--config-name", "mine"]
    evaluated = _config(tmp_path, hydra={"job": {"config_name": "evaluate"}})
    assert launcher.job_command(evaluated)([])[4] == "evaluate"


def test_a_sweep_started_again_may_be_told_not_to_skip(tmp_path: Path) -> None:
    sweep, _ = _sweep(tmp_path)
    (outcome,) = sweep._outcomes([["skip_finished=false", "hydra.sweep.dir=x"]], 7)
    command = list(outcome.job.command)
    assert command.index("skip_finished=true") < command.index("skip_finished=false")
    assert "hydra.mode=RUN" in command and "hydra.sweep.dir=x" not in command
    assert command[-1] == "hydra.job.id=7" and outcome.job.folder.name.startswith("007_skip")


def test_the_environment_groups_runs_and_leaves_the_users_choice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WANDB_RUN_GROUP", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert launcher.environment("s", 1)["WANDB_RUN_GROUP"] == "s"
    assert "OMP_NUM_THREADS" not in launcher.environment("s", 1)
    assert int(launcher.environment("s", 2)["OMP_NUM_THREADS"]) >= 1
    monkeypatch.setenv("WANDB_RUN_GROUP", "mine")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    found = launcher.environment("s", 2)
    assert (found["WANDB_RUN_GROUP"], found["OMP_NUM_THREADS"]) == ("mine", "3")


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
