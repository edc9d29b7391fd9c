"""A backend is checked before anything is sent; without a price nothing starts (fault row 30)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from material import backend, rounds

from interestingness.annotators.prices import Price
from interestingness.annotators.types import Task, Usage
from interestingness.errors import ConfigError

REAL = {"base_url": "https://a.example/v1", "model": "m"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_url": None}, "one of both"),
        ({"base_url": "https://a.example/v1", "simulated": {"seed": 0}}, "one of both"),
        ({"model": "gpt-4o"}, "simulated judge says so"),
        ({**REAL, "base_url": "a.example"}, "no web address"),
        ({**REAL, "images_per_message": 3}, "images_per_message=3"),
        ({**REAL, "parameters": {"top_p": 0.5}}, "parameters.top_p"),
        ({**REAL, "allowed": ["n"]}, "n is no parameter"),
        ({**REAL, "structured": ["yaml"]}, "structured: yaml"),
        ({**REAL, "structured": []}, "structured: empty"),
        ({**REAL, "cap": 2}, "cap=2"),
        ({**REAL, "cap_name": "tokens"}, "cap_name=tokens"),
        ({**REAL, "limits": {"concurrency": 0, "deadline_s": 1}}, "limits.concurrency=0"),
        ({**REAL, "limits": {"concurrency": 1}}, "limits.deadline_s=None"),
        ({**REAL, "limits": {"concurrency": 1, "deadline_s": 1, "rpm": 5}}, "limits.rpm"),
        ({**REAL, "shutdown": "soon"}, "shutdown='soon'"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        backend(**changes)
    assert said in str(error.value)


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        backend(**REAL, cap=1, cap_name="x", structured=["y"])
    assert all(word in str(error.value) for word in ("cap=1", "cap_name=x", "structured: y"))


@pytest.mark.parametrize(
    "price",
    [
        None,
        {},
        {"prompt": 2.5},
        {"prompt": 2.5, "completion": None},
        {"prompt": -1, "completion": 1},
        {"prompt": "2.5", "completion": 1},
        {"prompt": float("nan"), "completion": 1},
        {"prompt": True, "completion": 1},
        {"prompt": 1, "completion": 1, "batch": 2},
        {"prompt": 1, "completion": 1, "output": 1},
    ],
    ids=str,
)
def test_an_unknown_price_means_no_start(price: Any) -> None:
    with pytest.raises(ConfigError, match="without a price nothing is sent"):
        backend(price=price).meter()


def test_zero_is_a_price_and_equal_lists_have_one_name() -> None:
    assert backend(price={"prompt": 0, "completion": 0}).price_list.free
    assert Price(2.5, 10).id == Price(2.5, 10.0, as_of="2026").id != Price(2.5, 11).id


def test_costs_are_whole_and_rounded_up() -> None:
    meter = backend().meter([rounds()[0].prompt])
    assert meter.cost(Usage(320, 40)) == 320 * 2.5 + 40 * 10
    assert meter.cost(Usage(1, 0)) == 3
    assert [meter.cost(u) for u in (Usage(None, 3), Usage(3, None), Usage(-1, 3))] == [None] * 3


def test_the_reserve_covers_an_answer_of_full_length() -> None:
    prompt = rounds()[0].prompt
    meter = backend(cap=100).meter([prompt])
    task = Task.of("pair", {}, {})
    bound = meter.prompt_tokens("pair")
    assert bound >= len(prompt.ask.encode()) + 2 * 500
    assert meter.reserve(task) == -(-(bound * 25 + 100 * 100) // 10)
    assert meter.reserve(task, "double_cap") - meter.reserve(task) == 1000
    meter.measured["pair"] = 300
    assert meter.prompt_tokens("pair") == 345
    text = Task.of("embedding", {}, {"text": "é" * 10})
    assert meter.reserve(text) == 120 * 2.5


def test_where_it_is() -> None:
    assert backend().local
    assert backend(**{**REAL, "base_url": "http://127.0.0.1:8000/v1"}).local
    assert not backend(**REAL).local and backend(**REAL).host == "a.example"


def test_parameters_that_change_no_answer_are_no_identity() -> None:
    made = backend(parameters={"logprobs": True, "top_logprobs": 3, "temperature": 0})
    assert made.sampling == {"temperature": 0, "logprobs": True}
    assert date.fromisoformat(backend(shutdown="2027-01-14").shutdown or "")
