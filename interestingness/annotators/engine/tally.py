"""What a run has done so far, and how it ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from interestingness.annotators.engine.stopping import Exit


@dataclass
class CallCounts:
    """Counts of one run; the engine changes it, everybody may read it.

    Attributes:
        total: tasks to be asked in this run.
        labelled: got a label.
        refused: the model, or a filter, refuses for good.
        rejected: no usable answer in this run, by kind of the last one.
        in_doubt: an answer was lost that may have been paid for; held.
        skipped: could not be asked: a broken image, or somebody else asked meanwhile.
        unreachable: given up in this run after failures that cost nothing.
        sent: requests that went out.
        busy: answers 429.
        failed: attempts that cost nothing, because the server failed or was not reached.
        unpriced: answers that did not tell what they cost, so that the whole reserve was booked.
        spent_uusd: booked in this run, in millionths of a dollar; what is in doubt is not in it.
        in_doubt_uusd: reserves of what is in doubt.
        failed_uusd: reserves given back after 5xx, which some providers charge all the same.
        models: names of the models that answered, with the number of answers.
    """

    total: int = 0
    labelled: int = 0
    refused: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    in_doubt: int = 0
    skipped: int = 0
    unreachable: int = 0
    sent: int = 0
    busy: int = 0
    failed: int = 0
    unpriced: int = 0
    spent_uusd: int = 0
    in_doubt_uusd: int = 0
    failed_uusd: int = 0
    models: dict[str, int] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def finished(self) -> int:
        """Tasks that this run is through with, whatever came of them."""
        lost = self.in_doubt + self.skipped + self.unreachable
        return self.labelled + self.refused + sum(self.rejected.values()) + lost

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self.began

    @property
    def rate(self) -> float:
        """Finished tasks per second."""
        return self.finished / max(self.seconds, 1e-9)

    @property
    def to_come_uusd(self) -> int:
        """What the rest of the tasks will cost, if they cost what the others did."""
        told = self.labelled + self.refused + sum(self.rejected.values())
        return round(self.spent_uusd / told * (self.total - self.finished)) if told else 0

    def reject(self, kind: str) -> None:
        """Count a task without a usable answer."""
        self.rejected[kind] = self.rejected.get(kind, 0) + 1


@dataclass(frozen=True)
class Summary:
    """How a run ended.

    Attributes:
        tally: what was done.
        exit_code: for the shell; 0 if every task was dealt with.
        reason: why it ended early; empty if it did not.
    """

    tally: CallCounts
    exit_code: Exit
    reason: str
