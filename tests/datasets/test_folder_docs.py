"""docs/data_format.md agrees with the code, and the example tables of docs/add/dataset.md work.

Its code and commands are run by tests/test_docs.py.
"""

from __future__ import annotations

import csv
import dataclasses
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from PIL import Image

from interestingness.datasets.folder import prepare_folder
from interestingness.schema import FORMAT_VERSION
from interestingness.tables.tables import SPECS, Manifest

WORDS = {
    pa.string(): "text",
    pa.float64(): "number",
    pa.int32(): "whole number",
    pa.bool_(): "yes/no",
    pa.timestamp("us", tz="UTC"): "time",
}
YES = {True: "yes", False: "no"}


def tables_of(text: str) -> dict[str, list[list[str]]]:
    """Rows of the first table below each heading."""
    found = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        rows = [line for line in body.splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
        found[heading.strip()] = cells[2:]
    return found


def described(name: str, column: Any) -> list[str]:
    """What the page says of a column, but for its meaning."""
    default = "" if column.default is None else f"`{column.default}`"
    values = ", ".join(f"`{value}`" for value in column.values or ())
    if column.range is not None:
        values = "{:g} to {:g}".format(*column.range)
    required, empty = YES[column.required], YES[column.nullable]
    return [f"`{name}`", WORDS[column.type], required, empty, default, values]


def test_the_format_page_lists_every_column(repository: Path) -> None:
    text = (repository / "docs" / "data_format.md").read_text()
    page = tables_of(text)
    assert [k for k in page if k not in ("dataset.json", "Pair shards")] == list(SPECS)
    for kind, spec in SPECS.items():
        assert [row[:6] for row in page[kind]] == [described(n, c) for n, c in spec.items()], kind
        assert all(len(row) == 7 and row[6] for row in page[kind])
    keys = [f"`{field.name}`" for field in dataclasses.fields(Manifest)]
    assert sorted(row[0] for row in page["dataset.json"]) == sorted(keys)
    assert text.startswith(f"# Data format, version {FORMAT_VERSION}\n")


def blocks(repository: Path, language: str) -> list[tuple[str, str]]:
    """Title (what follows the language) and text of each fenced block."""
    text = (repository / "docs" / "add" / "dataset.md").read_text()
    return re.findall(rf"^```{language} ?([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.jpg", "c.jpg", "trip/d.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 6)).save(path)
    return tmp_path


def prepare(**options: Any) -> Any:
    return prepare_folder(
        "cache", images="photos", question="interesting", pairs_per_image=2, votes_per_rater=9,
        on_missing="error", seed=0, **options,
    )  # fmt: skip


def test_the_example_tables_are_understood(repository: Path, workplace: Path) -> None:
    examples = dict(blocks(repository, "csv"))
    assert list(examples) == ["votes.csv", "ordered_votes.csv", "stars.csv", "ratings.csv"]
    for name, text in examples.items():
        (workplace / name).write_text(text)
        assert len({len(row) for row in csv.reader(text.splitlines())}) == 1
    votes = prepare(votes="votes.csv").table("votes")
    assert votes["choice"].to_pylist() == ["left", "right", "tie", None]
    ordered = prepare(votes="ordered_votes.csv").table("votes").to_pylist()
    assert [(v["first"], v["choice"]) for v in ordered] == [("right", "left"), ("right", "right")]
    scored = prepare(scores="stars.csv")
    assert scored.score_names() == ["stars", "views"]
    assert scored.images["concept"].to_pylist() == ["cat", "dog", "cat", "owl"]
    rated = prepare(ratings="ratings.csv").table("votes")
    assert rated.num_rows == 4


def test_the_config_gives_every_option(repository: Path) -> None:
    import inspect

    parameters = inspect.signature(prepare_folder).parameters
    options = yaml.safe_load((repository / "conf" / "dataset" / "folder.yaml").read_text())
    assert options.pop("_target_") == "interestingness.datasets.folder.prepare_folder"
    assert set(options) <= set(parameters)
    # Each number has one home: what the config sets has no other value in the code.
    for name, value in options.items():
        default = parameters[name].default
        assert default is inspect.Parameter.empty or default is None, name
        if value is not None and name not in ("root", "columns", "choices"):
            assert default is inspect.Parameter.empty, name
    required = {n for n, p in parameters.items() if p.default is inspect.Parameter.empty}
    assert required <= set(options)
