"""Which pair, or which image, a rater sees next."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from interestingness.collecting.records import Wanted
from interestingness.stats.pair_choice import MOST_IMAGES, next_pairs

REPEATED = 0.05
"""Least share of pairs that come again with their sides exchanged."""
APART = 8
"""Pairs that a rater saw between a pair and its repetition, at least."""
ROUND = 30
"""Pairs that are chosen together by the votes so far."""
TRIES = 200
"""Random pairs that are drawn to find one that the rater has not seen."""

Pair = tuple[str, str]


class Chooser(ABC):
    """Chooses for one rater at a time, from the rows of a store."""

    def __init__(self, images: Sequence[str], bursts: Mapping[str, int], seed: int) -> None:
        """Take what there is to choose from.

        Args:
            images: ids.
            bursts: number of the burst of each image that is in one; two of one are never a pair.
            seed: of all random choices; a restarted server draws others.
        """
        self.images, self.bursts = list(images), dict(bursts)
        self.rng = np.random.default_rng(seed)

    def choose(self, db: sqlite3.Connection, rater: str, excluded: set[str]) -> Wanted | None:
        """Choose one more; None where this rater has seen everything."""
        again = self._again(db, rater, excluded)
        return again if again is not None else self.new(db, rater, excluded)

    @abstractmethod
    def new(self, db: sqlite3.Connection, rater: str, excluded: set[str]) -> Wanted | None:
        """Choose something that the rater has not seen."""

    def apart(self, one: str, other: str) -> bool:
        """Check that two images are not frames of one burst."""
        return one != other and self.bursts.get(one, -1) != self.bursts.get(other, -2)

    def sides(self, one: str, other: str) -> Pair:
        """Put a pair on random sides."""
        return (one, other) if self.rng.random() < 0.5 else (other, one)

    def _again(self, db: sqlite3.Connection, rater: str, excluded: set[str]) -> Wanted | None:
        """Take an earlier pair, swapped, where the share of those falls behind."""
        seen, repeated = db.execute(
            "SELECT count(*), count(again) FROM appearance WHERE rater = ?", (rater,)
        ).fetchone()
        if repeated >= REPEATED * (seen + 1):
            return None
        late = db.execute(
            "SELECT id FROM appearance WHERE rater = ? ORDER BY id DESC LIMIT 1 OFFSET ?",
            (rater, APART),
        ).fetchone()
        if late is None:
            return None
        rows = [
            row
            for row in db.execute(
                "SELECT a.id, left_image, right_image FROM appearance a JOIN answer ON "
                "answer.appearance = a.id AND counts WHERE rater = ? AND again IS NULL AND "
                "right_image IS NOT NULL AND choice IN ('left', 'right', 'tie', 'both_bad') AND "
                "a.id NOT IN (SELECT again FROM appearance WHERE rater = ? AND again IS NOT NULL) "
                "AND a.id <= ?",
                (rater, rater, late[0]),
            )
            if not {row[1], row[2]} & excluded
        ]
        if not rows:
            return None
        number, left, right = rows[int(self.rng.integers(len(rows)))]
        return Wanted(right, left, "again", 1 / len(rows), number)

    def seen(self, db: sqlite3.Connection, rater: str) -> set[frozenset[str]]:
        """Pairs that this rater was shown, or has waiting."""
        rows = db.execute(
            "SELECT left_image, right_image FROM appearance WHERE rater = ?", (rater,)
        )
        return {frozenset(row) for row in rows}


class RandomPairs(Chooser):
    """Every pair that the rater has not seen is as likely as every other."""

    def new(self, db: sqlite3.Connection, rater: str, excluded: set[str]) -> Wanted | None:
        """Draw pairs until one is new; a rater near the end gets one of a complete list."""
        there = [image for image in self.images if image not in excluded]
        if len(there) < 2:
            return None
        seen = self.seen(db, rater)
        found: Pair | None = None
        for i, j in self.rng.integers(len(there), size=(TRIES, 2)).tolist():
            if self._fresh(there[i], there[j], seen):
                found = there[i], there[j]
                break
        if found is None:
            left = [
                (a, b)
                for k, a in enumerate(there)
                for b in there[k + 1 :]
                if self._fresh(a, b, seen)
            ]
            if not left:
                return None
            found = left[int(self.rng.integers(len(left)))]
        pairs = len(there) * (len(there) - 1) / 2
        return Wanted(*self.sides(*found), "random", 1 / pairs)

    def _fresh(self, one: str, other: str, seen: set[frozenset[str]]) -> bool:
        return self.apart(one, other) and frozenset((one, other)) not in seen


class ActivePairs(RandomPairs):
    """Pairs about whose order the votes so far say least; 30 % of them at random."""

    def __init__(self, images: Sequence[str], bursts: Mapping[str, int], seed: int) -> None:
        """See ``Chooser``; many images are chosen from at random."""
        super().__init__(images, bursts, seed)
        self._round: list[Wanted] = []

    def new(self, db: sqlite3.Connection, rater: str, excluded: set[str]) -> Wanted | None:
        """Take the next pair of the round that this rater has not seen."""
        there = [image for image in self.images if image not in excluded]
        if not 2 <= len(there) <= MOST_IMAGES:
            return super().new(db, rater, excluded)
        if not self._round:
            self._round = self._chosen(db, there)
        seen = self.seen(db, rater)
        for place, wanted in enumerate(self._round):
            assert wanted.right is not None
            gone = {wanted.left, wanted.right} & excluded
            if not gone and self._fresh(wanted.left, wanted.right, seen):
                del self._round[place]
                return wanted
        self._round = []
        return super().new(db, rater, excluded)

    def _chosen(self, db: sqlite3.Connection, there: list[str]) -> list[Wanted]:
        place = {image: row for row, image in enumerate(there)}
        worth = {"left": 1.0, "right": 0.0, "tie": 0.5, "both_bad": 0.5}
        votes = [
            (place[left], place[right], worth[choice])
            for left, right, choice in db.execute(
                "SELECT left_image, right_image, choice FROM appearance a JOIN answer ON "
                "answer.appearance = a.id AND counts WHERE right_image IS NOT NULL"
            )
            if choice in worth and left in place and right in place
        ]
        left, right, preference = np.array(votes, dtype=float).reshape(-1, 3).T
        found = next_pairs(
            left.astype(np.int64),
            right.astype(np.int64),
            preference,
            images=len(there),
            pairs=max(1, min(ROUND, len(there) * (len(there) - 1) // 4)),
            seed=int(self.rng.integers(2**31)),
            repeat=True,
        )
        pairs = len(there) * (len(there) - 1) / 2
        make = partial(Wanted, again=None)
        rows = zip(found.left.tolist(), found.right.tolist(), found.random.tolist(), strict=True)
        wanted = [
            make(
                *self.sides(there[i], there[j]),
                chosen_by="random" if drawn else "active",
                probability=1 / pairs if drawn else None,
            )
            for i, j, drawn in rows
        ]
        return [wanted[i] for i in self.rng.permutation(len(wanted)).tolist()]


class ListedPairs(Chooser):
    """The pairs of a list, in an order of each rater's own."""

    def __init__(self, pairs: Sequence[Pair], seed: int) -> None:
        """Take the pairs as ids."""
        super().__init__(sorted({image for pair in pairs for image in pair}), {}, seed)
        self.pairs = list(pairs)

    def new(self, db: sqlite3.Connection, rater: str, excluded: set[str]) -> Wanted | None:
        """Draw one that the rater has not answered, first of those that nobody showed to him."""
        seen = self.seen(db, rater)
        answered = {
            frozenset(row)
            for row in db.execute(
                "SELECT left_image, right_image FROM appearance a JOIN answer ON "
                "answer.appearance = a.id AND counts WHERE rater = ?",
                (rater,),
            )
        }
        open_ = [p for p in self.pairs if frozenset(p) not in answered and not set(p) & excluded]
        rest = [p for p in open_ if frozenset(p) not in seen] or open_
        if not rest:
            return None
        left, right = rest[int(self.rng.integers(len(rest)))]
        return Wanted(*self.sides(left, right), "list", None)


class SingleImageChooser(Chooser):
    """Images one by one, in random order; once all are rated, again from the first: a re-rating."""

    def new(self, db: sqlite3.Connection, rater: str, excluded: set[str]) -> Wanted | None:
        """Draw an image among those that the rater saw least often."""
        there = [image for image in self.images if image not in excluded]
        if not there:
            return None
        times = dict.fromkeys(there, 0)
        for image, number in db.execute(
            "SELECT left_image, count(*) FROM appearance WHERE rater = ? GROUP BY left_image",
            (rater,),
        ):
            if image in times:
                times[image] = number
        least = min(times.values())
        some = [image for image, number in times.items() if number == least]
        return Wanted(some[int(self.rng.integers(len(some)))], None, "random", 1 / len(some))
