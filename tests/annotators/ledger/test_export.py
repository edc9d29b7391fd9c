"""Tables out of a ledger, by hand-worked examples, and the commands that a user types."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.csv
import pytest

from interestingness.annotators.ledger.errors import LedgerError
from interestingness.annotators.ledger.verify import problems
from interestingness.annotators.types import Answer, Parsed, Task
from interestingness.commands import ledger as commands
from interestingness.commands.options import parse
from interestingness.errors import ConfigError
from interestingness.schema import pair_id
from interestingness.tables.table_format import check_table, read_table


def pair_task(first: str, sample: int = 0, left: str = "a", images: str = "same") -> Task:
    return Task.of(
        "pair",
        {"images": [images, first], "prompt": "p1", "model": "judge", "sample": sample},
        {
            "pair_id": pair_id(left, "b"),
            "left": left,
            "right": "b",
            "first": first,
            "question": "beautiful",
            "persona": None,
            "sample": sample,
            "rater_id": "judge",
        },
    )


def run(words: list[str]) -> int:
    """Exit status of ``interestingness ledger`` with these words."""
    return getattr(commands, words[0])(parse(f"ledger {words[0]}", words[1:])) or 0


@pytest.fixture
def bought(kit: Any) -> Any:
    async def story(ledger: Any) -> None:
        # both orders: the first image each time, so left once and right once
        await kit.buy(ledger, pair_task("left"), "first")
        await kit.buy(ledger, pair_task("right"), "first")
        await kit.buy(ledger, pair_task("left", sample=1), "refused")
        for _ in range(3):
            await kit.buy(ledger, pair_task("right", sample=1), "invalid_json")
        await kit.buy(ledger, pair_task("left", sample=2), "invalid_json")
        doubt = await ledger.reserve(pair_task("left", sample=3), reserve_uusd=100, price_id="p")
        await ledger.doubt(doubt.id, "reset")
        image = Task.of("image", {"image": 1}, {"image_id": "a", "rater_id": "judge"})
        text = Task.of("description", {"image": 2}, {"image_id": "a", "rater_id": "judge"})
        for task, label in (
            (image, Answer("no", 0.2, "dull")),
            (text, Answer(None, None, "", {"text": "A duck."})),
        ):
            attempt = await ledger.reserve(task, reserve_uusd=5, price_id="p")
            await ledger.received(attempt.id, kit.reply())
            await ledger.parsed(attempt.id, Parsed(label), parser_version="test-1", cost_uusd=1)

    with kit.open() as ledger:
        asyncio.run(story(ledger))
    return kit


def test_votes_speak_of_slots(bought: Any, tmp_path: Path) -> None:
    out = tmp_path / "votes.parquet"
    assert run(["export", str(bought.path), f"out={out}"]) == 0
    votes = read_table("votes", out).to_pylist()
    short = [(v["first"], v["sample"], v["choice"], v["probability"], v["reject"]) for v in votes]
    assert short == [
        ("left", 0, "left", 0.75, None),
        ("left", 1, None, None, "refused"),
        ("right", 0, "right", 0.25, None),
        ("right", 1, None, None, "invalid_json"),
    ]
    one = votes[0]
    assert one["pair_id"] == pair_id("a", "b")
    assert one["provenance"] == f"ledger:{pair_task('left').key[:32]}-1"
    expected = {
        "rater_id": "judge",
        "rater_kind": "model",
        "question": "beautiful",
        "reason": "because",
        "prompt_id": "p1",
        "model": "judge",
        "served_model": "judge-1",
        "request_id": "r0",
        "http": 200,
        "price_id": "p",
        "cost_uusd": 60,
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "parser": "test-1",
        "run": 1,
    }
    assert {name: one[name] for name in expected} == expected


def test_judgments_and_texts(bought: Any, tmp_path: Path) -> None:
    with bought.open(read_only=True) as ledger:
        (row,) = check_table("judgments", ledger.table("judgments"), where="here").to_pylist()
        assert (row["image_id"], row["answer"], row["probability"]) == ("a", False, 0.2)
        (row,) = ledger.table("texts").to_pylist()
        assert (row["kind"], row["text"], row["reason"]) == ("description", "A duck.", None)


@pytest.mark.parametrize("table", ["judgments", "texts"])
def test_a_table_that_the_ledger_lacks_is_an_error_that_names_those_it_has(
    kit: Any, tmp_path: Path, table: str
) -> None:
    with kit.open() as ledger:
        asyncio.run(kit.buy(ledger, kit.task(0)))
    out = tmp_path / "out.csv"
    with pytest.raises(LedgerError) as error:
        run(["export", str(kit.path), "--out", str(out), "--table", table])
    assert "--table votes" in error.value.expected and not out.exists()


def test_copies_of_an_image_share_the_answer(bought: Any) -> None:
    """Another pair of files with the same bytes is the same task and gets the vote for nothing."""
    other = pair_task("left", left="a-copy")
    assert other.key == pair_task("left").key
    with bought.open() as ledger:
        assert ledger.need([other]).todo == []
        votes = ledger.table("votes").to_pylist()
        shared = {v["left"] for v in votes if v["sample"] == 0 and v["first"] == "left"}
        assert shared == {"a", "a-copy"}
        (only,) = ledger.table("votes", [other]).to_pylist()
        assert only["pair_id"] == pair_id("a-copy", "b")


def test_equal_answers_give_equal_tables_in_whatever_order_they_came(kit: Any) -> None:
    """I8: only names of attempts, times and the run tell them apart."""
    tables = []
    for turn, step in enumerate((1, -1)):
        path = kit.folder / f"{turn}.ledger"

        async def story(ledger: Any, step: int = step) -> None:
            for number in list(range(8))[::step]:
                await kit.buy(ledger, kit.task(number), ["first", "second"][number % 3 % 2])

        with kit.open(path) as ledger:
            asyncio.run(story(ledger))
            tables.append(ledger.table("votes").drop_columns(["time"]))
    assert tables[0].equals(tables[1])


def test_csv_and_a_copy_of_the_whole(bought: Any, tmp_path: Path) -> None:
    out = tmp_path / "votes.csv"
    run(["export", str(bought.path), f"out={out}"])
    assert pyarrow.csv.read_csv(out).num_rows == 4
    copy = tmp_path / "copy.sqlite"
    run(["export", str(bought.path), f"out={copy}"])
    with bought.open(copy) as ledger:
        assert ledger.table("votes").num_rows == 4
        assert ledger.spent_uusd == 7 * 60 + 2 + 100
    copy.with_name("copy.sqlite.lock").unlink()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy.sqlite", "votes.csv"]


def test_status_counts(bought: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with bought.open():  # works while another process writes
        assert run(["status", str(bought.path)]) == 0
    told = capsys.readouterr().out
    # without a label: one was rejected too often, one may be tried again
    assert "1 askable, 1 given up, 1 held, 4 labelled, 1 refused" in told
    assert "9 judged" in told
    # seven pairs' answers at 60, two at 1, one reserve of 100
    assert f"${(7 * 60 + 2 + 100) / 1e6:.6f}" in told
    assert "of this $0.000100 for requests without an answer" in told
    assert "1 refused" in told


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["export", "L", "--out", "x.txt"], "--out x.txt"),
        (["status", "nowhere"], "nowhere"),
        (["recover", "L"], "ledger recover"),
    ],
)
def test_wrong_commands_name_what_is_wrong(bought: Any, arguments: list[str], named: str) -> None:
    path = str(bought.path)
    with pytest.raises(LedgerError) as error:
        run([path if a == "L" else a for a in arguments])
    assert named in error.value.found
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["export", "L"],
        ["export", "L", "out=L.parquet", "tabel=votes"],
        ["export", "L", "out=x.csv", "table=scores"],
        ["verify", "L", "rebuild=maybe"],
    ],
)
def test_words_that_are_no_options(words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        run(words)
    assert error.value.exit_code == 2


def test_export_over_the_ledger_itself_is_refused(bought: Any) -> None:
    path = bought.path.rename(bought.folder / "a.sqlite")
    with pytest.raises(LedgerError):
        run(["export", str(path), f"out={path}"])


def test_verify_rebuilds_labels_from_the_stored_answers(
    bought: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The labels here are of the tests' parser, not of the shipped one: verify finds that."""
    assert run(["verify", str(bought.path)]) == 1
    # made up answers are nothing to the shipped parser: all become rejects, at no cost
    assert run(["verify", str(bought.path), "rebuild=true"]) == 0
    assert "9 answers parsed again" in capsys.readouterr().out
    assert run(["verify", str(bought.path)]) == 0
    with bought.open(read_only=True) as ledger:
        assert ledger.spent_uusd == 7 * 60 + 2 + 100


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE label SET choice = 'second' WHERE choice = 'first'",
        "DELETE FROM label WHERE choice = 'first'",
        "UPDATE attempt SET charge_uusd = 0 WHERE state = 'in_doubt'",
        "UPDATE purse SET charged_uusd = 1",
        "UPDATE attempt SET state = 'received' WHERE state = 'in_doubt'",
        "DROP TRIGGER reply_final; UPDATE reply SET body = x'00'",
    ],
)
def test_verify_finds_what_was_changed_by_hand(bought: Any, change: str) -> None:
    assert run(["verify", str(bought.path), "rebuild=true"]) == 0
    with bought.open() as ledger:
        ledger.renew(bought.parse, bought.parser_version)
    with closing(sqlite3.connect(bought.path, isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        assert list(problems(db, bought.parse, bought.parser_version)) == []
        db.executescript(change)
        assert list(problems(db, bought.parse, bought.parser_version)) != []


def test_the_commands_of_a_shell(bought: Any, tmp_path: Path) -> None:
    def shell(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "interestingness", "ledger", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    status = shell("status", str(bought.path))
    assert (status.returncode, "4 labelled" in status.stdout) == (0, True)
    with bought.open():
        assert shell("verify", str(bought.path), "rebuild=true").returncode == 75
    damaged = tmp_path / "damaged.ledger"
    damaged.write_bytes(b"")
    assert shell("status", str(damaged)).returncode == 74
    assert shell().returncode == 2
