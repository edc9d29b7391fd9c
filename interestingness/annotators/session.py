"""Ask one backend some tasks through one ledger, after a preflight."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol

from interestingness.annotators.backends import Backend
from interestingness.annotators.batch.lifecycle import BatchLimits, run_batches
from interestingness.annotators.batch.provider import BatchProvider
from interestingness.annotators.credentials import read_key
from interestingness.annotators.engine.asking import Asking, Sender
from interestingness.annotators.engine.run_state import (
    CallCounts,
    Exit,
    Summary,
    stop_on_signals,
)
from interestingness.annotators.engine.runner import Limits, run_tasks
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.listing import check_listing
from interestingness.annotators.parsing import PARSER_VERSION, parse
from interestingness.annotators.preflight import (
    Asked,
    Canary,
    Fitness,
    PreflightError,
    examine,
)
from interestingness.annotators.prices import Meter
from interestingness.annotators.prompting import Prompt
from interestingness.annotators.requests import Build
from interestingness.annotators.same_model import (
    Repetition,
    check_served,
    find_first_served,
    pick_earlier_tasks,
    repeat_tasks,
)
from interestingness.annotators.sent_images import ImageSource
from interestingness.annotators.simulated import SimulatedJudge, SimulatedSender
from interestingness.annotators.summary import Consistency
from interestingness.annotators.transport import Transport
from interestingness.annotators.types import Answer, Failure, Parsed, Reply, Task
from interestingness.http_waits import backoff

MOST_ATTEMPTS = 30
"""Attempts on one task of the preflight that are looked through for an answer."""

PREFLIGHT_RETRIES = 2


class Server(Sender, Protocol):
    """A `Sender` that can also fetch a path."""

    async def get(self, path: str, *, deadline_s: float) -> Reply | Failure:
        """Fetch a path below the base URL."""


@contextlib.asynccontextmanager
async def connect(backend: Backend) -> AsyncIterator[Server]:
    """Connect to a backend: a transport, or a simulated judge in this process.

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
    async with Transport(
        backend.base_url, secret, connections=connections, key_header=backend.key_header
    ) as transport:
        yield transport


