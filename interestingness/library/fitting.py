"""``fit``: a linear head from vectors and votes in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from interestingness.assembly.model import L2_OF_FEW
from interestingness.assembly.scorers import NamedScorer
from interestingness.errors import DataError, LabelError
from interestingness.learning.linear_solver.choice import choose_each
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.library.scorer import LoadedScorer
from interestingness.models.contract import EmbeddingContract
from interestingness.models.exchange import ScorerCard
from interestingness.models.heads import LinearHead
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer
from interestingness.schema import Array, Pairs

CHOICES = {"left": 1.0, "right": 0.0, "tie": 0.5}
TOLERANCE = 1e-6
"""Greatest distance from the optimum as a share of the weights' length."""


def fit(
    features: ArrayLike,
    votes: Sequence[Sequence[Any]] | NDArray[Any],
    *,
    names: Sequence[str] | None = None,
    groups: Sequence[Any] | None = None,
    l2: float | Literal["auto"] = "auto",
    question: str = "preferred",
    seed: int = 0,
) -> LoadedScorer:
    """Fit the default model, a linear head at its optimum, to vectors and votes.

    Args:
        features: one row an image, finite, shape (images, dim).
        votes: rows (left, right, choice): two rows of ``features`` (or two of ``names``), and
            "left", "right", "tie", or the probability in [0, 1] that left is preferred. Several
            votes on a pair count as their mean with their number as weight.
        names: of the images, where votes name them.
        groups: a label an image; images of one label stay in one fold when L2 is chosen.
        l2: strength, or "auto": chosen by cross-validation that keeps images apart.
        question: what a higher score means more of.
        seed: of the folds.

    Returns:
        A scorer of such vectors, in logits: ``score_embeddings``, ``save``. Its percentiles are
        among the images that were given.

    Raises:
        DataError: for features that are not finite, or votes on unknown images.
        LabelError: if no vote decides anything.

    Example:
        >>> scorer = fit([[0.0], [1.0], [2.0]], [(0, 1, "right"), (1, 2, "right")])
        >>> scorer.score_embeddings([[5.0], [0.0]])[0].score > 0
        True
    """
    matrix = _matrix(features)
    left, right, choice = _columns(votes, len(matrix), names)
    known = ~np.isnan(choice)
    ids = [f"{row:09d}" for row in range(len(matrix))]
    pairs, place, swapped = Pairs.from_rows(left[known], right[known], ids)
    toward = np.where(swapped, 1 - choice[known], choice[known])
    number = np.bincount(place, minlength=len(pairs)).astype(float)
    preference = np.bincount(place, weights=toward, minlength=len(pairs)) / np.maximum(number, 1)
    seen = pairs.images_used()
    if not (preference != 0.5).any():
        raise LabelError(
            f"{len(choice)} votes, none of which prefers an image",
            expected="some that say left or right",
            todo="look at the column of choices",
        )
    scaler = FeatureScaler("standardize", matrix.shape[1]).fit(matrix[seen])
    scaled, label = scaler.scaled(matrix), (preference[:, None], number[:, None])
    if l2 == "auto":
        l2 = _choose(scaled, pairs, label, groups, seed)
    found = fit_linear(scaled, pairs, *label, l2=l2, tolerance=TOLERANCE)
    if found.missing[0, 0]:
        raise LabelError(
            f"no model: {found.missing[0, 0]}", expected="votes to learn from", todo="add votes"
        )
    head = LinearHead(matrix.shape[1])
    head.load_state_dict({"weight": torch.from_numpy(found.weights[0, 0])})
    digest = hashlib.sha256(matrix.tobytes()).hexdigest()[:16]
    embedding = EmbeddingContract.of_cached("vectors", digest, matrix.shape[1])
    card = ScorerCard(
        name="fitted",
        question=question,
        learnt_from=f"{int(known.sum()):,} votes",
        unit="logits",
        licence="",
    )
    scorer = Scorer(None, scaler, head, embedding=embedding).eval()
    alone = LoadedScorer(NamedScorer(card, scorer))
    reference = np.asarray(alone.score_embeddings(matrix))
    return LoadedScorer(NamedScorer(card, scorer), reference=reference)


def _matrix(features: ArrayLike) -> NDArray[np.float32]:
    matrix = np.asarray(features, dtype=np.float32)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise DataError(
            f"features of shape {matrix.shape}",
            expected="(images, dim), a row an image",
            todo="stack the vectors of the images",
        )
    if not np.isfinite(matrix).all():
        bad = int((~np.isfinite(matrix).all(axis=1)).sum())
        raise DataError(
            f"{bad} of {len(matrix)} rows of features are not finite",
            expected="finite numbers",
            todo="leave these images out, and the votes on them",
        )
    return matrix


def _columns(
    votes: Sequence[Sequence[Any]] | NDArray[Any], images: int, names: Sequence[str] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Return rows of the two images and the preference for left of each vote, (votes,) each."""
    rows = [tuple(vote) for vote in votes]
    for at, vote in enumerate(rows):
        if len(vote) != 3:
            raise DataError(
                f"vote {at} has {len(vote)} values",
                expected="(left, right, choice)",
                todo="give three values a vote",
            )
    place = {name: row for row, name in enumerate(names if names is not None else ())}
    sides = np.array(
        [[_row(at, one, images, place, names) for one in vote[:2]] for at, vote in enumerate(rows)],
        dtype=np.int64,
    ).reshape(-1, 2)
    same = np.flatnonzero(sides[:, 0] == sides[:, 1])
    if len(same):
        raise DataError(
            f"vote {same[0]}: an image against itself", expected="two images", todo="remove it"
        )
    choice = np.array([_preference(at, vote[2]) for at, vote in enumerate(rows)])
    return sides[:, 0], sides[:, 1], choice


def _row(at: int, one: Any, images: int, place: dict[str, int], names: Sequence[str] | None) -> int:
    row = place.get(one, -1) if names is not None else int(one)
    if not 0 <= row < images or (names is None and row != one):
        raise DataError(
            f"vote {at}: no image {one!r}",
            expected=f"one of {images} names" if names is not None else f"a row in [0, {images})",
            todo="correct the vote",
        )
    return row


def _preference(at: int, choice: Any) -> float:
    """Return the preference for left; NaN for a vote without an answer."""
    value = CHOICES.get(choice, choice) if isinstance(choice, str) else choice
    try:
        number = float("nan") if value is None else float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not (np.isnan(number) or 0 <= number <= 1):
        raise LabelError(
            f"vote {at}: choice {choice!r}",
            expected=f"{', '.join(CHOICES)}, or a probability in [0, 1] for left",
            todo="correct the vote, or leave it out",
        )
    return number


def _choose(
    scaled: NDArray[np.float32],
    pairs: Pairs,
    label: tuple[Array, Array],
    groups: Sequence[Any] | None,
    seed: int,
) -> float:
    """Choose L2 as training does; few votes take a fixed strength."""
    units = None
    if groups is not None:
        units = np.empty(len(scaled), dtype=object)
        units[:] = [str(group) for group in groups]
    chosen = float(choose_each(scaled, pairs, *label, seed=seed, groups=units).l2[0])
    return L2_OF_FEW if np.isnan(chosen) else chosen
