"""A bench for the engine: the real ledger, the real parser, a server, and the invariants."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from servers.scripted import ScriptedServer, Seen

from interestingness.annotators.engine.asking import Asking, Sender
from interestingness.annotators.engine.run_state import Stop, Summary
from interestingness.annotators.engine.runner import Limits, run_tasks
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.parsing import PARSER_VERSION, parse
from interestingness.annotators.redaction import Secret
from interestingness.annotators.transport import Transport
from interestingness.annotators.types import JSON, Answer, Reply, Request, Task, Usage

KEY = "bench-key-0123456789"
CAP = 20
RESERVE = 140  # 120 of the prompt at most, 20 of the answer
COST = 110  # what `completion()` says was used


def pairs(count: int) -> list[Task]:
    """Tasks of the kind pair, each with images of its own."""
    return [
        Task.of(
            "pair",
            {"images": [f"left-{i}", f"right-{i}"], "model": "judge-1", "sample": 0},
            {"pair_id": f"{i:016x}", "left": f"l{i}", "right": f"r{i}", "first": "left"},
        )
        for i in range(count)
    ]


def asked(seen: Seen) -> str:
    """Which pair a request asks about."""
    return str(json.loads(seen.json["messages"][0]["content"])["task"])


def build(task: Task, retry_with: str | None = None) -> Request:
    """A small request that names its task and its cap."""
    cap = CAP * (2 if retry_with == "double_cap" else 1)
    text = json.dumps({"task": task.subject["pair_id"]})
    body = {"model": "judge-1", "max_completion_tokens": cap}
    messages = [{"role": "user", "content": text}]
    return Request("/chat/completions", json.dumps({**body, "messages": messages}).encode())


class Prices:
    """A dollar per million tokens of any kind; 120 tokens of a prompt at most."""

    price_id = "bench"

    def reserve(self, task: Task, retry_with: str | None = None) -> int:
        return RESERVE + (CAP if retry_with == "double_cap" else 0)

    def cost(self, usage: Usage) -> int | None:
        counts = (usage.prompt_tokens, usage.completion_tokens)
        told = [count for count in counts if count is not None and count >= 0]
        return sum(told) if len(told) == 2 else None


def make_asking(ledger: Ledger, build: Callable[..., Request] = build, **more: Any) -> Asking:
    """Asking of the bench over a ledger."""
    return Asking(ledger, build, parse, PARSER_VERSION, Prices(), **more)


@dataclass
class Bench:
    """Runs of the engine over one ledger file."""

    path: Path
    limits: Limits = field(default_factory=lambda: Limits(deadline_s=5.0))
    said: list[str] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)

    def open(self, **options: Any) -> Ledger:
        prices: dict[str, JSON] = {Prices.price_id: {"prompt": 1.0, "completion": 1.0}}
        given = {"cap_uusd": None, "spare_bytes": 1 << 16, **options}
        return Ledger.open(self.path, run={"prices": prices}, **given)

    def run(
        self,
        base_url: str,
        tasks: Iterable[Task],
        *,
        concurrency: int = 8,
        build: Callable[..., Request] = build,
        meanwhile: Callable[[Stop], Any] | None = None,
        wrap: Callable[[Sender], Sender] = lambda sender: sender,
        **options: Any,
    ) -> Summary:
        """Ask the tasks; ``meanwhile`` is a coroutine function that runs beside."""

        async def go() -> Summary:
            stop = Stop()
            with self.open(**options) as ledger:
                asking = make_asking(ledger, build, stop=stop, say=self.said.append, **self.names)
                async with Transport(base_url, Secret(KEY), connections=concurrency) as transport:
                    beside = asyncio.create_task(meanwhile(stop)) if meanwhile else None
                    try:
                        limits = replace(self.limits, concurrency=concurrency)
                        return await run_tasks(asking, tasks, wrap(transport), limits)
                    finally:
                        if beside is not None:
                            beside.cancel()

        return asyncio.run(go())

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True) as db:
            found = db.execute(query).fetchall()
        db.close()
        return found

    def states(self) -> dict[str, int]:
        """Attempts by state."""
        return dict(self.rows("SELECT state, count(*) FROM attempt GROUP BY state"))

    def rejects(self) -> list[str]:
        return [kind for (kind,) in self.rows("SELECT kind FROM reject ORDER BY rowid")]

    def charged(self) -> int:
        return int(self.rows("SELECT coalesce(sum(charge_uusd), 0) FROM attempt")[0][0])

    def check(self, server: ScriptedServer, *, cap_uusd: int | None = None) -> None:
        """The invariants of docs/fault_table.md that concern sending, against the journal."""
        attempts = {row[0] for row in self.rows("SELECT id FROM attempt")}
        arrived = [seen.attempt_id for seen in server.journal if seen.method == "POST"]
        assert set(arrived) <= attempts, "I1: a request that the ledger does not know"
        assert len(arrived) == len(set(arrived)), "I5: an attempt was sent twice"
        keys = [key for (key,) in self.rows("SELECT key FROM label")]
        assert len(keys) == len(set(keys)), "I2: two labels for one task"
        if cap_uusd is not None:
            assert self.charged() <= cap_uusd, "I3: over budget"
        for attempt_id, choice, reason in self.rows("SELECT attempt, choice, reason FROM label"):
            stored = self.rows(f"SELECT http, body FROM reply WHERE attempt = '{attempt_id}'")[0]
            task = pairs(1)[0]
            verdict = parse(task, Reply(stored[0], zlib.decompress(stored[1])))[0]
            assert isinstance(verdict, Answer)
            assert (verdict.choice, verdict.reason) == (choice, reason), "I6"
        for file in self.path.parent.rglob("*"):
            if file.is_file():
                assert KEY.encode() not in file.read_bytes(), f"I7: the key is in {file.name}"
        assert self.rows("PRAGMA integrity_check") == [("ok",)], "I9"
