"""Ask tasks in batches: resume those under way, submit new ones, wait, store the results.

A part of the ledger is one file of requests. Its states; each step is safe to repeat:

    reserved → uploaded → created → done
        ↘ abandoned (nothing was submitted: everything is given back)
        ↘ failed (the provider took nothing: everything is given back)

The state of a part is in the ledger before the next step begins. After a crash a batch is searched
for by its metadata before it is made. Ledgers of earlier versions have ``ended`` and
``ingested``, which are polled again like ``created``, and ``built``, which is given back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interestingness.annotators.batch.intake import NEVER_RUN, in_chunks, read_stored, take_in
from interestingness.annotators.batch.lines import PREFIX, request_line
from interestingness.annotators.batch.provider import (
    Batch,
    BatchError,
    BatchProvider,
    BatchRefusedError,
    QueueFullError,
)
from interestingness.annotators.engine.asking import Asking
from interestingness.annotators.engine.run_state import Exit, Summary
from interestingness.annotators.ledger.batches import BatchPart
from interestingness.annotators.types import Attempt, Denied, Request, Task
from interestingness.errors import InterestingnessError

ROUNDS = 3
"""How often tasks are put into a batch in one run: expired ones, and answers that were no use."""
OVERHEAD = 200
"""Bytes of a line besides the body, at most."""
CREATE_TRIES = 3

FINISHED = frozenset({"done", "abandoned", "failed"})
ENDED = frozenset({"completed"}) | NEVER_RUN


@dataclass(frozen=True)
class BatchLimits:
    """What a provider accepts, and how long we wait.

    Attributes:
        requests: in one file.
        bytes: of one file.
        poll_s: seconds between two polls of a batch.
        lost_s: seconds to wait before searching for a batch whose creation got no answer.
        full_s: seconds to wait after the provider reported a full queue.
    """

    requests: int = 50_000
    bytes: int = 190_000_000
    poll_s: float = 60.0
    lost_s: float = 60.0
    full_s: float = 300.0


async def run_batches(
    asking: Asking, tasks: Iterable[Task], provider: BatchProvider, limits: BatchLimits
) -> Summary:
    """Ask what the ledger does not have yet, through the provider's batch API.

    Args:
        asking: as for `engine.runner.run_tasks`; its prices are those of batches. If it is stopped,
            batches go on at the provider, and the next run resumes them.
        tasks: those that are done, or under way in a batch, are left out.
        provider: its batch API.
        limits: sizes and waiting times.

    Returns:
        Counts, exit status and reason.
    """
    run = BatchRun(asking, list(tasks), provider, limits)
    await asking.renew()
    given_up = asking.ledger.need(run.tasks).rejected
    try:
        await run.ask_all()
    except BatchError as error:
        asking.stop.ask(Exit(error.exit_code), str(error))
    return asking.end(asking.ledger.need(run.tasks).rejected - given_up)


class BatchRun:
    """One run over the parts of one ledger."""

    def __init__(
        self, asking: Asking, tasks: list[Task], provider: BatchProvider, limits: BatchLimits
    ) -> None:
        """Keep the arguments; see `run_batches`."""
        self.asking, self.tasks, self.provider, self.limits = asking, tasks, provider, limits
        self.ledger, self.stop = asking.ledger, asking.stop
        self.changes: dict[str, str] = {}  # retry_with of the reject before, by key
        self.not_before: dict[str, float] = {}  # monotonic; until then a part is not stepped

    async def ask_all(self) -> None:
        """Resume, submit, wait, store; repeat for what came back without an answer."""
        for _ in range(ROUNDS):
            await self._step_all(wait=False)  # what a crash left, before new parts are reserved
            handed_in = await self._hand_in()
            await self._step_all(wait=True)
            if not handed_in or self.stop.wanted:
                return
        left = len((await asyncio.to_thread(self.ledger.need, self.tasks)).todo)
        if left:
            self.stop.ask(Exit.LATER, f"tasks without an answer: {left} (in {ROUNDS} batches)")

    def _unfinished(self) -> list[BatchPart]:
        return [part for part in self.ledger.parts() if part.state not in FINISHED]

    async def _step_all(self, *, wait: bool) -> None:
        """Step all parts until they are done, or until only waiting for the provider is left."""
        while not self.stop.wanted:
            moved = False
            for part in self._unfinished():
                if not self.stop.wanted and time.monotonic() >= self.not_before.get(part.name, 0.0):
                    moved |= await self._step(part)
            self.changes.update(await read_stored(self.asking))
            self.asking.progress(self.asking.tally)
            states = {part.state for part in self._unfinished()}
            if not states or (not wait and not moved and states == {"created"}):
                return
            if not moved:
                await self.stop.sleep(min(self.limits.poll_s, self.limits.full_s, 5.0))

    async def _step(self, part: BatchPart) -> bool:
        """Take the next step of a part, if it can be taken now; return whether anything changed.

        Raises:
            BatchRefusedError: the provider took nothing; the part failed and its attempts are free.
            BatchError: the provider fails; the part keeps its state.
        """
        if part.state == "uploaded":
            return await self._create(part)
        if part.batch_id is not None:
            return await self._poll(part, part.batch_id)
        # a crash came before it was submitted
        await self._give_back(part, "abandoned", "its batch was never handed in")
        return True

    async def _give_back(self, part: BatchPart, state: str, note: str) -> None:
        """Free the attempts of a part that the provider does not have."""
        still_open = (attempt_id for attempt_id, state in part.attempts if state == "open")
        for chunk in in_chunks(still_open):
            await asyncio.gather(*(self.ledger.free(attempt_id, note) for attempt_id in chunk))
        await self.ledger.move_part(part.name, state, facts={"why": note})

    # ---- submitting ----------------------------------------------------------------------------

    async def _hand_in(self) -> bool:
        """Reserve and upload what is to be asked; return whether there was anything."""
        need = await asyncio.to_thread(self.ledger.need, self.tasks)
        tally, prices = self.asking.tally, self.asking.prices
        tally.total = max(tally.total, len(need.todo) + need.waiting)
        handed_in = False
        groups = self._groups(need.todo)
        while (group := await asyncio.to_thread(next, groups, None)) and not self.stop.wanted:
            items = [(task, prices.reserve(task, self.changes.get(task.key))) for task, _ in group]
            name, outcomes = await self.ledger.reserve_part(items, price_id=prices.price_id)
            if name is not None:
                lines = [
                    request_line(outcome.id, request)
                    for (_, request), outcome in zip(group, outcomes, strict=True)
                    if isinstance(outcome, Attempt)
                ]
                await self._upload(name, PREFIX + group[0][1].path, b"".join(lines))
                tally.sent += len(lines)
                handed_in = True
            denied = next((o for o in outcomes if isinstance(o, Denied)), None)
            if denied is not None and denied.reason == "budget":
                told = f"the budget is reached: {denied.detail}"
                self.asking.say(told)
                if name is None:
                    self.stop.ask(Exit.CONFIG, told)
                break
            if denied is not None and denied.reason == "stopped":
                self.stop.ask(Exit.IO, denied.detail)
        return handed_in

    def _groups(self, tasks: Sequence[Task]) -> Iterator[list[tuple[Task, Request]]]:
        """Group tasks with their requests, as many as fit into one file; one path each."""
        group: list[tuple[Task, Request]] = []
        size = 0
        for task in tasks:
            try:
                request = self.asking.build(task, self.changes.get(task.key))
            except InterestingnessError as error:
                self.ledger.event("not_built", {"task": task.key, "why": error.found})
                self.asking.tally.skipped += 1
                continue
            line = len(request.body) + OVERHEAD
            full = len(group) >= self.limits.requests or size + line > self.limits.bytes
            if group and (full or group[0][1].path != request.path):
                yield group
                group, size = [], 0
            group.append((task, request))
            size += line
        if group:
            yield group

    async def _upload(self, name: str, endpoint: str, content: bytes) -> None:
        """reserved → uploaded; a file without a batch costs nothing."""
        try:
            file_id = await self.provider.upload(f"{name}.jsonl", content)
        except BatchError as error:
            part = next(part for part in self._unfinished() if part.name == name)
            state = "failed" if isinstance(error, BatchRefusedError) else "abandoned"
            await self._give_back(part, state, error.found)
            raise
        await self.ledger.move_part(name, "uploaded", file_id=file_id, facts={"endpoint": endpoint})

    async def _create(self, part: BatchPart) -> bool:
        """uploaded → created; search for it before making it, and after a lost answer."""
        assert part.file_id is not None
        dead = set(part.facts.get("dead", []))
        asked = int(part.facts.get("asked", 0))
        batch = await self.provider.find(part.name, dead)
        if batch is None and asked:
            if not await self.stop.sleep(self.limits.lost_s):
                return False
            batch = await self.provider.find(part.name, dead)
        if batch is None:
            if asked - len(dead) >= CREATE_TRIES:
                raise BatchError(f"batch {part.name} was asked for {asked} times")
            await self.ledger.move_part(part.name, "uploaded", facts={"asked": asked + 1})
            try:
                batch = await self.provider.create(
                    part.name, part.file_id, str(part.facts["endpoint"])
                )
            except QueueFullError as full:
                await self.ledger.move_part(part.name, "uploaded", facts={"asked": asked})
                self._wait(part, full.found)
                return False
            except BatchRefusedError as error:
                if asked <= len(dead):
                    await self._give_back(part, "failed", error.found)
                    raise
                # the answer to an earlier try was lost, and that one may exist
                raise BatchError(error.found, exit_code=Exit(error.exit_code)) from None
        if batch is None:
            return False  # the answer was lost; the next step searches for it
        await self.ledger.move_part(part.name, "created", batch_id=batch.id)
        return True

    def _wait(self, part: BatchPart, why: str) -> None:
        self.asking.say(f"the provider takes no more batches now ({why}); waiting")
        self.not_before[part.name] = time.monotonic() + self.limits.full_s

    # ---- storing ------------------------------------------------------------------------------

    async def _poll(self, part: BatchPart, batch_id: str) -> bool:
        """created → done, or back to uploaded if the provider's queue was full."""
        batch = await self.provider.look_up(batch_id)
        if batch.status not in ENDED:
            self.not_before[part.name] = time.monotonic() + self.limits.poll_s
            return False
        problems = batch.errors.data or [] if batch.errors is not None else []
        if batch.status == "failed" and any(p.code == "token_limit_exceeded" for p in problems):
            dead = [*part.facts.get("dead", []), batch_id]
            await self.ledger.move_part(part.name, "uploaded", facts={"dead": dead})
            self._wait(part, "too many tokens are waiting")
            return True
        why = "; ".join(f"{p.code} {p.message or ''}".strip() for p in problems)[:500]
        await self._take_in(part, batch, why)
        return True

    async def _take_in(self, part: BatchPart, batch: Batch, why: str) -> None:
        """Store what an ended batch brought; compare the provider's counts with ours."""
        files = [name for name in (batch.output_file_id, batch.error_file_id) if name]
        contents = [await self.provider.download(name) for name in files]
        counts = await take_in(self.ledger, part, contents, status=batch.status)
        if batch.status not in NEVER_RUN:
            self.asking.tally.in_doubt += counts["missing"]
        wrong = _differences(batch, counts)
        if wrong:
            self.ledger.event("batch_differs", {"shard": part.name, "wrong": wrong})
            self.asking.say(f"batch {batch.id}: {'; '.join(wrong)}")
        facts: dict[str, Any] = {"status": batch.status, "why": why, **counts, "differs": wrong}
        await self.ledger.move_part(part.name, "done", facts=facts)
        if batch.status == "failed" and not counts["answered"]:
            raise BatchError(
                f"batch {batch.id} failed: {why}",
                expected="requests that the provider accepts",
                todo="correct the options; nothing was charged, and everything is asked again",
                exit_code=Exit.CONFIG,
            )


def _differences(batch: Batch, counts: Mapping[str, int]) -> list[str]:
    """Describe where the provider's counts differ from ours."""
    theirs, ours = getattr(batch.request_counts, "completed", None), counts["answered"]
    missing = counts["missing"] if batch.status == "completed" else 0
    told = (
        (counts["unknown"], f"{counts['unknown']} answers with ids that are not ours"),
        (counts["unreadable"], f"{counts['unreadable']} lines that cannot be read"),
        (theirs not in {None, ours}, f"{theirs} answers by its count, {ours} are there"),
        (missing, f"{missing} requests without an answer: held, in doubt"),
    )
    return [text for holds, text in told if holds]
