"""Name the best of several only where a paired test says that all others are below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["below", "close", "untested"]
"""How one stands to the leader by a paired test: below it (p < .05), not told apart, no test."""


NAMED = 2
"""Sources that are named beside one that is not measurably better."""


@dataclass(frozen=True)
class Leaders:
    """The highest of several, and how the others stand to it.

    Attributes:
        first: the highest mean.
        close: others that a paired test cannot tell from it, or that it could not test.
        tested: whether any test was possible.
    """

    first: int
    close: Sequence[int]
    tested: bool

    @property
    def sure(self) -> bool:
        """Check whether the first is the best: every other was tested, and is below it."""
        return self.tested and not self.close

    def told(self, quantity: str, names: Sequence[str], values: Sequence[str], by: str) -> str:
        """Write one sentence that names the best, or says why none is named.

        Args:
            quantity: what is compared: "accuracy of a student".
            names: of all.
            values: of all, in words: "66.3 %".
            by: what the test is paired by: "by splits".
        """
        first = f"that of {names[self.first]}, {values[self.first]}"
        if self.sure:
            return f"The best {quantity} is {first}; the others are below (paired {by}, p < .05)."
        if len(names) == 1:
            return f"The {quantity} is {first}; there is no other."
        if not self.tested:
            return f"The highest {quantity} is {first}; no test against the others is possible."
        others = ", ".join(f"{names[k]}, {values[k]}" for k in self.close[:NAMED])
        others += f", and {more} more" if (more := len(self.close) - NAMED) > 0 else ""
        return (
            f"The highest {quantity} is {first}, but none is the best: not measurably below "
            f"(paired {by}) {'is' if len(self.close) == 1 else 'are'} {others}."
        )


def leaders(means: Sequence[float], verdict: Callable[[int, int], Verdict]) -> Leaders:
    """Compare the highest of several with all others.

    The claim "the best" needs every test to reject, so that no correction for their number is due.

    Args:
        means: one or more, no NaN.
        verdict: ``verdict(first, other)`` of a paired test.
    """
    order = sorted(range(len(means)), key=lambda k: -means[k])
    found = {k: verdict(order[0], k) for k in order[1:]}
    close = [k for k, said in found.items() if said != "below"]
    return Leaders(order[0], close, any(said != "untested" for said in found.values()))
