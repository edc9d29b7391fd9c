from __future__ import annotations

import itertools
import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interestingness.errors import DataError
from interestingness.schema import pair_id
from interestingness.tables.tables import (
    SPECS,
    Manifest,
    Tables,
    Votes,
    check_table,
    keys_of,
    read_table,
    table_fingerprint,
    write_table,
)

AB, BC = pair_id("a", "b"), pair_id("b", "c")
IMAGES = pa.table({"image_id": ["a", "b", "c"]})
PAIRS = pa.table({"pair_id": [AB, BC], "left": ["a", "b"], "right": ["b", "c"]})


def votes(*rows: tuple, columns=("pair_id", "rater_id", "choice")) -> pa.Table:
    return pa.table({c: [r[i] for r in rows] for i, c in enumerate(columns)})


def written(root, **tables) -> Tables:
    return Tables.write(root, Manifest("toy", "synthetic"), {"images": IMAGES, **tables})


def test_how_many_tables_there_are():
    assert sorted(SPECS) == [
        *("images", "judgments", "pairs", "ratings", "scores", "texts", "votes")
    ]


def test_a_vote_is_as_small_as_three_columns_and_gets_the_defaults():
    table = check_table("votes", votes((AB, "ann", "left")), where="here")
    assert table.column_names == list(SPECS["votes"])
    assert table.to_pylist()[0] == {
        **dict.fromkeys(["first", "probability", "reason", "persona", "time", "provenance"]),
        "pair_id": AB,
        "rater_id": "ann",
        "choice": "left",
        "question": "interesting",
        "rater_kind": "human",
        "sample": 0,
    }


def test_further_columns_are_kept_and_numbers_are_cast():
    table = pa.table({"image_id": pa.array([1, 2]), "concept": ["x", "y"]})
    checked = check_table("images", table, where="here")
    assert checked["image_id"].to_pylist() == ["1", "2"]
    assert checked["concept"].to_pylist() == ["x", "y"]


