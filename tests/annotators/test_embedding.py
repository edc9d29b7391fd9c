"""Vectors of texts: bought once, never mis-aligned (fault row 46)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from material import SIMULATED
from servers.scripted import Answer, ScriptedServer, Seen

from interestingness.annotators.embedding import EmbeddingError, ServiceEmbedder
from interestingness.errors import ConfigError


def embedder(folder: Path, **changes: Any) -> ServiceEmbedder:
    values: dict[str, Any] = {
        "name": "test",
        "model": "simulated-embedding",
        "base_url": None,
        "simulated": SIMULATED,
        "price": {"prompt": 0.02, "completion": 0},
        "limits": {"concurrency": 4, "deadline_s": 10},
        "ledger": str(folder / "texts.sqlite"),
    }
    return ServiceEmbedder(**{**values, **changes})


def test_each_distinct_text_is_bought_once_and_rows_follow_the_texts(tmp_path: Path) -> None:
    texts = ["a dog", "a red boat", "a dog", "caf\u00e9", "cafe\u0301"]
    made = embedder(tmp_path)
    found = made.embed(texts)
    assert found.shape == (5, 64) and found.dtype == np.float32
    assert (found[0] == found[2]).all() and (found[3] == found[4]).all()
    assert not np.allclose(found[0], found[1])
    again = embedder(tmp_path, simulated={**SIMULATED, "seed": 9})
    assert (again.embed(texts[::-1]) == found[::-1]).all(), "the second time nobody was asked"
    assert made.embed([]).shape == (0, 0)
    wide = embedder(tmp_path, dimensions=8)
    assert wide.embed(["a dog"]).shape == (1, 8)
    assert made.fingerprint() == again.fingerprint() != wide.fingerprint()
    assert "$0.02" in made.describe()


def test_alike_texts_are_near(tmp_path: Path) -> None:
    a, b, c = embedder(tmp_path).embed(["a dog on grass", "a dog on sand", "blue metal chairs"])
    assert a @ b > 0.4 > abs(a @ c)


def test_bad_texts_and_budgets(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="empty"):
        embedder(tmp_path).embed(["a", " "])
    with pytest.raises(ConfigError, match="there is no budget"):
        embedder(tmp_path, price={"prompt": 10_000, "completion": 0}).embed(["a dog"])
    with pytest.raises(EmbeddingError, match="the budget is reached"):
        embedder(tmp_path, budget=0.0).embed(["a dog"])
    with pytest.raises(ConfigError, match="without a price"):
        embedder(tmp_path, price=None)


def test_advice_names_the_embedder_s_own_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = {"simulated": None, "key_env": "SOME_KEY", "hosts": ["127.0.0.1"]}
    made = embedder(tmp_path, base_url="http://127.0.0.1:9/v1", **real)
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(ConfigError, match=r"has no SOME_KEY") as caught:
        made.embed(["a dog"])
    assert "study.embedder.key_env=null" in str(caught.value)
    assert "annotator." not in str(caught.value)
    with pytest.raises(ConfigError, match=r"^study\.embedder\.base_url is no web address"):
        embedder(tmp_path, base_url="nowhere", **real)
    monkeypatch.setenv("SOME_KEY", "sk-proj-secret")
    with pytest.raises(ConfigError, match=r"study\.embedder\.base_url leads to 127"):
        made.embed(["a dog"])


def wrong_server(make: Callable[[Any], Any]) -> ScriptedServer:
    """A server whose embeddings are made by a function of the request."""

    def script(seen: Seen) -> Answer:
        body = {"model": seen.json["model"], "data": make(seen.json)}
        return Answer(body=json.dumps(body).encode())

    return ScriptedServer(script)


@pytest.mark.parametrize(
    "make",
    [
        lambda body: [],
        lambda body: [{"index": 1, "embedding": [1.0, 2.0]}],
        lambda body: [{"index": i, "embedding": [1.0, 2.0]} for i in (1, 0)],
        lambda body: [{"index": 0, "embedding": [1.0]}],
        lambda body: [{"index": 0, "embedding": [1.0, float("nan")]}],
    ],
    ids=["short list", "wrong index", "shuffled", "wrong dimensions", "NaN"],
)
def test_what_a_server_gets_wrong_is_rejected_and_nothing_is_aligned_by_luck(
    tmp_path: Path, make: Callable[[Any], Any]
) -> None:
    with wrong_server(make) as server, pytest.raises(EmbeddingError, match="2 of 2 texts"):
        real = {"base_url": server.base_url, "simulated": None}
        embedder(tmp_path, **real, dimensions=2).embed(["a dog", "a cat"])


def test_lengths_that_differ_are_an_error(tmp_path: Path) -> None:
    def make(body: Any) -> Any:
        return [{"index": 0, "embedding": [1.0] * (2 + len(body["input"][0]) % 2)}]

    with wrong_server(make) as server, pytest.raises(EmbeddingError, match="vectors of 2, 3"):
        embedder(tmp_path, base_url=server.base_url, simulated=None).embed(["ab", "abc"])
