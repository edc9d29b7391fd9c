from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from interestingness.errors import ConfigError, DataError, LabelError
from interestingness.labels.votes import VoteSource
from interestingness.schema import Pair, pair_id
from interestingness.tables.tables import Manifest, Tables
from interestingness.testing import contract_tables

PAIRS = [Pair.of(*p) for p in ("ab", "bc", "cd")]


def tables(root, rows=(), columns=("pair_id", "rater_id", "choice"), **further) -> Tables:
    content = {
        "images": pa.table({"image_id": list("abcd")}),
        "pairs": pa.table(
            {
                "pair_id": [p.pair_id for p in PAIRS],
                "left": [p.left for p in PAIRS],
                "right": [p.right for p in PAIRS],
            }
        ),
        **further,
    }
    if rows:
        content["votes"] = pa.table({c: [r[i] for r in rows] for i, c in enumerate(columns)})
    return Tables.write(root, Manifest("toy", "synthetic"), content)


def human(data: Tables, **options) -> VoteSource:
    chosen = {"raters": ["*"], "kind": "human", "aggregation": "majority", **options}
    return VoteSource(data, name="human", **chosen)


AB, BC, CD = (p.pair_id for p in PAIRS)
KIND = ("pair_id", "rater_id", "choice", "rater_kind")
ROWS = [
    (AB, "ann", "left", "human"),
    (AB, "gpt-4o-2024", "right", "model"),
    (BC, "gpt-4o-2024", "right", "model"),
    (CD, "ann", "tie", "human"),
]


def test_raters_and_kinds_choose_the_votes(tmp_path):
    data = tables(tmp_path, ROWS, KIND)
    np.testing.assert_array_equal(human(data).labels(data.pairs).preference, [1, np.nan, 0.5])
    judge = human(data, kind="model", raters=["gpt-4o*"])
    np.testing.assert_array_equal(judge.labels(data.pairs).preference, [0, 0, np.nan])
    every = human(data, kind="any", aggregation="share")
    np.testing.assert_array_equal(every.labels(data.pairs).preference, [0.5, 0, 0.5])


def test_an_unknown_rater_pattern_says_who_is_there_and_how_to_obtain_votes(tmp_path):
    data = tables(tmp_path, ROWS, KIND)
    source = human(data, kind="model", raters=["claude*"], annotator="claude", price_per_call=0.01)
    said = source.missing()
    assert "model raters claude*" in said
    assert "votes of ann, gpt-4o-2024 on interesting" in said
    assert "`interestingness annotate dataset=… annotator=claude` obtains them" in said
    assert "3 pairs × 2 orders = 6 calls, × $0.01 a call ≈ $0.06" in said
    assert "check the present price list" in said
    safe = human(data, raters=["claude*"], annotator="claude", question="safe").missing()
    assert "`interestingness annotate dataset=… question=safe annotator=claude`" in safe
    with pytest.raises(LabelError, match="'human'"):
        source.labels(data.pairs)
    with pytest.raises(LabelError, match=r"claude\*"):
        human(data, raters=["claude*"], aggregation="order_corrected").fit(data.pairs)


def test_a_model_of_one_s_own_machine_has_no_price(tmp_path):
    said = human(tables(tmp_path, ROWS, KIND), raters=["x"], annotator="llama32").missing()
    assert "your own machine" in said and "$" not in said


def test_people_are_asked_for_as_a_file(tmp_path):
    said = human(tables(tmp_path)).missing()
    assert "no vote table" in said and "votes.csv" in said and "dataset.votes=" in said
    other = human(tables(tmp_path / "q", ROWS, KIND), question="beautiful").missing()
    assert "'beautiful'" in other


def test_a_vote_for_an_unknown_pair_is_one_clear_error(tmp_path):
    data = tables(tmp_path, [(pair_id("a", "d"), "ann", "left")])
    with pytest.raises(DataError, match="pairs"):
        human(data).labels(data.pairs)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"aggregation": "median"}, "one of majority, consensus, share"),
        ({"aggregation": "consensus", "threshold": 0.4}, "threshold 0.4"),
        ({"kind": "robot"}, "one of human, model, any"),
        ({"raters": []}, "a list of patterns"),
        ({"raters": "gpt-4o*"}, "a list of patterns"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_read(tmp_path, options, words):
    with pytest.raises(ConfigError, match=words):
        human(tables(tmp_path), **options)


def test_other_raters_votes_leave_the_fingerprint_alone(tmp_path):
    few = tables(tmp_path / "few", ROWS[:1], KIND)
    more = tables(tmp_path / "more", ROWS[:3], KIND)
    assert human(few).fingerprint() == human(more).fingerprint()
    assert human(few, kind="any").fingerprint() != human(more, kind="any").fingerprint()
    assert human(few).fingerprint() != human(few, aggregation="share").fingerprint()
    renamed = tables(tmp_path / "renamed", [(AB, "bob", "left", "human")], KIND)
    assert human(few).fingerprint() != human(renamed).fingerprint()


def corrected(data: Tables) -> VoteSource:
    return VoteSource(
        data, name="g", raters=["gpt-4o*"], kind="model", aggregation="order_corrected"
    )


def test_the_order_term_comes_from_the_pairs_of_fit(tmp_path):
    data = contract_tables(tmp_path)
    one = corrected(data).fit(data.pairs[:40]).labels(data.pairs)
    assert one.facts["order_term"]["gpt-4o-contract"]["votes"] < 80
    whole = corrected(data).labels(data.pairs)
    assert whole.facts["order_term"]["gpt-4o-contract"]["votes"] > 140
    assert one.facts["order_term"] != whole.facts["order_term"]
    # unfitted, a pair's label still does not depend on the others asked for
    part = corrected(data).labels(data.pairs[:5])
    np.testing.assert_allclose(part.preference, whole.preference[:5], atol=1e-12)


def test_fitting_does_not_see_votes_on_other_pairs(tmp_path):
    one = contract_tables(tmp_path / "one")
    train = np.arange(80) < 50
    votes = one.table("votes").to_pylist()
    known = set(one.pairs[train].pair_ids)
    for vote in votes:
        if vote["pair_id"] not in known:
            vote["choice"] = "left"
    other = Tables.write(
        tmp_path / "other",
        one.manifest,
        {
            "images": one.images,
            "pairs": one.table("pairs"),
            "votes": pa.Table.from_pylist(votes, schema=one.table("votes").schema),
        },
    )
    a, b = (corrected(t).fit(t.pairs[train]).labels(t.pairs[train]) for t in (one, other))
    np.testing.assert_array_equal(a.preference, b.preference)


def test_few_votes_share_a_term_by_kind(tmp_path):
    data = contract_tables(tmp_path)
    source = VoteSource(data, name="v", raters=["*"], kind="any", aggregation="order_corrected")
    names = source.labels(data.pairs).facts["order_term"]
    # people of the contract are not told which image was first
    assert set(names) == {
        "gpt-4o-contract",
        "llama-3.2-contract",
        "deepseek-vl2-contract",
        "other human raters",
    }
    assert np.isnan(names["other human raters"]["low"])
