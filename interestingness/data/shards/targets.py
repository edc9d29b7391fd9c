"""Labels for training and evaluating a stream of pairs, joined to shards by pair identity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interestingness.data.shards.index import ShardIndex
from interestingness.data.shards.layout import ShardManifest
from interestingness.errors import LabelError, ShardError
from interestingness.schema import Pairs


@dataclass(frozen=True, eq=False)
class PairTargets:
    """Preferences for the selected pairs, after split and label filter.

    Attributes:
        key: pair identities, distinct, ascending, shape (pairs,), uint64.
        preference: probability that left is preferred, in [0, 1], shape (pairs,), float32.
        weight: non-negative, shape (pairs,), float32.
        row: row of each pair in the ``Pairs`` that the labels belong to, shape (pairs,), int32.
    """

    key: NDArray[np.uint64]
    preference: NDArray[np.float32]
    weight: NDArray[np.float32]
    row: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        pairs: Pairs,
        preference: ArrayLike,
        *,
        weight: ArrayLike | None = None,
        rows: NDArray[np.bool_] | NDArray[np.integer] | None = None,
    ) -> PairTargets:
        """Make targets for chosen pairs.

        Args:
            pairs: the data set's pairs.
            preference: one for every pair of ``pairs``, shape (pairs,); NaN where not chosen.
            weight: likewise, non-negative; None weighs pairs alike.
            rows: which pairs to use: a mask or row numbers; None takes all.

        Raises:
            LabelError: if a chosen pair has no preference, or one outside [0, 1], or a weight
                below 0.
        """
        chosen = np.arange(len(pairs)) if rows is None else np.asarray(rows)
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
        chosen = chosen[np.argsort(pairs.key[chosen], kind="stable")]
        p = np.asarray(preference)[chosen].astype(np.float32)
        w = np.ones_like(p) if weight is None else np.asarray(weight)[chosen].astype(np.float32)
        unusable = int((~((p >= 0) & (p <= 1))).sum())
        if unusable:
            raise LabelError(
                f"{unusable} of {len(p)} chosen pairs have no preference in [0, 1]",
                expected="a probability that left is preferred for every pair that takes part",
                todo="leave out pairs whose label source knows nothing (`labels.known`)",
            )
        if not (w >= 0).all():
            raise LabelError(
                "a label weight is negative or NaN",
                expected="weights of 0 or more",
                todo="correct the label source",
            )
        return cls(pairs.key[chosen], p, w, chosen.astype(np.int32))

    def __len__(self) -> int:
        return len(self.key)


@dataclass(frozen=True, eq=False)
class JoinedTargets:
    """Targets by row of the shards' index.

    Attributes:
        at: position in the arrays below, -1 for pairs that are not used, shape (rows,), int32.
        preference, weight, row: as in ``PairTargets``.
    """

    at: NDArray[np.int32]
    preference: NDArray[np.float32]
    weight: NDArray[np.float32]
    row: NDArray[np.int32]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Return which rows of the index are used, shape (rows,)."""
        return self.at >= 0

    def in_order(self) -> NDArray[np.int64]:
        """Return the used rows of the index in the order of the data set's pairs."""
        rows = np.flatnonzero(self.kept)
        return rows[np.argsort(self.row[self.at[rows]], kind="stable")]


def join(index: ShardIndex, manifest: ShardManifest, targets: PairTargets) -> JoinedTargets:
    """Find the targets' pairs in the shards, reading one shard's identities at a time.

    Raises:
        ShardError: if the shards lack pairs that they do not list as skipped, or hold one twice.
    """
    at = np.full(len(index), -1, dtype=np.int32)
    found = 0
    for shard, keys in enumerate(index.keys()):
        if len(targets) == 0:
            break
        position = np.minimum(np.searchsorted(targets.key, keys), len(targets) - 1)
        known = targets.key[position] == keys
        at[index.bounds[shard] : index.bounds[shard + 1]] = np.where(known, position, -1)
        found += int(known.sum())
    seen = int((np.bincount(at[at >= 0], minlength=len(targets)) > 0).sum())
    if seen < found:
        raise ShardError(
            f"{index.path}: {found - seen} pairs occur more than once",
            expected="every pair once",
            todo="write the shards again",
        )
    skipped = np.fromiter((int(name, 16) for name in manifest.skipped), np.uint64)
    lacking = len(targets) - found - int(np.isin(targets.key, skipped).sum())
    if lacking > 0:
        raise ShardError(
            f"{index.path}: {lacking} of {len(targets)} labelled pairs are not in the shards",
            expected="shards written from the same pairs as the labels",
            todo="write the shards again from this data set, or name its own shards",
        )
    return JoinedTargets(at, targets.preference, targets.weight, targets.row)
