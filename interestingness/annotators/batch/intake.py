"""Store the results of a batch: each answer once, in any order, also when repeated."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from interestingness.annotators.batch.lines import BatchLine, read_lines
from interestingness.annotators.engine.asking import Asking
from interestingness.annotators.engine.replies import classify
from interestingness.annotators.ledger.batches import BatchPart
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.types import Answer, Reject

T = TypeVar("T")
CHUNK = 500

NEVER_RUN = frozenset({"expired", "cancelled", "failed"})
"""States of a batch in which a request without an answer was not carried out, nor charged."""


async def take_in(
    ledger: Ledger, part: BatchPart, contents: Iterable[bytes], *, status: str
) -> Counter[str]:
    """Store the replies of an ended batch, and settle requests without one.

    It is safe to repeat: the first answer to an attempt stays, another one becomes an event.

    Args:
        ledger: open for writing.
        part: of the batch.
        contents: of its output file and its error file.
        status: in which the batch ended: without an answer, ``completed`` leaves doubt, and the
            others mean that nothing was done.

    Returns:
        Numbers of requests ``answered`` with status 200, ``refused`` with a reply, ``not_run``, and
        ``missing``: no line has them; and of lines with ``unknown`` ids or ``unreadable``.
    """
    counts: Counter[str] = Counter()
    states = dict(part.attempts)
    without_line = {name for name, state in states.items() if state == "open"}

    async def take(line: BatchLine) -> str:
        if line.attempt_id is None:
            ledger.event("unreadable_in_batch", {"shard": part.name, "why": line.error})
            return "unreadable"
        if line.attempt_id not in states:
            ledger.event("unknown_in_batch", {"shard": part.name, "id": line.attempt_id[:100]})
            return "unknown"
        without_line.discard(line.attempt_id)
        return await _settle(ledger, line.attempt_id, line)

    for chunk in in_chunks(line for content in contents for line in read_lines(content)):
        counts.update(await asyncio.gather(*map(take, chunk)))
    settle = ledger.free if status in NEVER_RUN else ledger.doubt
    note = f"no answer in a batch that is {status}"
    counts["missing"] = len(without_line)
    for names in in_chunks(sorted(without_line)):
        await asyncio.gather(*(settle(name, note) for name in names))
    return counts


async def _settle(ledger: Ledger, attempt_id: str, line: BatchLine) -> str:
    """Record the outcome of one attempt in the ledger; return how it is counted."""
    if line.reply is None:
        await ledger.free(attempt_id, f"not carried out: {line.error}")
        return "not_run"
    found = classify(line.reply)
    if found.action not in {"parse", "reject"}:
        await ledger.free(attempt_id, found.detail)
        return "not_run"
    await ledger.received(attempt_id, line.reply)
    return "answered" if found.action == "parse" else "refused"


async def read_stored(asking: Asking) -> dict[str, str]:
    """Parse every stored reply that is not parsed yet.

    Returns:
        Change for the next attempt, by key, where an answer asks for one.
    """
    changes: dict[str, str] = {}
    for chunk in in_chunks(asking.ledger.unparsed()):
        done = await asyncio.gather(
            *(asking.read(task, name, reply) for name, task, reply in chunk)
        )
        for (_, task, _), (verdict, *_) in zip(chunk, done, strict=True):
            if isinstance(verdict, Answer):
                asking.tally.labelled += 1
            elif verdict.terminal:
                asking.tally.refused += 1
            else:
                asking.tally.reject(verdict.kind)
            if isinstance(verdict, Reject) and verdict.retry_with is not None:
                changes[task.key] = verdict.retry_with
    return changes


def in_chunks(items: Iterable[T]) -> Iterator[list[T]]:
    """Split items into lists that are committed together."""
    rest = iter(items)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
