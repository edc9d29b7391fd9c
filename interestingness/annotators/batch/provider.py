"""Call a provider's batch API through the openai package."""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

import openai
from openai.types import Batch as Batch  # other modules have no openai
from openai.types import FileObject

from interestingness.annotators.engine.replies import classify
from interestingness.annotators.engine.run_state import Exit
from interestingness.annotators.redaction import redacted
from interestingness.annotators.types import Reply
from interestingness.errors import InterestingnessError

T = TypeVar("T")
REPEATS = 6
"""How often the package repeats a call that may be repeated; it waits as the server says."""
CALL_S, FILE_S = 60.0, 600.0


class BatchError(InterestingnessError):
    """The provider does not do what a batch needs; nothing is lost, and it can be run again."""

    def __init__(
        self, found: str, *, expected: str = "", todo: str = "", exit_code: Exit = Exit.LATER
    ) -> None:
        """With the exit status for the shell."""
        super().__init__(found, expected=expected, todo=todo)
        self.exit_code = exit_code


class BatchRefusedError(BatchError):
    """The provider certainly accepted nothing: it refused (status 4xx)."""


class QueueFullError(BatchError):
    """The provider's queue is full; try again later."""


@dataclass(frozen=True)
class BatchProvider:
    """Calls that may be repeated, and one that may not: making a batch.

    Every failure of a call is a `BatchError`.

    Attributes:
        client: `transport.Transport.client`, which repeats nothing by itself.
    """

    client: openai.AsyncOpenAI

    @property
    def _patient(self) -> openai.AsyncOpenAI:
        return self.client.with_options(max_retries=REPEATS)

    async def upload(self, name: str, content: bytes) -> str:
        """Upload a file of requests and return its id; a second copy costs nothing."""
        call = self._patient.files.create(file=(name, content), purpose="batch", timeout=FILE_S)
        return _checked(await _called("upload of the requests", call), FileObject).id

    async def create(self, part: str, file_id: str, endpoint: Any) -> Batch | None:
        """Make a batch, once.

        Args:
            part: name of the part of the ledger, by which `find` finds the batch.
            file_id: of the uploaded requests.
            endpoint: e.g. ``/v1/chat/completions``.

        Returns:
            The batch; None if the answer was lost, so that it may or may not exist.
        """
        call = self.client.batches.create(
            completion_window="24h",
            endpoint=endpoint,
            input_file_id=file_id,
            metadata={"shard": part},
            timeout=CALL_S,
        )
        try:
            return _checked(await _called("the provider makes no batch", call), Batch)
        except (BatchRefusedError, QueueFullError):
            raise
        except BatchError:
            return None

    async def find(self, part: str, dead: Collection[str]) -> Batch | None:
        """Find the oldest batch with this part in its metadata, so that none is made twice.

        Args:
            part: its name.
            dead: ids of batches of it that are known to have done nothing.
        """
        oldest: Batch | None = None
        try:
            async for batch in self._patient.batches.list(limit=100, timeout=CALL_S):
                ours = isinstance(batch.metadata, dict) and batch.metadata.get("shard") == part
                if ours and batch.id not in dead:
                    oldest = batch
        except (openai.OpenAIError, ValueError) as error:
            if isinstance(error, openai.APIStatusError) and error.status_code in {404, 405}:
                return None  # the server does not list batches
            raise _failure("list of batches", error) from None
        return oldest

    async def look_up(self, batch_id: str) -> Batch:
        """Fetch the state of a batch."""
        call = self._patient.batches.retrieve(batch_id, timeout=CALL_S)
        return _checked(await _called(f"batch {batch_id}", call, made=True), Batch)

    async def download(self, file_id: str) -> bytes:
        """Fetch the content of a file."""
        call = self._patient.files.content(file_id, timeout=FILE_S)
        return (await _called(f"file {file_id}", call, made=True)).content


async def _called(what: str, call: Awaitable[T], *, made: bool = False) -> T:
    try:
        return await call
    except (openai.OpenAIError, ValueError) as error:
        raise _failure(what, error, made=made) from None


def _checked(found: Any, kind: type[T]) -> T:
    """Check the type of what the package returns, which it does not check itself."""
    if not isinstance(found, kind) or not isinstance(getattr(found, "id", None), str):
        raise BatchError("the provider answered with something that is no JSON object with an id")
    return found


def _failure(what: str, error: Exception, *, made: bool = False) -> BatchError:
    """Make the error of a failed call; ``made``: what it asks about was made by an earlier one."""
    if not isinstance(error, openai.APIStatusError):
        cause = error.__cause__ or error
        detail = redacted(f"{type(cause).__name__}: {cause}", longest=300)
        return BatchError(f"{what}: {detail}", todo="run the same command again later")
    headers = {name.lower(): value for name, value in error.response.headers.items()}
    found = classify(Reply(error.status_code, error.response.content, headers))
    if found.kind == "not_found" and made:
        return BatchError(
            f"{what} is not known to this key: {found.detail}",
            expected="a key of the project that the batch was made with",
            todo="set that project's key and run again; nothing was changed or bought",
            exit_code=Exit.KEY,
        )
    if found.action == "later" or "token_limit_exceeded" in found.signature:
        return QueueFullError(found.detail)
    if found.action in {"stop", "reject"}:
        return BatchRefusedError(
            f"{what}: {found.detail}", exit_code=found.exit_code or Exit.CONFIG
        )
    return BatchError(f"{what}: {found.detail}")
