"""``fit``: a linear head from vectors and votes in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from interestingness.assembly.scorers import NamedScorer
from interestingness.errors import DataError, LabelError
from interestingness.learning.linear_solver.choice import choose_each
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.library.scorer import LoadedScorer
from interestingness.library.vectors import numbers_of
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
            "left", "right", "tie", or the probability in [0, 1] that left is preferred; None or
            NaN is no answer. Several votes on a pair count as their mean with their number as
            weight.
        names: of the images, where votes name them.
        groups: a label an image; images of one label stay in one fold when L2 is chosen.
        l2: strength, or "auto": chosen by cross-validation that keeps images apart, and 1 for fewer
            than 40 pairs.
        question: what a higher score means more of.
        seed: of the folds.

    Returns:
        A scorer of such vectors, in logits: ``score_embeddings``, ``save``. Its percentiles are
        among the images that were given.

    Raises:
        DataError: for features that are not finite, votes on unknown images, or names and groups
            that are not one an image.
        LabelError: if no vote decides anything.

    Example:
        >>> scorer = fit([[0.0], [1.0], [2.0]], [(0, 1, "right"), (1, 2, "right")])
        >>> scorer.score_embeddings([[5.0], [0.0]])[0].score > 0
        True
    """
    matrix = _matrix(features)
    _check(len(matrix), names, groups, l2)
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
            f"{len(choice)} votes, and no pair on which more of them prefer one image",
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
            f"no model with l2={l2:g}: {found.missing[0, 0]}",
            expected="votes and a strength that have an optimum",
            todo="leave l2 out, or give a larger one such as 0.01",
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
    shape = "(images, dim), a row an image"
    wide = numbers_of(features, "features", shape)
    if wide.ndim != 2 or 0 in wide.shape:
        raise DataError(
            f"features of shape {wide.shape}",
            expected=shape,
            todo="stack the vectors of the images",
        )
    with np.errstate(over="ignore"):
        matrix = wide.astype(np.float32)
    if not np.isfinite(matrix).all():
        bad = int((~np.isfinite(matrix).all(axis=1)).sum())
        raise DataError(
            f"{bad} of {len(matrix)} rows of features are not finite, or too large for 32 bits",
            expected="finite numbers",
            todo="leave these images out, and the votes on them",
        )
    return matrix


def _check(
    images: int, names: Sequence[str] | None, groups: Sequence[Any] | None, l2: float | str
) -> None:
    """Refuse names and groups that are not one an image, and other words than "auto"."""
    for what, given in (("names", names), ("groups", groups)):
        if given is not None and len(given) != images:
            raise DataError(
                f"{len(given)} {what} for {images} rows of features",
                expected="one an image, in the order of the rows",
                todo=f"correct {what}",
            )
    if names is not None and len(set(names)) < images:
        twice = next(name for name in names if list(names).count(name) > 1)
        raise DataError(
            f"two images are called {twice!r}", expected="different names", todo="correct names"
        )
    if isinstance(l2, str) and l2 != "auto":
        raise DataError(f"l2={l2!r}", expected='"auto", or a number above 0', todo="correct l2")


def _columns(
    votes: Sequence[Sequence[Any]] | NDArray[Any], images: int, names: Sequence[str] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Return rows of the two images and the preference for left of each vote, (votes,) each."""
    if hasattr(votes, "to_numpy"):  # a DataFrame iterates over its columns
        votes = votes.to_numpy()
    try:
        each = list(votes)
    except TypeError:
        raise _no_votes(f"votes of type {type(votes).__name__}") from None
    rows: list[tuple[Any, Any, Any]] = []
    for at, vote in enumerate(each):
        if not isinstance(vote, Sequence | np.ndarray) or isinstance(vote, str) or len(vote) != 3:
            raise _no_votes(f"vote {at}: {vote!r}")
        rows.append((vote[0], vote[1], vote[2]))
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
    try:
        row = place.get(one, -1) if names is not None else int(one)
        known = 0 <= row < images and (names is not None or row == float(one))
    except (TypeError, ValueError, OverflowError):
        known = False
    if not known:
        raise DataError(
            f"vote {at}: no image {one!r}",
            expected=f"one of {images} names" if names is not None else f"a row in [0, {images})",
            todo="correct the vote",
        )
    return row


def _no_votes(found: str) -> DataError:
    return DataError(
        found,
        expected="rows (left, right, choice), as a list, an array or a table",
        todo="give three values a vote",
    )


def _preference(at: int, choice: Any) -> float:
    """Return the preference for left; NaN for a vote without an answer."""
    value = CHOICES.get(choice.strip().lower(), choice) if isinstance(choice, str) else choice
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
    return float(choose_each(scaled, pairs, *label, seed=seed, groups=units).l2[0])
