"""An OpenAI-compatible server on loopback that does what a script says, well formed or not.

It writes HTTP by hand, because proper servers refuse to send half an answer. Its journal is
independent of the ledger: a test holds one against the other.

By itself: ``python tests/annotators/servers/scripted.py --latency 1`` prints its port, then serves
until its standard input is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from servers.loopback import Loopback, reset


@dataclass(frozen=True)
class Answer:
    """A whole answer, perhaps late or in drops."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drip_s: float = 0.0  # between two bytes of the body
    type: str = "application/json"
    length: int | None = None  # a Content-Length that is a lie


@dataclass(frozen=True)
class Cut:
    """An answer of which only the first bytes arrive; then the connection is reset."""

    body: bytes
    after: int = 0  # bytes of head and body that get through


@dataclass(frozen=True)
class Hang:
    """No answer while the server lives."""


Action = Answer | Cut | Hang


@dataclass(frozen=True)
class Seen:
    """One request, as it arrived."""

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    number: int

    @property
    def attempt_id(self) -> str:
        return self.headers.get("x-client-request-id", "")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def completion(
    content: str | None = '{"choice": "first", "reason": "bright"}',
    *,
    finish: str = "stop",
    model: str = "judge-1",
    prompt_tokens: int = 100,
    completion_tokens: int = 10,
    **fields: Any,
) -> bytes:
    """Body of a chat completion; ``fields`` replace those at the top."""
    whole = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": content},
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }
    return json.dumps({**whole, **fields}).encode()


def error(status: int, code: str | None = None, message: str = "no", **headers: str) -> Answer:
    """An error in the provider's shape; ``retry_after="1"`` becomes a header."""
    body = json.dumps({"error": {"message": message, "type": code, "code": code}}).encode()
    return Answer(status, body, {name.replace("_", "-"): v for name, v in headers.items()})


class ScriptedServer(Loopback):
    """Serves in a thread of its own; `script` may be replaced while it runs."""

    def __init__(self, script: Callable[[Seen], Action] | Sequence[Action] | None = None) -> None:
        """A function of the request, or answers one after the other (then good ones)."""
        super().__init__()
        self.journal: list[Seen] = []
        self.answered: list[Seen] = []  # a whole 200, or a part of one, was sent: paid for
        self.in_flight = self.most_in_flight = 0
        self.script: Callable[[Seen], Action]
        self.follow(script)
        self._never = asyncio.Event()

    def follow(self, script: Callable[[Seen], Action] | Sequence[Action] | None) -> None:
        if callable(script):
            self.script = script
            return
        queue = list(script or [])
        self.script = lambda seen: queue.pop(0) if queue else Answer(body=completion())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (seen := await self._read(reader)) is not None:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            try:
                await self._act(self.script(seen), seen, writer)
            finally:
                self.in_flight -= 1

    async def _read(self, reader: asyncio.StreamReader) -> Seen | None:
        try:
            start = await reader.readexactly(1)
            if start == b"\x16":  # a TLS handshake, which is not spoken here
                return None
            head = (start + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        seen = Seen(time.monotonic(), method, path, headers, body, len(self.journal))
        self.journal.append(seen)
        return seen

    async def _act(self, action: Action, seen: Seen, writer: asyncio.StreamWriter) -> None:
        if isinstance(action, Hang):
            await self._never.wait()
        elif isinstance(action, Cut):
            self.answered.append(seen)
            writer.write((_head(Answer(body=action.body)) + action.body)[: action.after])
            await writer.drain()
            reset(writer)
        else:
            assert isinstance(action, Answer)
            await asyncio.sleep(action.delay_s)
            if action.status == 200:
                self.answered.append(seen)
            writer.write(_head(action))
            if action.drip_s:
                for i in range(len(action.body)):
                    writer.write(action.body[i : i + 1])
                    await writer.drain()
                    await asyncio.sleep(action.drip_s)
            else:
                writer.write(action.body)
            await writer.drain()
            if action.length is not None:
                raise ConnectionError("the length was a lie")


def _head(answer: Answer) -> bytes:
    length = len(answer.body) if answer.length is None else answer.length
    headers = {
        "Content-Type": answer.type,
        "Content-Length": str(length),
        **answer.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {answer.status} Scripted\r\n{lines}\r\n".encode("latin-1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    latency_s = parser.parse_args().latency
    with ScriptedServer(lambda _: Answer(body=completion(), delay_s=latency_s)) as server:
        print(server.port, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()
        print(json.dumps({"seen": len(server.journal), "most": server.most_in_flight}), flush=True)


if __name__ == "__main__":
    main()
