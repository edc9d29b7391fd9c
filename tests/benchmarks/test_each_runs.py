"""Every benchmark runs in the small size that a line of its docstring gives.

The line is ``tiny: OPTIONS``, split as a shell would. ``NAME=VALUE`` with a name in capitals before
the options is for the environment. ``$NAME`` is a folder of data: what the environment says, else
the folder of that name, in small letters, in the shared data. A benchmark that another test runs
names that test instead: ``tiny: tests/end_to_end/test_annotate_oasis.py``.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from string import Template

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = [*sorted((ROOT / "benchmarks").glob("*.py")), ROOT / "scripts/calibrate_raters.py"]
TINY = re.compile(r"^tiny:(.*)$", re.MULTILINE)
SETTING = re.compile(r"[A-Z_]+=")


def tiny(script: Path) -> str:
    """Options of the small run."""
    found = TINY.search(ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or "")
    assert found, f"the docstring of {script.name} has no line 'tiny: OPTIONS'"
    return found[1].strip()


@pytest.fixture
def data(request: pytest.FixtureRequest) -> dict[str, str]:
    """Folders of data that the tiny run names, by name; skips where one is absent."""
    names = Template(tiny(request.getfixturevalue("script"))).get_identifiers()
    found = {}
    for name in names:
        found[name] = os.environ.get(name) or str(
            request.getfixturevalue("shared_data") / name.lower()
        )
        if not Path(found[name]).is_dir():
            pytest.skip(f"{name}={found[name]} is no folder: this benchmark needs its data")
    return found


def elsewhere(script: Path) -> bool:
    """Whether another test runs it."""
    return tiny(script).startswith("tests/")


def test_each_benchmark_has_a_tiny_run() -> None:
    assert len(BENCHMARKS) >= 20
    for script in filter(elsewhere, BENCHMARKS):
        assert f'"{script.name}"' in (ROOT / tiny(script)).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda script: script.stem)
def test_a_tiny_run_ends_well_and_prints_numbers(
    script: Path, data: dict[str, str], tmp_path: Path
) -> None:
    if elsewhere(script):
        pytest.skip(f"{tiny(script)} runs it")
    words = shlex.split(Template(tiny(script)).substitute(data))
    settings = [word for word in words if SETTING.match(word)]
    places = {"INTERESTINGNESS_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(script), *words[len(settings) :]],
        cwd=tmp_path,
        env={
            **os.environ,
            **places,
            "OMP_NUM_THREADS": "1",
            **dict(word.split("=", 1) for word in settings),
        },
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert re.search(r"\d", done.stdout)
