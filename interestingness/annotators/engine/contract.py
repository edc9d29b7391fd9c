"""What the engine is given: how a task becomes bytes, an answer a verdict, tokens a price."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from interestingness.annotators.types import Failure, Reply, Request, Task, Usage, Verdict

Parsed: TypeAlias = tuple[Verdict, Usage | None, str | None, str | None]
"""Verdict, tokens, name of the model that answered, its fingerprint; None where not told."""


class BuildRequest(Protocol):
    """Makes the bytes of a task just before they are sent; runs in a thread."""

    def __call__(self, task: Task, retry_with: str | None = None) -> Request:
        """The request.

        Args:
            task: what to ask.
            retry_with: ``Reject.retry_with`` of the answer before, e.g. ``double_cap``; None for a
                plain request.

        Raises:
            InterestingnessError: if this task cannot be asked, e.g. its image is broken. Nothing is
                reserved then, and the other tasks go on.
        """


class Parse(Protocol):
    """Reads an answer; pure, and never raises."""

    def __call__(self, task: Task, reply: Reply) -> Parsed:
        """Called after the bytes of a reply with status 200 were committed."""


class Prices(Protocol):
    """What a call may cost at most and what it did cost, in millionths of a US dollar."""

    @property
    def price_id(self) -> str:
        """Names the table of prices that was used."""

    def reserve(self, task: Task, retry_with: str | None = None) -> int:
        """The most that one attempt may cost, at least 0."""

    def cost(self, usage: Usage) -> int | None:
        """What these tokens cost; None if they are missing or negative: the reserve is kept."""


class Sender(Protocol):
    """Takes bytes to a judge and back; `transport.Transport` is one, a simulated judge another."""

    async def send(
        self, request: Request, *, attempt_id: str, deadline_s: float
    ) -> Reply | Failure:
        """One request, sent at most once.

        Args:
            request: the bytes.
            attempt_id: goes out as ``X-Client-Request-Id``.
            deadline_s: for the whole exchange, in seconds.

        Returns:
            The reply whatever its status; a `Failure` where there is none: ``free`` if not one byte
            went out, else ``doubt``.
        """
