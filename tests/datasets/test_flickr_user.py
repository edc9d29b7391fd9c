"""The reader of FlickrUser, on synthetic files in its layout, against a second reading of them."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from interestingness.datasets.flickr_user import (
    PHOTO_ID,
    equally_over,
    prepare_flickr_user,
)
from interestingness.datasets.prepared import prepare_prepared
from interestingness.errors import ConfigError, DataError
from interestingness.labels.scores import ScoreSource
from interestingness.tables import table_streams
from interestingness.tables.tables import Tables


@pytest.fixture
def files(raw: Callable[[str], ModuleType], tmp_path: Path) -> tuple[Path, Path]:
    made: tuple[Path, Path] = raw("flickr_user").write(tmp_path / "raw")
    return made


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., Tables]:
    return lambda *files, **options: prepare_flickr_user(
        tmp_path / "cache",
        definition=files[0],
        **dict(zip(["additional"], files[1:], strict=False)),
        **{"download": False, "paired": None, "pairs_per_image": 3, "seed": 0} | options,
    )


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def photo(row: dict[str, str]) -> str:
    found = re.search(PHOTO_ID, row["favimg_url"])
    assert found is not None
    return found["id"]


@pytest.fixture(params=[1 << 22, 3000], ids=["one chunk", "many chunks"])
def _chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_streams, "CHUNK", request.param)


@pytest.mark.usefixtures("_chunk")
def test_tables_say_what_the_files_say(
    files: tuple[Path, Path], prepare: Callable[..., Tables]
) -> None:
    tables = prepare(*files)
    prepare_prepared(tables.root)
    first: dict[str, dict[str, str]] = {}
    users = defaultdict(set)
    partition = defaultdict(set)
    for path in files:
        for row in rows_of(path):
            first.setdefault(photo(row), row)
            users[photo(row)].add(row["user_id"])
            if "partition" in row:
                partition[row["partition"]].add(row["user_id"])
    assert tables.image_ids.tolist() == list(first)
    scores = {n: ScoreSource(tables, name=n, column=n).image_scores() for n in tables.score_names()}
    for at, (name, row) in enumerate(first.items()):
        assert scores["users"][at] == len(users[name])
        for theirs, ours in (("ci_score", "commonly_interesting"), ("favimg_num_views", "views")):
            value = float(row.get(theirs) or "nan")
            np.testing.assert_equal(scores[ours][at], value)
        assert tables.images["owner_occupation"][at].as_py() == (
            row["favimg_owner_occupation"] or None
        )
    likes = tables.table("judgments")
    said = set(zip(likes["image_id"].to_pylist(), likes["rater_id"].to_pylist(), strict=True))
    assert said == {(name, u) for name, liked in users.items() for u in liked}
    assert likes.num_rows == len(said) and set(likes["question"].to_pylist()) == {"favourite"}
    facts = tables.manifest.facts
    assert facts["rows"] == 500 and facts["users"] == 25 and facts["columns_absent"] == []
    assert facts["users_of_partitions"] == {k: len(v) for k, v in partition.items()}
    assert facts["rows_given_again"] == 500 - len(said) > 0
    assert facts["images_whose_score_differs_between_rows"] == 0


def test_chunks_change_nothing(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prints = []
    for at, size in enumerate((1 << 22, 1500)):
        monkeypatch.setattr(table_streams, "CHUNK", size)
        tables = prepare_flickr_user(
            tmp_path / str(at),
            definition=files[0],
            download=False,
            paired=50,
            pairs_per_image=2,
            seed=1,
        )
        prints.append(tables.fingerprint())
    assert prints[0] == prints[1]


def test_prepared_once_and_again_for_other_options(
    files: tuple[Path, Path], prepare: Callable[..., Tables]
) -> None:
    one = prepare(files[0])
    assert prepare(files[0]).root == one.root
    assert prepare(files[0], seed=1).root != one.root
    sample = prepare(files[0], paired=40)
    assert sample.manifest.facts["pairs"] == {"pairs": 60, "images": 40}
    assert len(sample.image_ids) == len(one.image_ids)


def test_a_sample_equal_over_the_range() -> None:
    rng = np.random.default_rng(0)
    score = np.concatenate([rng.beta(1, 9, 20_000), [np.nan] * 50])
    known = ~np.isnan(score)
    chosen = equally_over(score, known, 1000, seed=0)
    assert len(set(chosen.tolist())) == 1000 and known[chosen].all()
    top = float(np.nanmax(score))
    counts, _ = np.histogram(score[chosen], bins=20, range=(float(np.nanmin(score)), top))
    full, _ = np.histogram(score[known], bins=20, range=(float(np.nanmin(score)), top))
    spare = full > counts  # bins that were not emptied give alike
    assert np.ptp(counts[spare]) <= 1 and (counts[~spare] == full[~spare]).all()
    assert np.array_equal(equally_over(score, known, None, seed=0), np.flatnonzero(known))


def test_images_by_their_flickr_id(
    files: tuple[Path, Path],
    prepare: Callable[..., Tables],
    tmp_path: Path,
    host: Any,
    from_this_machine: None,
) -> None:
    rows = rows_of(files[0])[:60]
    for row in rows:
        what = "gone" if photo(row).endswith("7") else "ok"
        row["favimg_url"] = f"{host.url}/{what}/{photo(row)}_0a1b.jpg"
    few = tmp_path / "few.csv"
    with few.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    tables = prepare(few, images=tmp_path / "images", download=True)
    lost = tables.manifest.facts["lost"]
    assert set(lost) == {"gone"} and lost["gone"] > 2
    paired = {tables.pairs.image_ids[k] for k in tables.pairs.images_used()}
    assert not any(int(name) % 10 == 7 for name in paired) and len(paired) > 20


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda t: t.replace("favimg_url", "url", 1), "no column favimg_url"),
        (lambda t: t.replace("user_gender", "user_id", 1), "a column twice"),
        (lambda t: "".join(t.splitlines(keepends=True)[:1]), "0 images in"),
        (lambda t: t.replace("https://live.static", "https://other/"), None),
        (lambda t: t.replace(",Synthetica,", ",Synth,etica,"), "rows have not 19 cells"),
        (lambda t: "PK\x03\x04" + t, "FlickrUser_definition.csv"),
    ],
)
def test_a_wrong_file_is_one_clear_error(
    files: tuple[Path, Path],
    prepare: Callable[..., Tables],
    change: Callable[[str], str],
    said: str | None,
) -> None:
    text = files[0].read_text(encoding="utf-8")
    files[0].write_text(change(text), encoding="utf-8")
    if said is None:  # an id is an id, whatever the host
        assert len(prepare(files[0]).image_ids) > 100
        return
    with pytest.raises(DataError) as error:
        prepare(files[0])
    assert said in str(error.value) and error.value.todo
    assert not list(files[0].parent.parent.glob("cache/flickr_user-*"))


def test_odd_cells_are_counted(files: tuple[Path, Path], prepare: Callable[..., Tables]) -> None:
    data = files[0].read_bytes()
    data = data.replace("Künstlerin".encode(), "Künstlerin".encode("latin-1"))
    data = data.replace(b",13.0,", b",many,").replace(b"_b.jpg", b"_b.jpg", 1)
    lines = data.split(b"\r\n")
    lines[5] = lines[5].replace(b"/65535/99", b"/65535/xx")
    lines.insert(7, b"cut,short")
    files[0].write_bytes(b"\r\n".join(lines))
    facts = prepare(files[0]).manifest.facts
    assert facts["rows_skipped"] == 1 and facts["rows_without_photo_id"] == 1
    assert facts["cells_that_are_no_numbers"]["favimg_num_views"] > 0


def test_nothing_to_pair(files: tuple[Path, Path], prepare: Callable[..., Tables]) -> None:
    text = files[0].read_text(encoding="utf-8").replace("ci_score", "ci_old")
    files[0].write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="0 images have a score"):
        prepare(files[0])
    with pytest.raises(ConfigError):
        prepare(files[0], paired=1)
    with pytest.raises(DataError, match="there is no such file"):
        prepare(files[0].with_name("nowhere.csv"))
