"""Tables as files: what machines read is what was computed, and nothing is left half written."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from interestingness.reports.table_files import appear, arrow, markdown, write_table_files
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import Column, Spread, Table

COLUMNS = [
    Column("source", "source"),
    Column("accuracy", "accuracy", "percent", "On held-out pairs."),
    Column("human", "human", "percent"),
    Column("pairs", "pairs", "count"),
    Column("mixed", "mixed", "number"),
    Column("learnt", "learnt"),
    Column("nothing", "nothing", "number"),
]
ROWS: list[dict[str, Any]] = [
    {
        "source": "human, the “best”",
        "accuracy": Spread(0.734, 0.034, 50),
        "human": Interval(0.8, 0.7, 0.9, 0.95, 1000),
        "pairs": 1599,
        "mixed": 1,
        "learnt": True,
    },
    {"source": "a|b <i>\n[x](y)", "accuracy": 0.5, "pairs": None, "mixed": 0.25, "learnt": False},
    {"source": None, "accuracy": Spread(math.nan, math.nan, 0), "mixed": math.nan},
]
TABLE = Table("sources", "Sources", COLUMNS, ROWS, ["Ceiling = mean."])


def test_machines_get_numbers_with_their_uncertainty_beside_them() -> None:
    flat = arrow(TABLE)
    assert flat.column_names == [
        "source",
        "accuracy",
        "accuracy_sd",
        "accuracy_repeats",
        "human",
        "human_low",
        "human_high",
        "pairs",
        "mixed",
        "learnt",
        "nothing",
    ]
    first, second, third = flat.to_pylist()
    assert (first["accuracy"], first["accuracy_sd"], first["accuracy_repeats"]) == (
        0.734,
        0.034,
        50,
    )
    assert (first["human"], first["human_low"], first["human_high"]) == (0.8, 0.7, 0.9)
    assert second["accuracy"] == 0.5 and second["accuracy_sd"] is None
    assert third["accuracy"] is None and third["mixed"] is None and third["accuracy_repeats"] == 0
    assert flat.schema.field("pairs").type == pa.int64()
    assert flat.schema.field("mixed").type == pa.float64()
    assert flat.schema.field("learnt").type == pa.bool_()


def test_every_file_holds_every_row(tmp_path: Path) -> None:
    paths = write_table_files(tmp_path / "run", [TABLE])
    assert [p.name for p in paths] == ["sources.md", "sources.csv", "sources.parquet"]
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == sorted(p.name for p in paths)
    assert pq.read_table(paths[2]).to_pylist() == arrow(TABLE).to_pylist()
    read = pacsv.read_csv(paths[1]).to_pylist()
    assert [row["accuracy"] for row in read] == [0.734, 0.5, None]
    assert read[0]["source"] == "human, the “best”"


def test_markdown_keeps_to_its_cells() -> None:
    text = markdown(TABLE)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert lines[0] == "| source | accuracy, % | human, % | pairs | mixed | learnt |"
    assert lines[1] == "| --- | ---: | ---: | ---: | ---: | --- |"
    assert lines[2] == "| human, the “best” | 73.4 ± 3.4 | 80.0 [70.0, 90.0] | 1,599 | 1.00 | yes |"
    assert lines[3] == "| a\\|b &lt;i> [x]\\(y) | 50.0 | – | – | 0.25 | no |"
    assert len(lines) == 5
    assert "- accuracy: On held-out pairs." in text and "- Ceiling = mean." in text


def test_texts_that_are_no_unicode_do_not_lose_the_table(tmp_path: Path) -> None:
    table = Table("t", "t", [Column("a", "a")], [{"a": "caf\udce9"}, {"a": 3}])
    paths = write_table_files(tmp_path, [table])
    assert pq.read_table(paths[2])["a"].to_pylist() == ["caf?", "3"]
    assert "caf?" in paths[0].read_text(encoding="utf-8")


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        appear(path, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"] and path.read_text() == "old"


def test_a_table_without_rows_has_its_columns() -> None:
    assert arrow(Table("t", "t", COLUMNS, [])).num_columns == len(COLUMNS)
    assert "| source |" in markdown(Table("t", "t", COLUMNS, []))
