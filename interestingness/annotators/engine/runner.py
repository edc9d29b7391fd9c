"""Ask tasks, many at a time, and leave each in a state that the ledger records.

One task, step by step: build its bytes; reserve its price (committed before anything is sent); wait
for a place; send once; store what came back; parse; store what it says. What goes wrong on the way
is classed by `replies.classify` and by the transport: free, in doubt, or the end of the run.

A worker never dies of an error, because the answers of the others are paid for: it asks the run to
stop, and all that is in flight is waited for and stored.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from interestingness.annotators.engine.asking import Asking, Sender
from interestingness.annotators.engine.breaker import Breaker, Ending
from interestingness.annotators.engine.pacing import Pacer
from interestingness.annotators.engine.replies import ReplyClass, classify
from interestingness.annotators.engine.run_state import Exit, Summary
from interestingness.annotators.types import (
    Answer,
    Attempt,
    Denied,
    Failure,
    Reject,
    Reply,
    Task,
)
from interestingness.errors import InterestingnessError
from interestingness.http_waits import backoff

SAY_PAUSES_FROM_S = 600.0
KEPT_OF_A_FAILURE = 4000
"""Bytes of a failure inside HTTP 200 that the ledger keeps as an event."""


@dataclass(frozen=True)
class Limits:
    """Limits of concurrency, time and retries.

    Attributes:
        concurrency: the most requests at a time, at least 1.
        deadline_s: for one exchange, from connecting to the last byte.
        retries: after failures that cost nothing, for each task.
        longest_pause_s: if the server wants a longer one, the run ends and can be run again later.
    """

    concurrency: int = 1
    deadline_s: float = 120.0
    retries: int = 4
    longest_pause_s: float = 3600.0


@dataclass
class _Call:
    """One attempt that was sent."""

    task: Task
    attempt: Attempt
    reserve: int
    ticket: int


async def run_tasks(
    asking: Asking, tasks: Iterable[Task], sender: Sender, limits: Limits
) -> Summary:
    """Ask what the ledger does not have yet.

    Args:
        asking: ledger, prices, parser, callbacks.
        tasks: in the order in which they are asked; those that are done are left out.
        sender: sends requests to the model.
        limits: see `Limits`.

    Returns:
        Counts, exit status and reason. Nothing is in flight any more.
    """
    run = _Run(asking, sender, limits, random.Random(0))
    await asking.renew()
    for attempt_id, task, reply in asking.ledger.unparsed():  # stored just before a crash
        await asking.read(task, attempt_id, reply)
    todo = (await asyncio.to_thread(asking.ledger.need, tasks)).todo
    asking.tally.total = len(todo)
    queue = iter(todo)
    # more workers than places: they build, reserve, store and parse while others' requests are out
    workers = min(limits.concurrency + limits.concurrency // 2, len(todo))
    await asyncio.gather(*(run.work_off(queue) for _ in range(workers)))
    if run.error is not None:
        raise run.error
    if unreachable := asking.tally.unreachable:
        tries = f"{limits.retries + 1} tries each"
        asking.stop.ask(Exit.LATER, f"tasks without an answer: {unreachable} ({tries})")
    return asking.end(sum(asking.tally.rejected.values()))


class _Run:
    """State that the workers of one run share."""

    def __init__(self, asking: Asking, sender: Sender, limits: Limits, rng: random.Random) -> None:
        self.asking, self.sender, self.limits, self.rng = asking, sender, limits, rng
        self.ledger, self.stop, self.tally = asking.ledger, asking.stop, asking.tally
        self.breaker = Breaker()
        self.pacer = Pacer(limits.concurrency, asking.stop, rng=rng)
        self.error: Exception | None = None
        self.told_waiting = False

    async def work_off(self, queue: Iterator[Task]) -> None:
        """Take tasks until there are none, or the run should end."""
        for task in queue:
            if self.stop.wanted:
                return
            try:
                await self._ask(task)
                self.asking.progress(self.tally)
            except Exception as error:  # the others are still waiting for answers that are paid for
                self.error = self.error or error
                self.stop.ask(Exit.IO, f"{type(error).__name__}: {error}")

    async def _ask(self, task: Task) -> None:
        """Ask one task until it is settled, given up, or the run should end."""
        retry_with: str | None = None
        failures = 0
        while not self.stop.wanted:
            outcome = await self._once(task, retry_with)
            if outcome == "again":
                failures += 1
                if failures > self.limits.retries:
                    self.tally.unreachable += 1
                    return
                await self.stop.sleep(backoff(failures, self.rng))
            elif isinstance(outcome, Reject):
                given_up = outcome.retry_with is not None and outcome.retry_with == retry_with
                retry_with = outcome.retry_with
                if given_up or not await self._may_ask_again(task, outcome):
                    self.tally.reject(outcome.kind)
                    return
            elif outcome == "settled":
                return

    async def _may_ask_again(self, task: Task, reject: Reject) -> bool:
        todo = (await asyncio.to_thread(self.ledger.need, [task])).todo
        if todo and self.stop.wanted:
            self.ledger.event("not_asked_again", {"task": task.key, "kind": reject.kind})
        return bool(todo) and not self.stop.wanted

    async def _once(self, task: Task, retry_with: str | None) -> str | Reject:
        """Make one attempt.

        Returns:
            ``settled``; ``again`` after a failure that cost nothing; ``later`` if the server is
            busy, or after a pause; or the reject of an unusable answer.
        """
        try:
            request = await asyncio.to_thread(self.asking.build, task, retry_with)
        except InterestingnessError as error:
            self.ledger.event("not_built", {"task": task.key, "why": error.found})
            self.tally.skipped += 1
            return "settled"
        if not await self.pacer.enter():
            return "later"
        try:
            prices = self.asking.prices
            reserve = prices.reserve(task, retry_with)
            attempt = await self.ledger.reserve(
                task, reserve_uusd=reserve, price_id=prices.price_id
            )
            if isinstance(attempt, Denied):
                return self._denied(attempt)
            ticket = await self.pacer.place()
            if ticket is None:
                await self.ledger.free(attempt.id, "not sent: a pause began, or the run ended")
                return "later"
            self.tally.sent += 1
            try:
                answer = await self.sender.send(
                    request, attempt_id=attempt.id, deadline_s=self.limits.deadline_s
                )
            finally:
                self.pacer.vacate()
            found = classify(answer) if isinstance(answer, Reply) else None
            if isinstance(answer, Reply) and found is not None and found.action == "parse":
                await self.ledger.received(attempt.id, answer)  # before it is parsed
        finally:
            self.pacer.leave()
        call = _Call(task, attempt, reserve, ticket)
        if isinstance(answer, Failure):
            return await self._no_reply(call, answer)
        assert found is not None
        return await self._replied(call, answer, found)

    def _denied(self, denied: Denied) -> str:
        if denied.reason == "budget":
            self.stop.ask(Exit.CONFIG, f"the budget is reached: {denied.detail}")
        elif denied.reason == "stopped":
            self.stop.ask(Exit.IO, denied.detail)
        else:
            self.tally.skipped += 1
        return "settled"

    async def _no_reply(self, call: _Call, failure: Failure) -> str:
        _, news = self.pacer.failed(call.ticket)
        self.tally.outage = failure.detail if failure.kind == "free" else ""
        if failure.kind == "doubt":
            return await self._in_doubt(call, failure.detail, news)
        return await self._unwell(call, failure.detail, failure.detail, news, answered=False)

    async def _replied(self, call: _Call, reply: Reply, found: ReplyClass) -> str | Reject:
        self.tally.outage = found.detail if found.outage else ""
        self.tally.problem = found.detail
        if found.action == "parse":
            return await self._read(call, reply)
        if found.action == "later":
            pause, news = self.pacer.busy(call.ticket, found.wait_s)
            self._tell_pause(pause, news, found)
            self.tally.busy += 1
            self._end_if(self.breaker.busy(found.detail) if news else None)
            await self.ledger.free(call.attempt.id, found.detail)
            return "later"
        if reply.status == 200:  # nothing is charged, and the bytes are not stored as a reply
            shown = reply.body[:KEPT_OF_A_FAILURE].decode("utf-8", "replace")
            self.ledger.event("failure_inside_200", {"attempt": call.attempt.id, "body": shown})
        if found.action in {"again", "doubt"}:
            pause, news = self.pacer.failed(call.ticket, found.wait_s)
            self._tell_pause(pause, news, found)
            if found.action == "doubt":
                return await self._in_doubt(call, found.detail, news)
            return await self._unwell(call, found.detail, found.signature, news)
        if found.action == "reject":
            return await self._refused(call, reply, found)
        assert found.exit_code is not None
        self.stop.ask(found.exit_code, found.detail)
        await self.ledger.free(call.attempt.id, found.detail)
        return "settled"

    def _tell_pause(self, pause: float, news: bool, found: ReplyClass) -> None:
        """Report long pauses and a server that is not ready; end the run for very long ones."""
        if pause > self.limits.longest_pause_s:
            wanted = f"the server wants a pause of {pause:.0f} s: {found.detail}"
            self.stop.ask(Exit.LATER, wanted)
        elif news and pause >= SAY_PAUSES_FROM_S:
            self.asking.say(f"the server wants a pause of {pause / 60:.0f} minutes; waiting")
        elif found.action == "later" and found.status != 429 and not self.told_waiting:
            self.told_waiting = True
            self.asking.say(f"the server is not ready: {found.detail}; waiting until it is")

    async def _unwell(
        self, call: _Call, detail: str, signature: str, news: bool, *, answered: bool = True
    ) -> str:
        self.tally.failed += 1
        if news:
            self._end_if(self.breaker.unwell(signature, detail, answered=answered))
        await self.ledger.free(call.attempt.id, detail)
        return "again"

    async def _in_doubt(self, call: _Call, detail: str, news: bool) -> str:
        self.tally.in_doubt += 1
        self._end_if(self.breaker.doubt(detail) if news else None)
        await self.ledger.doubt(call.attempt.id, detail)
        return "settled"

    async def _refused(self, call: _Call, reply: Reply, found: ReplyClass) -> str:
        """Handle a 4xx: the task's fault if others were answered, else probably an option's."""
        self.tally.reject(found.kind)
        self._end_if(self.breaker.refused(found.signature, call.task.key, found.detail))
        if self.breaker.proven and found.status != 404:
            await self.ledger.received(call.attempt.id, reply)
            await self.asking.read(call.task, call.attempt.id, reply)
        else:
            await self.ledger.free(call.attempt.id, found.detail)
        return "settled"

    async def _read(self, call: _Call, reply: Reply) -> str | Reject:
        """Read a 200 whose bytes are stored."""
        if self.ledger.stopped:
            self.stop.ask(Exit.IO, self.ledger.stopped)
        verdict, usage, _, _ = await self.asking.read(
            call.task, call.attempt.id, reply, reserve_uusd=call.reserve
        )
        self.pacer.succeeded(reply.headers, usage.total if usage is not None else 0)
        if isinstance(verdict, Answer):
            self.tally.labelled += 1
            self.breaker.good()
            return "settled"
        if verdict.terminal:
            self.tally.refused += 1
            self.breaker.good()
            return "settled"
        self._end_if(self.breaker.unusable(verdict.detail or verdict.kind))
        return verdict

    def _end_if(self, ending: Ending) -> None:
        if ending is not None:
            self.stop.ask(*ending)
