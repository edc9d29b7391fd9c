"""Runs of batches over one ledger, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from bench import KEY, Bench, build, make_asking

from interestingness.annotators.batch.lifecycle import BatchLimits, run_batches
from interestingness.annotators.batch.provider import BatchProvider
from interestingness.annotators.engine.run_state import CallCounts, Exit, Stop, Summary
from interestingness.annotators.redaction import Secret
from interestingness.annotators.transport import Transport
from interestingness.annotators.types import Request, Task

QUICK = BatchLimits(poll_s=0.01, lost_s=0.05, full_s=0.02)


@dataclass
class Batches:
    """Runs of batches; ``bench`` reads the ledger."""

    bench: Bench
    base_url: str
    limits: BatchLimits = QUICK
    said: list[str] = field(default_factory=list)
    key: str = KEY

    def run(
        self,
        tasks: Sequence[Task],
        *,
        build: Callable[..., Request] = build,
        wait: bool = True,
        looks: int | None = None,
        **options: Any,
    ) -> Summary:
        """Ask in batches; stopped after some ``looks``, or when all are handed in."""
        stop, seen = Stop(), count(1)

        def progress(_: CallCounts) -> None:
            handed_in = {state for state, _ in self.parts()} == {"created"}
            if next(seen) == looks or (handed_in and not wait):
                stop.ask(Exit.INTERRUPTED, "test")

        async def go() -> Summary:
            with self.bench.open(**options) as ledger:
                told = {"progress": progress, "say": self.said.append}
                asking = make_asking(ledger, build, stop=stop, **told)
                async with Transport(self.base_url, Secret(self.key), connections=4) as carrier:
                    provider = BatchProvider(carrier.client)
                    return await run_batches(asking, tasks, provider, self.limits)

        return asyncio.run(go())

    def parts(self) -> list[tuple[Any, ...]]:
        return self.bench.rows("SELECT state, batch_id FROM batch ORDER BY rowid")
