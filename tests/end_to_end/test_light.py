"""Commands are light: nothing heavy is imported for help, and a run imports only what it uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "torch", "torchvision", "torchmetrics", "lightning", "open_clip", "timm", "webdataset",
    "pyarrow", "scipy", "wandb", "openai", "PIL", "matplotlib",
}  # fmt: skip

WATCH = """
import atexit, json, runpy, sys
atexit.register(lambda: print("\\n" + json.dumps(sorted({m.split(".")[0] for m in sys.modules}))))
script, sys.argv = sys.argv[1], sys.argv[1:]
if script.endswith(".py"):
    runpy.run_path(script, run_name="__main__")
else:
    runpy.run_module(script, run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("script", "arguments", "shown"),
    [
        ("train.py", ["--help"], "label_source"),
        ("train.py", ["--cfg", "job"], "_target_: interestingness"),
        ("train.py", ["label_source=gpt4o", "logger=wandb", "--cfg", "job"], "gpt4o"),
        ("train.py", ["sweep=label_sources", "--cfg", "hydra"], "interestingness_processes"),
        ("evaluate.py", ["--help"], "label_source"),
        ("evaluate.py", ["--cfg", "job"], "references"),
        ("interestingness", ["--help"], "usage"),
        ("interestingness", ["train", "--help"], "label_source"),
    ],
)
def test_nothing_heavy_is_imported(
    repository: Path, tmp_path: Path, script: str, arguments: list[str], shown: str
) -> None:
    name = str(repository / script) if script.endswith(".py") else script
    done = subprocess.run(
        [sys.executable, "-c", WATCH, name, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert "interestingness" in modules
    assert not modules & HEAVY
    assert list(tmp_path.iterdir()) == []  # and nothing was written


SMALL = ["dataset.images=60", "model.backbone.weights=random", "trainer.max_epochs=3"]
UNUSED = {"wandb", "pandas", "scipy.stats", "skimage", "sklearn", "timm", "open_clip"}


def test_a_default_run_imports_only_what_it_uses(repository: Path, tmp_path: Path) -> None:
    """With a cold cache; the small CLIP and the features of a file need no timm either."""
    watch = WATCH.replace('{m.split(".")[0] for m in sys.modules}', "sys.modules")
    small = ["dataset.images=60", "split=half_by_image", "trainer.accelerator=cpu"]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            watch,
            str(repository / "train.py"),
            *small,
            f"paths.cache={tmp_path}",
        ],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert {"torch", "lightning", "torchmetrics"} <= modules
    assert not modules & UNUSED


def test_a_job_that_is_skipped_imports_no_torch(
    trained, repository: Path, tmp_path: Path, cache: Path
) -> None:
    run = trained()
    watch = WATCH.replace('{m.split(".")[0] for m in sys.modules}', "sys.modules")

    def again(*more: str) -> tuple[str, set[str]]:
        given = [*SMALL, "trainer.accelerator=cpu", f"paths.cache={cache}", "skip_finished=true"]
        given += [f"paths.runs={tmp_path}", "split=half_by_image", *more]
        done = subprocess.run(
            [sys.executable, "-c", watch, str(repository / "train.py"), *given],
            cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True, timeout=200,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said, _, modules = done.stdout.rstrip().rpartition("\n")
        return said, set(json.loads(modules))

    said, modules = again()
    assert f"is finished: {run}" in said
    assert not modules & {"torch", "lightning", "torchmetrics", "scipy.optimize", "wandb"}
    # What the finished run did not have is checked as always: other labels are another run.
    said, modules = again("label_source=views", "trainer.max_epochs=1")
    assert "is finished" not in said and "torch" in modules


def test_an_unknown_command_says_what_there_is() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "interestingness", "tarin"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "train" in done.stderr and "Traceback" not in done.stderr


def test_an_unknown_option_says_what_there_is(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "interestingness", "train", "label_source=gpt5"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    assert "gpt4o" in done.stderr and "human" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["train"], ["evaluate", "ckpt=x"]])
def test_a_group_of_null_is_refused_with_its_options(command: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "interestingness", *command, "trainer=null"],
        capture_output=True, text=True, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "error: trainer=null" in done.stderr and "ddp_cpu, default, fsdp" in done.stderr
