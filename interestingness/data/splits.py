"""Split pairs into train, validation and test: by image, pair, group, fold or time; seeded.

A split has a seed of its own: another training seed does not change the split. Only images that
occur in pairs are dealt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from interestingness.data.split_columns import complete, contents, fold_name, fold_names, times
from interestingness.errors import DataError
from interestingness.ranges import Seed, Share
from interestingness.schema import Pairs

NAMES = ("train", "validation", "test")
NONE = -1


@dataclass(frozen=True, eq=False)
class PairSplit:
    """Three disjoint parts of the pairs; pairs of images in two parts are in none.

    In cross-fitting there are no parts: every pair trains the saved model, and is tested by others.

    Attributes:
        train: which pairs are trained on, shape (pairs,), bool.
        validation: which pairs choose between epochs or settings, shape (pairs,), bool.
        test: which pairs evaluate the model, shape (pairs,), bool.
        rule: how it was made, for people: ``by image, 50 : 0 : 50, seed 0``.
        facts: counts to print: pairs and images per part, pairs dropped.
        folds: of cross-fitting, else None: group of each image in each repetition, -1 for images in
            no pair, shape (repetitions, images).
    """

    train: NDArray[np.bool_]
    validation: NDArray[np.bool_]
    test: NDArray[np.bool_]
    rule: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    folds: NDArray[np.int16] | None = None

    def __len__(self) -> int:
        return len(self.train)

    def parts(self) -> dict[str, NDArray[np.bool_]]:
        """Return the three masks by name, in order."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def dropped(self) -> int:
        """Return the number of pairs in no part."""
        return int((~(self.train | self.validation | self.test)).sum())

    def names(self) -> NDArray[np.object_]:
        """Return the part of each pair, "none" for dropped ones, shape (pairs,)."""
        part = np.full(len(self), "none", dtype=object)
        for name, mask in self.parts().items():
            part[mask] = name
        return part

    def image_parts(self, pairs: Pairs) -> dict[str, NDArray[np.bool_]]:
        """Return each part's images, shape (images,) each; parts overlap in a split by pair."""
        result = {}
        for name, mask in self.parts().items():
            occurs = np.zeros(len(pairs.image_ids), dtype=bool)
            occurs[pairs.left[mask]] = occurs[pairs.right[mask]] = True
            result[name] = occurs
        return result


def by_image(
    pairs: Pairs, images: pa.Table, *, train: Share, validation: Share, test: Share, seed: Seed
) -> PairSplit:
    """Deal images to parts; a pair belongs to a part if both its images do.

    Halves keep a quarter of randomly drawn pairs each; the other half straddles and is dropped.
    Copies of a file are in one part.

    Args:
        pairs: all pairs of a data set.
        images: its image table, in the order of ``pairs.image_ids``.
        train, validation, test: shares of the images; they sum to 1, and 0 leaves a part empty.
        seed: of the dealing.

    Raises:
        DataError: impossible shares, fewer images than parts, or a part without pairs.

    Source:
        Abdullahu and Grabner 2025 "split in half"; that images, not pairs, are split is our reading
        (docs/references).
    """
    used = _used(pairs, images)
    file = contents(images, used)
    files = int(file.max()) + 1
    shares = _shares(train, validation, test, files, "images")
    of_file = np.empty(files, dtype=np.int8)
    of_file[np.random.default_rng(seed).permutation(files)] = np.repeat([0, 1, 2], shares)
    part = np.full(len(pairs.image_ids), NONE, dtype=np.int8)
    part[used] = of_file[file]
    return _of_images(pairs, part, f"by image, {_spoken(train, validation, test)}, seed {seed}")


def by_pair(
    pairs: Pairs, images: pa.Table, *, train: Share, validation: Share, test: Share, seed: Seed
) -> PairSplit:
    """Deal pairs to parts. Images then occur in several parts; see ``leak_report``.

    Args:
        pairs, images, seed: as for ``by_image``.
        train, validation, test: shares of the pairs.

    Raises:
        DataError: impossible shares, fewer pairs than parts.
    """
    _used(pairs, images)
    shares = _shares(train, validation, test, len(pairs), "pairs")
    part = np.empty(len(pairs), dtype=np.int8)
    part[np.random.default_rng(seed).permutation(len(pairs))] = np.repeat([0, 1, 2], shares)
    return _of_pairs(pairs, part, f"by pair, {_spoken(train, validation, test)}, seed {seed}")


