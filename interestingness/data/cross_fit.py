"""Split few pairs so that each is tested: groups of images are left out in turn, two at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from annotated_types import Ge

from interestingness.data.split_columns import complete, contents
from interestingness.data.splits import PairSplit, all_test, by_image
from interestingness.errors import DataError
from interestingness.ranges import Count, Seed, Share, Size
from interestingness.schema import Pairs

FEWEST = 3
"""Groups without which pairs between two groups leave nothing to train on."""


def cross_fit(
    pairs: Pairs,
    images: pa.Table,
    *,
    groups: Annotated[int, Ge(FEWEST)],
    repeats: Count,
    seed: Seed,
    column: str | None = None,
) -> PairSplit:
    """Test every pair by a model that saw neither of its images.

    Images are dealt into groups. A pair inside a group is tested by the model trained on the pairs
    without an image of that group, a pair between two groups by the model trained without both.
    Identical files count as one image. The saved model is trained on all pairs.

    Args:
        pairs: all pairs of a data set.
        images: its image table, in the order of ``pairs.image_ids``.
        groups: number of groups; with fewer images (or values of ``column``) each is its own.
        repeats: repetitions with images dealt anew; one where each image is its own group.
        seed: of the dealing.
        column: of the image table; images of equal value stay in one group.

    Raises:
        DataError: fewer than three groups, no such column, or an image without a value.
    """
    split = all_test(pairs, images)
    used = pairs.images_used()
    named = None if column is None else complete(images, column, used)
    units = contents(images, used) if named is None else np.asarray(named, dtype=object).astype(str)
    names, unit = np.unique(units, return_inverse=True)
    if len(names) < FEWEST and column is None:
        raise DataError(
            f"{len(pairs)} labelled pair{'s' * (len(pairs) != 1)} of {len(names)} different images "
            "to train and to test",
            expected=f"pairs of {FEWEST} images at least, a few dozen for a first look",
            todo="label more pairs",
        )
    if len(names) < FEWEST:
        raise DataError(
            f"{len(names)} groups in column {column!r} for cross-fitting",
            expected=f"at least {FEWEST}",
            todo="add images, or choose split=by_fold, which tests one group",
        )
    each = len(names) <= groups
    folds = np.full((1 if each else repeats, len(pairs.image_ids)), -1, dtype=np.int16)
    rng = np.random.default_rng(seed)
    for row in folds:
        of_unit = np.arange(len(names)) if each else rng.permutation(len(names)) % groups
        row[used] = of_unit[unit]
    what = "image" if column is None else f"group ({column})"
    dealt = f"each {what} left out in turn"
    if each and column is not None:
        dealt += f": {', '.join(map(str, names))}"
    if not each:
        dealt = f"{groups} groups, dealt by {what} {len(folds)} times, seed {seed}"
    rule = f"cross-fitting, {dealt}"
    facts = {
        **split.facts,
        "rule": rule,
        "pairs": {"train": len(pairs), "validation": 0, "test": len(pairs)},
        "images": {"train": len(used), "validation": 0, "test": len(used)},
        "cross_fit": {
            "groups": int(folds.max()) + 1,
            "repetitions": len(folds),
        },
    }
    every = np.ones(len(pairs), dtype=bool)
    return replace(split, train=every, rule=rule, facts=facts, folds=folds)


def by_size(
    pairs: Pairs,
    images: pa.Table,
    *,
    cross_fit_below: Size,
    groups: Annotated[int, Ge(FEWEST)],
    repeats: Count,
    train: Share,
    validation: Share,
    test: Share,
    seed: Seed,
) -> dict[str, Any]:
    """Choose the split of a data set by its number of pairs.

    Args:
        pairs, images: as for ``cross_fit``.
        cross_fit_below: with fewer pairs they are cross-fitted, unless the shares say otherwise.
        groups, repeats: of ``cross_fit``.
        train, validation, test: shares of ``by_image``; others than halves are meant, and kept.
        seed: of either.

    Returns:
        The option that is meant: a node of ``conf/split``.
    """
    halves = (train, validation, test) == (0.5, 0.0, 0.5)
    if halves and len(pairs) < cross_fit_below:
        return _node(cross_fit, groups=groups, repeats=repeats, seed=seed, column=None)
    return _node(by_image, train=train, validation=validation, test=test, seed=seed)


def _node(split: Any, **options: Any) -> dict[str, Any]:
    return {"_target_": f"{split.__module__}.{split.__qualname__}", "_partial_": True, **options}
