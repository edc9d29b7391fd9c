"""When failing has gone on for so long that going on would cost more than it brings; pure."""

from __future__ import annotations

from interestingness.annotators.engine.stopping import Exit

FIRST_CALLS = 5
UNWELL_IN_A_ROW = 20
DOUBTS_IN_A_ROW = 5
NO_ANSWERS_IN_A_ROW = 5
UNUSABLE_IN_A_ROW = 20
REFUSED_TASKS = 3
BUSY_IN_A_ROW = 50

NO_ANSWER = frozenset({"html", "error_object", "failed"})
"""Kinds of rejects in which no model spoke at all."""

Verdict = tuple[Exit, str] | None


class Breaker:
    """Counts what fails in a row; anything usable starts the counts again.

    What failed together counts once: `gate.Gate` tells what is news. Each method returns None to go
    on, or how the run should end.

    Attributes:
        proven: an answer could be used, so backend, model and options are right.
    """

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.proven = False
        self._start_again()
        self._first: list[str] = []

    def _start_again(self) -> None:
        self._unwell = self._doubts = self._busy = self._no_answer = self._unusable = 0
        self._refused: dict[str, set[str]] = {}

    def good(self) -> None:
        """A label, or a refusal by the model itself."""
        self.proven = True
        self._start_again()

    def unwell(self, signature: str, detail: str, *, answered: bool = True) -> Verdict:
        """The server failed or could not be reached (not ``answered``); nothing was charged."""
        self._unwell += 1
        self._first.append(signature)
        if not self.proven and self._first == [signature] * FIRST_CALLS:
            why = "probably a wrong option"
            if not answered:
                why = "the service is down, or its address is wrong"
            first = f"the first {FIRST_CALLS} calls failed alike; {why}"
            return Exit.LATER, f"{first}: {detail}"
        if self._unwell >= UNWELL_IN_A_ROW:
            return Exit.LATER, f"{self._unwell} calls in a row failed, the last with: {detail}"
        return None

    def doubt(self, detail: str) -> Verdict:
        """An answer was lost that may have been paid for."""
        self._doubts += 1
        if self._doubts >= DOUBTS_IN_A_ROW:
            lost = f"{self._doubts} answers in a row were lost, and may have been charged"
            return Exit.LATER, f"{lost}: {detail}"
        return None

    def busy(self, detail: str) -> Verdict:
        """Too much was asked."""
        self._busy += 1
        if self._busy >= BUSY_IN_A_ROW:
            return Exit.LATER, f"{self._busy} times in a row the server was too busy: {detail}"
        return None

    def unusable(self, kind: str, detail: str) -> Verdict:
        """An answer came that is no label."""
        self._unusable += 1
        self._no_answer = self._no_answer + 1 if kind in NO_ANSWER else 0
        if self._no_answer >= NO_ANSWERS_IN_A_ROW:
            return Exit.LATER, f"{self._no_answer} replies in a row were no answers: {detail}"
        if self._unusable >= UNUSABLE_IN_A_ROW:
            return Exit.CONFIG, f"{self._unusable} answers in a row could not be used: {detail}"
        return None

    def refused(self, signature: str, task_key: str, detail: str) -> Verdict:
        """The server refuses a request; a model that is gone concerns every task."""
        tasks = self._refused.setdefault(signature, set())
        tasks.add(task_key)
        gone = signature.startswith("404")
        if len(tasks) >= (REFUSED_TASKS if gone or not self.proven else UNUSABLE_IN_A_ROW):
            return Exit.CONFIG, f"{len(tasks)} tasks in a row were refused alike: {detail}"
        return None
