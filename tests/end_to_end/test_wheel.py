"""The wheel and the editable install work outside the clone, with everything they need inside."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

SITE = sysconfig.get_path("purelib")


def _build(repository: Path, kind: str, folder: Path) -> Path:
    """A wheel, by the very backend that pip and build call; no download, no isolation."""
    code = f"import sys; from hatchling.build import build_{kind} as b; print(b(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(repository, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed wheel and nothing else."""
    target = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--no-index", "--no-compile", "--target", str(target), str(wheel)],
        check=True,
    )  # fmt: skip
    return target


def _python(*arguments: str, path: list[str], cwd: Path) -> str:
    """Run without ``site``, so that no ``.pth`` file brings the clone back in."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    done = subprocess.run(
        [sys.executable, "-S", *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_carries_what_it_needs(repository: Path, wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "interestingness/py.typed" in names
    options = [p.relative_to(repository).as_posix() for p in repository.glob("conf/**/*.yaml")]
    assert len(options) > 50
    assert {f"interestingness/{option}" for option in options} <= names
    assert "hydra_plugins/interestingness_processes.py" in names
    assert "hydra_plugins/__init__.py" not in names  # others put their plugins there too
    for folder, suffix in [
        ("interestingness/models/scene_clip/", ".safetensors"),
        ("interestingness/models/scene_clip/", ".json"),
        ("interestingness/reports/templates/", ".html.j2"),
        ("interestingness/reports/templates/", ".css"),
    ]:
        assert any(n.startswith(folder) and n.endswith(suffix) for n in names), (folder, suffix)
    foreign = {n.split("/")[0] for n in names} - {"interestingness", "hydra_plugins"}
    assert all(name.endswith(".dist-info") for name in foreign)
    assert wheel.stat().st_size < 12e6


def test_every_module_of_the_package_is_in_the_wheel(repository: Path, wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        p.relative_to(repository).as_posix() for p in repository.glob("interestingness/**/*.py")
    }
    assert len(modules) > 40 and modules <= names


def test_an_installed_wheel_composes_outside_the_clone(installed: Path, tmp_path: Path) -> None:
    where = "import interestingness; print(interestingness.__file__)"
    path = [str(installed), SITE]
    assert str(installed) in _python("-c", where, path=path, cwd=tmp_path)
    shown = _python(
        "-m", "interestingness", "train", "label_source=gpt4o", "--cfg", "job",
        path=path, cwd=tmp_path,
    )  # fmt: skip
    assert "name: gpt4o" in shown
    sources = _python(
        "-m", "interestingness", "train", "--info", "searchpath", path=path, cwd=tmp_path
    )
    assert str(installed / "interestingness" / "conf") in sources.replace("\n", "")
    launcher = _python(
        "-m", "interestingness", "train", "--cfg", "hydra", "-p", "hydra.launcher",
        path=path, cwd=tmp_path,
    )  # fmt: skip
    assert "ProcessesLauncher" in launcher


def test_the_wheels_command_is_there(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(installed / "bin" / "interestingness"), "train", "--cfg", "job"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "label_source" in done.stdout


def test_an_editable_install_composes_outside_the_clone(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    target = tmp_path_factory.mktemp("editable")
    zipfile.ZipFile(_build(repository, "editable", tmp_path)).extractall(target)
    # What an installer leaves in a site folder, read as Python reads one when it starts.
    code = f"""
import runpy, site, sys
site.addsitedir({str(target)!r})
import interestingness
assert interestingness.__file__.startswith({str(repository)!r}), interestingness.__file__
sys.argv = ["interestingness", "train", "label_source=gpt4o", *sys.argv[1:]]
runpy.run_module("interestingness", run_name="__main__", alter_sys=True)
"""
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    shown = _python("-c", code, "--cfg", "job", path=[SITE], cwd=outside)
    assert "name: gpt4o" in shown
    sources = _python("-c", code, "--info", "searchpath", path=[SITE], cwd=outside)
    assert str(repository / "conf") in sources.replace("\n", "")
    hydra = _python("-c", code, "--cfg", "hydra", path=[SITE], cwd=outside)
    assert "ProcessesLauncher" in hydra


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_installed_wheel_trains_outside_the_clone(installed: Path, tmp_path: Path) -> None:
    small = ["dataset.images=60", "split=half_by_image", "trainer.accelerator=cpu"]
    shown = _python(
        "-m", "interestingness", "train", *small, f"paths.cache={tmp_path / 'cache'}",
        path=[str(installed), SITE], cwd=tmp_path,
    )  # fmt: skip
    page = Path(shown.split()[-1])
    assert page.is_file() and page.is_relative_to(tmp_path)
