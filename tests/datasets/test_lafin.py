"""LaFin's list of photographs, on a synthetic one; its tags, on real ones where there are some."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from interestingness.datasets.lafin import prepare_lafin
from interestingness.datasets.pairing import crossed_pairs
from interestingness.datasets.prepared import prepare_prepared
from interestingness.datasets.tags import tags_of, without_leak
from interestingness.errors import ConfigError, DataError
from interestingness.labels.scores import ScoreSource
from interestingness.tables.tables import Tables


@pytest.fixture
def photos(raw: Callable[[str], ModuleType], tmp_path: Path) -> Path:
    made: Path = raw("lafin").write(tmp_path / "raw")
    return made


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., Tables]:
    options = {
        "download": False, "features": ["tags", "title"], "leaking_tags": "removed",
        "pairs_per_image": 3, "seed": 0,
    }  # fmt: skip
    return lambda photos, **given: prepare_lafin(
        tmp_path / "cache", photos=photos, **options | given
    )


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_tables(photos: Path, prepare: Callable[..., Tables]) -> None:
    tables = prepare(photos)
    prepare_prepared(tables.root)
    rows = {row["photo_id"]: row for row in rows_of(photos)}
    kept = {
        name: [tag for tag in row["tags"].split() if "explor" not in tag.lower()]
        for name, row in rows.items()
    }
    kept = {name: tags for name, tags in kept.items() if tags}
    assert tables.image_ids.tolist() == list(kept)
    assert tables.images["tags"].to_pylist() == list(kept.values())
    label = ScoreSource(tables, name="lafin", column="lafin").image_scores()
    views = ScoreSource(tables, name="views", column="views").image_scores()
    for at, name in enumerate(kept):
        assert label[at] == float(rows[name]["interesting"])
        np.testing.assert_equal(views[at], float(rows[name]["views"] or "nan"))
    assert not {"views", "comments", "favorites"} & set(tables.images.column_names)
    facts = tables.manifest.facts
    leaking = Counter(t.lower() for r in rows.values() for t in r["tags"].split() if "xplor" in t)
    assert facts["tags_that_leak"] == leaking.total() > 30
    assert facts["most_frequent"] == dict(leaking)
    assert facts["images_with_too_few_tags"] == len(rows) - len(kept) == 3
    assert facts["share_of_interesting_images_with_one"] > 0.4
    assert facts["share_of_other_images_with_one"] < 0.2 and facts["titles_that_leak"] == 1


def test_pairs_are_of_both_classes_and_one_day(
    photos: Path, prepare: Callable[..., Tables]
) -> None:
    tables = prepare(photos)
    row = {r["photo_id"]: r for r in rows_of(photos)}
    met: Counter[str] = Counter()
    for at in range(len(tables.pairs)):
        one, other = (row[getattr(tables.pairs.pair(at), side)] for side in ("left", "right"))
        assert {one["interesting"], other["interesting"]} == {"0", "1"}
        assert one["date"] == other["date"]
        met.update((one["photo_id"], other["photo_id"]))
    assert len(tables.pairs) > 100 and set(met) == set(tables.image_ids)
    labels = ScoreSource(tables, name="lafin", column="lafin").labels(tables.pairs)
    assert set(labels.preference.tolist()) == {0.0, 1.0}


def test_leaking_tags_may_stay_to_be_measured(photos: Path, prepare: Callable[..., Tables]) -> None:
    kept = prepare(photos, leaking_tags="kept")
    tags = [tag for tags in kept.images["tags"].to_pylist() for tag in tags]
    assert sum("explor" in tag.lower() for tag in tags) > 30
    assert kept.image_ids.tolist() == prepare(photos).image_ids.tolist()
    with pytest.raises(ConfigError, match="leaking_tags=maybe"):
        prepare(photos, leaking_tags="maybe")


@pytest.mark.parametrize("name", ["views", "comments", "favorites", "Num_Views", "faves"])
def test_the_label_in_disguise_is_refused(
    name: str, photos: Path, prepare: Callable[..., Tables]
) -> None:
    with pytest.raises(ConfigError, match=r"97\.2 % of all views"):
        prepare(photos, features=["tags", name])
    with pytest.raises(ConfigError, match="some of tags, title"):
        prepare(photos, features=["colour"])


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("interesting", "flag", "no column 'interesting'"),
        ("980000001,", "980000000,", "occurs twice"),
        ("_0a.jpg,1,", "_0a.jpg,perhaps,", "holds 'perhaps'"),
        ("_0a.jpg,1,", "_0a.jpg,0,", "are not interesting"),
    ],
)
def test_a_wrong_table_is_one_clear_error(
    old: str, new: str, said: str, photos: Path, prepare: Callable[..., Tables]
) -> None:
    text = photos.read_text(encoding="utf-8")
    assert old in text
    photos.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DataError) as error:
        prepare(photos)
    assert said in str(error.value) and error.value.expected and error.value.todo


def test_columns_of_other_names(photos: Path, prepare: Callable[..., Tables]) -> None:
    one = prepare(photos)
    text = photos.read_text(encoding="utf-8").replace("interesting", "y", 1).replace("tags", "t", 1)
    photos.write_text(text, encoding="utf-8")
    other = prepare(photos, columns={"interesting": "y", "tags": "t", "title": None})
    assert other.fingerprint() == one.fingerprint()
    with pytest.raises(ConfigError, match=r"columns\.label"):
        prepare(photos, columns={"label": "y"})


def test_tags_in_all_their_spellings() -> None:
    assert tags_of("sky  Sky sky 🌊") == ["sky", "Sky", "🌊"]
    assert tags_of("['new york', 'sky']") == tags_of('["new york", "sky"]') == ["new york", "sky"]
    assert tags_of("['sky' 'blue']") == tags_of("[sky, blue]") == ["sky", "blue"]
    assert tags_of("new york|sky|", "|") == ["new york", "sky"]
    assert tags_of(None) == tags_of("  ") == tags_of("[]") == []


@pytest.mark.parametrize(
    "tag",
    [
        "explore",
        "InExplored27",
        "expl\u200bore",
        "expl\u200dore",
        "ｅｘｐｌｏｒｅ",
        "𝓮𝔁𝓹𝓵𝓸𝓻𝓮𝓭",
    ],
)
def test_leaks_in_all_their_spellings(tag: str) -> None:
    clean = without_leak([["sky", tag], ["exploit", "👩‍💻", "explodierend"], []])
    assert clean.tags == [["sky"], ["exploit", "👩‍💻", "explodierend"], []]
    assert clean.affected == [True, False, False] and clean.removed == {tag.casefold(): 1}


def test_crossed_pairs_are_regular_and_distinct() -> None:
    rng = np.random.default_rng(3)
    flag = rng.random(400) < 0.3
    group = rng.integers(5, size=400).astype(str).tolist()
    usable = rng.random(400) < 0.9
    pairs = crossed_pairs(flag, usable, group, 4, seed=0)
    assert len({tuple(pair) for pair in pairs.tolist()}) == len(pairs)
    assert flag[pairs[:, 0]].all() and not flag[pairs[:, 1]].any() and usable[pairs].all()
    assert all(group[a] == group[b] for a, b in pairs.tolist())
    assert set(np.bincount(pairs[:, 0], minlength=400)[flag & usable]) == {4}
    others = np.bincount(pairs[:, 1], minlength=400)[~flag & usable]
    assert np.ptp(others) <= 4
    assert crossed_pairs(np.ones(4, bool), np.ones(4, bool), ["a"] * 4, 2, seed=0).shape == (0, 2)


def test_real_tags_of_explored_photographs(shared_data: Path) -> None:
    path = shared_data / "flickr_explore" / "photos.tsv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    tags = [tags_of(row["tags_space_joined"]) for row in rows]
    clean = without_leak(tags)
    left = {tag for own in clean.tags for tag in own}
    assert not any("explor" in tag.casefold() for tag in left)
    lost = sum(map(len, tags)) - sum(map(len, clean.tags))
    assert lost == clean.removed.total() > 1000 and "explore" in clean.removed
    assert 0.01 < np.mean(clean.affected) < 1