def by_group(
    pairs: Pairs,
    images: pa.Table,
    *,
    column: str,
    train: Share,
    validation: Share,
    test: Share,
    seed: Seed,
) -> PairSplit:
    """Deal whole groups of images (a concept, an owner) to parts.

    The largest groups are dealt first, each to the part that lacks most images, so that shares come
    out as near as the groups allow; groups of equal size are dealt in random order.

    Args:
        pairs, images, seed: as for ``by_image``.
        column: of the image table; equal values are a group.
        train, validation, test: shares of the images.

    Raises:
        DataError: as ``by_image``; no such column, an image without a group, fewer groups than
            parts.
    """
    used = _used(pairs, images)
    values = np.asarray(complete(images, column, used), dtype=object).astype(str)
    groups, member, sizes = np.unique(values, return_inverse=True, return_counts=True)
    wanted = np.asarray(_fractions(train, validation, test)) * len(used)
    if len(groups) < (wanted > 0).sum():
        raise DataError(
            f"column {column!r} has {len(groups)} group(s) for {int((wanted > 0).sum())} parts",
            expected="at least one group for each part",
            todo="choose another column, or split by image",
        )
    order = np.random.default_rng(seed).permutation(len(groups))
    order = order[np.argsort(-sizes[order], kind="stable")]
    # A part of share 0 never gets anything, even if the others are full.
    lacking, of_group = np.where(wanted > 0, wanted, -np.inf), np.empty(len(groups), dtype=np.int8)
    for i, group in enumerate(order.tolist()):
        empty = np.flatnonzero((wanted > 0) & (lacking == wanted))
        # The last groups go to parts that are still empty.
        last = len(empty) and len(order) - i <= len(empty)
        to = int(empty[0]) if last else int(np.argmax(lacking))
        of_group[group] = to
        lacking[to] -= sizes[group]
    part = np.full(len(pairs.image_ids), NONE, dtype=np.int8)
    part[used] = of_group[member]
    rule = f"by group ({column}), {_spoken(train, validation, test)}, seed {seed}"
    tested = groups[of_group == 2].tolist()
    split = _of_images(pairs, part, f"{rule}; tested: {_few(tested)}")
    return replace(split, facts={**split.facts, "tested_groups": tested})


def by_fold(
    pairs: Pairs, images: pa.Table, *, column: str, test: int | str, validation: int | str | None
) -> PairSplit:
    """Split by fold: one tests, one may validate, the others train.

    Args:
        pairs, images: as for ``by_image``.
        column: of the image table, with the number or name of each image's fold.
        test: the fold that tests.
        validation: the fold that validates; None for no validation part.

    Raises:
        DataError: no such column, an image without a fold, no such fold, or a part without pairs.
    """
    used = _used(pairs, images)
    folds = fold_names(images, column, used)
    test, validation = fold_name(test), None if validation is None else fold_name(validation)
    known = sorted(
        set(folds.tolist()), key=lambda name: (len(name) if name.isdigit() else 99, name)
    )
    for name, fold in (("test", test), ("validation", validation)):
        if fold is not None and fold not in known:
            raise DataError(
                f"split.{name}={fold}: column {column!r} has no such fold",
                expected=f"one of {_few(known)}",
                todo=f"choose split.{name} from these",
            )
    if test == validation:
        raise DataError(
            f"fold {test} is to test and to validate",
            expected="two different folds",
            todo="change split.validation, or set it to null",
        )
    part = np.full(len(pairs.image_ids), NONE, dtype=np.int8)
    part[used] = np.where(folds == test, 2, 0)
    if validation is not None:
        part[used[folds == validation]] = 1
    validates = "no validation" if validation is None else f"fold {validation} validates"
    rule = f"by fold ({column}), fold {test} tests, {validates}"
    needed = ("train", "test") if validation is None else NAMES
    return _of_images(pairs, part, rule, needed=needed)


def by_time(
    pairs: Pairs, images: pa.Table, *, column: str, train: Share, validation: Share, test: Share
) -> PairSplit:
    """Split by time: the oldest images train, the newest test; images of one time stay together.

    Args:
        pairs, images: as for ``by_image``.
        column: of the image table: numbers, dates or times, or text such as ``2025-03-01T14:30``.
        train, validation, test: shares of the images.

    Raises:
        DataError: as ``by_image``; no such column, an image without a time, an invalid time.
    """
    used = _used(pairs, images)
    taken = times(images, column, used)
    shares = _shares(train, validation, test, len(used), "images")
    order = np.argsort(taken, kind="stable")
    ordered = taken[order]
    # A boundary that would separate images of one time moves behind them.
    cuts = [
        0 if cut == 0 else int(np.searchsorted(ordered, ordered[cut - 1], side="right"))
        for cut in np.cumsum(shares)[:2].tolist()
    ]
    dealt = np.full(len(used), 2, dtype=np.int8)
    dealt[: cuts[1]] = 1
    dealt[: cuts[0]] = 0
    part = np.full(len(pairs.image_ids), NONE, dtype=np.int8)
    part[used[order]] = dealt
    needed = [name for name, share in zip(NAMES, shares, strict=True) if share]
    rule = f"by time ({column}), {_spoken(train, validation, test)}"
    return _of_images(pairs, part, rule, needed=tuple(needed))


