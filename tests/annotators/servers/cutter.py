"""A TCP proxy that cuts: the server behind it answers and charges, the client does not get it all.

What was paid for is in the journal of the server behind it, which knows nothing of the cut.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Literal

from servers.loopback import Loopback, reset

Mode = Literal["pass", "before_reply", "half", "twice"]


class Cutter(Loopback):
    """Treats the answers that pass, in their order, as ``modes`` says; later ones pass whole."""

    def __init__(self, port: int, modes: Iterable[Mode] = ()) -> None:
        """Stand before ``127.0.0.1:port``."""
        super().__init__()
        self._upstream = port
        self.modes: list[Mode] = list(modes)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        asking = asyncio.create_task(_copy(reader, up_writer))
        try:
            while True:
                answer = await _whole_answer(up_reader)
                mode = self.modes.pop(0) if self.modes else "pass"
                if mode == "before_reply":
                    return reset(writer)
                if mode == "half":
                    writer.write(answer[: len(answer) // 2])
                    await writer.drain()
                    return reset(writer)
                writer.write(answer * (2 if mode == "twice" else 1))
                await writer.drain()
        finally:
            asking.cancel()
            up_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def _whole_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    assert length is not None, "the cutter understands answers with a Content-Length only"
    return head + await reader.readexactly(int(length[1]))
