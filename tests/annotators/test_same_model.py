"""A model that was swapped behind its name is noticed by its answers (fault row 24)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from material import SIMULATED, backend, in_session, photographs, ring, rounds
from scipy.stats import binom

from interestingness.annotators.preflight import Fitness
from interestingness.annotators.same_model import Repetition, pick_earlier_tasks, repeat_tasks
from interestingness.annotators.sent_images import ImageSource
from interestingness.annotators.session import Session
from interestingness.annotators.simulated import SimulatedJudge, SimulatedSender
from interestingness.annotators.tasks import pair_tasks
from interestingness.annotators.types import Task

FIT = Fitness(backend(), "json_schema", None, None, True)
TODAY = datetime.now(UTC).date()
TOMORROW = TODAY + timedelta(days=1)


class World:
    """Photographs, their tasks, and a ledger; judges may change between calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.backend = backend()
        files = photographs(folder / "p", 30)
        self.sources = {n: ImageSource.read(n, p) for n, p in files.items()}
        self.ways = rounds()
        self.tasks = pair_tasks(self.backend, self.ways, ring(list(files)), self.sources).tasks

    def go(self, what: Any, **judge: Any) -> Any:
        """Run ``what(session)`` with this judge."""
        sender = SimulatedSender(SimulatedJudge(**{**SIMULATED, "sharpness": 9.0, **judge}))
        prompts = [way.prompt for way in self.ways]
        material = {"prompts": prompts, "sources": self.sources}
        return in_session(self.folder / "l.sqlite", self.backend, sender, what, **material)

    def label(self) -> None:
        self.go(lambda session: session.ask(self.tasks, FIT))

    def watch(self, today: date, size: int = 20, **judge: Any) -> tuple[Repetition | None, int]:
        """What the sentinel finds, and rows of votes after it."""

        async def look(session: Session) -> tuple[Repetition | None, int]:
            found = await session.ask_again(self.tasks, FIT, size=size, today=today)
            return found, session.ledger.table("votes").num_rows

        return self.go(look, **judge)  # type: ignore[no-any-return]


def test_the_same_judge_passes_and_another_one_does_not(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.label()
    assert world.watch(TODAY) == (None, 60), "nothing was labelled on an earlier day"
    found, rows = world.watch(TOMORROW)
    assert found is not None and (found.asked, found.same, found.alarm) == (20, 20, False)
    assert rows == 60, "asking again leaves no votes"
    later, _ = world.watch(TOMORROW + timedelta(days=1), sharpness=-9.0, order_term=0.0)
    assert later is not None and later.asked == 20 and later.alarm
    assert f"{later.same} of 20" in str(later)


def test_the_same_tasks_are_asked_every_day(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.label()

    async def chosen(session: Session) -> Sequence[Task]:
        return pick_earlier_tasks(session.ledger, world.tasks[::-1] + world.tasks, 5, TOMORROW)

    first, second = world.go(chosen), world.go(chosen)
    assert [t.key for t in first] == [t.key for t in second] and len(first) == 5
    days = [{t.key for t in repeat_tasks(first, day)} for day in (TODAY, TOMORROW)]
    assert not days[0] & days[1]
    assert {t.key for t in repeat_tasks(first, TODAY)} == days[0]


@pytest.mark.parametrize(("same", "alarm"), [(20, False), (14, False), (13, True), (0, True)])
def test_the_alarm_is_a_binomial_test(same: int, alarm: bool) -> None:
    watch = Repetition(20, same)
    assert watch.alarm is alarm
    assert watch.p_value == pytest.approx(binom.cdf(same, 20, 0.9))


def test_nothing_asked_is_no_alarm() -> None:
    assert not Repetition(0, 0).alarm
