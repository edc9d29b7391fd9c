"""Query Flickr's REST API for a collection: rate-limited, with retries, hiding the key."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from typing import Any

import aiohttp

from interestingness.errors import ConfigError, DataError
from interestingness.http_waits import read_retry_after

ENDPOINT = "https://api.flickr.com/services/rest/"
KEY = "FLICKR_API_KEY"
"""Environment variable with one's own key."""
PER_HOUR = 3600
"""Queries that Flickr allows a key."""
PASSING = (0, 10, 105, 106)
"""Codes of failures that may pass: search down, service unavailable, write failed."""
BAD_KEY = (100,)
LICENSES = {
    "0": "All Rights Reserved",
    "1": "CC BY-NC-SA 2.0",
    "2": "CC BY-NC 2.0",
    "3": "CC BY-NC-ND 2.0",
    "4": "CC BY 2.0",
    "5": "CC BY-SA 2.0",
    "6": "CC BY-ND 2.0",
    "7": "No known copyright restrictions",
    "8": "United States Government Work",
    "9": "CC0 1.0",
    "10": "Public Domain Mark 1.0",
    "11": "CC BY 4.0",
    "12": "CC BY-SA 4.0",
    "13": "CC BY-ND 4.0",
    "14": "CC BY-NC 4.0",
    "15": "CC BY-NC-SA 4.0",
    "16": "CC BY-NC-ND 4.0",
}
"""Flickr's numbers of licences, as ``flickr.photos.licenses.getInfo`` lists them."""
EXTRAS = (
    "tags,date_upload,owner_name,license,views,count_faves,count_comments,description,geo,"
    "original_format,url_o,url_k,url_h,url_l,url_c,url_z,url_m"
)


def key_from_environment() -> str:
    """Read the user's key from the environment.

    Raises:
        ConfigError: if there is none.
    """
    key = os.environ.get(KEY, "").strip()
    if not key:
        raise ConfigError(
            f"the environment variable {KEY} is not set",
            expected="your own key of Flickr's API",
            todo=f"get one at https://www.flickr.com/services/apps/create/ and export {KEY}=…",
        )
    return key


class Flickr:
    """Sends queries to Flickr, one at a time, at an even rate."""

    def __init__(
        self,
        key: str,
        *,
        endpoint: str = ENDPOINT,
        per_hour: float = PER_HOUR,
        attempts: int = 5,
        backoff_s: float = 2.0,
        timeout_s: float = 60.0,
    ) -> None:
        """Store the settings; nothing is sent yet.

        Args:
            key: the user's; it is sent to ``endpoint`` only.
            endpoint: of the API.
            per_hour: most queries an hour.
            attempts: most attempts of one query, if its failure may pass.
            backoff_s: seconds before the second attempt, doubled for each further one.
            timeout_s: time-out of one answer, in seconds.
        """
        self._key, self._endpoint = key, endpoint
        self._pause_s = 3600 / per_hour
        self._attempts, self._backoff_s, self._timeout_s = attempts, backoff_s, timeout_s
        self._next = 0.0
        self.queries = 0

    def ask(self, method: str, **arguments: str | int) -> Mapping[str, Any]:
        """Return the answer to one query.

        Raises:
            ConfigError: if Flickr does not know the key.
            DataError: for any other refusal, or a failure that does not pass.
        """
        return asyncio.run(self._ask(method, arguments))

    async def _ask(self, method: str, arguments: Mapping[str, str | int]) -> Mapping[str, Any]:
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        said = ""
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            for attempt in range(self._attempts):
                await asyncio.sleep(max(0.0, self._next - time.monotonic()))
                self._next = time.monotonic() + self._pause_s
                self.queries += 1
                try:
                    status, wait, body = await self._post(session, method, arguments)
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    said = self._hidden(str(error) or type(error).__name__)
                else:
                    answer = self._read(method, status, body)
                    if not isinstance(answer, str):
                        return answer
                    said = answer
                    self._next = max(self._next, time.monotonic() + wait)
                await asyncio.sleep(self._backoff_s * 2**attempt if self._attempts > 1 else 0)
        raise DataError(
            f"Flickr, {method}: {said}, {self._attempts} times",
            expected="an answer",
            todo="give the same command again later: what is collected is kept",
        )

    async def _post(
        self, session: aiohttp.ClientSession, method: str, arguments: Mapping[str, str | int]
    ) -> tuple[int, float, bytes]:
        # POST keeps the key out of the address, and so out of proxies' logs
        fields = {"method": method, "api_key": self._key, "format": "json", "nojsoncallback": "1"}
        fields |= {name: str(value) for name, value in arguments.items()}
        async with session.post(self._endpoint, data=fields, allow_redirects=False) as response:
            headers = response.headers
            wait = read_retry_after(headers.get("Retry-After"), date=headers.get("Date"))
            return response.status, wait or 0.0, await response.read()

    def _read(self, method: str, status: int, body: bytes) -> Mapping[str, Any] | str:
        """Read the answer, or return why another attempt may get one."""
        if status == 429 or status >= 500:
            return f"HTTP {status}"
        try:
            answer = json.loads(body)
        except ValueError:
            text = body[:60].decode("utf-8", "replace").strip()
            return f"HTTP {status}, no JSON: {self._hidden(text)!r}"
        if isinstance(answer, dict) and answer.get("stat") == "ok":
            return answer
        code = answer.get("code") if isinstance(answer, dict) else None
        text = self._hidden(str(answer.get("message", "")) if isinstance(answer, dict) else "")
        if code in BAD_KEY:
            raise ConfigError(
                f"Flickr does not know the key in {KEY} ({text})",
                expected="your own key of Flickr's API",
                todo="look it up at https://www.flickr.com/services/apps/by/me",
            )
        if code in PASSING:
            return f"code {code}, {text}"
        raise DataError(
            f"Flickr, {method}: code {code}, {text}",
            expected="an answer",
            todo="check the dates: lists exist from 2004-07-01 until yesterday",
        )

    def _hidden(self, text: str) -> str:
        return " ".join(text.replace(self._key, "…").split())
