"""Small ledgers, a parser for made-up answers, and a crash that needs no process."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.types import Answer, Parsed, Reject, Reply, Task, Usage

PRICES = {"p": {"input": 1, "output": 2}}


class Kit:
    """What the tests of the ledger share; every answer here is made up."""

    parser_version = "test-1"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "a.ledger"

    def open(self, path: Path | None = None, **changes: Any) -> Ledger:
        options = {"run": {"prices": PRICES}, "cap_uusd": 10_000, "spare_bytes": 1 << 16}
        return Ledger.open(path or self.path, **(options | changes))

    @staticmethod
    def task(number: int, **identity: Any) -> Task:
        """The pair a–b, shown in the order that the number's last bit tells."""
        first = "left" if number % 2 == 0 else "right"
        subject = {"pair_id": f"{number // 2:016x}", "left": "a", "right": "b", "first": first}
        return Task.of("pair", {"i": number, **identity}, {**subject, "rater_id": "judge"})

    @staticmethod
    def reply(what: str = "first", status: int = 200, salt: int = 0) -> Reply:
        # with choices, so that the shipped parser takes it for an answer, though for no usable one
        body = json.dumps({"what": what, "salt": salt, "choices": [{}]}).encode()
        return Reply(status, body, {"Date": "x", "Authorization": "Bearer abc"}, f"r{salt}", 0.5)

    @staticmethod
    def parse(task: Task, reply: Reply) -> Parsed:
        what = json.loads(reply.body)["what"]
        usage = Usage(10, 5)
        if what in {"first", "second"}:
            answer = Answer(what, 0.75 if what == "first" else 0.25, "because")
            return Parsed(answer, usage, "judge-1")
        if what == "outage":
            return Parsed(Reject(what, outage=True))
        return Parsed(Reject(what, "no label", terminal=what == "refused"), usage, "judge-1")

    @staticmethod
    def crash(ledger: Ledger) -> None:
        """End as kill -9 would: what is committed stays, nothing is tidied up."""
        ledger._writer.close()
        ledger._db.close()
        assert ledger._lock is not None
        ledger._lock.release()
        ledger._open = False

    async def buy(self, ledger: Ledger, task: Task, what: str = "first", cost: int = 60) -> str:
        """Reserve, answer, judge; the attempt's id."""
        attempt = await ledger.reserve(task, reserve_uusd=100, price_id="p")
        reply = self.reply(what)
        await ledger.received(attempt.id, reply)  # type: ignore[union-attr]
        verdict, usage, model, _ = self.parse(task, reply)
        await ledger.parsed(
            attempt.id,  # type: ignore[union-attr]
            Parsed(verdict, usage, model),
            parser_version=self.parser_version,
            cost_uusd=cost,
        )
        return attempt.id  # type: ignore[union-attr]


@pytest.fixture
def kit() -> Iterator[Kit]:
    """In memory where the system has such a folder: commits there are quick."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Kit(Path(folder))


@pytest.fixture
def make_kit() -> Callable[[Path], Kit]:
    return Kit
