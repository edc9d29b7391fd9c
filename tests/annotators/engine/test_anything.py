"""Whatever a server answers, nothing breaks, and everything that came is stored as it came."""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from typing import Any

from bench import Bench, make_asking, pairs
from servers.scripted import completion

from interestingness.annotators.engine.replies import classify
from interestingness.annotators.engine.runner import Limits, run_tasks
from interestingness.annotators.types import Failure, Reply, Request

ODD: list[Any] = [None, True, -1, 1e400, float("nan"), "", "x", [], {}, "\ud800", 10**30, "first"]
STATUSES = [200] * 12 + [400, 404, 408, 413, 429, 500, 503, 504]


class Garbled:
    """Answers with a completion in which parts are replaced, cut or gone."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.sent: dict[str, Reply | Failure] = {}

    async def send(
        self, request: Request, *, attempt_id: str, deadline_s: float
    ) -> Reply | Failure:
        assert attempt_id not in self.sent
        self.sent[attempt_id] = self._answer()
        return self.sent[attempt_id]

    def _answer(self) -> Reply | Failure:
        rng = self.rng
        if rng.random() < 0.05:
            return Failure(rng.choice(["free", "doubt"]), "garbled")
        if rng.random() < 0.5:  # good ones between, so that the run does not end
            return Reply(200, completion())
        body = json.dumps(self._garbled(json.loads(completion()))).encode("utf-8", "surrogatepass")
        if rng.random() < 0.2:
            at = rng.randrange(len(body))
            body = body[:at] + bytes([rng.randrange(256)]) * rng.randrange(3) + body[at + 1 :]
        return Reply(rng.choice(STATUSES), body, {"retry-after-ms": rng.choice(["0", "x", "-1"])})

    def _garbled(self, value: Any) -> Any:
        rng = self.rng
        if rng.random() < 0.08:
            return rng.choice(ODD)
        if isinstance(value, dict):
            return {k: self._garbled(v) for k, v in value.items() if rng.random() > 0.03}
        if isinstance(value, list):
            return [self._garbled(inner) for inner in value] * rng.choice([1, 1, 1, 0, 2])
        if isinstance(value, str) and rng.random() < 0.2:
            at = rng.randrange(len(value) + 1)
            return value[:at] + rng.choice(["\x00", "{", "```", '"', "\u202e"]) + value[at:]
        return value


def test_anything(bench: Bench) -> None:
    """Run until everything is settled: states agree with what was answered, money adds up."""
    server, tasks = Garbled(0), pairs(300)

    async def once() -> None:
        with bench.open() as ledger:
            await run_tasks(make_asking(ledger), tasks, server, Limits(8))

    for _ in range(60):
        asyncio.run(once())
        with bench.open() as ledger:
            left = ledger.need(tasks)
        if not left.todo:
            break
    assert left.todo == []
    assert left.labelled > 200
    stored = dict(bench.rows("SELECT attempt, body FROM reply"))
    states = dict(bench.rows("SELECT id, state FROM attempt"))
    unsent = set(states) - set(server.sent)
    assert {states[attempt_id] for attempt_id in unsent} <= {"failed_free"}
    for attempt_id, answer in server.sent.items():
        if isinstance(answer, Failure):
            expected = {"failed_free" if answer.kind == "free" else "in_doubt"}
        elif answer.status == 200 and classify(answer).action != "parse":
            expected = {"failed_free", "in_doubt"}  # a failure inside 200
        elif answer.status == 200:
            expected = {"judged"}
            assert zlib.decompress(stored[attempt_id]) == answer.body
        elif answer.status == 504:
            expected = {"in_doubt"}
        else:
            expected = {"failed_free", "judged"}
        assert states[attempt_id] in expected, (attempt_id, answer)
    charges = "SELECT coalesce(sum(charge_uusd), 0) FROM attempt WHERE state = 'failed_free'"
    assert bench.rows(charges) == [(0,)]
    assert bench.rows("PRAGMA integrity_check") == [("ok",)]
