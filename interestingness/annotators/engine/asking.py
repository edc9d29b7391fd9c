"""What single requests and batches share: inputs of a run, and reading a stored reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from interestingness.annotators.engine.envelopes import unwrap
from interestingness.annotators.engine.run_state import CallCounts, Exit, Stop, Summary
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.types import Failure, Parsed, Reject, Reply, Request, Task, Usage

BuildRequest: TypeAlias = Callable[[Task, str | None], Request]
"""Makes the bytes of a task just before they are sent; runs in a thread. The second argument is the
``retry_with`` of the reject before, or None. An `InterestingnessError` means that this task cannot
be asked, e.g. because its image is broken: nothing is reserved, and the other tasks go on."""

Parse: TypeAlias = Callable[[Task, Reply], Parsed]
"""Reads a reply whose bytes are committed; pure, and never raises."""


class Prices(Protocol):
    """What a call may cost at most and what it did cost, in millionths of a US dollar."""

    @property
    def price_id(self) -> str:
        """Name the table of prices that was used."""

    def reserve(self, task: Task, retry_with: str | None = None) -> int:
        """Return the most that one attempt may cost, at least 0."""

    def cost(self, usage: Usage) -> int | None:
        """Price these tokens; None if they are missing or negative: the reserve is kept."""


class Sender(Protocol):
    """Sends bytes to a model and returns its reply: `transport.Transport`, a simulated judge."""

    async def send(
        self, request: Request, *, attempt_id: str, deadline_s: float
    ) -> Reply | Failure:
        """Send one request, at most once.

        Args:
            request: the bytes.
            attempt_id: goes out as ``X-Client-Request-Id``.
            deadline_s: for the whole exchange, in seconds.

        Returns:
            The reply whatever its status; a `Failure` where there is none: ``free`` if not one byte
            went out, else ``doubt``.
        """


@dataclass
class Asking:
    """One run over one ledger.

    Attributes:
        ledger: open for writing.
        build, parse, prices: see above.
        parser_version: of ``parse``.
        served: name under which the model answered before this run; None: the first that is seen.
        models: names under which the model may answer besides that one.
        stop: asked from outside (`stop_on_signals`), or by the engine itself.
        progress: called after every step.
        say: called with messages for the user, e.g. of a long pause.
        tally: what was done so far.
    """

    ledger: Ledger
    build: BuildRequest
    parse: Parse
    parser_version: str
    prices: Prices
    served: str | None = None
    models: frozenset[str] = frozenset()
    stop: Stop = field(default_factory=Stop)
    progress: Callable[[CallCounts], None] = lambda tally: None
    say: Callable[[str], None] = lambda text: None
    tally: CallCounts = field(default_factory=CallCounts)

    async def renew(self) -> None:
        """Parse replies again that an older parser has parsed; costs nothing."""
        await asyncio.to_thread(self.ledger.renew, self.parse, self.parser_version)

    async def read(
        self, task: Task, attempt_id: str, reply: Reply, *, reserve_uusd: int = 0
    ) -> Parsed:
        """Parse a reply whose bytes are committed, price it, and store the verdict.

        Args:
            task: that was asked.
            attempt_id: that the reply belongs to.
            reply: as stored; a refusal by the server costs nothing.
            reserve_uusd: counted as spent where the reply does not state its tokens.
        """
        parsed = self.parse(task, reply)
        cost = self.prices.cost(parsed.usage) if parsed.usage is not None else None
        if unwrap(reply).status >= 300:
            cost = 0
        await self.ledger.parsed(
            attempt_id, parsed, parser_version=self.parser_version, cost_uusd=cost
        )
        if isinstance(parsed.verdict, Reject) and parsed.verdict.kind == "length" and parsed.usage:
            used = parsed.usage.completion_tokens or 0
            self.tally.cut_off_at = max(self.tally.cut_off_at, used)
        self.tally.unpriced += cost is None
        self.tally.spent_uusd += reserve_uusd if cost is None else cost
        if parsed.model is not None:
            self._check_model(parsed.model)
        return parsed

    def _check_model(self, model: str) -> None:
        """End the run if another model than before answers: the answers would be mixed."""
        models = self.tally.models
        first = self.served or next(iter(models), model)
        if model != first and model not in models and model not in self.models:
            self.ledger.event("other_model", {"before": first, "now": model})
            self.stop.ask(
                Exit.LATER,
                f"answers came from {first} and now come from {model}; if that is right, name it:"
                f" annotator.models='[{model}]'",
            )
        models[model] = models.get(model, 0) + 1

    def end(self, given_up: int) -> Summary:
        """Summarise how the run ended; ``given_up`` tasks got no usable answer."""
        if given_up > 0:
            kinds = ", ".join(f"{number} {kind}" for kind, number in self.tally.rejected.items())
            reason = f"tasks without a usable answer: {given_up} ({kinds})"
            self.stop.ask(Exit.GIVEN_UP, reason + self._cap_advice())
        return Summary(self.tally, self.stop.exit_code or Exit.DONE, self.stop.reason)

    def _cap_advice(self) -> str:
        used = self.tally.cut_off_at
        return f"; an answer was cut off after {used} tokens: annotator.cap={4 * used}" * bool(used)
