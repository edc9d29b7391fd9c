"""Ranks that wait for others say so: after a minute, then each time the wait has doubled."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

FIRST_S = 60.0


@contextmanager
def told_while_waiting(say: Callable[[], str | None]) -> Iterator[None]:
    """Print what is waited for, as long as the block lasts.

    Args:
        say: the sentence; None says nothing this time.
    """
    over, began = threading.Event(), time.monotonic()

    def tell() -> None:
        after = FIRST_S
        while not over.wait(began + after - time.monotonic()):
            if text := say():
                print(f"{text} (for {after:,.0f} s now)", file=sys.stderr, flush=True)
            after *= 2

    # Not waited for at the end: it may ask a rank that hangs.
    threading.Thread(target=tell, daemon=True, name="waiting").start()
    try:
        yield
    finally:
        over.set()


class Register:
    """Who has come to a meeting: kept where ranks have found each other."""

    def __init__(self, store: Any, rank: int, ranks: int) -> None:
        """Begin with the first meeting.

        Args:
            store: torch's, which all ranks reach.
            rank: our own, in [0, ranks).
            ranks: processes of the team.
        """
        self._store, self._rank, self._ranks = store, rank, ranks
        self._meeting = 0

    @contextmanager
    def meeting(self) -> Iterator[None]:
        """Come to the next meeting; the lowest rank that is there says who is not."""
        meeting = self._meeting = self._meeting + 1
        self._store.set(self._key(meeting, self._rank), "here")

        def say() -> str | None:
            try:
                there = [self._store.check([self._key(meeting, r)]) for r in range(self._ranks)]
            except RuntimeError:  # rank 0 has gone, which the meeting itself will notice
                return None
            absent = [rank for rank, here in enumerate(there) if not here]
            if not absent or there.index(True) != self._rank:
                return None
            return f"rank {self._rank} of {self._ranks} waits for {named(absent)}"

        with told_while_waiting(say):
            yield

    @staticmethod
    def _key(meeting: int, rank: int) -> str:
        return f"{meeting}/{rank}"


def named(ranks: Iterable[int], *, most: int = 8) -> str:
    """Ranks for a sentence: "rank 3", "ranks 1, 2, 5", and beyond ``most`` how many more."""
    numbers = list(ranks)
    shown = ", ".join(map(str, numbers[:most]))
    more = f" and {len(numbers) - most} more" if len(numbers) > most else ""
    return f"rank{'s' if len(numbers) > 1 else ''} {shown}{more}"
