"""Debian's chromium, headless, driven over its debugging port."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-port=0",
)  # fmt: skip
SHORT = "/tmp"
SECONDS = 120
"""That a page may take on a machine that does much else."""


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0

    async def call(self, method: str, **parameters: Any) -> Any:
        """Send one command and wait for its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        await self._socket.send_json(message)
        while True:
            found = await self._socket.receive_json(timeout=SECONDS)
            if found.get("id") == self._number:
                assert "error" not in found, found
                return found["result"]

    async def run(self, script: str) -> Any:
        """Value of an expression in the page; a promise is waited for. None for an error."""
        found = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        return None if "exceptionDetails" in found else found["result"].get("value")

    async def until(self, condition: str) -> Any:
        """Wait until an expression is true."""
        for _ in range(SECONDS * 20):
            if found := await self.run(condition):
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"{condition} never: {await self.run('document.body.innerText')}")

    async def press(self, key: str) -> None:
        """Press and release one key."""
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key)

    async def picture(self, path: Path, width: int = 1200, height: int = 900) -> None:
        """Take a picture of the page in a window of this size."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        found = await self.call("Page.captureScreenshot")
        path.write_bytes(base64.b64decode(found["data"]))


@asynccontextmanager
async def opened(address: str, profile: Path) -> AsyncIterator[Page]:
    """Open an address in a new browser with a profile of its own."""
    assert CHROMIUM is not None
    process = subprocess.Popen(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # The path of its socket there must not be long, as that of a test's own folder is.
        env={**os.environ, "TMPDIR": SHORT},
    )
    try:
        port = await _port(profile, process)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as response:
                pages = json.loads(await response.text())
            place = next(one for one in pages if one["type"] == "page")["webSocketDebuggerUrl"]
            async with session.ws_connect(place, max_msg_size=0) as socket:
                page = Page(socket)
                await page.call("Page.navigate", url=address)
                yield page
    finally:
        process.kill()
        process.wait()


async def _port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    file = profile / "DevToolsActivePort"
    for _ in range(SECONDS * 20):
        if file.is_file() and (lines := file.read_text().splitlines()):
            return int(lines[0])
        assert process.poll() is None, "the browser ended"
        await asyncio.sleep(0.05)
    raise AssertionError("the browser opened no port")
