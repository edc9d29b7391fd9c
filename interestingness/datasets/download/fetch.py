"""Request one image: follow redirects, enforce limits, and return every failure as a value."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import aiohttp
from yarl import URL

from interestingness.datasets.download.addresses import (
    AddressRefusedError,
    checked_url,
    public_socket,
    redirected,
)
from interestingness.datasets.download.content import Placeholders
from interestingness.datasets.download.outcomes import Kind
from interestingness.datasets.download.settings import DownloadSettings
from interestingness.http_waits import read_retry_after

_CHUNK = 1 << 16
_GONE = (404, 410)
_MOVED = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class FetchAnswer:
    """The result of one request.

    Attributes:
        data: the whole body, or None on failure.
        kind: kind of the failure.
        detail: one line for people.
        url: the last address requested.
        status: the last HTTP status, 0 if there was none.
        wait_s: the wait that the host asks for, in seconds; NaN if it asks for none.
    """

    data: bytes | None
    kind: Kind | None
    detail: str
    url: str
    status: int = 0
    wait_s: float = math.nan


def open_session(settings: DownloadSettings) -> aiohttp.ClientSession:
    """Open a session to public addresses only, without cookies, proxies or credentials."""
    connector = aiohttp.TCPConnector(
        limit=settings.connections,
        limit_per_host=settings.per_host,
        socket_factory=partial(public_socket, loopback=settings.loopback),
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "User-Agent": settings.user_agent,
            "Accept": "image/*",
            "Accept-Encoding": "identity",
        },
        timeout=aiohttp.ClientTimeout(
            total=settings.timeout_s, sock_connect=settings.idle_s, sock_read=settings.idle_s
        ),
        trust_env=False,
    )


async def fetch(
    session: aiohttp.ClientSession,
    url: str,
    *,
    settings: DownloadSettings,
    placeholders: Placeholders,
) -> FetchAnswer:
    """Request once, following redirects; a failure of a host or URL raises nothing."""
    at = url
    try:
        at = checked_url(url)
        seen = {at}
        for _ in range(settings.redirects + 1):
            answer = await _ask(session, at, settings)
            if answer.status not in _MOVED:
                return answer
            at = redirected(at, answer.detail)
            if placeholders.by_address(at):
                return FetchAnswer(None, "placeholder", f"redirected to {at}", at, answer.status)
            if at in seen:
                return FetchAnswer(None, "redirects", f"in a circle: {at}", at, answer.status)
            seen.add(at)
        return FetchAnswer(None, "redirects", f"more than {settings.redirects}", at, answer.status)
    except AddressRefusedError as error:
        return FetchAnswer(None, "address", str(error), at)
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        return FetchAnswer(None, "address", f"no URL: {error}", at)
    except TimeoutError:
        return FetchAnswer(None, "unreachable", "too slow", at)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # ValueError: headers that the parser accepts but aiohttp cannot handle
        cause = error.__cause__
        if isinstance(cause, AddressRefusedError):
            return FetchAnswer(None, "address", str(cause), at)
        return FetchAnswer(None, "unreachable", _said(error), at)


async def _ask(session: aiohttp.ClientSession, url: str, settings: DownloadSettings) -> FetchAnswer:
    """Make one request. For a redirect, ``detail`` of the answer is its target."""
    async with session.get(URL(url), allow_redirects=False) as response:
        status = response.status
        if status in _MOVED:
            return FetchAnswer(None, None, response.headers.get("Location", ""), url, status)
        if status != 200:
            return _unusable(url, status, response.headers)
        if (response.content_length or 0) > settings.max_bytes:
            return _too_large(url, f"{response.content_length:,} bytes announced", settings)
        parts, size = [], 0
        async for part in response.content.iter_chunked(_CHUNK):
            size += len(part)
            if size > settings.max_bytes:
                return _too_large(url, "more bytes", settings)
            parts.append(part)
        return FetchAnswer(b"".join(parts), None, "", url, status)


def _too_large(url: str, found: str, settings: DownloadSettings) -> FetchAnswer:
    return FetchAnswer(None, "too large", f"{found}, {settings.max_bytes:,} allowed", url, 200)


def _unusable(url: str, status: int, headers: Mapping[str, str]) -> FetchAnswer:
    kind: Kind = "refused"
    wait = math.nan
    if status in _GONE:
        kind = "gone"
    elif status in (429, 503):
        kind = "busy"
        asked = read_retry_after(headers.get("Retry-After"), date=headers.get("Date"))
        wait = math.nan if asked is None else asked
    elif status >= 500 or status in (408, 425):
        kind = "server error"
    return FetchAnswer(None, kind, f"HTTP {status}", url, status, wait)


def _said(error: BaseException) -> str:
    text = " ".join((str(error) or type(error).__name__).split())
    return text if len(text) <= 120 else f"{text[:120]}…"


async def close(session: aiohttp.ClientSession) -> None:
    """Close connections, and run the loop until they are closed."""
    await session.close()
    await asyncio.sleep(0)
