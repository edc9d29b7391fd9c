"""``evaluate.py study=…``: composed, run and written; what goes wrong is said before any work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hydra import compose, initialize_config_dir

from interestingness.assembly.studies import material_of, run_study
from interestingness.cli import conf_folder
from interestingness.errors import ConfigError
from interestingness.studies.audit import Audit
from interestingness.studies.result import Spread

NAMED = ["run_name=test"]
"""A name that Hydra would make from its choices."""
SMALL = ["dataset.images=40", "dataset.image_size=16", "model.backbone.weights=random"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def composed(cache: Path, tmp_path: Path) -> Callable[..., Any]:
    """``composed("study=audit")``: what the command line would compose."""

    def make(*overrides: str) -> Any:
        paths = [f"paths.cache={cache}", f"paths.runs={tmp_path}", f"paths.run={tmp_path / 'run'}"]
        with initialize_config_dir(str(conf_folder().resolve()), version_base="1.3"):
            return compose("study", [*SMALL, *NAMED, *paths, *overrides])

    return make


def test_a_study_leaves_tables_a_page_and_its_config(
    composed: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = run_study(composed("study=audit"))
    run = Path(told["run"])
    assert told == {"run": str(run), "status": "finished", "accuracy": None}
    judges = pq.read_table(run / "judges.parquet").to_pylist()
    assert judges[0]["judge"] == "people" and judges[0]["pairs"] == 100
    page = (run / "page.html").read_text()
    assert "SIMULATION" in page and "gpt-4o-simulated" in page
    assert "interestingness.studies.audit.Audit" in (run / "config.yaml").read_text()
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["study"] == "audit" and metrics["simulated"] and "people" in metrics["answer"]
    printed = capsys.readouterr().out
    assert "SIMULATION" in printed and printed.rstrip().endswith(str(run / "page.html"))


def test_material_is_made_when_it_is_asked_for(composed: Callable[..., Any], cache: Path) -> None:
    material = material_of(composed("study=audit", "~references.lafin"))
    assert "features" not in vars(material) and "tables" not in vars(material)
    assert len(material.pairs) == 100
    assert {"human", "gpt4o", "aesthetic"} <= set(material.references.there)
    assert "lafin" not in material.references.there
    # without `sources` what judges is learnt from, too
    assert set(material.sources.there) == set(material.references.there)
    assert material.features.values.shape[0] == 40 and material.features.present.all()
    one, other = (material.split(n, material.tables).test for n in (0, 1))
    assert one.sum() > 0 and not np.array_equal(one, other)
    assert np.array_equal(one, material.split(0, material.tables).test)


def test_sources_of_their_own(composed: Callable[..., Any]) -> None:
    cfg = composed("study=audit", "+label_source@sources.mine=aesthetic")
    material = material_of(cfg)
    assert set(material.sources.there) == {"mine"}
    assert "human" in material.references.there


def test_what_the_data_set_lacks_is_absent_with_its_reason(composed: Callable[..., Any]) -> None:
    extra = "+label_source@references.stars=scores"
    material = material_of(composed("study=audit", extra, "references.stars.column=stars"))
    assert "no score is called 'stars'" in material.references.absent["stars"]


def test_splits_that_draw_nothing_are_not_repeated(composed: Callable[..., Any]) -> None:
    material = material_of(composed("study=audit", "split=by_time", "split.column=taken_at"))
    assert material.split(0, material.tables).test.any()
    with pytest.raises(ConfigError, match="one split only"):
        material.split(1, material.tables)


def test_an_unknown_knob_is_refused_before_the_data_are_made(
    composed: Callable[..., Any], tmp_path: Path
) -> None:
    cfg = composed("study=audit", "+study.depth=3", f"dataset.root={tmp_path / 'data'}")
    with pytest.raises(ConfigError, match="there is no option 'depth'"):
        run_study(cfg)
    assert not (tmp_path / "data").exists()


def typed(*words: str, folder: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "interestingness", "evaluate", *words],
        cwd=folder, capture_output=True, text=True, timeout=120,
        env={**os.environ, "INTERESTINGNESS_CACHE": str(cache)},
    )  # fmt: skip


def test_a_study_that_does_not_exist_lists_those_that_do(tmp_path: Path, cache: Path) -> None:
    done = typed("study=adit", folder=tmp_path, cache=cache)
    assert done.returncode == 2
    assert "error: study=adit" in done.stderr and "leaderboard" in done.stderr
    assert done.stderr.rstrip().endswith("what to do: study=audit")


def test_the_config_is_shown_without_any_work(tmp_path: Path, cache: Path) -> None:
    done = typed("study=audit", "--cfg", "job", folder=tmp_path, cache=cache)
    assert done.returncode == 0
    assert "interestingness.studies.audit.Audit" in done.stdout
    assert not list(tmp_path.glob("runs/*/page.html"))


@pytest.mark.slow
def test_a_sweep_over_studies_has_a_run_each(tmp_path: Path, cache: Path) -> None:
    done = typed("-m", "study=audit,pair_orders", *SMALL, folder=tmp_path, cache=cache)
    assert done.returncode == 0, done.stdout + done.stderr
    (sweep,) = tmp_path.glob("runs/sweeps/*_study")
    assert len(list(sweep.glob("*/page.html"))) == 2
    table = pq.read_table(sweep / "sweep.parquet").to_pylist()
    assert [row["status"] for row in table] == ["finished", "finished"], table
    assert "2 jobs: 2 finished" in done.stdout and "SIMULATION" in done.stdout


def test_a_spread_of_nothing_and_of_one() -> None:
    assert np.isnan(Spread.of([]).mean) and Spread.of([np.nan, 0.5]).repeats == 1
    assert np.isnan(Spread.of([0.5]).sd) and Spread.of([0.0, 1.0]).sd == pytest.approx(0.5**0.5)
    assert isinstance(Audit(), Audit)
