from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from interestingness.errors import ConfigError
from interestingness.labels.aggregation import RULES, aggregate
from interestingness.labels.order_term import OrderTerm
from interestingness.schema import Pairs
from interestingness.tables.tables import Votes

PAIRS, _, _ = Pairs.from_ids(["a", "a", "b", "c"], ["b", "c", "c", "d"])


def votes(*rows, raters=4) -> Votes:
    """Rows of pair, choice, and optionally order shown, rater and probability."""
    full = [(*r, *(0, 0, np.nan)[len(r) - 2 :]) for r in rows]
    pair, choice, first, rater, probability = np.array(full or np.empty((0, 5)), dtype=float).T
    return Votes(
        PAIRS.key[pair.astype(int)],
        rater.astype(np.int32),
        tuple(f"r{i}" for i in range(raters)),
        first.astype(np.int8),
        choice,
        probability,
        np.zeros(len(pair), dtype=np.int32),
    )


HAND = votes((0, 1.0), (0, 1.0), (0, 0.0), (1, 1.0), (1, 0.0), (2, 0.5), (2, np.nan))


def test_majority_keeps_ties_as_ties():
    labels = aggregate("majority", HAND, PAIRS)
    np.testing.assert_array_equal(labels.preference, [1, 0.5, 0.5, np.nan])
    np.testing.assert_array_equal(labels.weight, 1)
    np.testing.assert_allclose(labels.consensus, [2 / 3, 0.5, 0.5, np.nan])
    assert labels.facts == {
        "votes": 6,
        "voted_pairs": 3,
        "tied_pairs": 2,
        "refusals": 1,
        "share_dropped": 0.0,
    }


def test_share_is_weighted_by_the_votes():
    labels = aggregate("share", HAND, PAIRS)
    np.testing.assert_allclose(labels.preference, [2 / 3, 0.5, 0.5, np.nan])
    np.testing.assert_array_equal(labels.weight, [3, 2, 1, 0])


@pytest.mark.parametrize(("left", "kept"), [(5, 1), (4, 1), (3, np.nan), (2, np.nan), (1, 0)])
def test_consensus_of_four_in_five(left, kept):
    five = votes(*[(0, 1.0)] * left, *[(0, 0.0)] * (5 - left))
    labels = aggregate("consensus", five, PAIRS, threshold=0.8)
    np.testing.assert_array_equal(labels.preference[0], kept)
    assert labels.facts["share_dropped"] == float(np.isnan(kept))
    assert labels.consensus[0] == max(left, 5 - left) / 5


