"""From a stored reply to a stored verdict; the same for answers that came singly or in a batch."""

from __future__ import annotations

from dataclasses import dataclass

from interestingness.annotators.engine.contract import Parse, Prices
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.types import Reply, Task, Usage, Verdict


@dataclass(frozen=True)
class Judged:
    """What was stored.

    Attributes:
        verdict: label or reject.
        cost_uusd: in millionths of a dollar; None if the reply did not tell its tokens, and the
            whole reserve was booked.
        usage: tokens, if told.
        model: name of the model that answered, if told.
    """

    verdict: Verdict
    cost_uusd: int | None
    usage: Usage | None
    model: str | None


@dataclass(frozen=True)
class AnswerReader:
    """Parses, prices and stores.

    Attributes:
        ledger: where the replies are.
        parse, prices: see `contract`.
        parser_version: of ``parse``.
    """

    ledger: Ledger
    parse: Parse
    parser_version: str
    prices: Prices

    async def __call__(self, task: Task, attempt_id: str, reply: Reply) -> Judged:
        """Judge a reply whose bytes are committed; a refusal by the server costs nothing."""
        verdict, usage, model, fingerprint = self.parse(task, reply)
        cost = self.prices.cost(usage) if usage is not None else None
        if reply.status >= 300:
            cost = 0
        await self.ledger.judged(
            attempt_id,
            verdict,
            parser_version=self.parser_version,
            cost_uusd=cost,
            usage=usage,
            served_model=model,
            fingerprint=fingerprint,
        )
        return Judged(verdict, cost, usage, model)
