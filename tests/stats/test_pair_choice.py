"""Choice of the next pairs: what a round is made of, and what it is worth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

from interestingness.errors import LabelError
from interestingness.stats.bradley_terry import bradley_terry
from interestingness.stats.correlation import spearman
from interestingness.stats.pair_choice import TREE_DEGREE, ChosenPairs, next_pairs


def shape_of(
    chosen: ChosenPairs, images: int, rows: slice = slice(None)
) -> tuple[int, int, np.ndarray]:
    """Pairs, connected groups of images, and the degree of each image."""
    one, other = chosen.left[rows], chosen.right[rows]
    adjacency = coo_matrix((np.ones(len(one)), (one, other)), shape=(images, images))
    groups, _ = connected_components(adjacency, directed=False)
    return len(one), groups, np.bincount(np.r_[one, other], minlength=images)


def first_round(images: int, pairs: int, seed: int) -> tuple[np.ndarray, ChosenPairs, np.ndarray]:
    rng = np.random.default_rng(seed)
    utility = 1.5 * rng.normal(size=images)
    start = next_pairs([], [], [], images=images, pairs=pairs, seed=seed, random_share=1)
    wins = rng.random(pairs) < expit(utility[start.left] - utility[start.right])
    return utility, start, wins.astype(float)


def test_a_round_has_a_random_part_and_spanning_trees_of_bounded_degree() -> None:
    _, start, p = first_round(60, 150, 0)
    chosen = next_pairs(start.left, start.right, p, images=60, pairs=150, seed=1)
    assert len(chosen) == 150
    assert chosen.random.sum() == 45 and chosen.random[:45].all()
    assert (chosen.left < chosen.right).all()
    codes = chosen.left * 60 + chosen.right
    assert len(np.unique(codes)) == 150
    assert not np.isin(codes, start.left * 60 + start.right).any()
    _, groups, degree = shape_of(chosen, 60, slice(45, 45 + 59))
    assert groups == 1 and degree.max() <= TREE_DEGREE


def test_the_same_seed_gives_the_same_pairs_and_another_seed_others() -> None:
    _, start, p = first_round(30, 60, 0)

    def codes(seed: int) -> list[int]:
        r = next_pairs(start.left, start.right, p, images=30, pairs=40, seed=seed)
        return (r.left * 30 + r.right).tolist()

    assert codes(3) == codes(3) != codes(4)


def test_gain_is_the_drop_of_half_the_log_determinant_of_the_covariance() -> None:
    """The rank-one identity det(A + c d dᵀ) = det A · (1 + c dᵀ A⁻¹ d), pair after pair."""
    images, ridge = 12, 0.3
    _, start, p = first_round(images, 20, 2)
    chosen = next_pairs(
        start.left, start.right, p, images=images, pairs=12, seed=0, random_share=0, ridge=ridge
    )
    u = bradley_terry(start.left, start.right, p, images=images, ridge=ridge).utility

    def precision(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        made = ridge * np.eye(images)
        for i, j in zip(left, right, strict=True):
            d = np.zeros(images)
            d[i], d[j] = 1, -1
            chance = expit(u[i] - u[j])
            made += chance * (1 - chance) * np.outer(d, d)
        return made

    before = precision(start.left, start.right)
    # the eleven pairs of the first tree are each judged after the asked pairs alone
    for k in range(11):
        i, j = chosen.left[k : k + 1], chosen.right[k : k + 1]
        after = before + precision(i, j) - ridge * np.eye(images)
        expected = (np.linalg.slogdet(after)[1] - np.linalg.slogdet(before)[1]) / 2
        assert chosen.gain[k] == pytest.approx(expected, rel=1e-9)
    # the twelfth after the whole tree
    with_tree = before + precision(chosen.left[:11], chosen.right[:11]) - ridge * np.eye(images)
    after = with_tree + precision(chosen.left[11:], chosen.right[11:]) - ridge * np.eye(images)
    expected = (np.linalg.slogdet(after)[1] - np.linalg.slogdet(with_tree)[1]) / 2
    assert chosen.gain[11] == pytest.approx(expected, rel=1e-9)


def test_a_graph_in_two_parts_becomes_one() -> None:
    left, right = [0, 1, 2, 10, 11, 12], [1, 2, 3, 11, 12, 13]
    p = [1, 0, 1, 0.5, 1, 0]
    chosen = next_pairs(left, right, p, images=20, pairs=19, seed=0, random_share=0)
    assert shape_of(chosen, 20)[1] == 1


def test_without_answers_no_image_is_a_hub() -> None:
    chosen = next_pairs([], [], [], images=40, pairs=39, seed=0, random_share=0)
    _, groups, degree = shape_of(chosen, 40)
    assert groups == 1 and degree.max() <= TREE_DEGREE


def test_all_ties_are_no_error_and_prefer_what_was_asked_least() -> None:
    left, right = [0, 0, 0, 1, 1, 2], [1, 2, 3, 2, 3, 3]
    chosen = next_pairs(left, right, [0.5] * 6, images=8, pairs=4, seed=0, random_share=0)
    assert np.isfinite(chosen.gain).all()
    # images 4 to 7 were never asked about
    assert all(max(i, j) >= 4 for i, j in zip(chosen.left, chosen.right, strict=True))


def test_every_open_pair_can_be_chosen_and_no_more() -> None:
    chosen = next_pairs([0], [1], [1.0], images=5, pairs=9, seed=0)
    assert len(np.unique(chosen.left * 5 + chosen.right)) == 9
    with pytest.raises(LabelError, match="10 pairs"):
        next_pairs([0], [1], [1.0], images=5, pairs=10, seed=0)
    again = next_pairs([0], [1], [1.0], images=5, pairs=10, seed=0, repeat=True)
    assert len(np.unique(again.left * 5 + again.right)) == 10


def test_unknown_answers_count_as_not_asked() -> None:
    chosen = next_pairs([0], [1], [np.nan], images=3, pairs=3, seed=0)
    assert sorted(zip(chosen.left.tolist(), chosen.right.tolist(), strict=True)) == [
        (0, 1),
        (0, 2),
        (1, 2),
    ]


def test_more_images_than_the_covariance_is_kept_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interestingness.stats.pair_choice.MOST_IMAGES", 6)
    chosen = next_pairs([], [], [], images=20, pairs=40, seed=0, random_share=0.3)
    assert len(np.unique(chosen.left * 20 + chosen.right)) == 40
    hard = np.unique(np.r_[chosen.left[~chosen.random], chosen.right[~chosen.random]])
    assert len(hard) == 6
    # fifteen pairs join six images; what they cannot take is random
    assert chosen.random.sum() >= 25


def test_random_pairs_use_images_nearly_equally() -> None:
    chosen = next_pairs([], [], [], images=50, pairs=200, seed=0, random_share=1)
    assert chosen.random.all()
    degree = np.bincount(np.r_[chosen.left, chosen.right], minlength=50)
    assert degree.min() >= 6 and degree.max() <= 10


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": 1}, "1 image"),
        ({"pairs": 0}, "0 pairs"),
        ({"random_share": 1.2}, "random_share"),
        ({"ridge": 0.0}, "ridge"),
        ({"images": 2, "left": [0], "right": [2], "preference": [1]}, "not there"),
        ({"left": [1], "right": [1], "preference": [1]}, "against itself"),
    ],
)
def test_what_cannot_be_is_refused(change: dict, said: str) -> None:
    given = {"left": [], "right": [], "preference": [], "images": 5, "pairs": 2, "seed": 0}
    with pytest.raises(LabelError, match=said):
        next_pairs(**{**given, **change})


def test_chosen_pairs_rank_better_than_random_ones() -> None:
    """Planted truth: the same number of answers, ranks of the same images."""
    found = {0.3: [], 1.0: []}
    for seed in range(6):
        utility, start, p = first_round(60, 120, seed)
        for share in found:
            left, right, answer = start.left, start.right, p
            rng = np.random.default_rng(seed + 100)
            for round_ in range(6):
                more = next_pairs(
                    left, right, answer, images=60, pairs=60, seed=round_, random_share=share
                )
                wins = rng.random(60) < expit(3 * (utility[more.left] - utility[more.right]))
                left, right = np.r_[left, more.left], np.r_[right, more.right]
                answer = np.r_[answer, wins.astype(float)]
            fit = bradley_terry(left, right, answer, images=60, ridge=0.3)
            found[share].append(spearman(fit.utility, utility))
    assert np.mean(found[0.3]) > np.mean(found[1.0]) + 0.005
