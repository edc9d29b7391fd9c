"""Opens what lies behind a URL: http(s) by Python's own library, all else by WebDataset's commands.

WebDataset hands http to curl, which waits for ever for a server that falls silent, retries a
failing one thirty times without a word, and outlives a process that is killed.
"""

from __future__ import annotations

import base64
import http.client
import urllib.error
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

SILENCE_S = 60.0
"""Seconds that a server may send nothing."""
ERRORS = (OSError, ValueError, http.client.HTTPException)
"""What opening and reading raise; urllib's and WebDataset's are among them."""


def opened(url: str) -> AbstractContextManager[Any]:
    """A stream of bytes to be closed.

    Args:
        url: ``https:`` (a user and password in it are sent as such), ``pipe:``, ``file:``, or any
            other that WebDataset opens.

    Raises:
        OSError, ValueError, HTTPException: if it cannot be opened; reading may raise them too.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        from webdataset.gopen import gopen

        stream: AbstractContextManager[Any] = gopen(url, "rb")
        return stream
    host = parts.netloc.rpartition("@")[2]
    request = Request(urlunsplit(parts._replace(netloc=host)))
    if parts.username is not None:
        secret = base64.b64encode(f"{parts.username}:{parts.password or ''}".encode()).decode()
        request.add_header("Authorization", f"Basic {secret}")
    try:
        answer: AbstractContextManager[Any] = urlopen(request, timeout=SILENCE_S)
    except urllib.error.HTTPError as error:
        error.close()  # it carries the answer's page, which nobody reads
        raise
    return answer


def passing(error: BaseException) -> bool:
    """Whether another try may go better: a server in trouble, silence, a broken connection."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code in {408, 429}
    return isinstance(error, ConnectionError | TimeoutError | http.client.HTTPException) or (
        isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError)
    )


def shown(url: str) -> str:
    """The URL without user and password, for messages."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def reason(error: BaseException) -> str:
    """What went wrong, in a line."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        error = error.reason if isinstance(error.reason, OSError) else error
    if isinstance(error, TimeoutError):
        return f"the server sends nothing for {SILENCE_S:g} s"
    said = str(error).strip().splitlines()
    return said[0] if said else type(error).__name__
