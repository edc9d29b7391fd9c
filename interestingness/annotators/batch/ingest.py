"""Takes in what a batch brought: each answer once, whatever the order, however often."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from interestingness.annotators.batch.lines import Line, Unreadable, answer_lines
from interestingness.annotators.engine.judging import AnswerReader, Judged
from interestingness.annotators.engine.ruling import rule
from interestingness.annotators.engine.tally import CallCounts
from interestingness.annotators.ledger.batches import Shard
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.types import Answer, Reject

T = TypeVar("T")
CHUNK = 500

NEVER_RUN = frozenset({"expired", "cancelled", "failed"})
"""States of a batch in which a request without an answer was not carried out, nor charged."""


@dataclass
class Harvest:
    """What was in the files of a batch.

    Attributes:
        answered: answers with status 200.
        refused: requests that the server refused, with a reply.
        errors: codes of those that were not carried out, with their number.
        unknown: ids that are none of this batch's.
        unreadable: lines that are no answer.
        missing: attempts that no line speaks of.
    """

    answered: int = 0
    refused: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


async def ingest(
    ledger: Ledger, shard: Shard, contents: Iterable[bytes], *, status: str
) -> Harvest:
    """Store the replies of an ended batch, and settle what has none.

    Twice does no harm: the first answer to an attempt stays, another one becomes an event.

    Args:
        ledger: open for writing.
        shard: of the batch.
        contents: of its output file and its error file.
        status: in which the batch ended: without an answer, ``completed`` leaves doubt, and the
            others mean that nothing was done.
    """
    harvest = Harvest()
    states = dict(shard.attempts)
    spoken: set[str] = set()
    lines = (line for content in contents for line in answer_lines(content))
    for chunk in chunks(lines):
        await asyncio.gather(*(_take(ledger, line, states, spoken, harvest) for line in chunk))
    harvest.missing = [
        attempt_id
        for attempt_id, state in states.items()
        if attempt_id not in spoken and state == "open"
    ]
    settle = ledger.free if status in NEVER_RUN else ledger.doubt
    for missing in chunks(harvest.missing):
        note = f"no answer in a batch that is {status}"
        await asyncio.gather(*(settle(attempt_id, note) for attempt_id in missing))
    for attempt_id in harvest.unknown:
        ledger.event("unknown_in_batch", {"shard": shard.name, "id": attempt_id})
    for why in harvest.unreadable:
        ledger.event("unreadable_in_batch", {"shard": shard.name, "line": why})
    return harvest


async def _take(
    ledger: Ledger,
    line: Line | Unreadable,
    states: dict[str, str],
    spoken: set[str],
    harvest: Harvest,
) -> None:
    if isinstance(line, Unreadable):
        harvest.unreadable.append(f"{line.number}: {line.why}")
        return
    if line.attempt_id not in states:
        harvest.unknown.append(line.attempt_id[:100])
        return
    spoken.add(line.attempt_id)
    if line.reply is None:
        harvest.errors[line.error] += 1
        await ledger.free(line.attempt_id, f"not carried out: {line.error}")
        return
    ruling = rule(line.reply)
    if ruling.action == "parse":
        harvest.answered += 1
        await ledger.received(line.attempt_id, line.reply)
    elif ruling.action == "reject":
        harvest.refused += 1
        await ledger.received(line.attempt_id, line.reply)
    else:
        harvest.errors[ruling.signature] += 1
        await ledger.free(line.attempt_id, ruling.detail)


async def judge_stored(ledger: Ledger, judge: AnswerReader, tally: CallCounts) -> dict[str, str]:
    """Parse every reply that was stored and not judged.

    Returns:
        Change for the next attempt, by key, where an answer asks for one.
    """
    changes: dict[str, str] = {}
    for chunk in chunks(ledger.unjudged()):
        done = await asyncio.gather(*(judge(task, name, reply) for name, task, reply in chunk))
        for (_, task, _), judged in zip(chunk, done, strict=True):
            _count(tally, judged)
            verdict = judged.verdict
            if isinstance(verdict, Reject) and verdict.retry_with is not None:
                changes[task.key] = verdict.retry_with
    return changes


def _count(tally: CallCounts, judged: Judged) -> None:
    verdict = judged.verdict
    if isinstance(verdict, Answer):
        tally.labelled += 1
    elif verdict.terminal:
        tally.refused += 1
    else:
        tally.reject(verdict.kind)
    tally.unpriced += judged.cost_uusd is None
    tally.spent_uusd += judged.cost_uusd or 0
    if judged.model is not None:
        tally.models[judged.model] = tally.models.get(judged.model, 0) + 1


def chunks(items: Iterable[T]) -> Iterator[list[T]]:
    """Lists of so many items as are committed together."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
