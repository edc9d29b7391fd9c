"""The life of one batch, a step at a time, each step safe to take twice.

    reserved → built → uploaded → created → ended → ingested → done
                 ↘ abandoned (nothing was sent: everything is given back)
                 ↘ refused → failed (the provider took nothing: everything is given back)

Where a batch is, is in the ledger before the next step begins. A step that a crash interrupted
looks first for what it may have done already: a file of that name, a batch with that metadata.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interestingness.annotators.batch.ingest import NEVER_RUN, Harvest, chunks, ingest
from interestingness.annotators.batch.lines import PREFIX, request_line
from interestingness.annotators.batch.remote import FullError, RefusedError, Remote, RemoteError
from interestingness.annotators.engine.stopping import Exit, Stop
from interestingness.annotators.ledger.batches import Shard
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.types import JSON, Request

FINISHED = frozenset({"done", "abandoned", "failed"})
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
FILES_LAST_DAYS, WARN_AFTER_DAYS = 30, 20
CREATE_TRIES = 3


@dataclass(frozen=True)
class BatchLimits:
    """What a provider takes, and how patient we are.

    Attributes:
        requests: in one file.
        bytes: of one file.
        poll_s: between two looks at a batch.
        lost_s: after an answer to "make this batch" was lost, before looking whether it exists.
        full_s: after the provider said that too much is waiting already.
    """

    requests: int = 50_000
    bytes: int = 190_000_000
    poll_s: float = 60.0
    lost_s: float = 60.0
    full_s: float = 300.0


@dataclass
class Machine:
    """Moves shards of one ledger on.

    Attributes:
        ledger: open for writing.
        remote: the provider.
        limits: patience.
        stop: ends waiting.
        say: told what a person should know.
        not_before: moments (monotonic) before which a shard is left alone.
        lost: requests without an answer in batches that say they are complete: in doubt.
    """

    ledger: Ledger
    remote: Remote
    limits: BatchLimits
    stop: Stop
    say: Callable[[str], None]
    not_before: dict[str, float] = field(default_factory=dict)
    lost: int = 0

    @property
    def folder(self) -> Path:
        """Where files of batches lie, beside the ledger."""
        return self.ledger.path.with_name(self.ledger.path.name + ".batches")

    def unfinished(self) -> list[Shard]:
        """Shards that are not done."""
        return [shard for shard in self.ledger.shards() if shard.state not in FINISHED]

    async def build(self, name: str, requests: Sequence[tuple[str, Request]]) -> None:
        """Write the file of a shard that was just reserved: reserved → built."""
        content = b"".join(request_line(attempt_id, request) for attempt_id, request in requests)
        self._save(f"{name}.jsonl", content)
        facts: dict[str, JSON] = {
            "endpoint": PREFIX + requests[0][1].path,
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
        }
        await self.ledger.move_shard(name, "built", facts=facts)

    async def step(self, shard: Shard) -> bool:
        """Take the next step of a shard, if it can be taken now.

        Returns:
            Whether anything changed.

        Raises:
            RefusedError: the provider took nothing; the shard failed and its attempts are free.
            RemoteError: the provider does not do its part; the shard stays where it is.
        """
        if time.monotonic() < self.not_before.get(shard.name, 0.0):
            return False
        steps = {
            "reserved": self._abandon,
            "built": self._upload,
            "uploaded": self._create,
            "created": self._poll,
            "ended": self._ingest,
            "ingested": self._finish,
            "refused": self._fail,
        }
        try:
            return await steps[shard.state](shard)
        except RefusedError as error:
            # after a crash from here on the next run gives back what is still open
            await self.ledger.move_shard(shard.name, "refused", facts={"why": error.found})
            await self._fail(shard)
            raise

    async def _abandon(self, shard: Shard) -> bool:
        """A crash came before its file was complete, so nothing was sent."""
        await self._give_back(shard, "its batch was never sent")
        await self.ledger.move_shard(shard.name, "abandoned")
        return True

    async def _fail(self, shard: Shard) -> bool:
        """refused → failed; its tasks can be asked again, in either way."""
        await self._give_back(shard, "its batch was refused")
        (self.folder / f"{shard.name}.jsonl").unlink(missing_ok=True)
        await self.ledger.move_shard(shard.name, "failed")
        return True

    async def _give_back(self, shard: Shard, note: str) -> None:
        still_open = (attempt_id for attempt_id, state in shard.attempts if state == "open")
        for chunk in chunks(still_open):
            await asyncio.gather(*(self.ledger.free(attempt_id, note) for attempt_id in chunk))

    async def _upload(self, shard: Shard) -> bool:
        """built → uploaded; a file without a batch costs nothing."""
        name = f"{shard.name}.jsonl"
        try:
            content = (self.folder / name).read_bytes()
        except FileNotFoundError:
            return await self._abandon(shard)
        if hashlib.sha256(content).hexdigest() != shard.facts["sha256"]:
            return await self._abandon(shard)
        file_id = await self.remote.find_file(name, len(content))
        if file_id is None:
            file_id = await self.remote.upload(name, content)
        await self.ledger.move_shard(shard.name, "uploaded", file_id=file_id)
        return True

    async def _create(self, shard: Shard) -> bool:
        """uploaded → created; looked for before it is made, and again after a lost answer."""
        assert shard.file_id is not None
        dead = set(shard.facts.get("dead", []))
        batch = await self.remote.find_batch(shard.name, dead)
        asked = int(shard.facts.get("asked", 0))
        if batch is None and asked:
            if not await self.stop.sleep(self.limits.lost_s):
                return False
            batch = await self.remote.find_batch(shard.name, dead)
        if batch is None:
            if asked - len(dead) >= CREATE_TRIES:
                raise RemoteError(f"batch {shard.name} was asked for {asked} times")
            await self.ledger.move_shard(shard.name, "uploaded", facts={"asked": asked + 1})
            try:
                batch = await self.remote.create(
                    shard.name, shard.file_id, str(shard.facts["endpoint"])
                )
            except RefusedError as error:
                if asked > len(dead):
                    # the answer to an earlier try was lost, and that one may exist
                    raise RemoteError(error.found, exit_code=Exit(error.exit_code)) from None
                raise
            except FullError as full:
                await self.ledger.move_shard(shard.name, "uploaded", facts={"asked": asked})
                self._wait(shard, full.found)
                return False
        if batch is None:
            return False  # the answer was lost; the next step looks for it
        await self.ledger.move_shard(shard.name, "created", batch_id=str(batch["id"]))
        return True

    async def _poll(self, shard: Shard) -> bool:
        """created → ended, or back to uploaded if too much was waiting at the provider."""
        assert shard.batch_id is not None
        batch = await self.remote.batch(shard.batch_id)
        status = str(batch.get("status"))
        self._warn_of_age(shard, batch)
        if status not in ENDED:
            self.not_before[shard.name] = time.monotonic() + self.limits.poll_s
            return False
        if status == "failed" and _was_full(batch):
            dead = [*shard.facts.get("dead", []), shard.batch_id]
            await self.ledger.move_shard(shard.name, "uploaded", facts={"dead": dead})
            self._wait(shard, "too many tokens are waiting")
            return True
        facts = {
            "status": status,
            "output": batch.get("output_file_id") or None,
            "errors": batch.get("error_file_id") or None,
            "counts": batch.get("request_counts") or None,
            "usage": batch.get("usage") or None,
            "why": str(batch.get("errors"))[:500] if batch.get("errors") else None,
        }
        await self.ledger.move_shard(shard.name, "ended", facts=facts)
        return True

    async def _ingest(self, shard: Shard) -> bool:
        """ended → ingested; the files are saved as they came before anything is read in them."""
        contents = []
        for what in ("output", "errors"):
            file_id = shard.facts.get(what)
            if file_id:
                path = self.folder / f"{shard.name}.{what}.jsonl"
                if not path.exists():
                    self._save(path.name, await self.remote.download(str(file_id)))
                contents.append(path.read_bytes())
        harvest = await ingest(self.ledger, shard, contents, status=str(shard.facts["status"]))
        if shard.facts["status"] not in NEVER_RUN:
            self.lost += len(harvest.missing)
        await self.ledger.move_shard(shard.name, "ingested", facts=_facts(harvest))
        return True

    async def _finish(self, shard: Shard) -> bool:
        """ingested → done; the provider's own count is held against ours."""
        wrong = _differences(shard)
        if wrong:
            self.ledger.event("batch_differs", {"shard": shard.name, "wrong": wrong})
            self.say(f"batch {shard.batch_id}: {'; '.join(wrong)}")
        (self.folder / f"{shard.name}.jsonl").unlink(missing_ok=True)
        await self.ledger.move_shard(shard.name, "done", facts={"differs": wrong})
        if shard.facts["status"] == "failed" and not shard.facts["answered"]:
            raise RemoteError(
                f"batch {shard.batch_id} failed: {shard.facts.get('why')}",
                expected="requests that the provider accepts",
                todo="correct the options; nothing was charged, and everything is asked again",
                exit_code=Exit.CONFIG,
            )
        return True

    def _wait(self, shard: Shard, why: str) -> None:
        self.say(f"the provider takes no more batches now ({why}); waiting")
        self.not_before[shard.name] = time.monotonic() + self.limits.full_s

    def _warn_of_age(self, shard: Shard, batch: dict[str, Any]) -> None:
        created = batch.get("created_at")
        if isinstance(created, int) and time.time() - created > WARN_AFTER_DAYS * 86400:
            days = f"{WARN_AFTER_DAYS} days; its files last {FILES_LAST_DAYS}"
            self.say(f"batch {shard.batch_id} is older than {days}")

    def _save(self, name: str, content: bytes) -> None:
        """Write a file beside the ledger, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{name}.part"
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.folder / name)


def _was_full(batch: dict[str, Any]) -> bool:
    errors = batch.get("errors")
    entries = errors.get("data") if isinstance(errors, dict) else None
    return any(
        isinstance(entry, dict) and entry.get("code") == "token_limit_exceeded"
        for entry in entries or []
    )


def _facts(harvest: Harvest) -> dict[str, Any]:
    return {
        "answered": harvest.answered,
        "refused": harvest.refused,
        "not_run": dict(harvest.errors),
        "unknown": len(harvest.unknown),
        "unreadable": len(harvest.unreadable),
        "missing": len(harvest.missing),
    }


def _differences(shard: Shard) -> list[str]:
    """What the provider counts otherwise than we do."""
    facts = shard.facts
    wrong = [
        f"{facts[name]} {what}"
        for name, what in (
            ("unknown", "answers with ids that are not ours"),
            ("unreadable", "lines that cannot be read"),
        )
        if facts.get(name)
    ]
    counts = facts.get("counts") or {}
    if counts.get("completed") is not None and counts["completed"] != facts["answered"]:
        wrong.append(f"{counts['completed']} answers by its count, {facts['answered']} are there")
    if facts["status"] == "completed" and facts.get("missing"):
        wrong.append(f"{facts['missing']} requests without an answer: held, in doubt")
    return wrong
