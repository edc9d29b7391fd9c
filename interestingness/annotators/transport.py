"""Send requests to a server through the openai package.

The package does connections, TLS, uploads and error types. What it does on its own is switched off
for requests that are paid for, because it can cost money or leak: it resends requests whose answer
was lost, follows redirects, and obeys proxies, base URLs and headers from the environment.

Each request has a connection of its own. On a connection that is used again, an answer that a
proxy sends twice is taken for the answer to the next question, and every answer after it belongs to
another pair; and a server that closes an idle connection in the wrong moment leaves a request in
doubt. A handshake per request is cheap beside seconds of thinking.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import httpx2
import openai

from interestingness.annotators.credentials import host_of
from interestingness.annotators.redaction import (
    Secret,
    hide_keys_in_logs,
    kept_headers,
    redacted,
)
from interestingness.annotators.types import Failure, Reply, Request

SENT_HEADERS = frozenset(
    {"accept", "accept-encoding", "content-length", "content-type", "host"}
    | {"transfer-encoding", "user-agent", "x-client-request-id"}
)
"""All that goes out besides the key; headers from elsewhere are dropped."""


@dataclass
class _Wire:
    """Records whether any byte of one request has left."""

    sent: bool = False

    async def trace(self, event: str, _info: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.sent = True


_wire: ContextVar[_Wire | None] = ContextVar("_wire", default=None)


class Transport:
    """One endpoint and its connections.

    Nothing that `send` and `get` return or raise holds a request, a response or the key.

    Attributes:
        host: that all requests go to.
        client: of the openai package, for files and batches; it repeats nothing by itself.
    """

    def __init__(
        self,
        base_url: str,
        secret: Secret | None,
        *,
        connections: int,
        connect_s: float = 10.0,
        key_header: str = "Authorization",
    ) -> None:
        """Open nothing yet.

        Args:
            base_url: e.g. ``https://api.openai.com/v1``; nothing of the environment counts. Its
                query, such as ``?api-version=…``, goes with each request.
            secret: the key, or None for a server that wants none.
            connections: the most at a time.
            connect_s: for opening one connection, in seconds.
            key_header: carries the key; as a bearer token if it is ``Authorization``.
        """
        self.host = host_of(base_url)
        self._secret, self._key_header = secret, key_header
        hide_keys_in_logs(secret)
        self._connect_s = connect_s
        self._network = httpx2.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=0),
            event_hooks={"request": [self._check_request]},
        )
        address = urlsplit(base_url)
        self.client = openai.AsyncOpenAI(
            api_key=secret.reveal() if secret else "none",
            base_url=urlunsplit(address._replace(query="")),
            default_query=dict(parse_qsl(address.query)),
            organization="",
            project="",
            max_retries=0,
            http_client=self._network,
        )

    async def _check_request(self, request: httpx2.Request) -> None:
        """Just before a request leaves: its host, its headers, and a watch on its bytes."""
        if (request.url.host or "").lower() != self.host:
            raise ValueError(f"a request would leave for {request.url.host}, not {self.host}")
        sent = [(k, v) for k, v in request.headers.items() if k.lower() in SENT_HEADERS]
        if self._secret is not None:
            bearer = "Bearer " if self._key_header == "Authorization" else ""
            sent.append((self._key_header, bearer + self._secret.reveal()))
        request.headers = httpx2.Headers([*sent, ("Connection", "close")])
        if (wire := _wire.get()) is not None:
            request.extensions["trace"] = wire.trace

    async def send(
        self, request: Request, *, attempt_id: str, deadline_s: float
    ) -> Reply | Failure:
        """Post a request's bytes once; see `engine.asking.Sender`."""
        options = self._options(deadline_s, {"X-Client-Request-Id": attempt_id})
        return await self._exchange(
            lambda: self.client.post(
                _local(request.path),
                cast_to=httpx2.Response,
                content=request.body,
                options=options,
            ),
            deadline_s,
        )

    async def get(self, path: str, *, deadline_s: float) -> Reply | Failure:
        """Fetch a path below the base URL, e.g. ``/models``."""
        options = self._options(deadline_s)
        return await self._exchange(
            lambda: self.client.get(_local(path), cast_to=httpx2.Response, options=options),
            deadline_s,
        )

    def _options(self, deadline_s: float, headers: Mapping[str, str] | None = None) -> Any:
        timeout = httpx2.Timeout(deadline_s, connect=min(self._connect_s, deadline_s))
        return {"headers": dict(headers or {}), "timeout": timeout, "max_retries": 0}

    async def _exchange(
        self, call: Callable[[], Awaitable[httpx2.Response]], deadline_s: float
    ) -> Reply | Failure:
        """Run one call; every way in which it may end becomes a plain value."""
        wire = _Wire()
        _wire.set(wire)
        began = time.monotonic()
        try:
            async with asyncio.timeout(deadline_s):
                response = await call()
        except openai.APIStatusError as error:
            response = error.response
        except TimeoutError:
            return self._lost(wire, f"no whole answer within {deadline_s:g} s")
        except openai.OpenAIError as error:
            return self._lost(wire, _said(error.__cause__ or error))
        except Exception as error:  # whatever a library lets escape: the attempt must be settled
            return self._lost(wire, _said(error))
        return self._reply(response, time.monotonic() - began)

    def _lost(self, wire: _Wire, detail: str) -> Failure:
        detail = redacted(detail, self._secret, longest=300)
        return Failure("doubt" if wire.sent else "free", detail)

    def _reply(self, response: httpx2.Response, seconds: float) -> Reply:
        body = response.content
        headers = kept_headers(response.headers, self._secret)
        return Reply(
            status=response.status_code,
            body=self._secret.hide_in(body) if self._secret else body,
            headers=headers,
            request_id=headers.get("x-request-id"),
            seconds=seconds,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._network.aclose()

    def __repr__(self) -> str:
        return f"Transport({self.host})"


def _local(path: str) -> str:
    """Return the path, if it cannot lead to another host."""
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError(f"expected a path below the base URL, e.g. /chat/completions: {path!r}")
    return path


def _said(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