def _few(names: list[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def all_test(pairs: Pairs, images: pa.Table) -> PairSplit:
    """Put every pair into test, to evaluate a model of another data set."""
    _used(pairs, images)
    return _of_pairs(pairs, np.full(len(pairs), 2, dtype=np.int8), "all pairs test")


def _used(pairs: Pairs, images: pa.Table) -> NDArray[np.int32]:
    ids = images["image_id"].to_numpy()
    assert len(ids) == len(pairs.image_ids) and (ids == pairs.image_ids).all(), (
        "pairs and images must be of the same data set"
    )
    if len(pairs) == 0:
        raise DataError(
            "there are no pairs to split",
            expected="pairs",
            todo="give votes, scores or pairs to the data set",
        )
    return pairs.images_used()


def _fractions(train: float, validation: float, test: float) -> tuple[float, float, float]:
    fractions = (float(train), float(validation), float(test))
    if not (min(fractions) >= 0 and abs(sum(fractions) - 1) < 1e-6) or train <= 0:
        raise DataError(
            f"shares of train, validation and test: {', '.join(f'{f:g}' for f in fractions)}",
            expected="numbers from 0 to 1 that sum to 1, train above 0",
            todo="change split.train, split.validation and split.test",
        )
    return fractions


def _shares(train: float, validation: float, test: float, count: int, what: str) -> list[int]:
    """Return the size of each part: the rounded-down shares, then the largest remainders."""
    fractions = np.asarray(_fractions(train, validation, test))
    exact = fractions * count
    # A share such as .2 * 5 must not lose one to rounding in binary.
    whole = np.floor(exact + 1e-9).astype(int)
    rest = np.argsort(-(exact - whole), kind="stable")
    whole[rest[: count - whole.sum()]] += 1
    if ((fractions > 0) & (whole == 0)).any():
        raise DataError(
            f"{count} {what} for shares of {_spoken(train, validation, test)}",
            expected=f"enough {what} for every part",
            todo="add images or pairs, or set a share to 0",
        )
    return whole.tolist()


def _spoken(train: float, validation: float, test: float) -> str:
    return " : ".join(f"{100 * share:g}" for share in (train, validation, test))


def _of_images(
    pairs: Pairs,
    part: NDArray[np.int8],
    rule: str,
    *,
    needed: tuple[str, ...] | None = None,
) -> PairSplit:
    left, right = part[pairs.left], part[pairs.right]
    wanted = needed or tuple(NAMES[i] for i in np.unique(part[part != NONE]).tolist())
    dealt = {name: int((part == i).sum()) for i, name in enumerate(NAMES)}
    return _of_pairs(pairs, np.where(left == right, left, NONE), rule, wanted, dealt)


def _of_pairs(
    pairs: Pairs,
    part: NDArray[np.int8],
    rule: str,
    needed: tuple[str, ...] = (),
    dealt: Mapping[str, int] | None = None,
) -> PairSplit:
    masks = {name: part == i for i, name in enumerate(NAMES)}
    for name in needed:
        if not masks[name].any():
            images = f" ({dealt[name]} images)" if dealt else ""
            raise DataError(
                f"split {rule}: the {name} part has no pairs{images}",
                expected="both images of some pairs in every part",
                todo="give the part a larger share, add pairs (dataset.pairs_per_image=…) "
                "or split by pair",
            )
    split = PairSplit(masks["train"], masks["validation"], masks["test"], rule)
    occurring = {name: int(s.sum()) for name, s in split.image_parts(pairs).items()}
    facts = {
        "rule": rule,
        "pairs": {name: int(mask.sum()) for name, mask in masks.items()},
        "images": occurring,
        "dropped": split.dropped,
    }
    if dealt is not None:
        facts["images_dealt"] = dict(dealt)
    return PairSplit(split.train, split.validation, split.test, rule, facts)
