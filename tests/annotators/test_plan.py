"""Planning and pilots: broken images, costs, confirmation, comparison (fault row 31)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from material import backend, data_set, photographs, ring, rounds

from interestingness.annotators.prices import CostEstimate, confirm
from interestingness.annotators.requests import unstored
from interestingness.annotators.sent_images import ImageSource, prepare_images, read_images
from interestingness.annotators.summary import agreement_with_people, human_preference
from interestingness.annotators.tasks import image_tasks, pair_tasks, pick_pilot_tasks
from interestingness.annotators.types import Need, Task
from interestingness.annotators.votes import VoteFile
from interestingness.commands.annotation_report import leaving, nothing_to_ask, there_already
from interestingness.errors import ConfigError, DataError


def quiet(done: int, total: int) -> None:
    assert 0 < done <= total


def test_broken_images_are_found_before_anything_is_asked(tmp_path: Path) -> None:
    tables = data_set(tmp_path, 8)
    photos = tmp_path / "photos"
    (photos / "p01.png").write_bytes(b"")
    (photos / "p02.png").unlink()
    whole = (photos / "p03.png").read_bytes()
    (photos / "p03.png").write_bytes(whole[: len(whole) // 2])
    read = read_images(tables, tables.image_ids.tolist(), quiet)
    assert sorted(read.unreadable) == ["p01.png", "p02.png"]
    kept: dict[str, bytes] = {}

    def stored(sha256: str, transcode: str, make: object) -> bytes:
        kept[sha256] = make()  # type: ignore[operator]
        return kept[sha256]

    found = prepare_images(read, backend().transcode, stored, quiet)
    assert sorted(found.unreadable) == ["p01.png", "p02.png", "p03.png"]
    assert len(found.sources) == len(kept) == 5
    found.check(0.5)
    with pytest.raises(DataError, match="3 of 8 images cannot be sent"):
        found.check(0.02)
    pairs = [tables.pairs.pair(row) for row in range(len(tables.pairs))]
    made = pair_tasks(backend(), rounds(), pairs, found.sources)
    assert made.left_out == 4 and len(made.tasks) == 2 * 4


def tasks(folder: Path, number: int = 6) -> list[Task]:
    files = photographs(folder, number)
    sources = {n: ImageSource.read(n, p) for n, p in files.items()}
    return pair_tasks(backend(), rounds(), ring(list(files)), sources).tasks


def test_an_estimate_is_a_bound_until_tokens_were_measured(tmp_path: Path) -> None:
    some = tasks(tmp_path)
    meter = backend(cap=100).meter([rounds()[0].prompt])
    before = CostEstimate.of(some, meter)
    assert before.calls == 12 and before.expected is None
    assert "at most" in str(before) and "about" not in str(before)
    meter.measured["pair"] = 300
    after = CostEstimate.of(some, meter, completion_tokens=40)
    assert after.expected == 12 * (300 * 2.5 + 40 * 10)
    assert after.expected < after.most < before.most
    assert "free of charge" in str(CostEstimate(12, 0))


def test_more_than_a_dollar_wants_a_budget_or_a_yes() -> None:
    dear = CostEstimate(10_000, 30_000_000)
    with pytest.raises(ConfigError, match="there is no budget"):
        confirm(dear, budget=None)
    confirm(dear, budget=5.0)
    confirm(dear, budget=None, yes=True)
    confirm(CostEstimate(10, 30_000), budget=None)


def test_what_leaves_the_machine_is_said(tmp_path: Path) -> None:
    some = tasks(tmp_path)
    far = backend(base_url="https://a.example/v1", model="m", max_side=512)
    said = leaving(far, some)
    assert said.startswith("6 photographs leave this machine for a.example") and "512" in said
    near = backend(base_url="http://127.0.0.1:8000/v1", model="m")
    assert leaving(near, some).startswith("no photograph leaves this machine")
    assert leaving(backend(), some) == "no photograph leaves this machine"
    assert "texts go to a.example" in leaving(far, [])
    assert "3 in doubt" not in there_already(Need([], labelled=2))
    assert "3 in doubt" in there_already(Need([], labelled=2, held=3))


def test_nothing_to_ask_is_not_taken_for_everything_answered() -> None:
    assert nothing_to_ask(Need([], labelled=2)) == "nothing to ask: every answer is there"
    waiting = nothing_to_ask(Need([], labelled=2, waiting=5))
    assert "every answer is there" not in waiting
    assert "5 under way" in waiting and "mode=batch" in waiting
    held = nothing_to_ask(Need([], held=3))
    assert "3 in doubt" in held and "mode=batch" not in held


def test_a_pilot_takes_voted_pairs_first_and_a_larger_one_holds_a_smaller(tmp_path: Path) -> None:
    some = tasks(tmp_path, 20)
    names = list(dict.fromkeys(str(t.subject["pair_id"]) for t in some))
    voted = names[5:8]
    small, large = (pick_pilot_tasks(some, size, voted) for size in (3, 10))
    assert {t.subject["pair_id"] for t in small} == set(voted)
    assert len(small) == 6 and len(large) == 20
    assert {t.key for t in small} < {t.key for t in large}
    assert len(pick_pilot_tasks(some, 999, voted)) == 40
    sources = {n: ImageSource.read(n, p) for n, p in photographs(tmp_path, 5).items()}
    images = image_tasks(backend(), rounds("image"), sources, sources).tasks
    assert len(pick_pilot_tasks(images, 2, [])) == 2


def test_agreement_with_people_counts_contradictions_half(tmp_path: Path) -> None:
    bare = data_set(tmp_path / "a")
    assert np.isnan(human_preference(bare, "interesting")).all()
    ids = bare.pairs.pair_ids
    people = pa.table(
        {
            "pair_id": [ids[0], ids[1], ids[2], ids[3], ids[3]],
            "rater_id": ["a", "a", "a", "a", "b"],
            "choice": ["left", "left", "right", "left", "right"],
        }
    )
    tables = data_set(tmp_path / "b", votes=people)
    assert tables.pairs.pair_ids == ids
    judge = np.array([0.9, 0.5, 0.8, 0.1, 0.1, np.nan])
    found, pairs = agreement_with_people(tables, tables.pairs, judge, "interesting")
    assert pairs == 3, "ties of people and pairs without their votes do not count"
    assert found.estimate == pytest.approx((1 + 0.5 + 0) / 3)
    assert found.low <= found.estimate <= found.high
    none, pairs = agreement_with_people(tables, tables.pairs, judge, "safe")
    assert pairs == 0 and np.isnan(none.estimate)


def test_answers_are_read_with_the_votes_of_the_data_set(tmp_path: Path) -> None:
    bare = data_set(tmp_path)
    row = {"pair_id": bare.pairs.pair_ids[:1], "rater_id": ["m"], "choice": ["left"]}
    answers = pa.table({**row, "rater_kind": ["model"], "first": ["right"], "cost_uusd": [12]})
    assert not bare.has("votes")
    place = VoteFile.of(
        bare, "pair", annotator="my judge", question="safe / calm", ledger=tmp_path / "a.sqlite"
    )
    assert place.write(answers) is None
    assert place.path == bare.root / "annotations" / "votes-my-judge-safe-calm.parquet"
    assert bare.has("votes") and bare.vote_table.num_rows == 1
    assert unstored("a", "b", lambda: b"x") == b"x"
