"""Tasks: keys that stay, what changes them and what does not (fault rows 32, 40, 41)."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest
from material import backend, ring, rounds, source

from interestingness.annotators.tasks import (
    embedding_task,
    image_tasks,
    pair_tasks,
    text_tasks,
)
from interestingness.annotators.types import Task
from interestingness.errors import ConfigError
from interestingness.schema import Pair

NAMES = [f"{i}.jpg" for i in range(5)]
SOURCES = {name: source(name) for name in NAMES}
PAIRS = ring(NAMES)


def keys(**changes: Any) -> list[str]:
    made = pair_tasks(backend(**changes), rounds(), PAIRS, SOURCES)
    return [task.key for task in made.tasks]


def test_a_key_is_what_it_was() -> None:
    """Another key would buy every label again: it changes with ``tasks.VERSION`` or the prompt."""
    task = pair_tasks(backend(), rounds(), [Pair.of("0.jpg", "1.jpg")], SOURCES).tasks[0]
    assert task.key == "829e0d63a0dfe2294eaa841b16fc3b81ea6979a7e75c7325a22d8a1570fee7cd"


def test_both_orders_of_a_pair_stand_together_and_name_who_was_first() -> None:
    tasks = pair_tasks(backend(), rounds(), PAIRS, SOURCES, samples=2).tasks
    assert len(tasks) == len({t.key for t in tasks}) == 5 * 2 * 2
    for left_first, right_first in zip(tasks[::2], tasks[1::2], strict=True):
        assert left_first.subject["pair_id"] == right_first.subject["pair_id"]
        assert (left_first.subject["first"], right_first.subject["first"]) == ("left", "right")
        left, right = (SOURCES[str(left_first.subject[s])].sha256 for s in ("left", "right"))
        assert left_first.identity["images"] == [left, right]
        assert right_first.identity["images"] == [right, left]
    assert Counter(t.subject["sample"] for t in tasks) == {0: 10, 1: 10}


def test_what_does_not_change_the_answer_does_not_change_the_key() -> None:
    real = {"base_url": "https://a.example/v1", "model": "m"}
    same = [
        {**real},
        {**real, "base_url": "https://b.example/v1"},
        {
            **real,
            "key_env": "829e0d63a0dfe2294eaa841b16fc3b81ea6979a7e75c7325a22d8a1570fee7cd",
            "hosts": ["a.example"],
        },
        {**real, "price": {"prompt": 1, "completion": 1}},
        {**real, "cap": 999, "cap_name": "max_tokens"},
        {**real, "limits": {"concurrency": 9, "deadline_s": 1}},
        {**real, "structured": ["prompt"]},
        {**real, "parameters": {"logprobs": True, "top_logprobs": 2}},
    ]
    assert len({tuple(keys(**changes)) for changes in same}) == 1


def test_what_changes_the_answer_changes_every_key() -> None:
    real = {"base_url": "https://a.example/v1", "model": "m"}
    others = [
        {**real},
        {**real, "model": "n"},
        {**real, "name": "other"},
        {**real, "detail": "high"},
        {**real, "max_side": 256},
        {**real, "quality": 80},
        {**real, "parameters": {"temperature": 0.5, "logprobs": True, "top_logprobs": 5}},
        {**real, "parameters": {}},
    ]
    made = [set(keys(**changes)) for changes in others]
    assert len(set().union(*made)) == sum(map(len, made))


def test_a_renamed_file_keeps_its_key_and_other_content_has_another() -> None:
    def first(sources: dict[str, Any], pair: Pair) -> set[str]:
        return {t.key for t in pair_tasks(backend(), rounds(), [pair], sources).tasks}

    renamed = {"x.jpg": SOURCES["0.jpg"], "y.jpg": SOURCES["1.jpg"]}
    assert first(renamed, Pair.of("x.jpg", "y.jpg")) == first(SOURCES, Pair.of("0.jpg", "1.jpg"))
    other = {**SOURCES, "0.jpg": source("edited")}
    assert not first(other, Pair.of("0.jpg", "1.jpg")) & first(SOURCES, Pair.of("0.jpg", "1.jpg"))


def test_personas_questions_and_prompts_are_asked_apart() -> None:
    ways = [
        *rounds(),
        *rounds(question="safe"),
        *rounds(persona="a sailor"),
        *rounds(comparison="stranger"),
    ]
    made = pair_tasks(backend(), ways, PAIRS, SOURCES).tasks
    assert len({task.key for task in made}) == 4 * 10
    raters = {task.subject["rater_id"] for task in made}
    assert raters == {"simulated-judge", "a sailor (simulated-judge)"}


def test_a_file_twice_under_two_names_is_no_pair() -> None:
    sources = {"a": SOURCES["0.jpg"], "b": dataclasses.replace(SOURCES["0.jpg"], image_id="b")}
    made = pair_tasks(backend(), rounds(), [Pair.of("a", "b")], sources)
    assert made.tasks == [] and made.same_image == [Pair.of("a", "b")]


def test_pairs_of_unreadable_images_are_counted_and_the_others_go_on() -> None:
    made = pair_tasks(backend(), rounds(), PAIRS, {n: SOURCES[n] for n in NAMES[1:]})
    assert made.left_out == 2 and len(made.tasks) == 2 * 3


def test_one_random_order_after_an_audit() -> None:
    names = [f"{i:03d}" for i in range(200)]
    many = {name: source(name) for name in names}
    made = pair_tasks(backend(), rounds(), ring(names), many, orders="random", audit=40).tasks
    per_pair = Counter(task.subject["pair_id"] for task in made)
    assert Counter(per_pair.values()) == {1: 160, 2: 40}
    single = [t for t in made if per_pair[t.subject["pair_id"]] == 1]
    assert 50 < sum(t.subject["first"] == "left" for t in single) < 110
    again = pair_tasks(backend(), rounds(), ring(names)[::-1], many, orders="random", audit=40)
    assert [t.key for t in made] == [t.key for t in again.tasks]


def test_images_and_texts() -> None:
    made = image_tasks(backend(), rounds("image"), NAMES, SOURCES, samples=2)
    assert {task.kind for task in made.tasks} == {"image"} and len(made.tasks) == 10
    described = image_tasks(backend(), rounds("description"), [*NAMES, "gone"], SOURCES)
    assert {task.kind for task in described.tasks} == {"description"}
    assert described.left_out == 1
    texts = text_tasks(backend(), rounds("cupl")[0], samples=3).tasks
    assert len({task.key for task in texts}) == 3 and texts[0].identity["images"] == []


def test_equal_texts_are_one_task_however_they_are_composed() -> None:
    def key(text: str, **more: Any) -> str:
        task: Task = embedding_task(backend(), text, **more)
        return task.key

    assert key("caf\u00e9") == key("cafe\u0301")
    assert len({key("a dog"), key("a Dog"), key("a dog", dimensions=8)}) == 3
    assert key("lone \ud800") == key("lone ?")
    with pytest.raises(ConfigError, match="empty"):
        key(" \n")
