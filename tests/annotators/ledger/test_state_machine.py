"""Any order of reservations, answers, crashes and openings, against a model that is a few dicts.

The invariants are those of the fault table: I1 what the server saw is in the ledger, I2 one label a
key, I3 never above the cap, I4 every received body is stored, I5 nothing in doubt is sent again
without being told to, I6 labels made again are the same rows, I9 the file is sound.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import tempfile
import zlib
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from interestingness.annotators.ledger.attempts import TRIES
from interestingness.annotators.ledger.verdicts import reopen
from interestingness.annotators.ledger.verify import problems, rebuild
from interestingness.annotators.types import Attempt, Denied, Parsed

CAP = 300
KEYS = 4
RESERVES = st.sampled_from([0, 1, 50, 99, 100, 101])
SLOW_START = 6
"""Steps between two openings: otherwise most steps would be openings."""
ANSWERS = st.sampled_from(["first", "second", "refused", "invalid_json", "outage"])
LIVE = {"open", "received", "in_doubt"}


class LedgerMachine(RuleBasedStateMachine):
    """The ledger beside its model; attempts of the model are dicts in a list for each task."""

    kit: Any

    @initialize(policy=st.sampled_from(["hold", "rebuy"]))
    def start(self, policy: str) -> None:
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.path = self.folder / "a.ledger"
        self.loop = asyncio.new_event_loop()
        self.model: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self.bodies: set[bytes] = set()
        self.sent: list[str] = []
        self.salt = self.late = 0
        self.run_number = 0
        self.open(policy)

    def open(self, policy: str) -> None:
        self.policy = policy
        self.run_number += 1
        self.steps = 0
        self.ledger = self.kit.open(self.path, cap_uusd=CAP, policy=policy)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            with sqlite3.connect(self.path) as db:
                db.row_factory = sqlite3.Row
                assert list(problems(db, self.kit.parse, self.kit.parser_version)) == []
            db.close()
            self.loop.close()
            shutil.rmtree(self.folder)

    def do(self, job: Any) -> Any:
        return self.loop.run_until_complete(job)

    def charged(self) -> int:
        return sum(a["charge"] for attempts in self.model.values() for a in attempts)

    def attempts(self, *states: str) -> list[dict[str, Any]]:
        return [a for some in self.model.values() for a in some if a["state"] in states]

    # ---- what may happen -----------------------------------------------------------------------

    @rule(number=st.integers(0, KEYS - 1), reserve=RESERVES)
    def reserve(self, number: int, reserve: int) -> None:
        expected = self.expected(number, reserve)
        outcome = self.do(
            self.ledger.reserve(
                self.kit.task(number), reserve_uusd=reserve, price_id="p", wait=False
            )
        )
        if expected != "attempt":
            assert isinstance(outcome, Denied)
            assert outcome.reason == expected
            return
        assert isinstance(outcome, Attempt)
        self.add(number, outcome, reserve, shard=False)

    @rule(number=st.integers(0, KEYS - 1), reserve=RESERVES)
    def send_and_lose(self, number: int, reserve: int) -> None:
        self.reserve(number, reserve)
        for attempt in self.model[number]:
            if attempt["state"] == "open":
                self.tell(attempt, free=False)
        self.reserve(number, reserve)

    @rule(number=st.integers(0, KEYS - 1), reserve=RESERVES, what=ANSWERS)
    def buy(self, number: int, reserve: int, what: str) -> None:
        self.reserve(number, reserve)
        for attempt in self.model[number]:
            if attempt["state"] == "open":
                self.take(attempt, what)
                self.parse(attempt, 1.0, told=True)

    @rule(reserves=st.lists(RESERVES, min_size=KEYS, max_size=KEYS))
    def reserve_part(self, reserves: list[int]) -> None:
        items = [(self.kit.task(number), amount) for number, amount in enumerate(reserves)]
        name, outcomes = self.do(self.ledger.reserve_part(items, price_id="p"))
        assert (name is None) == (not any(isinstance(o, Attempt) for o in outcomes))
        for number, (amount, outcome) in enumerate(zip(reserves, outcomes, strict=True)):
            expected = self.expected(number, amount)
            if isinstance(outcome, Attempt):
                assert expected == "attempt"
                self.add(number, outcome, amount, shard=True)
            else:
                assert outcome.reason == expected

    def expected(self, number: int, reserve: int) -> str:
        """What the rules say, written down a second time."""
        attempts = self.model[number]
        verdicts = [a["verdict"] for a in attempts if a["state"] == "judged"]
        if "label" in verdicts or "refused" in verdicts:
            return "done"
        live = [a for a in attempts if a["state"] in LIVE]
        doubtful = bool(live) and live[0]["state"] == "in_doubt"
        if len(verdicts) >= TRIES and not doubtful:
            return "done"
        may = doubtful and (self.policy == "rebuy" or live[0]["reserve"] == 0)
        again = may and live[0]["run"] != self.run_number
        if live and not again:
            return {"open": "open", "received": "unparsed", "in_doubt": "held"}[live[0]["state"]]
        return "attempt" if self.charged() + reserve <= CAP else "budget"

    def add(self, number: int, outcome: Attempt, reserve: int, *, shard: bool) -> None:
        for old in self.model[number]:
            if old["state"] == "in_doubt":
                # I5
                assert self.policy == "rebuy" or old["reserve"] == 0
                old["state"] = "written_off"
        self.model[number].append(
            {
                "id": outcome.id,
                "state": "open",
                "charge": reserve,
                "reserve": reserve,
                "run": self.run_number,
                "shard": shard,
                "verdict": None,
                "answer": None,
            }
        )
        assert outcome.n == len(self.model[number])
        self.sent.append(outcome.id)

    @precondition(lambda self: any(self.model.values()))
    @rule(pick=st.integers(0), what=ANSWERS)
    def answer(self, pick: int, what: str) -> None:
        """The server answers any attempt it ever saw: in time, late, or once more."""
        self.take(self.picked(pick), what)

    def take(self, attempt: dict[str, Any], what: str) -> None:
        self.salt += 1
        reply = self.kit.reply(what, salt=self.salt)
        first = self.do(self.ledger.received(attempt["id"], reply))
        self.bodies.add(reply.body)
        assert first == (attempt["state"] in {"open", "in_doubt"})
        if first:
            attempt["state"], attempt["answer"] = "received", reply
        elif attempt["state"] == "failed_free":
            # it was taken for free and was not: booked even if that breaks the cap, for it is true
            attempt["state"], attempt["charge"] = "written_off", attempt["reserve"]
            self.late += attempt["reserve"]

    def picked(self, pick: int, *states: str) -> dict[str, Any]:
        every = self.attempts(*states) if states else [a for s in self.model.values() for a in s]
        return every[pick % len(every)]

    @precondition(lambda self: self.attempts("received"))
    @rule(pick=st.integers(0), share=st.floats(0, 1), told=st.booleans())
    def parse_one(self, pick: int, share: float, told: bool) -> None:
        self.parse(self.picked(pick, "received"), share, told)

    def parse(self, attempt: dict[str, Any], share: float, told: bool) -> None:
        stored = {name: (task, reply) for name, task, reply in self.ledger.unparsed()}
        assert set(stored) == {a["id"] for a in self.attempts("received")}
        task, reply = stored[attempt["id"]]
        assert reply.body == attempt["answer"].body
        verdict, usage, _, _ = self.kit.parse(task, reply)
        cost = int(share * attempt["reserve"])
        self.do(
            self.ledger.parsed(
                attempt["id"],
                Parsed(verdict, usage),
                parser_version=self.kit.parser_version,
                cost_uusd=cost if told else None,
            )
        )
        what = json.loads(reply.body)["what"]
        if what == "outage":
            attempt["state"], attempt["charge"] = "failed_free", 0
            return
        attempt["state"] = "judged"
        attempt["charge"] = cost if told else attempt["reserve"]
        attempt["verdict"] = "label" if what in {"first", "second"} else what

    @precondition(lambda self: any(self.model.values()))
    @rule(pick=st.integers(0), free=st.booleans())
    def fail(self, pick: int, free: bool) -> None:
        self.tell(self.picked(pick), free)

    def tell(self, attempt: dict[str, Any], free: bool) -> None:
        told = self.ledger.free if free else self.ledger.doubt
        done = self.do(told(attempt["id"], "it failed"))
        assert done == (attempt["state"] in ({"open", "in_doubt"} if free else {"open"}))
        if done:
            attempt["state"] = "failed_free" if free else "in_doubt"
            attempt["charge"] = 0 if free else attempt["reserve"]

    @rule()
    def reopen(self) -> None:
        """What was given up can be asked again; what it cost stays spent."""
        self.ledger._write(reopen).result()
        for attempts in self.model.values():
            judged = [a for a in attempts if a["state"] == "judged"]
            over = {"label", "refused"} & {a["verdict"] for a in judged}
            if len(judged) >= TRIES and not over and not LIVE & {a["state"] for a in attempts}:
                for attempt in judged:
                    attempt["state"] = "written_off"

    @precondition(lambda self: self.steps >= SLOW_START)
    @rule(crash=st.booleans(), policy=st.sampled_from(["hold", "rebuy"]))
    def end_and_open(self, crash: bool, policy: str) -> None:
        if crash:
            self.kit.crash(self.ledger)
        else:
            self.ledger.close()
        for attempt in self.attempts("open"):
            if not attempt["shard"]:
                attempt["state"] = "in_doubt"
        self.open(policy)

    @rule()
    def make_labels_again(self) -> None:
        """I6, on a copy of the ledger as it is between two commits."""
        with closing(sqlite3.connect(":memory:")) as db, closing(sqlite3.connect(self.path)) as own:
            own.backup(db)
            db.row_factory = sqlite3.Row
            queries = [f"SELECT * FROM {table} ORDER BY attempt" for table in ("label", "reject")]
            before = [[tuple(row) for row in db.execute(query)] for query in queries]
            rebuild(db, self.kit.parse, self.kit.parser_version)
            assert [[tuple(row) for row in db.execute(query)] for query in queries] == before

    # ---- what must hold ------------------------------------------------------------------------

    @invariant()
    def the_file_is_as_the_model(self) -> None:
        if not hasattr(self, "ledger"):
            return
        self.steps += 1
        with sqlite3.connect(self.path) as db:
            rows = db.execute("SELECT id, state, charge_uusd FROM attempt").fetchall()
            labels = db.execute("SELECT key FROM label").fetchall()
            bodies = db.execute(
                "SELECT body FROM reply UNION ALL SELECT body FROM event WHERE body IS NOT NULL"
            ).fetchall()
        db.close()
        expected = [(a["id"], a["state"], a["charge"]) for s in self.model.values() for a in s]
        assert sorted(rows) == sorted(expected)
        assert {row[0] for row in rows} >= set(self.sent)  # I1
        assert all(count == 1 for count in Counter(labels).values())  # I2
        assert sum(row[2] for row in rows) <= CAP + self.late  # I3
        assert {zlib.decompress(row[0]) for row in bodies} == self.bodies  # I4

    @invariant()
    def the_figures_are_those_of_the_model(self) -> None:
        if not hasattr(self, "ledger"):
            return
        moving = sum(a["charge"] for a in self.attempts("open", "received"))
        assert self.ledger.reserved_uusd == moving
        assert self.ledger.spent_uusd == self.charged() - moving
        need = self.ledger.need([self.kit.task(number) for number in range(KEYS)])
        askable = [n for n in range(KEYS) if self.expected(n, -CAP * 10) == "attempt"]
        assert need.todo == [self.kit.task(number) for number in askable]
        assert need.total == KEYS


@pytest.mark.parametrize("examples", [25, pytest.param(150, marks=pytest.mark.slow)])
def test_any_order_of_events(kit: Any, examples: int) -> None:
    LedgerMachine.kit = kit
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
