from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import norm

from interestingness.errors import ConfigError, DataError, LabelError
from interestingness.labels.scores import ScoreSource
from interestingness.schema import Pairs
from interestingness.tables.tables import Manifest, Tables

IMAGES = ["p/a.jpg", "p/b.jpg", "q/a.jpg", "q/d.jpg"]
PAIRS, _, _ = Pairs.from_ids(
    ["p/a.jpg", "p/a.jpg", "p/b.jpg"], ["p/b.jpg", "q/a.jpg", "q/d.jpg"], IMAGES
)


def tables(root, **scores) -> Tables:
    content = {
        "images": pa.table({"image_id": IMAGES}),
        "pairs": pa.table(
            {
                "pair_id": PAIRS.pair_ids,
                "left": PAIRS.image_ids[PAIRS.left],
                "right": PAIRS.image_ids[PAIRS.right],
            }
        ),
    }
    if scores:
        content["scores"] = pa.table(
            {
                "image_id": IMAGES * len(scores),
                "name": np.repeat(list(scores), 4).tolist(),
                "score": pa.array([v for s in scores.values() for v in s], pa.float64()),
            }
        )
    return Tables.write(root, Manifest("toy", "synthetic"), content)


def source(data: Tables, **options) -> ScoreSource:
    return ScoreSource(data, **{"name": "stars", "column": "stars", **options})


def preferences(data: Tables, **options) -> np.ndarray:
    return source(data, **options).labels(PAIRS).preference


def file(root, text: str) -> str:
    path = root / "stars.csv"
    path.write_text(text)
    return str(path)


def test_higher_wins_equal_ties_and_nan_says_nothing(tmp_path):
    data = tables(tmp_path, stars=[2.0, 1.0, 2.0, None])
    found = source(data).labels(PAIRS)
    np.testing.assert_array_equal(found.preference, [1, 0.5, np.nan])
    assert found.facts == {"tied_pairs": 1, "pairs_without_score": 1, "scored_images": 3}
    np.testing.assert_array_equal(source(data).image_scores(), [2, 1, 2, np.nan])


def test_the_soft_link_is_in_units_of_the_score_s_spread(tmp_path):
    data = tables(tmp_path, stars=[2.0, 1.0, 2.0, 5.0])
    sd = np.std([2, 1, 2, 5])
    found = preferences(data, link="sigmoid", temperature=0.5)
    np.testing.assert_allclose(found, 1 / (1 + np.exp([-1 / sd / 0.5, 0, 4 / sd / 0.5])))
    scaled = tables(tmp_path / "x10", stars=[20.0, 10.0, 20.0, 50.0])
    np.testing.assert_allclose(preferences(scaled, link="sigmoid", temperature=0.5), found)


def test_the_normal_link_grades_by_ranks(tmp_path):
    ranks = tables(tmp_path / "a", stars=[2.0, 1.0, 4.0, 3.0])
    skewed = tables(tmp_path / "b", stars=[2.0, 1.0, 4000.0, 30.0])
    found = preferences(ranks, link="normal")
    np.testing.assert_array_equal(preferences(skewed, link="normal"), found)
    q = norm.ppf([0.375, 0.125, 0.875, 0.625])
    expected = 1 / (1 + np.exp(-3 * np.array([q[0] - q[1], q[0] - q[2], q[1] - q[3]])))
    np.testing.assert_allclose(found, expected)
    wide = preferences(ranks, link="normal", temperature=1.0)
    assert (np.abs(wide - 0.5) < np.abs(found - 0.5)).all()
    tied = preferences(tables(tmp_path / "c", stars=[1.0, 1.0, 2.0, None]), link="normal")
    assert tied[0] == 0.5 and tied[1] < 0.5 and np.isnan(tied[2])


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ([3.0, 3.0, 3.0, None], "is 3 for all 3 images"),
        ([None] * 4, "'stars' is empty"),
        ([float("nan")] * 4, "'stars' is empty"),
        ([1.0, float("inf"), 2.0, 3.0], "infinite for 1 images"),
    ],
)
def test_scores_that_say_nothing_are_refused(tmp_path, scores, words):
    with pytest.raises(LabelError, match=words):
        preferences(tables(tmp_path, stars=scores))


def test_an_unknown_score_lists_those_there_are(tmp_path):
    data = tables(tmp_path, views=[1.0, 2.0, 3.0, 4.0], likes=[1.0, 2.0, 3.0, 4.0])
    said = source(data).missing()
    assert "no score is called 'stars'; the data set has: likes, views." in said
    assert "label_source.column=" in said and "label_source.table=" in said
    with pytest.raises(LabelError, match="likes, views"):
        preferences(data)
    with pytest.raises(LabelError, match="likes, views"):
        source(data).image_scores()
    assert "has: none" in source(tables(tmp_path / "none")).missing()


