"""Train a linear head per label source and split; compare it with every reference.

Two fits, never mixed: the converged ridge, and the paper's recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from interestingness.data.splits import PairSplit
from interestingness.errors import DataError
from interestingness.labels.source import LabelSource
from interestingness.labels.votes import VoteSource
from interestingness.learning.linear_solver.fit import LinearFits, fit_linear
from interestingness.learning.linear_solver.problems import why_missing
from interestingness.learning.linear_solver.recipe import Recipe, fit_recipe
from interestingness.models.scaling import FeatureScaler
from interestingness.schema import Array, Pairs
from interestingness.stats.agreement import correct
from interestingness.stats.rater_reliability import agrees_with_others
from interestingness.studies.study import ImageFeatures, Material

Mask = NDArray[np.bool_]

RIDGE, RECIPE = "converged ridge", "paper's recipe"
FITS = (RIDGE, RECIPE)


@dataclass(frozen=True)
class Training:
    """How heads are trained.

    Attributes:
        splits: number of repetitions.
        l2: strength of the ridge; None chooses it by inner validation of each training part.
        scaling: of the features for the ridge: none, unit or standardize.
        recipe: the paper's; its features are left as they are. None trains the ridge only.
        seed: of inner validation.
    """

    splits: int
    l2: float | None
    scaling: str
    recipe: Recipe | None
    seed: int


@dataclass(frozen=True, eq=False)
class SourceHeads:
    """Results of all heads; F fits, K sources, R references, S splits.

    Attributes:
        sources, references: names.
        accuracy: on the split's decided test pairs, NaN without any, shape (F, K, R, S).
        missing: why there is no head, "" where there is one, shape (F, K, S).
        l2: strength of the ridge, NaN without a head, shape (K, S).
        rank_correlation: Spearman between the scores of two heads of a fit over the images of the
            test pairs, shape (F, K, K, S).
        one_person: accuracy of one person against the others on the reference's decided test pairs,
            NaN where the reference is not votes of people, shape (R, S).
        decided: test pairs on which the reference is decided, shape (R, S).
        train_pairs: labelled training pairs, shape (K, S).
        test_pairs, test_images: of each split, shape (S,).
        rule: how the first split was made; "" if none could be.
        no_split: why splits could not be made, "" where they could, shape (S,).
        planted: names of sources that read the truth of a simulation.
    """

    sources: tuple[str, ...]
    references: tuple[str, ...]
    accuracy: Array
    missing: NDArray[np.object_]
    l2: Array
    rank_correlation: Array
    one_person: Array
    decided: NDArray[np.int64]
    train_pairs: NDArray[np.int64]
    test_pairs: NDArray[np.int64]
    test_images: NDArray[np.int64]
    rule: str
    no_split: tuple[str, ...]
    planted: frozenset[str]

    def why(self, fit: int, source: int) -> str:
        """Explain why some splits lack this head, with their number; "" if none does."""
        reasons = self.missing[fit, source]
        lacking = reasons[reasons != ""]
        if not len(lacking):
            return ""
        kinds = "; ".join(sorted(set(lacking.tolist())))
        return f"no model on {len(lacking)} of {len(reasons)} splits: {kinds}"

    @property
    def test_per_train(self) -> float:
        """Compute test pairs per training pair, over the splits that have any."""
        trained = self.train_pairs.max(axis=0, initial=0)
        some = (trained > 0) & (self.test_pairs > 0)
        if not some.any():
            return float("nan")
        return float(self.test_pairs[some].mean() / trained[some].mean())


def fit_heads(
    material: Material,
    sources: Mapping[str, LabelSource],
    references: Mapping[str, LabelSource],
    *,
    train_on: Mask,
    test_on: Mask,
    training: Training,
    features: ImageFeatures | None = None,
) -> SourceHeads:
    """Train every head and compare it with every reference.

    Sources and references estimate what they need from training pairs only.

    Args:
        material: data, splits, features.
        sources: what is learnt, by name.
        references: what heads are held against, by name.
        train_on: pairs that may train, shape (pairs,).
        test_on: pairs that may test, shape (pairs,).
        training: settings of the fits.
        features: of the images; None takes the material's.
    """
    pairs, features = material.pairs, features or material.features
    usable = features.present[pairs.left] & features.present[pairs.right]
    count, (f, k, r) = training.splits, (len(FITS), len(sources), len(references))
    heads = SourceHeads(
        tuple(sources),
        tuple(references),
        np.full((f, k, r, count), np.nan),
        np.full((f, k, count), "", dtype=object),
        np.full((k, count), np.nan),
        np.full((f, k, k, count), np.nan),
        np.full((r, count), np.nan),
        np.zeros((r, count), dtype=np.int64),
        np.zeros((k, count), dtype=np.int64),
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.int64),
        "",
        (),
        frozenset(name for name, source in sources.items() if source.planted),
    )
    people = [_people(reference, pairs) for reference in references.values()]
    told, rule, impossible = material.progress("fitting"), "", ""
    no_split: list[str] = []
    for number in range(count):
        split = _split(material, number)
        no_split.append(split if isinstance(split, str) else "")
        if isinstance(split, str):
            # Each reason names the seed of its split: the first represents all.
            impossible = impossible or split
            heads.missing[:, :, number] = impossible
            continue
        rule = rule or split.rule
        train = np.flatnonzero(split.train & usable & train_on)
        test = np.flatnonzero(split.test & usable & test_on)
        heads.test_pairs[number] = len(test)
        heads.test_images[number] = len(pairs[test].images_used())
        learnt = [_labels(source, pairs, split.train) for source in sources.values()]
        target = np.stack([preference for preference, _ in learnt], axis=1)
        weight = np.stack([w for _, w in learnt], axis=1)
        heads.train_pairs[:, number] = (weight[train] > 0).sum(axis=0)
        preferences = [
            reference.fit(pairs[split.train]).labels(pairs).preference
            for reference in references.values()
        ]
        for fit, (scores, fits) in enumerate(
            _scores(features.values, pairs, target, weight, train, training)
        ):
            heads.missing[fit, :, number] = fits.missing[0]
            if fit == 0:
                heads.l2[:, number] = fits.l2[0]
            _compare(heads, fit, number, scores, pairs, test, preferences)
        for j, preference in enumerate(preferences):
            known = ~np.isnan(preference[test]) & (preference[test] != 0.5)
            heads.decided[j, number] = known.sum()
            heads.one_person[j, number] = _one_person(people[j], test[known], len(pairs))
        told(number + 1, count)
    told.close()
    values = {name: getattr(heads, name) for name in SourceHeads.__dataclass_fields__}
    return SourceHeads(**values | {"rule": rule, "no_split": tuple(no_split)})


def _split(material: Material, number: int) -> PairSplit | str:
    """Return the split, or why there is none: too few images, a part without pairs."""
    try:
        return material.split(number, material.tables)
    except DataError as error:
        return f"no split: {error.found}"


def _labels(source: LabelSource, pairs: Pairs, train: Mask) -> tuple[Array, Array]:
    labels = source.fit(pairs[train]).labels(pairs)
    return labels.target, np.where(labels.known, labels.weight, 0.0)


def _scores(
    values: NDArray[np.float32],
    pairs: Pairs,
    target: Array,
    weight: Array,
    train: NDArray[np.int64],
    training: Training,
) -> list[tuple[Array, LinearFits]]:
    """Return for each fit the scores (images, sources) and the heads."""
    if not len(train):
        why = why_missing(target[train], weight[train])[None]
        nothing = np.full((len(values), target.shape[1]), np.nan)
        unknown = np.full(why.shape, np.nan)
        weights = np.full((*why.shape, 1), np.nan, np.float32)
        return [(nothing, LinearFits(weights, why, unknown, unknown))] * len(FITS)
    learnt, target, weight = pairs[train], target[train], weight[train]
    scaler = FeatureScaler(training.scaling, values.shape[1])
    scaled = scaler.fit(values[learnt.images_used()]).scaled(values)
    l2: float | Literal["auto"] = "auto" if training.l2 is None else training.l2
    ridge = fit_linear(scaled, learnt, target, weight, l2=l2, seed=training.seed)
    found = [(_project(scaled, ridge), ridge)]
    if training.recipe is not None:
        recipe = fit_recipe(
            values, learnt, target, weight, [np.arange(len(train))], training.recipe
        )
        found.append((_project(values, recipe), recipe))
    return found


def _project(values: NDArray[np.float32], fits: LinearFits) -> Array:
    return values.astype(np.float64) @ fits.weights[0].T.astype(np.float64)


def _compare(
    heads: SourceHeads,
    fit: int,
    number: int,
    scores: Array,
    pairs: Pairs,
    test: NDArray[np.int64],
    preferences: list[Array],
) -> None:
    fine = np.flatnonzero(heads.missing[fit, :, number] == "")
    if not len(fine) or not len(test):
        return
    margin = scores[pairs.left[test]] - scores[pairs.right[test]]
    for j, preference in enumerate(preferences):
        known = ~np.isnan(preference[test]) & (preference[test] != 0.5)
        if known.any():
            for k in fine.tolist():
                hits = correct(margin[known, k], preference[test][known])
                heads.accuracy[fit, k, j, number] = hits.mean()
    images = pairs[test].images_used()
    ranks = rankdata(scores[np.ix_(images, fine)], axis=0)
    varying = ranks.std(axis=0) > 0
    if len(images) > 1 and varying.any():
        found = np.atleast_2d(np.corrcoef(ranks[:, varying], rowvar=False))
        heads.rank_correlation[fit][np.ix_(fine[varying], fine[varying], [number])] = found[
            ..., None
        ]


def _people(reference: LabelSource, pairs: Pairs) -> tuple[NDArray[np.int64], Array] | None:
    """Return each vote's pair and agreement with the others; None if no people voted."""
    if not isinstance(reference, VoteSource) or reference.kind != "human":
        return None
    votes = reference.tables.votes(
        question=reference.question, raters=reference.raters, kind="human"
    )
    hits = agrees_with_others(votes.key, votes.rater, votes.preference)
    row = pairs.find(votes.key)
    known = ~np.isnan(hits) & (row >= 0)
    return row[known], hits[known]


def _one_person(
    people: tuple[NDArray[np.int64], Array] | None, rows: NDArray[np.int64], pairs: int
) -> float:
    """Average over the votes on these pairs; see ``stats.rater_reliability.one_person``."""
    if people is None:
        return float("nan")
    asked = np.zeros(pairs, dtype=bool)
    asked[rows] = True
    row, hits = people
    return float(hits[asked[row]].mean()) if asked[row].any() else float("nan")
