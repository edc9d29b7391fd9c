"""docs/add/plugin.md to the letter: its files are written, installed, tested and trained."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = [
    "dataset.images=60",
    "model.backbone.weights=random",
    "trainer.accelerator=cpu",
    "split=half_by_image",
]


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "add" / "plugin.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page, under the names that stand beside their fences."""
    folder = tmp_path_factory.mktemp("saliency")
    blocks = re.findall(r"^```(\w+) (\S+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    for _, name, text in blocks:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def environment(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The plugin as pip installs it, in a folder of its own on the path."""
    site = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--no-index", "--no-build-isolation", "--target", str(site), str(project)],
        check=True,
    )  # fmt: skip
    return {
        **os.environ,
        "PYTHONPATH": str(site),
        "INTERESTINGNESS_CACHE": str(tmp_path_factory.mktemp("cache")),
    }


def _commands(page: str) -> list[list[str]]:
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def _run(
    command: list[str], *, cwd: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """A command of the page, by this interpreter."""
    given = dict(environment)
    while "=" in command[0]:
        name, value = command[0].split("=", 1)
        given[name] = os.pathsep.join(filter(None, [value, environment.get(name)]))
        command = command[1:]
    assert command[0] in {"interestingness", "pytest"}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd, env=given, capture_output=True, text=True, timeout=280,
    )  # fmt: skip


def test_the_page_has_the_commands_that_are_tested_here(page: str) -> None:
    assert [command[0] for command in _commands(page)] == [
        "pip", "pytest", "interestingness", "interestingness", "PYTHONPATH=.",
    ]  # fmt: skip


def test_an_installed_plugin_composes(
    page: str, environment: dict[str, str], tmp_path: Path
) -> None:
    train = _commands(page)[2]
    done = _run([*train, "--cfg", "job"], cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "_target_: saliency_labels.source.SaliencySource" in done.stdout
    judge = "+label_source@references.saliency=saliency"
    assert judge in page
    command = ["interestingness", "train", judge, "--cfg", "job"]
    done = _run(command, cwd=tmp_path, environment=environment)
    assert "per_view: 0.01" in done.stdout, done.stderr


def test_the_plugins_own_contract_test_passes(
    page: str, project: Path, environment: dict[str, str]
) -> None:
    command = [*_commands(page)[1], "-p", "no:cacheprovider", "--rootdir", str(project)]
    done = _run(command, cwd=project, environment=environment)
    assert done.returncode == 0, done.stdout
    assert re.search(r"1\d passed", done.stdout), done.stdout


def test_a_class_that_nobody_trusts_is_refused(
    page: str, project: Path, environment: dict[str, str]
) -> None:
    command = [part for part in _commands(page)[4] if not part.startswith("trust")]
    done = _run(command, cwd=project, environment=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error: 1 option(s) cannot be used")
    assert "trust=[mylab]" in done.stderr and "Traceback" not in done.stderr
    assert not list(project.glob("runs/*/checkpoints"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", [2, 3, 4])
def test_the_commands_of_the_page_train(
    page: str, project: Path, environment: dict[str, str], number: int
) -> None:
    before = set(project.glob("runs/**/metrics.json"))
    command = _commands(page)[number]
    done = _run([*command, *SMALL], cwd=project, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    made = set(project.glob("runs/**/metrics.json")) - before
    learnt = {
        reference["name"]
        for file in made
        for reference in json.loads(file.read_text())["test"]["references"]
        if reference["learnt"]
    }
    # the sweep does not train on saliency again where the page's first command has
    assert ("first" if number == 4 else "saliency" if number == 2 else "human") in learnt
