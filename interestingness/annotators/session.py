"""One judge, one ledger, some tasks: the preflight, then the asking."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from interestingness.annotators.asking import Build
from interestingness.annotators.backends import Backend
from interestingness.annotators.batch.machine import BatchLimits
from interestingness.annotators.batch.runner import run_batches
from interestingness.annotators.credentials import read_key
from interestingness.annotators.engine.contract import Parse, Sender
from interestingness.annotators.engine.ruling import rule
from interestingness.annotators.engine.runner import Limits, run_tasks
from interestingness.annotators.engine.stopping import Exit, Stop, on_signals
from interestingness.annotators.engine.tally import CallCounts, Summary
from interestingness.annotators.engine.waiting import backoff
from interestingness.annotators.ledger.export import KINDS
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.parsing import PARSER_VERSION, Parsed, parse
from interestingness.annotators.preflight import (
    Canary,
    Fitness,
    PreflightError,
    check_listing,
    fitness,
    same_model,
)
from interestingness.annotators.prices import Meter
from interestingness.annotators.prompting import Prompt
from interestingness.annotators.sentinel import Watch, again, earlier_tasks
from interestingness.annotators.simulated import SimulatedJudge, SimulatedSender
from interestingness.annotators.stimuli import ImageSource
from interestingness.annotators.transport import Transport
from interestingness.annotators.types import Answer, Failure, Reply, Request, Task
from interestingness.errors import InterestingnessError

MOST_ATTEMPTS = 30
"""Attempts on one task of the preflight or the sentinel that are looked through for an answer."""

PREFLIGHT_RETRIES = 2
OUTAGES = frozenset({408, 429, 502, 503, 529})
"""A server that is busy or away; 500 is not among them: some answer a schema with it."""


class Server(Sender, Protocol):
    """A `Sender` that can also fetch a path."""

    async def get(self, path: str, *, deadline_s: float) -> Reply | Failure:
        """Fetch a path below the base URL."""


@dataclass
class _Heard:
    """A sender that keeps in mind whether the last answer was a passing outage."""

    sender: Sender
    outage: str = ""

    async def send(
        self, request: Request, *, attempt_id: str, deadline_s: float
    ) -> Reply | Failure:
        answer = await self.sender.send(request, attempt_id=attempt_id, deadline_s=deadline_s)
        self.outage = ""
        if isinstance(answer, Failure):
            self.outage = answer.detail if answer.kind == "free" else ""
        elif answer.status in OUTAGES:
            self.outage = rule(answer).detail
        return answer


class KeyRefusedError(InterestingnessError):
    """The provider does not take the key."""

    exit_code = int(Exit.KEY)


class QuotaError(InterestingnessError):
    """The provider's quota or credit is used up."""

    exit_code = int(Exit.QUOTA)


class BudgetError(InterestingnessError):
    """The budget does not even allow the preflight."""

    exit_code = int(Exit.CONFIG)


class UnreachableError(InterestingnessError):
    """No server answers."""

    exit_code = int(Exit.LATER)


@contextlib.asynccontextmanager
async def connected(backend: Backend) -> AsyncIterator[Server]:
    """The way to a backend: a transport, or a simulated judge in this process.

    Raises:
        ConfigError: if the key is absent, or may not go to this host.
    """
    if backend.simulated is not None:
        yield SimulatedSender(SimulatedJudge(**{**backend.simulated, "model": backend.model}))
        return
    assert backend.base_url is not None
    secret = read_key(
        backend.key_env,
        base_url=backend.base_url,
        hosts=tuple(backend.hosts),
        where=backend.where,
    )
    connections = int(backend.limits["concurrency"])
    async with Transport(backend.base_url, secret, connections=connections) as transport:
        yield transport


@dataclass
class Consistency:
    """Reads answers, and counts on the way how often the same image wins in both orders.

    Attributes:
        same: pairs (of a rater, a sample) with the same winner in both orders.
        both: pairs that were answered in both orders.
    """

    same: int = 0
    both: int = 0
    _winner: dict[tuple[object, ...], object] = field(default_factory=dict)

    def __call__(self, task: Task, reply: Reply) -> Parsed:
        """`parsing.parse`, watched."""
        parsed = parse(task, reply)
        verdict, about = parsed[0], task.subject
        if task.kind == "pair" and isinstance(verdict, Answer):
            first = about["first"]
            other = "right" if first == "left" else "left"
            winner = first if verdict.choice == "first" else other
            names = ("pair_id", "rater_id", "question", "sample")
            key = tuple(about.get(name) for name in names)
            if key in self._winner:
                self.both += 1
                self.same += self._winner.pop(key) == winner
            else:
                self._winner[key] = winner
        return parsed

    def __str__(self) -> str:
        return f"consistent {self.same / self.both:.0%}" if self.both else ""


