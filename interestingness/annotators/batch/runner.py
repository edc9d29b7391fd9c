"""Asks tasks in batches: takes up those under way, hands in new ones, waits, takes them in."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator, Sequence

from interestingness.annotators.batch.ingest import judge_stored
from interestingness.annotators.batch.machine import BatchLimits, Machine
from interestingness.annotators.batch.remote import Carrier, Remote, RemoteError
from interestingness.annotators.engine.contract import BuildRequest, Parse, Prices
from interestingness.annotators.engine.judging import AnswerReader
from interestingness.annotators.engine.stopping import Exit, Stop
from interestingness.annotators.engine.tally import CallCounts, Summary
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.types import Attempt, Denied, Request, Task
from interestingness.errors import InterestingnessError

ROUNDS = 3
"""How often tasks are put into a batch in one run: expired ones, and answers that were no use."""

OVERHEAD = 200
"""Bytes of a line besides the body, at most."""


async def run_batches(
    ledger: Ledger,
    tasks: Iterable[Task],
    build: BuildRequest,
    parse: Parse,
    carrier: Carrier,
    *,
    parser_version: str,
    prices: Prices,
    limits: BatchLimits | None = None,
    stop: Stop | None = None,
    wait: bool = True,
    progress: Callable[[CallCounts], None] = lambda tally: None,
    say: Callable[[str], None] = lambda text: None,
    seed: int = 0,
) -> Summary:
    """Ask what the ledger does not have yet, through the provider's batch API.

    Args:
        ledger: open for writing.
        tasks: those that are done, or under way in a batch, are left out.
        build, parse, prices: as for `engine.runner.run_tasks`; prices are those of batches.
        carrier: `transport.Transport`.
        parser_version: of ``parse``.
        limits: sizes and patience.
        stop: asked from outside; batches go on at the provider, and the next run takes them up.
        wait: False hands the batches in and does not wait for them.
        progress: called after every look at the batches.
        say: called with what a person should know now.
        seed: of the jitter.

    Returns:
        Counts, exit status and reason.
    """
    stop, limits = stop or Stop(), limits or BatchLimits()
    remote = Remote(carrier, stop, random.Random(seed))
    machine = Machine(ledger, remote, limits, stop, say)
    judge = AnswerReader(ledger, parse, parser_version, prices)
    run = _Run(ledger, machine, judge, list(tasks), build, prices, CallCounts(), progress)
    await asyncio.to_thread(ledger.renew, parse, parser_version)
    try:
        await run.all_rounds(wait=wait)
    except RemoteError as error:
        stop.ask(Exit(error.exit_code), str(error))
    waiting = len(machine.unfinished())
    if waiting and not stop.wanted:
        stop.ask(Exit.LATER, f"batches under way: {waiting}; run again to take them in")
    return Summary(run.tally, stop.exit_code or Exit.DONE, stop.reason)


class _Run:
    """One run over one ledger."""

    def __init__(
        self,
        ledger: Ledger,
        machine: Machine,
        judge: AnswerReader,
        tasks: list[Task],
        build: BuildRequest,
        prices: Prices,
        tally: CallCounts,
        progress: Callable[[CallCounts], None],
    ) -> None:
        self.ledger, self.machine, self.judge = ledger, machine, judge
        self.tasks, self.build, self.prices = tasks, build, prices
        self.tally, self.progress = tally, progress
        self.stop, self.changes = machine.stop, dict[str, str]()

    async def all_rounds(self, *, wait: bool) -> None:
        """Take up, hand in, wait, take in; again for what came back without an answer."""
        for _ in range(ROUNDS):
            await self._until_idle(until_created=True)
            handed_in = await self._hand_in()
            await self._until_idle(until_created=not wait)
            if not handed_in or not wait or self.stop.wanted:
                return
        left = len((await asyncio.to_thread(self.ledger.need, self.tasks)).todo)
        if left:
            self.stop.ask(Exit.LATER, f"tasks without an answer: {left} (in {ROUNDS} batches)")

    async def _until_idle(self, *, until_created: bool) -> None:
        """Step all batches until they are done (or only wait for the provider)."""
        while not self.stop.wanted:
            moved = False
            active = self.machine.unfinished()
            for shard in active:
                if self.stop.wanted:
                    break
                moved |= await self.machine.step(shard)
            self.changes.update(await judge_stored(self.ledger, self.judge, self.tally))
            self.tally.in_doubt = self.machine.lost
            self.progress(self.tally)
            waiting = self.machine.unfinished()
            only_polling = all(shard.state == "created" for shard in waiting)
            if not waiting or (until_created and only_polling and not moved):
                return
            if not moved:
                await self.stop.sleep(self._nap())

    def _nap(self) -> float:
        limits = self.machine.limits
        return min(limits.poll_s, limits.full_s, 5.0)

    async def _hand_in(self) -> bool:
        """Reserve and build batches of what is to be asked; whether there was anything."""
        need = await asyncio.to_thread(self.ledger.need, self.tasks)
        self.tally.total = max(self.tally.total, len(need.todo) + need.waiting)
        handed_in = False
        groups = self._groups(need.todo)
        while (group := await asyncio.to_thread(next, groups, None)) and not self.stop.wanted:
            items = [(task, self._reserve(task)) for task, _ in group]
            name, outcomes = await self.ledger.reserve_shard(items, price_id=self.prices.price_id)
            denied = next((o for o in outcomes if isinstance(o, Denied)), None)
            if name is not None:
                await self.machine.build(name, list(_granted(group, outcomes)))
                self.tally.sent += sum(isinstance(outcome, Attempt) for outcome in outcomes)
                handed_in = True
            if denied is not None and denied.reason == "budget":
                self.machine.say(f"the budget is reached: {denied.detail}")
                if name is None:
                    self.stop.ask(Exit.CONFIG, f"the budget is reached: {denied.detail}")
                break
            if denied is not None and denied.reason == "stopped":
                self.stop.ask(Exit.IO, denied.detail)
        return handed_in

    def _reserve(self, task: Task) -> int:
        return self.prices.reserve(task, self.changes.get(task.key))

    def _groups(self, tasks: Sequence[Task]) -> Iterator[list[tuple[Task, Request]]]:
        """Tasks with their requests, as many at a time as go into one file; one path each."""
        limits = self.machine.limits
        group: list[tuple[Task, Request]] = []
        size = 0
        for task in tasks:
            try:
                request = self.build(task, self.changes.get(task.key))
            except InterestingnessError as error:
                self.ledger.event("not_built", {"task": task.key, "why": error.found})
                self.tally.skipped += 1
                continue
            line = len(request.body) + OVERHEAD
            other = bool(group) and group[0][1].path != request.path
            if group and (len(group) >= limits.requests or size + line > limits.bytes or other):
                yield group
                group, size = [], 0
            group.append((task, request))
            size += line
        if group:
            yield group


def _granted(
    group: Sequence[tuple[Task, Request]], outcomes: Sequence[Attempt | Denied]
) -> Iterator[tuple[str, Request]]:
    for (_, request), outcome in zip(group, outcomes, strict=True):
        if isinstance(outcome, Attempt):
            yield outcome.id, request