def test_a_file_of_one_s_own(tmp_path):
    data = tables(tmp_path)
    text = "image,stars,other\nq/d.jpg,1,x\np/a.jpg,3,y\np/b.jpg,,z\nnowhere.jpg,9,z\nq/a.jpg,4,\n"
    chosen = source(data, table=file(tmp_path, text))
    assert chosen.missing() is None
    found = chosen.labels(PAIRS)
    np.testing.assert_array_equal(found.preference, [np.nan, 0, np.nan])
    assert found.facts["rows_without_image"] == 1
    np.testing.assert_array_equal(chosen.image_scores(), [3, np.nan, 4, 1])


def test_a_bare_file_name_is_understood_where_only_one_image_has_it(tmp_path):
    text = "image,stars\nd.jpg,1\nb.jpg,2\na.jpg,3\n"
    chosen = source(tables(tmp_path), table=file(tmp_path, text))
    np.testing.assert_array_equal(chosen.image_scores(), [np.nan, 2, np.nan, 1])


def test_parquet_and_numbers_as_image_names(tmp_path):
    images = pa.table({"image_id": ["007", "7"]})
    data = Tables.write(tmp_path, Manifest("toy", "synthetic"), {"images": images})
    text = "image_id,stars\n007,1\n7,2\n"
    np.testing.assert_array_equal(
        source(data, table=file(tmp_path, text)).image_scores(), [1.0, 2.0]
    )
    pq.write_table(pa.table({"image": [7], "stars": [True]}), tmp_path / "s.parquet")
    other = source(data, table=str(tmp_path / "s.parquet"))
    np.testing.assert_array_equal(other.image_scores(), [np.nan, 1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,likes\np/a.jpg,1\n", "image, likes"),
        ("name,stars\np/a.jpg,1\n", "name, stars"),
        ("image,stars\np/a.jpg,1\np/a.jpg,2\n", "line 2, 3"),
        ("image,stars\np/a.jpg,1\np/b.jpg,many\n", "'many'.*line 3"),
        ("image,stars\nx.jpg,1\ny.jpg,2\n", "x.jpg"),
        ("image,stars\np/a.jpg,1,2\n", "line 2"),
        ("image,stars\np/a.jpg,inf\np/b.jpg,1\n", "'inf'.*line 2"),
    ],
)
def test_bad_files_are_one_clear_error(tmp_path, text, words):
    with pytest.raises(DataError) as error:
        preferences(tables(tmp_path), table=file(tmp_path, text))
    assert re.search(words, error.value.found) and "stars.csv" in error.value.found


def test_an_absent_file(tmp_path):
    with pytest.raises(DataError):
        preferences(tables(tmp_path), table=str(tmp_path / "none.csv"))


@pytest.mark.parametrize(
    "options",
    [
        {"link": "probit"},
        {"link": "sigmoid"},
        {"temperature": 1.0},
        {"link": "sigmoid", "temperature": 0.0},
        {"link": "sigmoid", "temperature": -1.0},
    ],
)
def test_links_and_temperatures_that_do_not_go_together(tmp_path, options):
    with pytest.raises(ConfigError):
        source(tables(tmp_path), **options)


def test_pairs_over_other_images_are_matched_by_id(tmp_path):
    data = tables(tmp_path, stars=[1.0, 2.0, 3.0, 4.0])
    pairs, _, _ = Pairs.from_ids(["q/d.jpg", "zzz", "q/d.jpg"], ["p/a.jpg", "p/a.jpg", "q/a.jpg"])
    np.testing.assert_array_equal(source(data).labels(pairs).preference, [0, np.nan, 0])


def test_other_scores_leave_the_fingerprint_alone(tmp_path):
    stars = [1.0, 2.0, None, 4.0]
    one = source(tables(tmp_path / "one", stars=stars))
    two = source(tables(tmp_path / "two", views=[1.0, 2.0, 3.0, 4.0], stars=stars))
    assert one.fingerprint() == two.fingerprint()
    soft = source(tables(tmp_path / "soft", stars=stars), link="sigmoid", temperature=1.0)
    assert one.fingerprint() != soft.fingerprint()
    more = source(tables(tmp_path / "more", stars=[1.0, 2.0, 3.0, 4.0]))
    assert one.fingerprint() != more.fingerprint()


def test_an_answer_can_be_changed_without_changing_the_source(tmp_path):
    chosen = source(tables(tmp_path, stars=[1.0, 2.0, 3.0, 4.0]))
    chosen.image_scores()[:] = 0
    assert chosen.image_scores()[3] == 4.0
