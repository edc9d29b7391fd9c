"""Stop a run after too many failures in a row; pure."""

from __future__ import annotations

from collections import Counter

from interestingness.annotators.engine.run_state import Exit

FIRST_CALLS = 5
UNWELL_IN_A_ROW = 20
DOUBTS_IN_A_ROW = 5
UNUSABLE_IN_A_ROW = 20
REFUSED_TASKS = 3
BUSY_IN_A_ROW = 50

Ending = tuple[Exit, str] | None


class Breaker:
    """Counts failures in a row; a usable answer resets the counts.

    Requests that failed together count once (see `pacing.Pacer`). Each method returns None to go
    on, or how the run should end.

    Attributes:
        proven: an answer could be used, so backend, model and options are right.
    """

    def __init__(self) -> None:
        """Start all counts at 0."""
        self.proven = False
        self._in_a_row: Counter[str] = Counter()
        self._refused: dict[str, set[str]] = {}
        self._first: list[str] = []

    def _count(self, what: str) -> int:
        self._in_a_row[what] += 1
        return self._in_a_row[what]

    def good(self) -> None:
        """Record an answer, or a refusal by the model itself."""
        self.proven = True
        self._in_a_row.clear()
        self._refused.clear()

    def unwell(self, signature: str, detail: str, *, answered: bool = True) -> Ending:
        """Record a server that failed or was not reached (not ``answered``), at no charge."""
        number = self._count("unwell")
        self._first.append(signature)
        if not self.proven and self._first == [signature] * FIRST_CALLS:
            why = "the server fails on each of them" if answered else "the server is not reached"
            return Exit.LATER, f"the first {FIRST_CALLS} calls failed alike; {why}: {detail}"
        if number >= UNWELL_IN_A_ROW:
            return Exit.LATER, f"{number} calls in a row failed, the last with: {detail}"
        return None

    def doubt(self, detail: str) -> Ending:
        """Record a lost answer that may have been paid for."""
        number = self._count("doubt")
        if number >= DOUBTS_IN_A_ROW:
            lost = f"{number} answers in a row were lost, and may have been charged"
            return Exit.LATER, f"{lost}: {detail}"
        return None

    def busy(self, detail: str) -> Ending:
        """Record that the server asks for fewer requests."""
        number = self._count("busy")
        if number >= BUSY_IN_A_ROW:
            return Exit.LATER, f"{number} times in a row the server was too busy: {detail}"
        return None

    def unusable(self, detail: str) -> Ending:
        """Record a reply without a usable answer."""
        unusable = self._count("unusable")
        if unusable >= UNUSABLE_IN_A_ROW:
            return Exit.GIVEN_UP, f"{unusable} answers in a row could not be used: {detail}"
        return None

    def refused(self, signature: str, task_key: str, detail: str) -> Ending:
        """Record a refused request; a missing model concerns every task."""
        tasks = self._refused.setdefault(signature, set())
        tasks.add(task_key)
        gone = signature.startswith("404")
        if len(tasks) >= (REFUSED_TASKS if gone or not self.proven else UNUSABLE_IN_A_ROW):
            return Exit.CONFIG, f"{len(tasks)} tasks in a row were refused alike: {detail}"
        return None
