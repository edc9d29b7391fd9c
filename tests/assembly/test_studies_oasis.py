"""Studies on real photographs: the votes of OASIS, made of the ratings of 757 people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hydra import compose, initialize_config_dir

from interestingness.assembly.studies import run_study
from interestingness.cli import conf_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def studied(
    cache: Path, tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, list[dict[str, Any]]]]:
    """``studied("study=audit")``: the tables that it leaves, as rows."""
    monkeypatch.setenv("OASIS", str(shared_data / "oasis"))

    def run(*overrides: str) -> dict[str, list[dict[str, Any]]]:
        paths = [f"paths.cache={cache}", f"paths.runs={tmp_path}", f"paths.run={tmp_path / 'run'}"]
        with initialize_config_dir(str(conf_folder().resolve()), version_base="1.3"):
            named = ["experiment=oasis_votes", "run_name=test"]
            cfg = compose("study", [*named, *paths, *overrides])
        folder = Path(run_study(cfg)["run"])
        assert "SIMULATION" not in (folder / "page.html").read_text()
        return {p.stem: pq.read_table(p).to_pylist() for p in folder.glob("*.parquet")}

    return run


def test_the_audit_finds_the_four_sets_of_photographs(studied: Callable[..., Any]) -> None:
    tables = studied("study=audit")
    (people,) = tables["judges"]
    assert people["votes"] > 70_000 and people["raters"] > 700
    assert 0.76 < people["with_others_low"] < people["with_others"] < 0.79
    assert 0.38 < people["alpha"] < 0.42
    assert {row["group"] for row in tables["ranking"]} == {1, 2, 3, 4}
    assert "position" not in tables  # nobody wrote down who was shown first


def test_beauty_teaches_what_people_find_beautiful_and_arousal_does_not(
    studied: Callable[..., Any],
) -> None:
    rows = {r["source"]: r for r in studied("study=leaderboard", "study.splits=2")["leaderboard"]}
    assert set(rows) == {"human", "human_consensus", "beauty", "valence", "arousal"}
    student = {name: row["student"] for name, row in rows.items()}
    assert student["beauty"] > 0.76 and student["human"] > 0.76
    assert student["beauty"] > student["valence"] + 0.03 > student["arousal"] + 0.06
    assert rows["beauty"]["agreement"] > 0.9 > rows["valence"]["agreement"] > 0.7
