"""Facts of clusters on pairs small enough to count by hand, and verdicts."""

import numpy as np
import pytest

from interestingness.schema import Pairs
from interestingness.stats.bootstrap import Interval
from interestingness.studies.discrepancy_clusters import Sides, cluster_facts, mean_rank, verdict
from interestingness.studies.held_out_ranks import HeldOutRanks
from interestingness.studies.texts import Texts


def interval(low, high):
    return Interval((low + high) / 2, low, high, 0.95, 0)


@pytest.mark.parametrize(
    ("people", "judge", "lead", "said"),
    [
        ((0.2, 0.4), (0.3, 0.45), (-0.2, 0.1), "both like"),
        ((0.2, 0.4), (0.3, 0.45), (-0.2, -0.1), "both like"),
        ((0.6, 0.8), (0.55, 0.7), (-0.1, 0.2), "both dislike"),
        ((0.6, 0.8), (0.3, 0.45), (0.1, 0.5), "gpt more"),
        ((0.2, 0.4), (0.45, 0.7), (-0.5, -0.1), "human more"),
        ((0.4, 0.6), (0.4, 0.6), (-0.1, 0.1), "undecided"),
        ((np.nan, np.nan), (0.2, 0.3), (np.nan, np.nan), "undecided"),
    ],
)
def test_verdicts(people, judge, lead, said):
    found = verdict(interval(*people), interval(*judge), interval(*lead), ("human", "gpt"))
    assert found == said


def ranks(values):
    values = np.asarray(values, dtype=float)
    still = np.repeat(values[:, None], 3, axis=1)
    return HeldOutRanks(values, still, still, 1.0, float(len(values)))


NAMES = ["a", "b", "c", "d", "e"]
PAIRS = Pairs.from_ids(["a", "a", "a", "b", "c", "d"], ["b", "c", "d", "c", "d", "e"], NAMES)[0]
# pair:                 ab   ac   ad   bc   cd   de
PEOPLE = np.array([1.0, 1.0, 0.0, 0.5, 1.0, np.nan])
JUDGE = np.array([0.9, 0.8, 0.7, 1.0, 0.6, 1.0])
SIDES = Sides(PEOPLE, JUDGE, ranks([0.1, 0.2, 0.5, 0.8, 0.9]), ranks([0.3, 0.2, 0.5, 0.4, np.nan]))


def facts(texts, cluster, **change):
    count = int(max(cluster)) + 1
    options = {"names": ("human", "gpt"), "reader": 0, "seed": 0, "repeats": 50} | change
    return cluster_facts(texts, np.array(cluster), [("w",)] * count, PAIRS, SIDES, **options)


def test_agreement_and_agreed_winners_counted_by_hand():
    every = Texts(tuple(NAMES), np.arange(5), np.full(5, -1), 0, "")
    one, other = facts(every, [0, 0, 1, 1, 1])
    # decided by both: ab, ac (agree on left), ad (disagree), cd (agree on c)
    # cluster {a, b}: ab, ac, ad → 2 of 3; one image of it and agreed: ac → a wins
    assert one.pairs == 3 and one.agreement.estimate == pytest.approx(2 / 3)
    assert one.agreed_winner.estimate == 1
    # cluster {c, d, e}: ac, ad, cd → 2 of 3; with one image of it and agreed: ac → it loses
    assert other.pairs == 3 and other.agreement.estimate == pytest.approx(2 / 3)
    assert other.agreed_winner.estimate == 0
    assert one.texts == 2 and other.images.tolist() == [2, 3, 4]
    assert one.reference_rank.estimate == pytest.approx(0.15)
    assert one.lead.estimate == pytest.approx((-0.2 + 0) / 2)
    assert other.source_rank.estimate == pytest.approx(0.45), "an unranked image must not count"
    assert one.title == "1 w"


def test_reasons_are_held_against_the_other_side():
    # the judge chose a over b, d over a, and c over d twice
    texts = Texts(("x",) * 4, np.array([0, 3, 2, 2]), np.array([0, 2, 4, 4]), 0, "")
    (found,) = facts(texts, [0, 0, 0, 0])
    assert found.pairs == 4 and found.agreement.estimate == 1  # people chose so each time
    assert np.isnan(found.agreed_winner.estimate)
    (held,) = facts(texts, [0, 0, 0, 0], reader=1)
    assert held.agreement.estimate == pytest.approx(3 / 4)  # the judge's preference on ad is a
    assert found.texts == 4 and found.images.tolist() == [0, 2, 3]


def test_reasons_are_compared_with_other_reasons():
    # all four speak for images of the better half by either model
    texts = Texts(("x",) * 4, np.array([0, 1, 2, 2]), np.array([0, 3, 1, 4]), 0, "")
    one, other = facts(texts, [0, 0, 1, 1])
    # members {a, b} and {c}: people's ranks .1, .2 and .5, the judge's .3, .2 and .5
    assert one.reference_rank.estimate == pytest.approx(0.15 - 0.8 / 3 + 0.5)
    assert one.source_rank.estimate == pytest.approx(0.25 - 1.0 / 3 + 0.5)
    assert one.lead.estimate == pytest.approx(-0.1 + 0.2 / 3)
    assert np.isnan(other.lead.estimate), "one image has no interval"


def test_a_cluster_without_decided_pairs_has_no_agreement():
    every = Texts(tuple(NAMES), np.arange(5), np.full(5, -1), 0, "")
    lonely = facts(every, [0, 0, 0, 0, 1])[1]
    assert lonely.pairs == 0 and np.isnan(lonely.agreement.estimate)
    assert lonely.verdict == "undecided" and np.isnan(lonely.reference_rank.low)


def test_the_interval_of_a_mean_knows_images_and_trainings():
    rng = np.random.default_rng(0)
    values = rng.normal(size=40)
    still = np.repeat(values[:, None], 200, axis=1)
    alone = mean_rank(values, still, still)
    from scipy.stats import t

    low, high = t.interval(0.95, 39, values.mean(), values.std(ddof=1) / np.sqrt(40))
    assert (alone.low, alone.high) == pytest.approx((low, high))
    # trainings that move all images together, by 1 over pairs; images add as much again
    pair = rng.normal(size=200)
    image = rng.normal(size=200) * 2
    moved = mean_rank(values, still + image, still + pair)
    variance = values.var(ddof=1) / 40 + max(image.var() - 2 * pair.var(), pair.var())
    assert moved.high - moved.low == pytest.approx(2 * t.ppf(0.975, 39) * np.sqrt(variance))