@pytest.mark.parametrize(
    ("kind", "table", "words"),
    [
        ("votes", pa.table({"pair_id": [AB], "rater_id": ["a"]}), "column 'choice' is missing"),
        ("votes", votes((AB, "a", "first")), r"'choice' holds \['first'\]"),
        ("votes", votes((AB, None, "left")), "'rater_id' has 1 empty cells"),
        (
            "votes",
            votes((AB, "a", "left", 1.5), columns=("pair_id", "rater_id", "choice", "probability")),
            r"outside \[0, 1\]",
        ),
        ("ratings", pa.table({"image_id": ["a"], "rater_id": ["r"], "rating": ["x"]}), "'rating'"),
        ("scores", pa.table({"image_id": ["a"], "name": ["s"], "score": [[1]]}), "'score' holds"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(kind, table, words):
    with pytest.raises(DataError, match=words) as caught:
        check_table(kind, table, where="votes.csv")
    assert "votes.csv" in str(caught.value)


def test_a_probability_of_nan_is_none():
    table = votes(
        (AB, "a", "left", np.nan), columns=("pair_id", "rater_id", "choice", "probability")
    )
    assert np.isnan(Votes.from_table(check_table("votes", table, where="here")).probability[0])


def test_written_tables_come_back(tmp_path):
    tables = written(tmp_path, pairs=PAIRS, votes=votes((AB, "ann", "left"), (BC, "bob", None)))
    assert tables.has("votes") and not tables.has("scores")
    assert tables.image_ids.tolist() == ["a", "b", "c"]
    assert tables.pairs.pair_ids == [AB, BC]
    found = tables.votes()
    assert found.raters == ("ann", "bob")
    np.testing.assert_array_equal(found.preference, [1.0, np.nan])
    np.testing.assert_array_equal(found.key, tables.pairs.key)
    assert not list(tmp_path.glob(".*"))


def test_votes_of_all_kinds_are_decoded(tmp_path):
    rows = [
        (AB, "ann", "left", "left", 0.9, 1),
        (AB, "bob", "right", "right", None, 0),
        (BC, "ann", "tie", None, None, None),
    ]
    columns = ("pair_id", "rater_id", "choice", "first", "probability", "sample")
    found = written(tmp_path, pairs=PAIRS, votes=votes(*rows, columns=columns)).votes()
    np.testing.assert_array_equal(found.first, [1, -1, 0])
    np.testing.assert_array_equal(found.preference, [1, 0, 0.5])
    np.testing.assert_array_equal(found.probability, [0.9, np.nan, np.nan])
    np.testing.assert_array_equal(found.sample, [1, 0, 0])
    assert [found.raters[i] for i in found.rater] == ["ann", "bob", "ann"]
    assert len(found[found.first == 0]) == 1


def test_votes_are_chosen_by_question_kind_and_pattern(tmp_path):
    names = ["gpt-4o-mini", "gpt-4o_x", "gpt%4o", "ann", "a.n"]
    rows = [(AB, n, "left", "human" if n[0] == "a" else "model") for n in names]
    rows.append((AB, "ann", "right", "human"))
    table = votes(*rows, columns=("pair_id", "rater_id", "choice", "rater_kind"))
    table = table.append_column("question", [["interesting"] * 5 + ["beautiful"]])
    tables = written(tmp_path, pairs=PAIRS, votes=table)

    def raters(**chosen):
        found = tables.votes(**chosen)
        return sorted(found.raters[i] for i in found.rater)

    assert raters() == sorted(names)
    assert raters(raters=["gpt-4o*"]) == ["gpt-4o-mini", "gpt-4o_x"]
    assert raters(raters=["gpt-4o_*"]) == ["gpt-4o_x"]
    assert raters(raters=["gpt%*"]) == ["gpt%4o"]
    assert raters(raters=["a?n"]) == ["a.n", "ann"]
    assert raters(raters=["a.n", "*mini"]) == ["a.n", "gpt-4o-mini"]
    assert raters(raters=["nobody"]) == raters(raters=[]) == raters(question="x") == []
    assert raters(kind="model", raters=["*x", "ann"]) == ["gpt-4o_x"]
    assert raters(question="beautiful") == ["ann"]
    literal = "back\\slash*"
    assert raters(raters=[literal]) == []


def test_a_vote_for_an_unknown_pair_is_refused(tmp_path):
    table = votes((AB, "ann", "left"), (pair_id("a", "c"), "ann", "left"))
    with pytest.raises(DataError, match="1 votes are for unknown pairs"):
        written(tmp_path, pairs=PAIRS, votes=table).votes()


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([(AB, "b", "a")], "left 'b' and right 'a'"),
        ([(AB, "a", "b"), (AB, "a", "b")], "given twice"),
        ([(BC, "a", "b")], "calls its pair"),
        ([(AB, "a", "a")], "with itself"),
        ([(pair_id("a", "z"), "a", "z")], "'z', which is not in the image table"),
        ([("12", "a", "b")], "'12' is not 16 hexadecimal digits"),
    ],
)
def test_pairs_that_are_not_canonical_are_refused(tmp_path, pairs, words):
    table = votes(*pairs, columns=("pair_id", "left", "right"))
    with pytest.raises(DataError, match=words):
        _ = written(tmp_path, pairs=table).pairs


def test_an_image_twice_is_refused(tmp_path):
    images = pa.table({"image_id": ["a", "b", "a"]})
    with pytest.raises(DataError, match="'a' occurs more than once"):
        _ = Tables.write(tmp_path, Manifest("toy", "synthetic"), {"images": images}).images


def test_scores_come_in_the_order_of_the_images(tmp_path):
    scores = pa.table(
        {
            "image_id": ["c", "a", "a", "nowhere"],
            "name": ["stars", "stars", "views", "stars"],
            "score": [3.0, 1.0, None, 9.0],
        }
    )
    tables = written(tmp_path, scores=scores)
    assert tables.score_names() == ["stars", "views"]
    np.testing.assert_array_equal(tables.scores("stars"), [1, np.nan, 3])
    np.testing.assert_array_equal(tables.scores("views"), [np.nan] * 3)
    with pytest.raises(DataError, match="one of stars, views"):
        tables.scores("beauty")
    assert written(tmp_path / "none").score_names() == []


def test_a_score_twice_is_refused(tmp_path):
    scores = pa.table({"image_id": ["a", "a"], "name": ["s", "s"], "score": [1.0, 2.0]})
    with pytest.raises(DataError, match="has the score 's' twice"):
        written(tmp_path, scores=scores).scores("s")


def test_absent_damaged_and_foreign_files_are_one_error_each(tmp_path):
    with pytest.raises(DataError, match=r"no dataset\.json"):
        Tables(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(DataError, match="not a manifest"):
        Tables(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({"name": "x", "format_version": 99}))
    with pytest.raises(DataError, match="format version 99"):
        Tables(tmp_path)
    with pytest.raises(DataError, match="there is no votes table"):
        read_table("votes", tmp_path / "votes.parquet")
    (tmp_path / "votes.parquet").write_bytes(b"PAR1 cut in the middle")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_table("votes", tmp_path / "votes.parquet")
    metadata = {b"interestingness.format_version": b"7"}
    pq.write_table(IMAGES.replace_schema_metadata(metadata), tmp_path / "images.parquet")
    with pytest.raises(DataError, match="format version 7"):
        read_table("images", tmp_path / "images.parquet")


def test_what_does_not_fit_is_not_written(tmp_path):
    with pytest.raises(DataError):
        write_table("votes", votes((AB, "ann", "LEFT")), tmp_path / "votes.parquet")
    assert not list(tmp_path.iterdir())


def test_paths_of_images(tmp_path):
    images = pa.table({"image_id": ["a", "b"], "path": ["x/a.jpg", None]})
    tables = Tables.write(tmp_path, Manifest("toy", "photographs"), {"images": images})
    assert tables.image_path(0) == tmp_path / "x" / "a.jpg"
    with pytest.raises(DataError, match="image 'b' has no path"):
        tables.image_path(1)
    there = Manifest("toy", "photographs", image_root="/photos")
    assert str(Tables.write(tmp_path, there, {}).image_path(0)) == "/photos/x/a.jpg"


def test_pickles_are_small_and_read_again(tmp_path):
    tables = written(tmp_path, pairs=PAIRS, votes=votes(*[(AB, "ann", "left")] * 5000))
    assert len(tables.votes()) == 5000
    packed = pickle.dumps(tables)
    assert len(packed) < 2000
    assert len(pickle.loads(packed).votes()) == 5000


def test_empty_tables(tmp_path):
    tables = written(tmp_path, pairs=PAIRS[:0], votes=votes((AB, "a", "left"))[:0])
    assert len(tables.pairs) == 0 and len(tables.votes()) == 0
    assert tables.votes().raters == ()


@pytest.mark.parametrize("bad", ["12", "g" * 16, "-000000000000001", " 00000000000001 ", "é" * 16])
def test_pair_ids_are_16_hexadecimal_digits(bad):
    with pytest.raises(DataError, match="16 hexadecimal digits"):
        keys_of([AB, bad])


def test_pair_ids_are_read_in_full():
    assert keys_of(["ffffffffffffffff", "00000000000000ab"]).tolist() == [2**64 - 1, 171]
    assert keys_of([]).dtype == np.uint64


values = st.lists(st.one_of(st.none(), st.sampled_from([0.0, 1.5, -2.0])), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(values, st.lists(st.integers(0, 8), max_size=3))
def test_fingerprints_are_of_values_not_of_memory(numbers, cuts):
    whole = pa.table({"x": pa.array(numbers, pa.float64())})
    edges = sorted({0, len(numbers), *(c for c in cuts if c < len(numbers))})
    pieces = [numbers[a:b] for a, b in itertools.pairwise(edges)]
    chunked = pa.table({"x": pa.chunked_array(pieces, pa.float64())})
    hidden = pa.array([7.0 if n is None else n for n in numbers])
    mask = np.array([n is None for n in numbers])
    masked = pa.table({"x": pa.array(hidden.to_numpy(), mask=mask)})
    shifted = pa.table({"x": pa.array([9.0, *numbers], pa.float64())}).slice(1)
    prints = {table_fingerprint(t) for t in (whole, chunked, masked, shifted)}
    assert len(prints) == 1
    changed = [*numbers[:-1], 3.0]
    assert table_fingerprint(pa.table({"x": pa.array(changed, pa.float64())})) not in prints


def test_a_null_is_not_a_zero_nor_an_empty_text():
    for empty, zero, kind in ((None, "", pa.string()), (None, 0.0, pa.float64())):
        one, other = (pa.table({"x": pa.array([v], kind)}) for v in (empty, zero))
        assert table_fingerprint(one) != table_fingerprint(other)


def test_the_data_set_s_fingerprint_is_of_content_alone(tmp_path):
    content = {"pairs": PAIRS, "votes": votes((AB, "ann", "left"), (BC, "ann", "right"))}
    one, same = written(tmp_path / "one", **content), written(tmp_path / "same", **content)
    content["votes"] = votes((AB, "ann", "left"), (BC, "ann", "left"))
    other = written(tmp_path / "other", **content)
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()
    assert one.fingerprint("images", "pairs") == other.fingerprint("images", "pairs")
    assert one.fingerprint("votes") != other.fingerprint("votes")
