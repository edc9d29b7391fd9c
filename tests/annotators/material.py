"""Backends, images and tables for tests of annotators."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from PIL import Image

from interestingness.annotators.backends import Backend
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.prompting import Prompt, Template
from interestingness.annotators.sent_images import ImageSource
from interestingness.annotators.session import Server, Session
from interestingness.annotators.tasks import Round
from interestingness.schema import Pair
from interestingness.tables.tables import Manifest, Tables

SIMULATED = {"seed": 0, "sharpness": 1.0, "order_term": -1.0}


def backend(**changes: Any) -> Backend:
    """A simulated judge in this process, unless changed."""
    values: dict[str, Any] = {
        "name": "test",
        "model": "simulated-judge",
        "base_url": None,
        "parameters": {"logprobs": True, "top_logprobs": 5},
        "allowed": ["temperature", "seed", "logprobs", "top_logprobs"],
        "price": {"prompt": 2.5, "completion": 10},
        "limits": {"concurrency": 4, "deadline_s": 10},
        "tokens_per_image": 500,
        "max_side": 64,
    }
    if "base_url" not in changes:
        values["simulated"] = SIMULATED
    return Backend(**{**values, **changes})


T = TypeVar("T")


def in_session(
    path: Path,
    judge: Backend,
    server: Server,
    what: Callable[[Session], Awaitable[T]],
    *,
    prompts: Sequence[Prompt] = (),
    sources: Mapping[str, ImageSource] | None = None,
    measured: Sequence[Prompt] = (),
) -> T:
    """Do something in a session over a ledger; reserves are for ``prompts`` and ``measured``."""
    meter = judge.meter([*prompts, *measured])
    facts: dict[str, Any] = {"prices": {meter.price_id: judge.price_list.table()}}
    by_id = {prompt.id: prompt for prompt in prompts}
    by_hash = {source.sha256: source for source in (sources or {}).values()}

    async def go(ledger: Ledger) -> T:
        return await what(Session(judge, ledger, server, by_id, by_hash, meter))

    with Ledger.open(path, run=facts, cap_uusd=None) as ledger:
        return asyncio.run(go(ledger))


def rounds(kind: str = "pair", *, question: str = "interesting", **more: Any) -> list[Round]:
    """One round without persona."""
    prompt = Template.load(f"{kind}-1").render(question=question, **more)
    return [Round(prompt, question, more.get("persona"))]


def source(name: str) -> ImageSource:
    """An image that lies in no file."""
    data = name.encode()
    return ImageSource(name, Path(name), hashlib.sha256(data).hexdigest(), data)


def photographs(folder: Path, number: int, *, seed: int = 0) -> dict[str, Path]:
    """Small colour pictures of different colourfulness, by image id."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for i in range(number):
        grey = rng.integers(40, 216, (6, 8, 1)) + rng.normal(0, 5 + 8 * i % 60, (6, 8, 3))
        image = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).resize((80, 60))
        made[f"p{i:02d}.png"] = folder / f"p{i:02d}.png"
        image.save(made[f"p{i:02d}.png"])
    return made


def ring(names: list[str]) -> list[Pair]:
    """Each image with the next."""
    return [Pair.of(a, b) for a, b in zip(names, names[1:] + names[:1], strict=True)]


def data_set(root: Path, number: int = 6, votes: pa.Table | None = None) -> Tables:
    """Photographs in a ring of pairs, with votes if given."""
    made = photographs(root / "photos", number)
    pairs = ring(list(made))
    tables = {
        "images": pa.table({"image_id": list(made), "path": [str(p) for p in made.values()]}),
        "pairs": pa.table(
            {
                "pair_id": [p.pair_id for p in pairs],
                "left": [p.left for p in pairs],
                "right": [p.right for p in pairs],
            }
        ),
    }
    if votes is not None:
        tables["votes"] = votes
    return Tables.write(root / "set", Manifest("toy", "photographs"), tables)
