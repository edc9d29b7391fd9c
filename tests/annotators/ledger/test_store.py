"""One attempt from reservation to label, what is denied, what waits, and what is never lost."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from typing import Any

import pytest

from interestingness.annotators.ledger import store
from interestingness.annotators.ledger.errors import LedgerError
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.types import Answer, Attempt, Denied, Parsed, Reject, Task


def rows_of(ledger: Ledger, query: str) -> list[tuple[Any, ...]]:
    """Read with a connection of our own, not through the code under test."""
    with sqlite3.connect(ledger.path) as db:
        found = db.execute(query).fetchall()
    db.close()
    return found


def test_a_paid_answer_from_reservation_to_label(kit: Any) -> None:
    async def story(ledger: Ledger) -> None:
        task = kit.task(1)
        assert [task] == ledger.need([task, task]).todo
        attempt = await ledger.reserve(task, reserve_uusd=100, price_id="p")
        assert isinstance(attempt, Attempt)
        assert (attempt.id, attempt.n) == (f"{task.key[:32]}-1", 1)
        # committed before anything is sent
        assert rows_of(ledger, "SELECT id, state, charge_uusd FROM attempt") == [
            (attempt.id, "open", 100)
        ]
        assert (ledger.spent_uusd, ledger.reserved_uusd) == (0, 100)
        reply = kit.reply("second")
        assert await ledger.received(attempt.id, reply)
        assert ledger.reply(attempt.id).body == reply.body  # type: ignore[union-attr]
        assert [(name, t) for name, t, _ in ledger.unparsed()] == [(attempt.id, task)]
        verdict, usage, model, _ = kit.parse(task, reply)
        assert await ledger.parsed(
            attempt.id, Parsed(verdict, usage, model), parser_version="1", cost_uusd=37
        )
        assert (ledger.spent_uusd, ledger.reserved_uusd) == (37, 0)
        assert rows_of(ledger, "SELECT key, choice, p_first FROM label") == [
            (task.key, "second", 0.25)
        ]
        assert list(ledger.unparsed()) == []
        assert ledger.need([task]).labelled == 1

    with kit.open() as ledger:
        asyncio.run(story(ledger))
    with kit.open() as ledger:
        assert ledger.need([kit.task(1), kit.task(2)]).todo == [kit.task(2)]


def test_opening_needs_neither_torch_nor_the_transport() -> None:
    code = (
        "import sys, interestingness.annotators.ledger.store as s;"
        "sys.exit(any(m in sys.modules for m in ('torch','openai','httpx','pyarrow','hydra')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_denied_and_why(kit: Any) -> None:
    async def story(ledger: Ledger) -> None:
        async def ask(number: int) -> Attempt | Denied:
            return await ledger.reserve(kit.task(number), reserve_uusd=100, price_id="p")

        for number, what in ((0, "first"), (1, "refused")):
            await kit.buy(ledger, kit.task(number), what)
            assert await ask(number) == Denied("done", "labelled" if number == 0 else "refused")
        for _ in range(3):
            await kit.buy(ledger, kit.task(2), "invalid_json")
        assert await ask(2) == Denied("done", "3 answers were rejected")
        opened = await ask(3)
        assert isinstance(opened, Attempt)
        assert await ask(3) == Denied("open", opened.id)
        await ledger.doubt(opened.id, "reset")
        assert await ask(3) == Denied("held", opened.id)
        stored = await ask(4)
        assert isinstance(stored, Attempt)
        await ledger.received(stored.id, kit.reply())
        assert await ask(4) == Denied("unparsed", stored.id)
        # another prompt is another question
        assert ledger.need([kit.task(0, prompt="new")]).todo == [kit.task(0, prompt="new")]
        need = ledger.need([kit.task(n) for n in range(6)])
        assert need.todo == [kit.task(5)]
        counts = (need.labelled, need.refused, need.rejected, need.held, need.unparsed)
        assert counts == (1, 1, 1, 1, 1)
        assert need.total == 6

    with kit.open() as ledger:
        asyncio.run(story(ledger))


@pytest.mark.parametrize("price", ["q", "", None])
def test_an_unknown_price_starts_nothing(kit: Any, price: Any) -> None:
    with kit.open() as ledger:
        with pytest.raises(LedgerError, match="not known"):
            asyncio.run(ledger.reserve(kit.task(0), reserve_uusd=1, price_id=price))
        assert rows_of(ledger, "SELECT * FROM attempt") == []


@pytest.mark.parametrize("amount", [1.5, -1, True, "3"])
def test_money_is_whole(kit: Any, amount: Any) -> None:
    with kit.open() as ledger, pytest.raises(LedgerError, match="reserve"):
        asyncio.run(ledger.reserve(kit.task(0), reserve_uusd=amount, price_id="p"))


def test_a_task_must_have_its_own_key(kit: Any) -> None:
    forged = Task(kit.task(0).key, "pair", {"i": 1}, {})
    with kit.open() as ledger, pytest.raises(LedgerError, match="another identity"):
        asyncio.run(ledger.reserve(forged, reserve_uusd=1, price_id="p"))


def test_the_cap_is_exact_with_64_at_once(kit: Any) -> None:
    """25 reserves fit; an answer costs 30 of its 100, so that more fit as answers come back."""
    spends = []

    async def one(ledger: Ledger, number: int) -> str:
        attempt = await ledger.reserve(kit.task(number), reserve_uusd=100, price_id="p")
        if isinstance(attempt, Denied):
            return attempt.reason
        spends.append(rows_of(ledger, "SELECT sum(charge_uusd) FROM attempt")[0][0])
        await asyncio.sleep(0.001)
        await ledger.received(attempt.id, kit.reply())
        await ledger.parsed(attempt.id, Parsed(Answer("first")), parser_version="1", cost_uusd=30)
        spends.append(rows_of(ledger, "SELECT sum(charge_uusd) FROM attempt")[0][0])
        return "bought"

    async def all_of_them(ledger: Ledger) -> list[str]:
        gate = asyncio.Semaphore(64)

        async def gated(number: int) -> str:
            async with gate:
                return await one(ledger, number)

        return await asyncio.gather(*(gated(number) for number in range(200)))

    with kit.open(cap_uusd=2500) as ledger:
        outcomes = asyncio.run(all_of_them(ledger))
        assert max(spends) <= 2500
        # the last reservation needs 100 free: as many as fit, 30 each, and not one less
        assert outcomes.count("bought") == (2500 - 100) // 30 + 1
        assert set(outcomes) == {"bought", "budget"}
        assert ledger.spent_uusd == 30 * outcomes.count("bought")


def test_no_budget_buys_nothing_and_waits_for_nothing(kit: Any) -> None:
    with kit.open(cap_uusd=0) as ledger:
        denied = asyncio.run(ledger.reserve(kit.task(0), reserve_uusd=1, price_id="p"))
        assert isinstance(denied, Denied)
        assert denied.reason == "budget"
        free = asyncio.run(ledger.reserve(kit.task(0), reserve_uusd=0, price_id="p"))
        assert isinstance(free, Attempt)


def test_an_answer_that_nobody_judges_is_not_waited_for(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PATIENCE_S", 0.05)

    async def story(ledger: Ledger) -> None:
        attempt = await ledger.reserve(kit.task(0), reserve_uusd=100, price_id="p")
        await ledger.received(attempt.id, kit.reply())  # type: ignore[union-attr]
        denied = await ledger.reserve(kit.task(1), reserve_uusd=50, price_id="p")
        assert isinstance(denied, Denied)
        assert denied.reason == "budget"

    with kit.open(cap_uusd=100) as ledger:
        asyncio.run(asyncio.wait_for(story(ledger), 10))


def test_a_slow_answer_is_waited_for(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PATIENCE_S", 0.01)

    async def story(ledger: Ledger) -> None:
        slow = await ledger.reserve(kit.task(0), reserve_uusd=100, price_id="p")
        waiting = asyncio.create_task(ledger.reserve(kit.task(1), reserve_uusd=50, price_id="p"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await ledger.free(slow.id, "503")  # type: ignore[union-attr]
        assert isinstance(await waiting, Attempt)

    with kit.open(cap_uusd=100) as ledger:
        asyncio.run(asyncio.wait_for(story(ledger), 10))


def test_a_cost_above_the_reserve_is_booked_in_full_and_noted(kit: Any) -> None:
    async def story(ledger: Ledger) -> None:
        await kit.buy(ledger, kit.task(0), cost=150)
        assert ledger.spent_uusd == 150
        denied = await ledger.reserve(kit.task(1), reserve_uusd=1, price_id="p")
        assert isinstance(denied, Denied)
        assert rows_of(ledger, "SELECT kind FROM event") == [("cost_over_reserve",)]

    with kit.open(cap_uusd=120) as ledger:
        asyncio.run(story(ledger))


@pytest.mark.parametrize("cost", [None, -5])
def test_a_cost_that_is_not_told_leaves_the_reserve(kit: Any, cost: int | None) -> None:
    with kit.open() as ledger:
        asyncio.run(kit.buy(ledger, kit.task(0), cost=cost))
        assert ledger.spent_uusd == 100
        assert rows_of(ledger, "SELECT kind FROM event") == [("cost_not_told",)]


def test_the_first_reply_stands_and_later_ones_are_kept(kit: Any) -> None:
    async def story(ledger: Ledger) -> None:
        attempt_id = await kit.buy(ledger, kit.task(0))
        assert not await ledger.received(attempt_id, kit.reply("second", salt=7))
        assert not await ledger.parsed(attempt_id, Parsed(Answer("second")), parser_version="1")
        assert rows_of(ledger, "SELECT choice FROM label") == [("first",)]
        assert rows_of(ledger, "SELECT kind, body IS NULL FROM event") == [
            ("late_reply", 0),
            ("judged_again", 1),
        ]
        freed = await ledger.reserve(kit.task(1), reserve_uusd=100, price_id="p")
        await ledger.free(freed.id, "503")  # type: ignore[union-attr]
        await ledger.received(freed.id, kit.reply())  # type: ignore[union-attr]
        # it was charged after all
        assert ledger.spent_uusd == 60 + 100

    with kit.open() as ledger:
        asyncio.run(story(ledger))


def test_in_doubt_is_held_and_bought_again_only_when_told(kit: Any) -> None:
    async def lose(ledger: Ledger) -> None:
        attempt = await ledger.reserve(kit.task(0), reserve_uusd=100, price_id="p")
        await ledger.doubt(attempt.id, "reset")  # type: ignore[union-attr]

    async def again(ledger: Ledger) -> Attempt | Denied:
        return await ledger.reserve(kit.task(0), reserve_uusd=100, price_id="p")

    with kit.open(policy="rebuy") as ledger:
        asyncio.run(lose(ledger))
        # not within the run in which it was lost
        assert asyncio.run(again(ledger)) == Denied("held", f"{kit.task(0).key[:32]}-1")
    with kit.open() as ledger:
        assert ledger.need([kit.task(0)]).held == 1
        assert isinstance(asyncio.run(again(ledger)), Denied)
        assert ledger.spent_uusd == 100
    with kit.open(policy="rebuy") as ledger:
        assert ledger.need([kit.task(0)]).todo == [kit.task(0)]
        asyncio.run(kit.buy(ledger, kit.task(0)))
        # both are booked
        assert ledger.spent_uusd == 100 + 60
        assert rows_of(ledger, "SELECT state FROM attempt ORDER BY n") == [
            ("written_off",),
            ("judged",),
        ]


@pytest.mark.parametrize("end", ["crash", "close", "doubt"])
@pytest.mark.parametrize(("reserve", "held"), [(0, 0), (1, 1)])
def test_what_cannot_have_cost_anything_is_asked_again_by_the_next_run(
    kit: Any, end: str, reserve: int, held: int
) -> None:
    async def lose(ledger: Ledger) -> None:
        attempt = await ledger.reserve(kit.task(0), reserve_uusd=reserve, price_id="p")
        if end == "doubt":
            await ledger.doubt(attempt.id, "reset")  # type: ignore[union-attr]
            assert ledger.need([kit.task(0)]).held == 1, "not within the run in which it was lost"

    ledger = kit.open()
    asyncio.run(lose(ledger))
    (kit.crash if end == "crash" else Ledger.close)(ledger)
    with kit.open() as ledger:
        need = ledger.need([kit.task(0)])
        assert (need.held, len(need.todo)) == (held, 1 - held)
        if not held:
            asyncio.run(kit.buy(ledger, kit.task(0)))
            assert ledger.need([kit.task(0)]).labelled == 1


def test_a_cancelled_reservation_is_given_back(kit: Any) -> None:
    async def story(ledger: Ledger) -> None:
        waiting = [
            asyncio.create_task(ledger.reserve(kit.task(n), reserve_uusd=10, price_id="p"))
            for n in range(20)
        ]
        await asyncio.sleep(0)
        for job in waiting:
            job.cancel()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)

    with kit.open() as ledger:
        asyncio.run(story(ledger))
    with kit.open() as ledger:
        assert ledger.spent_uusd == 0
        assert rows_of(ledger, "SELECT state, count(*) FROM attempt GROUP BY state") == [
            ("failed_free", 20)
        ]


def test_being_told_while_cancelled_is_committed(kit: Any) -> None:
    async def story(ledger: Ledger) -> None:
        attempt = await ledger.reserve(kit.task(0), reserve_uusd=10, price_id="p")
        job = asyncio.create_task(ledger.received(attempt.id, kit.reply()))  # type: ignore[union-attr]
        await asyncio.sleep(0)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job

    with kit.open() as ledger:
        asyncio.run(story(ledger))
    with kit.open() as ledger:
        assert len(list(ledger.unparsed())) == 1


def test_a_batch_outlives_its_process(kit: Any) -> None:
    async def reserve(ledger: Ledger) -> str:
        await kit.buy(ledger, kit.task(0))
        items = [(kit.task(n), 100) for n in range(6)]
        name, outcomes = await ledger.reserve_part(items, price_id="p")
        assert outcomes[0] == Denied("done", "labelled")
        assert [isinstance(o, Attempt) for o in outcomes] == [False] + [True] * 4 + [False]
        await ledger.move_part(name, "created", batch_id="b1", facts={"lines": 4})  # type: ignore[arg-type]
        return str(name)

    ledger = kit.open(cap_uusd=500)
    name = asyncio.run(reserve(ledger))
    kit.crash(ledger)
    with kit.open(cap_uusd=500) as ledger:
        (part,) = ledger.parts()
        assert (part.name, part.state, part.batch_id) == (name, "created", "b1")
        assert part.facts == {"lines": 4}
        assert [state for _, state in part.attempts] == ["open"] * 4
        assert ledger.need([kit.task(1)]).waiting == 1
        for _ in range(2):  # the same line of the output twice
            asyncio.run(ledger.received(part.attempts[0][0], kit.reply()))
        assert ledger.need([kit.task(1)]).unparsed == 1
        with pytest.raises(LedgerError, match="not in the ledger"):
            asyncio.run(ledger.received("unknown-1", kit.reply()))


def test_images_are_made_once_whatever_the_encoder_becomes(kit: Any) -> None:
    made = []

    def encoder(body: bytes) -> Any:
        def make() -> bytes:
            made.append(body)
            return body

        return make

    with kit.open() as ledger:
        assert ledger.stimulus("s", "jpeg-1", encoder(b"old")) == b"old"
        asyncio.run(kit.buy(ledger, kit.task(0, images=["s"], transcode="jpeg-1")))
    with kit.open() as ledger:
        # another version of the library would give other bytes
        assert ledger.stimulus("s", "jpeg-1", encoder(b"new")) == b"old"
        assert made == [b"old"]
        assert ledger.need([kit.task(0, images=["s"], transcode="jpeg-1")]).todo == []


def test_a_new_parser_reads_the_stored_answers_again(kit: Any) -> None:
    def kinder(task: Task, reply: Any) -> Parsed:
        return Parsed(Answer("second", None, "read by the new one"))

    with kit.open() as ledger:
        asyncio.run(kit.buy(ledger, kit.task(0), "first"))
        asyncio.run(kit.buy(ledger, kit.task(1), "invalid_json"))
        assert ledger.need([kit.task(1)]).todo == [kit.task(1)]
        assert ledger.renew(kit.parse, kit.parser_version) == 0
        spent = ledger.spent_uusd
        assert ledger.renew(kinder, "test-2") == 2
        assert ledger.need([kit.task(0), kit.task(1)]).labelled == 2
        assert ledger.spent_uusd == spent
        assert rows_of(ledger, "SELECT DISTINCT choice, parser FROM label") == [
            ("second", "test-2")
        ]
        assert ledger.renew(kinder, "test-2") == 0


def test_no_key_reaches_the_file(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "very-private-value")
    texts = "Bearer very-private-value sk-abcdef123456"

    async def story(ledger: Ledger) -> None:
        for number in range(3):
            attempt = await ledger.reserve(kit.task(number), reserve_uusd=10, price_id="p")
            if number == 0:
                await ledger.free(attempt.id, texts)  # type: ignore[union-attr]
            elif number == 1:
                await ledger.doubt(attempt.id, texts)  # type: ignore[union-attr]
            else:
                await ledger.received(attempt.id, kit.reply())  # type: ignore[union-attr]
                reject = Reject("error", texts)
                await ledger.parsed(attempt.id, Parsed(reject), parser_version="1")  # type: ignore[union-attr]
        ledger.event("note", {"seen": [texts]})

    with kit.open(run={"prices": {"p": 1}, "argv": [texts]}) as ledger:
        asyncio.run(story(ledger))
    content = kit.path.read_bytes()
    assert b"***" in content
    for secret in (b"very-private", b"sk-abcdef", b"Bearer abc"):
        assert secret not in content


def test_strange_texts_are_stored(kit: Any) -> None:
    async def story(ledger: Ledger) -> None:
        attempt = await ledger.reserve(kit.task(0), reserve_uusd=10, price_id="p")
        await ledger.received(attempt.id, kit.reply())  # type: ignore[union-attr]
        label = Answer("first", None, "lone \ud800, nul \x00, ‮", {"text": "\udfff"})
        await ledger.parsed(attempt.id, Parsed(label), parser_version="1")  # type: ignore[union-attr]
        assert rows_of(ledger, "SELECT reason FROM label") == [("lone \\ud800, nul \x00, ‮",)]

    with kit.open() as ledger:
        asyncio.run(story(ledger))


def test_reading_works_beside_a_writer_and_changes_nothing(kit: Any) -> None:
    with kit.open() as writer:
        asyncio.run(kit.buy(writer, kit.task(0)))
        before = rows_of(writer, "SELECT * FROM run")
        with kit.open(read_only=True) as reader:
            assert reader.need([kit.task(0), kit.task(1)]).todo == [kit.task(1)]
            assert reader.spent_uusd == 60
            with pytest.raises(LedgerError, match="for reading"):
                asyncio.run(reader.reserve(kit.task(1), reserve_uusd=1, price_id="p"))
        assert rows_of(writer, "SELECT * FROM run") == before


def test_paid_rows_cannot_be_taken_back(kit: Any) -> None:
    with kit.open() as ledger:
        asyncio.run(kit.buy(ledger, kit.task(0)))
    db = sqlite3.connect(kit.path)
    for statement in (
        "DELETE FROM attempt",
        "DELETE FROM reply",
        "UPDATE reply SET body = x'00'",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(statement)
    db.close()