@dataclass
class Session:
    """What all kinds of asking need.

    Attributes:
        backend: who is asked.
        ledger: open for writing.
        server: sends requests to it.
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
        """Check that the model exists and sees, and measure its tokens for the meter.

        Args:
            canary: two squares to ask about; None where no image is sent.
            today: the day.

        Raises:
            PreflightError: if the model is not fit for the asking, or cannot be asked now.
        """
        earlier = find_first_served(self.ledger, self.backend)
        self._served = check_served(self.backend, earlier, ())
        notes = check_listing(self.backend, await self._list_models(), today=today)
        if canary is None:
            return Fitness(
                self.backend, self.backend.structured[0], None, None, False, tuple(notes)
            )
        fit = await examine(canary, lambda task, as_asked: self._ask(task, canary, as_asked), notes)
        if fit.backend != self.backend:
            self.ledger.event("options_left_out", {"notes": list(fit.notes)})
        self._served = check_served(self.backend, earlier, fit.served)
        if fit.prompt_tokens is not None:
            for kind in ("pair", "image", "description", "sentinel"):
                self.meter.measured[kind] = fit.prompt_tokens
        return fit

    async def _list_models(self) -> Reply:
        found = await self.server.get("/models", deadline_s=30.0)
        if isinstance(found, Failure):
            raise PreflightError(
                f"{self.backend.host} does not answer: {found.detail}",
                expected="a server at annotator.base_url",
                todo="start it, or correct the address",
                exit_code=Exit.LATER,
            )
        if found.status in (401, 403):
            raise PreflightError(
                f"{self.backend.host} refuses the key (status {found.status})",
                expected=f"a valid key in {self.backend.key_env or 'annotator.key_env'}",
                todo="renew the key; nothing was asked",
                exit_code=Exit.KEY,
            )
        return found

    async def _ask(self, task: Task, canary: Canary, backend: Backend) -> Asked:
        """Ask one task of the preflight as ``backend`` says; see `preflight.Ask`."""
        sources = {**self.sources, **canary.sources}
        prompts = {**self.prompts, canary.prompt.id: canary.prompt}
        build = Build(backend, prompts, sources, "prompt")
        limits = Limits(deadline_s=float(backend.limits["deadline_s"]), retries=0)
        for n in range(PREFLIGHT_RETRIES + 1):
            if n > 0:
                await asyncio.sleep(backoff(n, random.Random(n)))
            asking = Asking(self.ledger, build, parse, PARSER_VERSION, self.meter, say=self.say)
            ended = await run_tasks(asking, [task], self.server, limits)
            if not ended.tally.outage or ended.tally.busy:  # a busy server was waited for
                break
        self._check_ending(ended)
        tally = ended.tally
        parsed = self._last_answer(task)
        if parsed is None and tally.outage:
            raise PreflightError(
                f"{backend.host} does not answer the preflight: {tally.outage}",
                expected="an answer; this says nothing about the model",
                todo="run the same command again later",
                exit_code=Exit.LATER,
            )
        if parsed is None and (tally.in_doubt or self.ledger.need([task]).held):
            again = "run the same command again"
            if not backend.price_list.free:
                again = "in_doubt=rebuy asks again, and may pay for it twice"
            raise PreflightError(
                f"{backend.host}: an answer to the preflight was lost and may have been paid"
                f" for{': ' + ended.reason if ended.reason else ''}",
                expected="an answer; this says nothing about the model",
                todo=again,
                exit_code=Exit.LATER,
            )
        why = tally.problem or ", ".join(tally.rejected) or ended.reason
        return Asked(parsed, why, refused=parsed is None and bool(tally.rejected))

    def _check_ending(self, ended: Summary) -> None:
        """Refuse to go on after an error that another way of asking would not avoid."""
        code, reason = ended.exit_code, ended.reason
        if code == Exit.KEY:
            raise PreflightError(reason, todo="renew the key; nothing was asked", exit_code=code)
        if code == Exit.QUOTA:
            todo = "add credit at the provider; nothing was asked"
            raise PreflightError(reason, todo=todo, exit_code=code)
        if code == Exit.CONFIG and reason.startswith("the budget"):
            raise PreflightError(
                f"before the preflight: {reason}",
                expected="a budget for it, too",
                todo="a larger budget=…; or ++annotator.tokens_per_image=… if images take less",
                exit_code=code,
            )
        if code == Exit.CONFIG:
            raise PreflightError(
                f"{self.backend.host}: {reason}",
                expected="a server that answers at annotator.base_url",
                todo="correct annotator.base_url",
            )

    async def ask_again(
        self, tasks: Sequence[Task], fit: Fitness, *, size: int, today: date
    ) -> Repetition | None:
        """Ask some tasks that were answered on an earlier day again, and compare.

        Args:
            tasks: pairs.
            fit: from ``preflight``.
            size: how many at most.
            today: asked once a day.

        Returns:
            None where nothing was answered on an earlier day.
        """
        old = pick_earlier_tasks(self.ledger, tasks, size, today)
        if not old:
            return None
        new = repeat_tasks(old, today)
        await run_tasks(self._work(fit), new, self.server, self._limits())
        choices = [(self._choice(a), self._choice(b)) for a, b in zip(old, new, strict=True)]
        both = [(a, b) for a, b in choices if a is not None and b is not None]
        return Repetition(len(both), sum(a == b for a, b in both))

    def _choice(self, task: Task) -> str | None:
        parsed = self._last_answer(task)
        verdict = parsed.verdict if parsed is not None else None
        return verdict.choice if isinstance(verdict, Answer) else None

    def _last_answer(self, task: Task) -> Parsed | None:
        """Return the last stored answer to a task."""
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
        consistency = Consistency(parse)
        asking = replace(
            self._work(fit),
            parse=consistency,
            progress=lambda tally: progress(tally, consistency),
            say=self.say,
        )
        with stop_on_signals(asking.stop):
            if not in_batches:
                return await run_tasks(asking, tasks, self.server, self._limits())
            most = self.backend.batch
            assert most is not None and isinstance(self.server, Transport)
            asking.prices = self.meter.in_batches()
            limits = BatchLimits(int(most["requests"]), int(most["bytes"]))
            return await run_batches(asking, tasks, BatchProvider(self.server.client), limits)

    def _work(self, fit: Fitness) -> Asking:
        stored = self.ledger.stimulus
        return Asking(
            self.ledger,
            Build(fit.backend, self.prompts, self.sources, fit.structured, stored),
            parse,
            PARSER_VERSION,
            self.meter,
            served=self._served,
            models=frozenset(self.backend.models),
        )

    def _limits(self) -> Limits:
        limits = self.backend.limits
        return Limits(int(limits["concurrency"]), float(limits["deadline_s"]))
