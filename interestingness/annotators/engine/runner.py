"""Asks tasks, many at a time, and leaves every one of them in a state that the ledger knows.

One task, step by step: build its bytes; enter the gate; reserve its price (committed before
anything is sent); get a place; send once; store what came back; leave; parse; store the verdict.
What goes wrong on the way is classed by `ruling.rule` and by the transport: free, in doubt, or the
end. If the process is killed, what is inside the gate is in doubt: five for every four places.

A worker never dies of an error: its neighbours' answers are paid for. It asks the run to stop, and
all that is in flight is waited for and stored.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from interestingness.annotators.engine.breaker import Breaker
from interestingness.annotators.engine.contract import BuildRequest, Parse, Prices, Sender
from interestingness.annotators.engine.gate import Gate
from interestingness.annotators.engine.judging import AnswerReader
from interestingness.annotators.engine.ruling import Ruling, rule
from interestingness.annotators.engine.stopping import Exit, Stop
from interestingness.annotators.engine.tally import CallCounts, Summary
from interestingness.annotators.engine.waiting import backoff
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.types import (
    Answer,
    Attempt,
    Denied,
    Failure,
    Reject,
    Reply,
    Request,
    Task,
)
from interestingness.errors import InterestingnessError

SAY_PAUSES_FROM_S = 600.0


@dataclass(frozen=True)
class Limits:
    """How patient a run is.

    Attributes:
        deadline_s: for one exchange, from connecting to the last byte.
        retries: after failures that cost nothing, for each task.
        longest_pause_s: if the server wants a longer one, the run ends and can be run again later.
        served: name under which the model answered before this run; None: the first that is seen.
        models: names under which the model may answer besides that one.
    """

    deadline_s: float = 120.0
    retries: int = 4
    longest_pause_s: float = 3600.0
    served: str | None = None
    models: frozenset[str] = frozenset()


async def run_tasks(
    ledger: Ledger,
    tasks: Iterable[Task],
    build: BuildRequest,
    parse: Parse,
    transport: Sender,
    *,
    parser_version: str,
    concurrency: int,
    prices: Prices,
    limits: Limits | None = None,
    stop: Stop | None = None,
    progress: Callable[[CallCounts], None] = lambda tally: None,
    say: Callable[[str], None] = lambda text: None,
    seed: int = 0,
) -> Summary:
    """Ask what the ledger does not have yet.

    Args:
        ledger: open for writing.
        tasks: in the order in which they are asked; those that are done are left out.
        build, parse, transport, prices: see `contract`.
        parser_version: of ``parse``.
        concurrency: the most requests at a time, at least 1.
        limits: patience.
        stop: asked from outside (`stopping.on_signals`), or by the engine itself.
        progress: called after every step of a task.
        say: called with what a person should know now, e.g. a long pause.
        seed: of the jitter.

    Returns:
        Counts, exit status and reason. Nothing is in flight any more.
    """
    run = _Run(
        ledger,
        build,
        parse,
        transport,
        parser_version,
        prices,
        limits or Limits(),
        stop or Stop(),
        progress,
        say,
        concurrency,
        random.Random(seed),
    )
    await asyncio.to_thread(ledger.renew, parse, parser_version)
    await run.judge_stored()
    todo = await asyncio.to_thread(ledger.need, tasks)
    run.tally.total = len(todo.todo)
    queue = iter(todo.todo)
    # more workers than places: they build, reserve, store and judge while others' requests are out
    workers = min(concurrency + concurrency // 2, len(todo.todo))
    await asyncio.gather(*(run.work(queue) for _ in range(workers)))
    if run.error is not None:
        raise run.error
    if run.tally.unreachable:
        tries = f"{run.limits.retries + 1} tries each"
        run.stop.ask(Exit.LATER, f"tasks without an answer: {run.tally.unreachable} ({tries})")
    return Summary(run.tally, run.stop.exit_code or Exit.DONE, run.stop.reason)


class _Run:
    """What the workers of one run share."""

    def __init__(
        self,
        ledger: Ledger,
        build: BuildRequest,
        parse: Parse,
        transport: Sender,
        parser_version: str,
        prices: Prices,
        limits: Limits,
        stop: Stop,
        progress: Callable[[CallCounts], None],
        say: Callable[[str], None],
        concurrency: int,
        rng: random.Random,
    ) -> None:
        self.ledger, self.build, self.transport = ledger, build, transport
        self.prices, self.limits = prices, limits
        self.judge = AnswerReader(ledger, parse, parser_version, prices)
        self.stop, self.progress, self.say = stop, progress, say
        self.rng = rng
        self.tally, self.breaker = CallCounts(), Breaker()
        self.gate = Gate(concurrency, stop, rng=rng)
        self.error: Exception | None = None

    async def judge_stored(self) -> None:
        """Parse answers that were stored just before a crash; they cost nothing more."""
        for attempt_id, task, reply in self.ledger.unjudged():
            await self._judge(task, attempt_id, reply, reserve_uusd=0)

    async def work(self, queue: Iterator[Task]) -> None:
        """Take tasks until there are none, or the run should end."""
        for task in queue:
            if self.stop.wanted:
                return
            try:
                await self._ask(task)
                self.progress(self.tally)
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
        standing = await asyncio.to_thread(self.ledger.need, [task])
        if standing.todo and not self.stop.wanted:
            return True
        if standing.todo:
            self.ledger.event("not_asked_again", {"task": task.key, "kind": reject.kind})
        return False

    async def _once(self, task: Task, retry_with: str | None) -> str | Reject:
        """One attempt.

        Returns:
            ``settled``; ``again`` after a failure that cost nothing; ``later`` after a 429 or a
            gate that closed; or the reject of an unusable answer.
        """
        try:
            request = await asyncio.to_thread(self.build, task, retry_with)
        except InterestingnessError as error:
            self.ledger.event("not_built", {"task": task.key, "why": error.found})
            self.tally.skipped += 1
            return "settled"
        if not await self.gate.enter():
            return "later"
        try:
            reserve = self.prices.reserve(task, retry_with)
            attempt = await self.ledger.reserve(
                task, reserve_uusd=reserve, price_id=self.prices.price_id
            )
            if isinstance(attempt, Denied):
                return self._denied(attempt)
            ticket = await self.gate.place()
            if ticket is None:
                await self.ledger.free(attempt.id, "not sent: the gate closed, or the run ended")
                return "later"
            answer = await self._sent(attempt, request)
        finally:
            self.gate.leave()
        if isinstance(answer, Failure):
            return await self._failed(attempt, answer, reserve, ticket)
        return await self._answered(task, attempt, answer, reserve, ticket)

    async def _sent(self, attempt: Attempt, request: Request) -> Reply | Failure:
        """Send once; what was answered is on disk when this returns."""
        self.tally.sent += 1
        try:
            answer = await self.transport.send(
                request, attempt_id=attempt.id, deadline_s=self.limits.deadline_s
            )
        finally:
            self.gate.vacate()
        if isinstance(answer, Reply) and rule(answer).action == "parse":
            await self.ledger.received(attempt.id, answer)
        return answer

    def _denied(self, denied: Denied) -> str:
        if denied.reason == "budget":
            self.stop.ask(Exit.CONFIG, f"the budget is reached: {denied.detail}")
        elif denied.reason == "stopped":
            self.stop.ask(Exit.IO, denied.detail)
        else:
            self.tally.skipped += 1
        return "settled"

    async def _failed(self, attempt: Attempt, failure: Failure, reserve: int, ticket: int) -> str:
        """No reply came."""
        _, news = self.gate.failed(ticket, {})
        if failure.kind == "doubt":
            return await self._doubt(attempt, failure.detail, reserve, news)
        return await self._free(attempt, failure.detail, failure.detail, news, answered=False)

    async def _answered(
        self, task: Task, attempt: Attempt, reply: Reply, reserve: int, ticket: int
    ) -> str | Reject:
        """A reply came, good or bad."""
        ruling = rule(reply)
        if ruling.action == "parse":
            return await self._good(task, attempt, reply, reserve)
        if ruling.action == "later":
            pause, news = self.gate.busy(ticket, reply.headers)
            self._pause(pause, news, ruling)
            return await self._busy(attempt, ruling, news)
        if ruling.action in {"again", "doubt"}:
            pause, news = self.gate.failed(ticket, reply.headers)
            self._pause(pause, news, ruling)
            if ruling.action == "doubt":
                return await self._doubt(attempt, ruling.detail, reserve, news)
            self.tally.failed_uusd += reserve if reply.status >= 500 else 0
            return await self._free(attempt, ruling.detail, ruling.signature, news)
        if ruling.action == "reject":
            return await self._refused(task, attempt, reply, ruling)
        assert ruling.exit_code is not None
        self.stop.ask(ruling.exit_code, ruling.detail)
        await self.ledger.free(attempt.id, ruling.detail)
        return "settled"

    def _pause(self, pause: float, news: bool, ruling: Ruling) -> None:
        """Long pauses are told, very long ones end the run."""
        if pause > self.limits.longest_pause_s:
            wanted = f"the server wants a pause of {pause:.0f} s: {ruling.detail}"
            self.stop.ask(Exit.LATER, wanted)
        elif news and pause >= SAY_PAUSES_FROM_S:
            self.say(f"the server wants a pause of {pause / 60:.0f} minutes; waiting")

    async def _free(
        self, attempt: Attempt, detail: str, signature: str, news: bool, *, answered: bool = True
    ) -> str:
        self.tally.failed += 1
        if news:
            self._maybe_stop(self.breaker.unwell(signature, detail, answered=answered))
        await self.ledger.free(attempt.id, detail)
        return "again"

    async def _doubt(self, attempt: Attempt, detail: str, reserve: int, news: bool) -> str:
        self.tally.in_doubt += 1
        self.tally.in_doubt_uusd += reserve
        if news:
            self._maybe_stop(self.breaker.doubt(detail))
        await self.ledger.doubt(attempt.id, detail)
        return "settled"

    async def _busy(self, attempt: Attempt, ruling: Ruling, news: bool) -> str:
        self.tally.busy += 1
        if news:
            self._maybe_stop(self.breaker.busy(ruling.detail))
        await self.ledger.free(attempt.id, ruling.detail)
        return "later"

    async def _refused(self, task: Task, attempt: Attempt, reply: Reply, ruling: Ruling) -> str:
        """A 4xx: this task's fault if others were answered, else probably that of an option."""
        self.tally.reject(ruling.kind)
        self._maybe_stop(self.breaker.refused(ruling.signature, task.key, ruling.detail))
        if self.breaker.proven and reply.status != 404:
            await self.ledger.received(attempt.id, reply)
            await self._judge(task, attempt.id, reply, reserve_uusd=0)
        else:
            await self.ledger.free(attempt.id, ruling.detail)
        return "settled"

    async def _good(self, task: Task, attempt: Attempt, reply: Reply, reserve: int) -> str | Reject:
        """A 200, whose bytes are stored: what do they say?"""
        if self.ledger.stopped:
            self.stop.ask(Exit.IO, self.ledger.stopped)
        verdict, tokens = await self._judge(task, attempt.id, reply, reserve_uusd=reserve)
        self.gate.fine(reply.headers, tokens)
        if isinstance(verdict, Answer):
            self.tally.labelled += 1
            self.breaker.good()
            return "settled"
        if verdict.terminal:
            self.tally.refused += 1
            self.breaker.good()
            return "settled"
        self._maybe_stop(self.breaker.unusable(verdict.kind, verdict.detail or verdict.kind))
        return verdict

    async def _judge(
        self, task: Task, attempt_id: str, reply: Reply, *, reserve_uusd: int
    ) -> tuple[Answer | Reject, int]:
        """Parse a stored reply and store the verdict; also the tokens that it used, if told."""
        judged = await self.judge(task, attempt_id, reply)
        self.tally.unpriced += judged.cost_uusd is None
        self.tally.spent_uusd += reserve_uusd if judged.cost_uusd is None else judged.cost_uusd
        if judged.model is not None:
            self._served_by(judged.model)
        usage = judged.usage
        tokens = [usage.prompt_tokens, usage.completion_tokens] if usage is not None else []
        used = sum(count for count in tokens if count is not None and count > 0)
        return judged.verdict, used

    def _served_by(self, model: str) -> None:
        """Another model than before answers: what it says would be mixed with the rest."""
        models = self.tally.models
        first = self.limits.served or next(iter(models), model)
        if model != first and model not in models and model not in self.limits.models:
            self.ledger.event("other_model", {"before": first, "now": model})
            self.stop.ask(
                Exit.LATER,
                f"answers came from {first} and now come from {model}; if that is right, name it:"
                f" annotator.models='[{model}]'",
            )
        models[model] = models.get(model, 0) + 1

    def _maybe_stop(self, verdict: tuple[Exit, str] | None) -> None:
        if verdict is not None:
            self.stop.ask(*verdict)