def test_any_threshold_counts_a_share_of_exactly_itself():
    for n in range(1, 40):
        for k in range(n // 2 + 1, n + 1):
            some = votes(*[(0, 1.0)] * k, *[(0, 0.0)] * (n - k))
            assert aggregate("consensus", some, PAIRS, threshold=k / n).preference[0] == 1
    assert np.isnan(aggregate("consensus", votes((0, 0.5)), PAIRS, threshold=0.6).preference[0])


def test_order_consistent_keeps_the_same_winner_in_both_orders():
    found = aggregate(
        "order_consistent",
        votes(
            (0, 1.0, 1),
            (0, 1.0, -1),
            (0, 0.0, -1),
            (0, 1.0, -1),
            (1, 0.0, 1),
            (1, 1.0, -1),
            (2, 0.0, 1),
            (3, 0.0, 1),
            (3, 0.0, -1),
            (3, 1.0, 0),
        ),
        PAIRS,
    )
    np.testing.assert_array_equal(found.preference, [1, np.nan, np.nan, 0])
    assert found.facts["consistent_pairs"] == 2
    assert found.facts["second_in_both_orders"] == 1
    assert found.facts["first_in_both_orders"] == 0
    assert found.facts["pairs_in_both_orders"] == 3
    assert found.facts["share_dropped"] == 0.5


def test_order_corrected_takes_the_place_out():
    # a judge for the second place: pair 0 left twice, pair 1 second twice, pair 2 right twice
    shown = [(0, 1.0, 1), (0, 1.0, -1), (2, 0.0, 1), (2, 0.0, -1)]
    shown += [(1, 0.0, 1), (1, 1.0, -1)] * 3
    labels = aggregate("order_corrected", votes(*shown), PAIRS)
    assert labels.preference[0] > 0.6
    assert labels.preference[1] == 0.5
    assert labels.preference[2] == pytest.approx(1 - labels.preference[0], abs=1e-12)
    assert np.isnan(labels.preference[3])
    term = labels.facts["order_term"]["other raters"]
    assert term["b"] < 0 and term["low"] < term["b"] < term["high"] and term["votes"] == 10
    assert labels.facts["share_dropped"] == 0.0


def test_a_winning_image_shown_at_the_disliked_place_is_the_better_one():
    many = [(p, float(f < 0), f) for p in (0, 1) for f in (1, -1)] * 20
    one_order = votes(*many, (2, 1.0, 1), (3, 1.0, -1))
    labels = aggregate("order_corrected", one_order, PAIRS)
    # left won when shown first, against the judge's bent; then when shown second, with it
    assert labels.preference[2] > labels.preference[3] > 0.5


def test_probabilities_count_where_they_are_given():
    some = votes((0, 1.0, 0, 0, 0.6), (0, 0.0), (1, 1.0, 0, 0, 0.9))
    np.testing.assert_allclose(
        aggregate("share", some, PAIRS).preference, [0.3, 0.9, np.nan, np.nan]
    )
    np.testing.assert_array_equal(
        aggregate("majority", some, PAIRS).preference, [0.5, 1, np.nan, np.nan]
    )


def test_probabilities_in_both_orders_cancel_the_place():
    margin, b = np.array([0.8, -0.3, 1.5]), -0.7
    rows = [
        (p, float(margin[p] + f * b > 0), f, 0, expit(margin[p] + f * b))
        for p in range(3)
        for f in (1, -1)
    ]
    labels = aggregate("order_corrected", votes(*rows), PAIRS)
    mean = (expit(margin + b) + expit(margin - b)) / 2
    np.testing.assert_allclose(labels.preference[:3], mean)
    # the side is that of the mean logit, which is the margin
    np.testing.assert_array_equal(labels.preference[:3] > 0.5, margin > 0)
    term = labels.facts["order_term"]["r0"]
    assert term["b"] == pytest.approx(b) and term["votes"] == 3
    # a pair in one order only is corrected by what the others taught
    alone = votes(*rows, (3, 1.0, 1, 0, expit(0.4 + b)))
    assert logit(aggregate("order_corrected", alone, PAIRS).preference[3]) == pytest.approx(0.4)


def test_raters_who_were_asked_in_one_order_each_are_corrected_one_by_one():
    b = np.array([-0.7, 0.4])
    rows = [(0, 1.0, 1, 0, expit(0.8 + b[0])), (0, 1.0, -1, 1, expit(0.8 - b[1]))]
    rows += [(1, 1.0, f, r, expit(0.2 + f * b[r])) for r in (0, 1) for f in (1, -1)]
    term = OrderTerm(("r0", "r1"), b, b - 1, b + 1, np.array([9, 9]), None)
    found = aggregate("order_corrected", votes(*rows), PAIRS, model=term).preference
    assert found[0] == pytest.approx(expit(0.8))
    each = [(expit(0.2 + x) + expit(0.2 - x)) / 2 for x in b]
    assert found[1] == pytest.approx(np.mean(each))


def test_certainty_is_clipped():
    sure = votes((0, 1.0, 1, 0, 1.0), (0, 1.0, -1, 0, 1.0))
    assert aggregate("order_corrected", sure, PAIRS).preference[0] == pytest.approx(0.995)


def test_a_term_from_elsewhere_is_used_as_it_is():
    other = votes(*[(p, float(f < 0), f) for p in (0, 1) for f in (1, -1)] * 20)
    term = OrderTerm.fit(other)
    one = aggregate("order_corrected", votes((2, 1.0, 1)), PAIRS, model=term).preference[2]
    own = aggregate("order_corrected", votes((2, 1.0, 1)), PAIRS).preference[2]
    assert one > own


row = st.tuples(
    st.integers(0, 3),
    st.sampled_from([0.0, 0.5, 1.0, np.nan]),
    st.sampled_from([-1, 0, 1]),
    st.integers(0, 3),
    st.sampled_from([np.nan, 0.2, 0.9]),
)


@settings(deadline=None, max_examples=20)
@given(st.lists(row, max_size=20), st.permutations(range(20)))
@pytest.mark.parametrize("rule", RULES)
def test_swapping_slots_maps_p_to_one_minus_p_and_order_of_votes_is_nothing(rule, rows, order):
    mirrored = [(p, 1 - y, -f, r, 1 - q) for p, y, f, r, q in rows]
    mirrored = [mirrored[i] for i in order if i < len(rows)]
    one = aggregate(rule, votes(*rows), PAIRS)
    other = aggregate(rule, votes(*mirrored), PAIRS)
    np.testing.assert_allclose(1 - other.preference, one.preference, atol=1e-9)
    np.testing.assert_allclose(other.weight, one.weight)
    np.testing.assert_allclose(other.consensus, one.consensus)
    usable = {p for p, y, *_ in rows if not np.isnan(y)}
    unvoted = [p for p in range(4) if p not in usable]
    assert np.isnan(one.preference[unvoted]).all()
    assert one.facts["refusals"] == sum(np.isnan(y) for _, y, *_ in rows)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rows", [[], [(0, np.nan, 1)], [(0, 0.5, 1)], [(0, 1.0, 1)]])
def test_none_one_and_only_ties(rule, rows):
    labels = aggregate(rule, votes(*rows), PAIRS)
    assert len(labels) == 4
    if not rows or np.isnan(rows[0][1]):
        assert not labels.known.any()
    elif rows[0][1] == 0.5:
        assert not labels.decided.any()
    elif rule not in ("order_consistent",):
        assert labels.preference[0] > 0.5
    assert len(aggregate(rule, votes(*rows), PAIRS[:0])) == 0


def test_names_and_thresholds_that_do_not_exist():
    assert list(RULES) == [
        "majority",
        "consensus",
        "share",
        "order_consistent",
        "order_corrected",
        "agreement_weighted",
    ]
    with pytest.raises(ConfigError, match="aggregation"):
        aggregate("mean", HAND, PAIRS)
    for threshold in (0.5, 1.2, np.nan):
        with pytest.raises(ConfigError, match="threshold"):
            aggregate("consensus", HAND, PAIRS, threshold=threshold)


def test_both_bad_is_an_answer_that_prefers_neither_and_no_tie():
    cast = votes((0, 1.0), (0, np.nan), (1, np.nan), (2, np.nan))
    bad = replace(cast, both_bad=np.array([False, True, True, False]))
    labels = aggregate("share", bad, PAIRS)
    np.testing.assert_array_equal(labels.preference, [1.0, np.nan, np.nan, np.nan])
    assert (labels.facts["votes"], labels.facts["both_bad"], labels.facts["refusals"]) == (1, 2, 1)
    assert "both_bad" not in aggregate("share", cast, PAIRS).facts
    assert bad[np.array([1, 3])].refused.tolist() == [False, True]


def test_who_contradicts_is_named_and_turned_round():
    names = [f"i{k:02}" for k in range(61)]
    pairs, _, _ = Pairs.from_ids(names[:-1], names[1:], names)
    better = np.random.default_rng(0).random(60) < 0.5
    answers = np.stack([better, better, ~better])
    answers[:2, ::9] = ~answers[:2, ::9]
    three = Votes(
        np.tile(pairs.key, 3),
        np.repeat(np.arange(3, dtype=np.int32), 60),
        ("r0", "r1", "r2"),
        np.zeros(180, np.int8),
        answers.ravel().astype(float),
        np.full(180, np.nan),
        np.zeros(180, np.int32),
    )
    labels = aggregate("agreement_weighted", three, pairs)
    assert labels.facts["contradict_the_others"] == "r2"
    terms = labels.facts["discrimination"]
    assert terms["r2"]["a_high"] < 0 < terms["r0"]["a_low"]
    agreed = np.arange(60) % 9 != 0
    np.testing.assert_array_equal(labels.preference[agreed] > 0.5, better[agreed])
