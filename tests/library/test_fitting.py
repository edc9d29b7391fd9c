"""``fit``: vectors and votes in memory → the default model, at its optimum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from interestingness import fit, load
from interestingness.errors import DataError, LabelError, WeightsError


def planted(images: int = 60, votes: int = 400) -> tuple[np.ndarray, list[tuple[int, int, float]]]:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(images, 5)).astype(np.float32) * 3 + 1
    utility = features @ np.array([1.0, -1.0, 0.5, 0.0, 0.0])
    rows = []
    for _ in range(votes):
        a, b = rng.choice(images, 2, replace=False).tolist()
        rows.append((a, b, float(rng.random() < 1 / (1 + np.exp(utility[b] - utility[a])))))
    return features, rows


def test_the_optimum_of_scikit_learn() -> None:
    features, votes = planted()
    scorer = fit(features, votes, l2=0.01)
    used = sorted({i for a, b, _ in votes for i in (a, b)})
    scaled = (features - features[used].mean(0)) / features[used].std(0)
    x = np.array([scaled[a] - scaled[b] for a, b, _ in votes])
    y = np.array([choice for _, _, choice in votes])
    rival = LogisticRegression(C=1 / (0.01 * len(y)), fit_intercept=False, tol=1e-10, max_iter=999)
    margin = rival.fit(x, y).decision_function(x)
    scores = np.asarray(scorer.score_embeddings(features))
    ours = np.array([scores[a] - scores[b] for a, b, _ in votes])
    assert np.abs(ours - margin).max() < 1e-3


def test_words_names_ties_and_repeated_votes() -> None:
    features, votes = planted(12, 60)
    names = [f"p{i}" for i in range(12)]
    words = {1.0: "left", 0.0: "right"}
    named = [(names[a], names[b], words[choice]) for a, b, choice in votes]
    one = fit(features, votes, l2=0.1).score_embeddings(features)
    other = fit(features, named, names=names, l2=0.1).score_embeddings(features)
    assert np.allclose(np.asarray(one), np.asarray(other))
    turned = [(b, a, 1 - choice) for a, b, choice in votes]
    again = fit(features, turned, l2=0.1).score_embeddings(features)
    assert np.allclose(np.asarray(one), np.asarray(again), atol=1e-5)
    assert all(record.percentile is not None for record in one)
    fit(features, [*votes, (0, 1, "tie"), (0, 2, None)], l2=0.1)


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    features, votes = planted(20, 80)
    scorer = fit(features, votes, groups=[i // 2 for i in range(20)], question="calm")
    loaded = load(scorer.save(tmp_path / "head"))
    assert loaded.card.question == "calm"
    found = np.asarray(loaded.score_embeddings(features))
    assert np.array_equal(found, np.asarray(scorer.score_embeddings(features)))
    with pytest.raises(WeightsError):
        loaded.score(["a.jpg"])


def test_few_votes_take_a_fixed_strength() -> None:
    features, votes = planted(12, 15)  # a choice by the few that are held out follows their noise
    auto, fixed = (fit(features, votes, l2=l2).score_embeddings(features) for l2 in ("auto", 1.0))
    assert np.array_equal(np.asarray(auto), np.asarray(fixed))


def test_few_votes_still_fit() -> None:
    found = fit([[0.0], [1.0], [2.0]], [(0, 1, "right"), (1, 2, "right")])
    low, high = np.asarray(found.score_embeddings([[0.0], [5.0]]))
    assert low < high


@pytest.mark.parametrize(
    ("votes", "error"),
    [
        ([(0, 1)], DataError),
        ([(0, 0, 1)], DataError),
        ([(0, 9, 1)], DataError),
        ([(0, 0.5, 1)], DataError),
        ([(-1, 1, 1)], DataError),
        ([(0, 1, "maybe")], LabelError),
        ([(0, 1, 2)], LabelError),
        ([(0, 1, "left"), (1, 0, "left")], LabelError),
        ([(None, 1, 1)], DataError),
        ([("a", 1, 1)], DataError),
        ([(float("nan"), 1, 1)], DataError),
        ([(float("inf"), 1, 1)], DataError),
        ([{"left": 0, "right": 1, "choice": "left"}], DataError),
        (["left"], DataError),
        ([1, 2, 3], DataError),
        (None, DataError),
        ([(0, 1, "tie")], LabelError),
        ([(0, 1, None)], LabelError),
        ([], LabelError),
    ],
)
def test_bad_votes(votes: list[tuple[object, ...]], error: type[Exception]) -> None:
    with pytest.raises(error):
        fit([[0.0], [1.0], [2.0]], votes)


def test_bad_features() -> None:
    for features in (
        [1.0, 2.0],
        [[np.nan], [1.0]],
        np.empty((0, 3)),
        [[1e300], [1.0]],
        [[1.0], [1.0, 2.0]],
        [["a"], ["b"]],
        [[1j], [1.0]],
    ):
        with pytest.raises(DataError):
            fit(features, [(0, 1, "left")])


@pytest.mark.parametrize(
    "options",
    [
        {"names": ["a", "a", "b"]},
        {"names": ["a", "b"]},
        {"groups": [1, 2]},
        {"l2": "much"},
        {"l2": 0},
    ],
)
def test_bad_options(options: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        fit([[0.0], [1.0], [2.0]], [(0, 1, "left")], **options)


def test_other_forms_of_the_same() -> None:
    features, votes = planted(12, 60)
    expected = np.asarray(fit(features, votes, l2=0.1).score_embeddings(features))

    class Frame:
        def to_numpy(self) -> np.ndarray:
            return np.array(votes, dtype=object)

    words = {1.0: " Left", 0.0: "RIGHT"}
    forms = [np.array(votes), Frame(), [(a, b, words[choice]) for a, b, choice in votes]]
    for form in forms:
        found = fit(torch.from_numpy(features).requires_grad_(), form, l2=0.1)
        assert np.array_equal(np.asarray(found.score_embeddings(features)), expected)


def test_separable_votes_have_an_optimum() -> None:
    features = np.arange(12.0)[:, None]
    votes = [(a, b, "left" if a > b else "right") for a in range(12) for b in range(a)]
    found = np.asarray(fit(features, votes).score_embeddings(features))
    assert (np.diff(found) > 0).all() and np.isfinite(found).all()