@dataclass
class Session:
    """What asking needs, whatever is asked.

    Attributes:
        backend: who is asked.
        ledger: open for writing.
        server: the way there.
        prompts: rendered, by id.
        sources: images by hash.
        meter: reserves and costs.
        say: told what a person should know at once.
    """

    backend: Backend
    ledger: Ledger
    server: Server
    prompts: Mapping[str, Prompt]
    sources: Mapping[str, ImageSource]
    meter: Meter
    say: Callable[[str], None] = print
    _served: str | None = field(default=None, init=False)

    async def preflight(self, canary: Canary | None, *, today: date) -> Fitness:
        """Is the model there, does it see, what does it cost? Measured tokens go to the meter.

        Args:
            canary: two squares to ask about; None where no image is sent.
            today: the day.

        Raises:
            PreflightError: if the judge is not fit for the work.
            KeyRefusedError: if the key is refused.
            UnreachableError: if nobody answers.
        """
        earlier = first_served(self.ledger, self.backend)
        self._served = same_model(self.backend, earlier, ())
        listing = await self._listing()
        notes = check_listing(self.backend, listing, today=today)
        if canary is None:
            return Fitness(self.backend.structured[0], None, None, False, tuple(notes))

        async def ask(task: Task) -> tuple[Parsed | None, str]:
            return await self._ask_once(task, canary)

        fit = await fitness(canary, ask)
        self._served = same_model(self.backend, earlier, fit.served)
        if fit.prompt_tokens is not None:
            for kind in ("pair", "image", "description", "sentinel"):
                self.meter.measured[kind] = fit.prompt_tokens
        return Fitness(
            fit.structured,
            fit.prompt_tokens,
            fit.completion_tokens,
            fit.probabilities,
            (*notes, *fit.notes),
            fit.served,
        )

    async def _listing(self) -> Reply | None:
        found = await self.server.get("/models", deadline_s=30.0)
        if isinstance(found, Failure):
            raise UnreachableError(
                f"{self.backend.host} does not answer: {found.detail}",
                expected="a server at annotator.base_url",
                todo="start it, or correct the address",
            )
        if found.status in (401, 403):
            raise KeyRefusedError(
                f"{self.backend.host} refuses the key (status {found.status})",
                expected=f"a valid key in {self.backend.key_env or 'annotator.key_env'}",
                todo="renew the key; nothing was asked",
            )
        return found

    async def _ask_once(self, task: Task, canary: Canary) -> tuple[Parsed | None, str]:
        sources = {**self.sources, **canary.sources}
        prompts = {**self.prompts, canary.prompt.id: canary.prompt}
        build = Build(self.backend, prompts, sources, "prompt")
        heard = _Heard(self.server)
        ended = await self._canary_run(task, build, heard)
        for n in range(1, PREFLIGHT_RETRIES + 1):
            if not heard.outage:
                break
            await asyncio.sleep(backoff(n, random.Random(n)))
            ended = await self._canary_run(task, build, heard)
        if ended.exit_code == Exit.KEY:
            raise KeyRefusedError(ended.reason, todo="renew the key; nothing was asked")
        if ended.exit_code == Exit.QUOTA:
            raise QuotaError(ended.reason, todo="add credit at the provider; nothing was asked")
        if ended.exit_code == Exit.CONFIG and not ended.reason.startswith("the budget"):
            raise PreflightError(
                f"{self.backend.host}: {ended.reason}",
                expected="a server that answers at annotator.base_url",
                todo="correct annotator.base_url",
            )
        if ended.exit_code == Exit.CONFIG:
            raise BudgetError(
                f"before the preflight: {ended.reason}",
                expected="a budget for it, too",
                todo="a larger budget=…; or ++annotator.tokens_per_image=… if images take less",
            )
        parsed = self._parsed(task)
        if parsed is not None:
            return parsed, ""
        if heard.outage:
            raise UnreachableError(
                f"{self.backend.host} does not answer the preflight: {heard.outage}",
                expected="an answer; this says nothing about the model",
                todo="run the same command again later",
            )
        if ended.tally.in_doubt or self.ledger.need([task]).held:
            raise UnreachableError(
                f"{self.backend.host}: an answer to the preflight was lost and may have been paid"
                f" for{': ' + ended.reason if ended.reason else ''}",
                expected="an answer; this says nothing about the model",
                todo="in_doubt=rebuy asks again, and may pay for it twice",
            )
        kinds = ", ".join(ended.tally.rejected)
        return None, ended.reason or kinds or "no answer"

    async def _canary_run(self, task: Task, build: Build, server: Sender) -> Summary:
        return await run_tasks(
            self.ledger,
            [task],
            build,
            parse,
            server,
            parser_version=PARSER_VERSION,
            concurrency=1,
            prices=self.meter,
            limits=Limits(deadline_s=float(self.backend.limits["deadline_s"]), retries=0),
        )

    async def sentinel(
        self, tasks: Sequence[Task], fit: Fitness, *, size: int, today: date
    ) -> Watch | None:
        """Ask some tasks that were labelled on an earlier day again, and compare.

        Args:
            tasks: pairs.
            fit: from ``preflight``.
            size: how many at most.
            today: asked once a day.

        Returns:
            None where nothing was labelled on an earlier day.
        """
        old = earlier_tasks(self.ledger, tasks, size, today)
        if not old:
            return None
        new = again(old, today)
        build = Build(
            self.backend, self.prompts, self.sources, fit.structured, self.ledger.stimulus
        )
        await self._run(new, build, parse, Stop(), lambda tally: None)
        pairs = [(self._choice(a), self._choice(b)) for a, b in zip(old, new, strict=True)]
        both = [(a, b) for a, b in pairs if a is not None and b is not None]
        return Watch(len(both), sum(a == b for a, b in both))

    def _choice(self, task: Task) -> str | None:
        parsed = self._parsed(task)
        return parsed[0].choice if parsed is not None and isinstance(parsed[0], Answer) else None

    def _parsed(self, task: Task) -> Parsed | None:
        """What the last stored answer to a task says."""
        for n in range(MOST_ATTEMPTS, 0, -1):
            reply = self.ledger.reply(f"{task.key[:32]}-{n}")
            if reply is not None:
                return parse(task, reply)
        return None

    async def ask(
        self,
        tasks: Sequence[Task],
        fit: Fitness,
        *,
        progress: Callable[[CallCounts, Consistency], None] = lambda tally, consistency: None,
        in_batches: bool = False,
    ) -> Summary:
        """Ask what the ledger does not have; Ctrl-C ends it in order.

        Args:
            tasks: what is wanted.
            fit: from ``preflight``.
            progress: told after every step.
            in_batches: through the provider's batch interface; what is under way there goes on
                when this ends, and is taken up by the next call.
        """
        build = Build(
            self.backend, self.prompts, self.sources, fit.structured, self.ledger.stimulus
        )
        watched, stop = Consistency(), Stop()
        if in_batches:
            most = self.backend.batch
            assert most is not None and isinstance(self.server, Transport)
            with on_signals(stop):
                return await run_batches(
                    self.ledger,
                    tasks,
                    build,
                    watched,
                    self.server,
                    parser_version=PARSER_VERSION,
                    prices=self.meter.in_batches(),
                    limits=BatchLimits(int(most["requests"]), int(most["bytes"])),
                    stop=stop,
                    progress=lambda tally: progress(tally, watched),
                    say=self.say,
                )
        with on_signals(stop):
            return await self._run(
                tasks, build, watched, stop, lambda tally: progress(tally, watched)
            )

    async def _run(
        self,
        tasks: Sequence[Task],
        build: Build,
        read: Parse,
        stop: Stop,
        progress: Callable[[CallCounts], None],
    ) -> Summary:
        return await run_tasks(
            self.ledger,
            tasks,
            build,
            read,
            self.server,
            parser_version=PARSER_VERSION,
            concurrency=int(self.backend.limits["concurrency"]),
            prices=self.meter,
            limits=Limits(
                deadline_s=float(self.backend.limits["deadline_s"]),
                served=self._served,
                models=frozenset(self.backend.models),
            ),
            stop=stop,
            progress=progress,
            say=self.say,
        )


def first_served(ledger: Ledger, backend: Backend) -> str | None:
    """Name of the model that gave the first label when this backend's model was asked.

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


def progress_text(tally: CallCounts, consistency: Consistency, spend: Callable[[int], str]) -> str:
    """One line: how far, how fast, what it cost and will cost, refusals, consistency."""
    seconds = (tally.total - tally.finished) / tally.rate if tally.finished else 0.0
    parts = [
        f"{tally.finished:,} of {tally.total:,}",
        f"{tally.rate:.1f}/s",
        f"{seconds:.0f} s left",
    ]
    if tally.spent_uusd:
        parts.append(f"{spend(tally.spent_uusd)} so far, {spend(tally.to_come_uusd)} to come")
    if tally.refused:
        parts.append(f"{tally.refused:,} refused")
    unusable = sum(tally.rejected.values()) + tally.in_doubt
    if unusable:
        parts.append(f"{unusable:,} unusable")
    return ", ".join([*parts, *filter(None, [str(consistency)])])
