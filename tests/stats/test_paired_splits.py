import numpy as np
import pytest
from scipy.stats import ttest_rel

from interestingness.stats.paired_splits import corrected_paired_t, holm


def test_without_overlap_it_is_the_plain_paired_test() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.1, 1, 30), rng.normal(0, 1, 30)
    found = corrected_paired_t(one, other, test_per_train=0.0)
    plain = ttest_rel(one, other)
    assert found.t == pytest.approx(plain.statistic) and found.p == pytest.approx(plain.pvalue)
    interval = plain.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_overlap_widens_by_the_factor_of_nadeau_and_bengio() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.normal(0.1, 1, 50), rng.normal(0, 1, 50)
    plain = corrected_paired_t(one, other, test_per_train=0.0)
    found = corrected_paired_t(one, other, test_per_train=1.0)
    assert plain.t / found.t == pytest.approx(np.sqrt(51))  # (1/50 + 1) / (1/50)
    assert found.p > plain.p and found.splits == 50


def test_holds_its_level_where_splits_overlap() -> None:
    # Two equally good constant models on 200 items; splits test a random half of the same items.
    rng = np.random.default_rng(2)
    wrong = {0.0: 0, 1.0: 0}
    for _ in range(300):
        hits = rng.random((200, 2)) < 0.7
        halves = np.array([rng.permutation(200)[:100] for _ in range(30)])
        scores = hits[halves].mean(axis=1)
        for share in wrong:
            found = corrected_paired_t(scores[:, 0], scores[:, 1], test_per_train=share)
            wrong[share] += found.p < 0.05
    assert wrong[0.0] / 300 > 0.4  # the plain test is wrong nearly every second time
    assert wrong[1.0] / 300 < 0.1


def test_what_is_not_there() -> None:
    same = corrected_paired_t([0.7, 0.8], [0.7, 0.8], test_per_train=1.0)
    assert same.p == 1 and same.mean == 0 and same.low == same.high == 0
    surely = corrected_paired_t([0.75, 0.75], [0.5, 0.5], test_per_train=1.0)
    assert surely.p == 0 and surely.t == np.inf
    once = corrected_paired_t([0.7, np.nan], [0.6, 0.5], test_per_train=1.0)
    assert once.mean == pytest.approx(0.1) and np.isnan(once.p) and once.splits == 1
    never = corrected_paired_t([np.nan], [0.5], test_per_train=1.0)
    assert np.isnan(never.mean) and never.splits == 0


def test_no_end_lies_where_no_difference_can_be() -> None:
    one, other = [0.9, 0.4], [0.1, 0.2]
    free = corrected_paired_t(one, other, test_per_train=1.0)
    cut = corrected_paired_t(one, other, test_per_train=1.0, most=1.0)
    assert free.low < -1 and free.high > 1
    assert (cut.low, cut.high) == (-1, 1) and (cut.mean, cut.p) == (free.mean, free.p)


def test_holm_by_hand() -> None:
    found = holm([0.01, np.nan, 0.04, 0.03])
    np.testing.assert_allclose(found, [0.03, np.nan, 0.06, 0.06])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0] and len(holm([])) == 0
