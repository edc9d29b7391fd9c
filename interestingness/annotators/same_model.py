"""Check by name and by answers that the model is still the one that answered before.

A provider may change a model behind its name. So a few pairs that were answered on an earlier day
are asked once more, always the same ones; far fewer equal choices than a steady model gives mean
that another one answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from interestingness.annotators.backends import Backend
from interestingness.annotators.ledger.export import KINDS
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.preflight import PreflightError
from interestingness.annotators.types import Task
from interestingness.number_text import percent

STEADY = 0.9
"""Share of equal choices that a steady model gives at least when it is asked again."""
ALARM = 0.01
"""Below this probability, under ``STEADY``, of so few equal choices another model is suspected."""


@dataclass(frozen=True)
class Repetition:
    """Result of asking again.

    Attributes:
        asked: tasks that were answered on both days.
        same: of these, with the same choice.
    """

    asked: int
    same: int

    @property
    def p_value(self) -> float:
        """P(as few equal choices or fewer) of a model that gives ``STEADY`` of them."""
        from scipy.special import bdtr

        return float(bdtr(self.same, self.asked, STEADY)) if self.asked else 1.0

    @property
    def alarm(self) -> bool:
        """Check whether another model seems to answer."""
        return self.p_value < ALARM

    def __str__(self) -> str:
        return (
            f"{self.same} of {self.asked} answers of an earlier day are given again"
            f" (p = {self.p_value:.2g} for a judge that repeats {percent(STEADY, digits=0)})"
        )


def pick_earlier_tasks(ledger: Ledger, tasks: Iterable[Task], size: int, today: date) -> list[Task]:
    """Tasks with an answer of an earlier day: always the same ones, chosen by a hash of their keys.

    Args:
        ledger: with the answers.
        tasks: pairs.
        size: how many at most.
        today: answers of this day do not count.
    """
    ranked = sorted(
        {task.key: task for task in tasks}.values(),
        key=lambda task: hashlib.sha256(f"sentinel {task.key}".encode()).hexdigest(),
    )
    rows = ledger.table("votes", ranked).select(["key", "choice", "time"]).to_pylist()
    old = {row["key"] for row in rows if row["choice"] is not None and row["time"].date() < today}
    return [task for task in ranked if task.key in old][:size]


def repeat_tasks(tasks: Sequence[Task], today: date) -> list[Task]:
    """The same questions as tasks of their own, which leave no votes; equal within a day."""
    return [
        Task.of(
            "sentinel",
            {**{k: v for k, v in task.identity.items() if k != "kind"}, "day": today.isoformat()},
            {"of": task.key},
        )
        for task in tasks
    ]


def find_first_served(ledger: Ledger, backend: Backend) -> str | None:
    """Name of the model that gave the first answer when this backend's model was asked.

    The first, not any: the answer that ended an earlier run came from another model and is kept.
    """
    found: list[tuple[str, str]] = []
    for kind in KINDS:
        table = ledger.table(kind).select(["time", "served_model", "identity", "reject"])
        for row in table.to_pylist():
            if not row["served_model"] or row["reject"] or row["time"] is None:
                continue
            asked = json.loads(row["identity"])
            if (asked.get("backend"), asked.get("model")) == (backend.name, backend.model):
                found.append((row["time"], row["served_model"]))
    return min(found)[1] if found else None


def check_served(backend: Backend, earlier: str | None, served: Sequence[str]) -> str | None:
    """The name under which the model has to answer, unless ``models`` allows others.

    Args:
        backend: who is asked.
        earlier: name that came with the first answer in the ledger; None: there is none.
        served: names in the preflight.

    Raises:
        PreflightError: if another model answers now.
    """
    name = earlier or next(iter(served), None)
    others = [other for other in served if other != name and other not in backend.models]
    if others:
        raise PreflightError(
            f"answers came from {name} and now come from {others[0]}",
            expected="one model; what others say would be mixed with the rest",
            todo=f"a ledger of its own (ledger=…); or, if that is right, "
            f"annotator.models='[{', '.join([*backend.models, *others])}]'",
        )
    return name
