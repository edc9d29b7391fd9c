"""The provider's side of a batch: files and batches, found again by name before they are made."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from interestingness.annotators.engine.ruling import rule
from interestingness.annotators.engine.stopping import Exit, Stop
from interestingness.annotators.engine.waiting import backoff, named_wait
from interestingness.annotators.types import Failure, Reply, Request
from interestingness.errors import InterestingnessError

PAGE = 100
PAGES = 200
TRIES = 8


class RemoteError(InterestingnessError):
    """The provider does not do what a batch needs; nothing is lost, and it can be run again."""

    def __init__(
        self, found: str, *, expected: str = "", todo: str = "", exit_code: Exit = Exit.LATER
    ) -> None:
        """With the exit status for the shell."""
        super().__init__(found, expected=expected, todo=todo)
        self.exit_code = exit_code


class RefusedError(RemoteError):
    """The provider certainly took nothing: it answered with a no (status 4xx)."""


class FullError(RemoteError):
    """Too much is waiting at the provider already; later there will be room."""


class Carrier(Protocol):
    """What `transport.Transport` offers besides single requests."""

    async def send(
        self, request: Request, *, attempt_id: str, deadline_s: float
    ) -> Reply | Failure: ...

    async def get(self, path: str, *, deadline_s: float) -> Reply | Failure: ...

    async def upload(
        self, path: str, *, name: str, content: bytes, fields: Mapping[str, str], deadline_s: float
    ) -> Reply | Failure: ...


@dataclass(frozen=True)
class Remote:
    """Calls that may be repeated, and one that may not.

    Attributes:
        carrier: takes the bytes.
        stop: ends waiting.
        rng: of the jitter.
        deadline_s: for small calls; files get ten times as long.
    """

    carrier: Carrier
    stop: Stop
    rng: random.Random
    deadline_s: float = 60.0

    async def find_file(self, name: str, size: int) -> str | None:
        """Id of an uploaded file of that name and size; None if there is none, or no listing."""
        async for file in self._all("/files?purpose=batch"):
            if file.get("filename") == name and file.get("bytes") == size:
                return str(file["id"])
        return None

    async def upload(self, name: str, content: bytes) -> str:
        """Upload a file of requests; a second copy costs nothing. Its id.

        Raises:
            RefusedError: the provider says no.
            RemoteError: it does not answer.
        """

        def call() -> Awaitable[Reply | Failure]:
            return self.carrier.upload(
                "/files",
                name=name,
                content=content,
                fields={"purpose": "batch"},
                deadline_s=10 * self.deadline_s,
            )

        reply = await self._patiently("upload of the requests", call, refused=RefusedError)
        return str(_read(reply)["id"])

    async def find_batch(self, shard: str, dead: Collection[str]) -> dict[str, Any] | None:
        """The oldest batch with this shard in its metadata, so that it is never made twice.

        Args:
            shard: its name.
            dead: ids of batches of it that are known to have done nothing.
        """
        oldest: dict[str, Any] | None = None
        async for batch in self._all("/batches"):
            metadata = batch.get("metadata")
            ours = isinstance(metadata, dict) and metadata.get("shard") == shard
            if ours and batch.get("id") not in dead:
                oldest = batch
        return oldest

    async def create(self, shard: str, file_id: str, endpoint: str) -> dict[str, Any] | None:
        """Make a batch, once.

        Returns:
            The batch; None if the answer was lost, so that it may or may not exist.

        Raises:
            FullError: not now.
            RefusedError: the provider says no.
            RemoteError: it was not reached.
        """
        body = {
            "input_file_id": file_id,
            "endpoint": endpoint,
            "completion_window": "24h",
            "metadata": {"shard": shard},
        }
        request = Request("/batches", json.dumps(body).encode())
        reply = await self.carrier.send(request, attempt_id=shard, deadline_s=self.deadline_s)
        if isinstance(reply, Failure):
            if reply.kind == "free":
                raise RemoteError(f"the batch was not made: {reply.detail}")
            return None
        ruling = rule(reply)
        if ruling.action == "parse":
            return _read(reply)
        if ruling.action == "doubt" or reply.status >= 500:
            return None
        if ruling.action == "later" or "token_limit_exceeded" in ruling.signature:
            raise FullError(ruling.detail)
        what = f"the provider makes no batch: {ruling.detail}"
        if 400 <= reply.status < 500:
            raise RefusedError(what, exit_code=ruling.exit_code or Exit.CONFIG)
        raise RemoteError(what, exit_code=ruling.exit_code or Exit.LATER)

    async def batch(self, batch_id: str) -> dict[str, Any]:
        """State of a batch."""
        return _read(
            await self._patiently(f"batch {batch_id}", lambda: self._get(f"/batches/{batch_id}"))
        )

    async def download(self, file_id: str) -> bytes:
        """Content of a file."""
        path = f"/files/{file_id}/content"
        reply = await self._patiently(f"file {file_id}", lambda: self._get(path, slow=10))
        return reply.body

    def _get(self, path: str, slow: int = 1) -> Awaitable[Reply | Failure]:
        return self.carrier.get(path, deadline_s=slow * self.deadline_s)

    async def _all(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """Entries of a listing, page by page, newest first; none where there is no listing."""
        after = ""
        for _ in range(PAGES):
            joint = "&" if "?" in path else "?"
            page_path = f"{path}{joint}limit={PAGE}" + (f"&after={after}" if after else "")
            listing = await self._patiently(path, partial(self._get, page_path), absent=True)
            if listing is None:
                return
            page = _read(listing)
            entries = [entry for entry in page.get("data") or [] if isinstance(entry, dict)]
            for entry in entries:
                yield entry
            if not page.get("has_more") or not entries:
                return
            after = str(entries[-1].get("id"))

    async def _patiently(
        self,
        what: str,
        call: Callable[[], Awaitable[Reply | Failure]],
        *,
        absent: bool = False,
        refused: type[RefusedError] | None = None,
    ) -> Any:
        """Repeat a call that may be repeated.

        Args:
            what: for messages.
            call: made anew for each try.
            absent: whether 404 and 405 mean None.
            refused: raised for a status 4xx that no waiting changes; None: as `_refusal` says.
        """
        detail = ""
        for failures in range(1, TRIES + 1):
            answer = await call()
            named = None
            if isinstance(answer, Failure):
                detail = answer.detail
            else:
                ruling = rule(answer)
                if ruling.action == "parse":
                    return answer
                if absent and answer.status in {404, 405}:
                    return None
                if ruling.action in {"stop", "reject"}:
                    if refused is not None and 400 <= answer.status < 500:
                        code = ruling.exit_code or Exit.CONFIG
                        raise refused(f"{what}: {ruling.detail}", exit_code=code)
                    raise _refusal(what, answer, ruling.exit_code, ruling.detail)
                detail, named = ruling.detail, named_wait(answer.headers)
            if failures == TRIES or not await self.stop.sleep(named or backoff(failures, self.rng)):
                break
        raise RemoteError(f"{what}: {detail}", todo="run the same command again later")


def _refusal(what: str, reply: Reply, exit_code: Exit | None, detail: str) -> RemoteError:
    if reply.status == 404:
        return RemoteError(
            f"{what} is not known to this key: {detail}",
            expected="a key of the project that the batch was made with",
            todo="set that project's key and run again; nothing was changed or bought",
            exit_code=Exit.KEY,
        )
    return RemoteError(f"{what}: {detail}", exit_code=exit_code or Exit.LATER)


def _read(reply: Reply) -> dict[str, Any]:
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RemoteError("the provider answered with something that is no JSON object")
    return found
