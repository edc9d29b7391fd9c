"""Is the model still the one that answered before? A few frozen tasks, asked again on another day.

A provider may change a model behind its name. Names are watched by the engine; what they do not
tell is told by answers: pairs that were labelled on an earlier day are asked once more, and far
fewer equal choices than a steady judge gives are an alarm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from scipy.special import bdtr

from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.types import Task

STEADY = 0.9
"""Share of equal choices that a judge of the same make gives at least when it is asked again."""
ALARM = 0.01
"""Probability, under ``STEADY``, of so few equal choices that the alarm is given."""


@dataclass(frozen=True)
class Watch:
    """What came of asking again.

    Attributes:
        asked: tasks that were answered on both days.
        same: of these, with the same choice.
    """

    asked: int
    same: int

    @property
    def p_value(self) -> float:
        """P(as few equal choices or fewer) of a judge that gives ``STEADY`` of them."""
        return float(bdtr(self.same, self.asked, STEADY)) if self.asked else 1.0

    @property
    def alarm(self) -> bool:
        """Whether another model seems to answer."""
        return self.p_value < ALARM

    def __str__(self) -> str:
        return (
            f"{self.same} of {self.asked} answers of an earlier day are given again"
            f" (p = {self.p_value:.2g} for a judge that repeats {STEADY:.0%})"
        )


def earlier_tasks(ledger: Ledger, tasks: Iterable[Task], size: int, today: date) -> list[Task]:
    """Tasks with a label of an earlier day: always the same ones, chosen by a hash of their keys.

    Args:
        ledger: with the labels.
        tasks: pairs.
        size: how many at most.
        today: labels of this day do not count.
    """
    ranked = sorted(
        {task.key: task for task in tasks}.values(),
        key=lambda task: hashlib.sha256(f"sentinel {task.key}".encode()).hexdigest(),
    )
    table = ledger.table("votes", ranked)
    times = zip(
        table["key"].to_pylist(),
        table["choice"].to_pylist(),
        table["time"].to_pylist(),
        strict=True,
    )
    old = {key for key, choice, time in times if choice is not None and time.date() < today}
    return [task for task in ranked if task.key in old][:size]


def again(tasks: Sequence[Task], today: date) -> list[Task]:
    """The same questions as tasks of their own, which leave no votes; equal within a day."""
    return [
        Task.of(
            "sentinel",
            {**{k: v for k, v in task.identity.items() if k != "kind"}, "day": today.isoformat()},
            {"of": task.key},
        )
        for task in tasks
    ]
