"""What a server of votes does, without HTTP: hand out, store, take back, count."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interestingness.collecting.choosing import Chooser
from interestingness.collecting.photos import Renditions
from interestingness.collecting.records import CHOICES, NO_VOTE, Appearance, Given
from interestingness.collecting.store import VoteStore
from interestingness.errors import DataError

AHEAD = 4
"""Pairs that a page holds: the one on screen and the next three."""
LONGEST_REASON = 2000
LONGEST_RATER = 64


@dataclass(frozen=True)
class VotingTask:
    """What raters are asked.

    Attributes:
        question: as it stands in the table: an adjective, or a sentence.
        scale: points of the scale of single images; None for pairs.
        raters: names that may vote; empty for any.
        guess_for: whose answer is to be guessed; "" for the raters' own.
    """

    question: str
    scale: int | None = None
    raters: Sequence[str] = ()
    guess_for: str = ""

    @property
    def shown(self) -> str:
        """What stands above the images: a sentence, which an adjective is made into."""
        if len(self.question.split()) > 1:
            asked = self.question
        elif self.scale is None:
            asked = f"Which photograph is more {self.question}?"
        else:
            asked = f"How {self.question} is this photograph?"
        return f"What would {self.guess_for} answer? {asked}" if self.guess_for else asked

    @property
    def stored(self) -> str:
        """The question of the table: guesses are answers to another one than one's own."""
        return f"{self.question}, guessed for {self.guess_for}" if self.guess_for else self.question

    @property
    def answers(self) -> tuple[str, ...]:
        """Answers that are stored."""
        if self.scale is None:
            return (*CHOICES, *NO_VOTE)
        return (*(str(point) for point in range(1, self.scale + 1)), *NO_VOTE)


class VotingSession:
    """A store with the photographs and the rule that chooses among them."""

    def __init__(
        self, store: VoteStore, task: VotingTask, chooser: Chooser, renditions: Renditions
    ) -> None:
        """Take the parts."""
        self.store, self.task, self.renditions = store, task, renditions
        self._chooser, self._choosing = chooser, threading.Lock()

    def rater(self, name: str) -> str:
        """Check a rater's name.

        Raises:
            DataError: for none, one too long, or one that was not invited.
        """
        name = " ".join(name.split())
        if not 0 < len(name) <= LONGEST_RATER or not name.isprintable():
            raise DataError(
                f"a name of {len(name)} characters",
                expected=f"1 to {LONGEST_RATER} printable characters",
                todo="type a name",
            )
        if self.task.raters and name not in self.task.raters:
            raise DataError(
                "a rater who is not invited",
                expected="one of the names that the page offers",
                todo="choose your name",
            )
        return name

    def hand_out(self, rater: str, tab: str, count: int = AHEAD) -> list[dict[str, Any]]:
        """Return the next appearances of a tab, as the page reads them."""
        excluded = self.store.excluded()
        with self._choosing:
            found = self.store.hand_out(
                rater,
                tab,
                min(max(count, 1), AHEAD),
                lambda db: self._chooser.choose(db, rater, excluded),
            )
        return [_plain(one) for one in found]

    def answer(self, rater: str, given: Given) -> dict[str, Any]:
        """Store an answer; return what the page shows next, once the answer is on disk.

        Raises:
            DataError: for an answer that the task does not have.
        """
        if given.choice not in self.task.answers:
            raise DataError(
                f"answer {given.choice[:40]!r}",
                expected=f"one of {', '.join(self.task.answers)}",
                todo="reload the page",
            )
        if not 8 <= len(given.key) <= 64 or len(given.reason) > LONGEST_REASON:
            raise DataError(
                f"a key of {len(given.key)} and a reason of {len(given.reason)} characters",
                expected=f"8 to 64, and at most {LONGEST_REASON}",
                todo="shorten the reason",
            )
        counts = self.store.answer(rater, given)
        return {"counts": counts, **self.progress(rater)}

    def undo(self, rater: str, tab: str, key: str) -> dict[str, Any]:
        """Take back the latest answer; return its appearance, null if there is none."""
        found = self.store.undo(rater, tab, key)
        return {"appearance": found and _plain(found), **self.progress(rater)}

    def progress(self, rater: str) -> dict[str, int]:
        """Count the rater's votes, computed from rows."""
        (row,) = self.store.rows(
            "SELECT count(*) FROM answer JOIN appearance a ON a.id = answer.appearance "
            "WHERE rater = ? AND counts AND choice NOT IN ('skip', 'failed')",
            (rater,),
        )
        return {"votes": int(str(row[0]))}

    def own_statistics(self, rater: str) -> dict[str, Any]:
        """Compute a rater's counts, place bias, consistency on repetitions, and median time.

        Shares are None where there is nothing to compute them from.
        """
        rows = self.store.rows(
            "SELECT a.id, again, choice, response_ms FROM answer JOIN appearance a "
            "ON a.id = answer.appearance WHERE rater = ? AND counts ORDER BY answer.id",
            (rater,),
        )
        choice = {number: str(given) for number, _, given, _ in rows}
        given = list(choice.values())
        sided = [one for one in given if one in ("left", "right")]
        other = {"left": "right", "right": "left"}
        same = [
            choice[again] == other.get(choice[number], choice[number])
            for number, again, _, _ in rows
            if again in choice and {choice[number], choice[again]} <= set(CHOICES)
        ]
        times = [float(str(ms)) for *_, ms in rows if ms is not None]
        return {
            "votes": sum(one not in NO_VOTE for one in given),
            "ties": given.count("tie"),
            "both_bad": given.count("both_bad"),
            "skipped": given.count("skip"),
            "left_share": sided.count("left") / len(sided) if sided else None,
            "repeated": len(same),
            "consistent": sum(same) / len(same) if same else None,
            "median_seconds": float(np.median(times)) / 1000 if times else None,
        }


def _plain(one: Appearance) -> dict[str, Any]:
    images: Mapping[str, str | None] = {"left": one.left, "right": one.right}
    return {"token": one.token, **images}
