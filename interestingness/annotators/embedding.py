"""Embed texts through a service's embeddings endpoint, each distinct text bought once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interestingness.annotators.backends import Backend
from interestingness.annotators.engine.asking import Asking
from interestingness.annotators.engine.run_state import Summary
from interestingness.annotators.engine.runner import Limits, run_tasks
from interestingness.annotators.ledger.money import dollars, uusd
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.parsing import PARSER_VERSION, parse
from interestingness.annotators.prices import CostEstimate, confirm
from interestingness.annotators.requests import Build
from interestingness.annotators.session import connect
from interestingness.annotators.tasks import embedding_task
from interestingness.annotators.types import Task
from interestingness.errors import InterestingnessError

OPTION = "study.embedder"
"""Where a config holds an embedder."""


class EmbeddingError(InterestingnessError):
    """Some texts have no vector; those that were bought are kept."""


class ServiceEmbedder:
    """Any OpenAI-compatible embeddings endpoint, through a ledger.

    Vectors of different models never mix: model and dimensions are part of a text's task, and of
    ``fingerprint``.
    """

    def __init__(
        self,
        *,
        name: str,
        model: str,
        base_url: str | None,
        price: Mapping[str, Any] | None,
        limits: Mapping[str, Any],
        ledger: str,
        key_env: str | None = None,
        hosts: Sequence[str] = (),
        dimensions: int | None = None,
        budget: float | None = None,
        simulated: Mapping[str, Any] | None = None,
    ) -> None:
        """Check the options; nothing is opened yet.

        Args:
            name: of the option; part of a text's task.
            model: as the server calls it.
            base_url: e.g. ``https://api.openai.com/v1``; None with ``simulated``.
            price: ``prompt`` in dollars per million tokens, ``completion`` is 0.
            limits: ``concurrency`` and ``deadline_s``.
            ledger: file of the bought vectors.
            key_env: environment variable with the key.
            hosts: hosts that may get it.
            dimensions: of a vector, where the model lets one choose.
            budget: dollars, over everything that the ledger ever spends.
            simulated: arguments of the simulated judge: sums of one random vector a word.

        Raises:
            ConfigError: if the price is not known, or an option is wrong.
        """
        self.backend = Backend(
            name=name,
            model=model,
            base_url=base_url,
            key_env=key_env,
            hosts=hosts,
            parameters={},
            allowed=[],
            price=price,
            limits=limits,
            simulated=simulated,
            where=OPTION,
        )
        self.backend.meter()
        self.ledger = Path(ledger).expanduser()
        self.dimensions = dimensions
        self.budget = budget

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts in the order given, shape (texts, dim); equal texts are asked once.

        Raises:
            ConfigError: for an empty text, or if more than a dollar may be spent without a budget.
            EmbeddingError: if a text got no vector, or vectors of different lengths came.
        """
        tasks = [embedding_task(self.backend, text, self.dimensions) for text in texts]
        if not tasks:
            return np.empty((0, self.dimensions or 0), dtype=np.float32)
        price = self.backend.price_list
        facts: dict[str, Any] = {
            "prices": {price.id: price.table()},
            "annotator": self.backend.name,
            "model": self.backend.model,
            "host": self.backend.host,
        }
        cap = None if self.budget is None else uusd(self.budget)
        with Ledger.open(self.ledger, run=facts, cap_uusd=cap) as ledger:
            todo = ledger.need(tasks).todo
            confirm(CostEstimate.of(todo, self.backend.meter()), budget=self.budget)
            ended = asyncio.run(self._ask(ledger, tasks)) if todo else None
            table = ledger.table("texts", tasks)
        found: dict[str, NDArray[np.float32]] = {}
        for key, extra in zip(table["key"].to_pylist(), table["extra"].to_pylist(), strict=True):
            vector = json.loads(extra or "{}").get("vector")
            if vector is not None:
                found[key] = np.frombuffer(base64.b64decode(vector), dtype="<f4")
        self._check(tasks, found, ended)
        return np.stack([found[task.key] for task in tasks]).astype(np.float32)

    async def _ask(self, ledger: Ledger, tasks: Sequence[Task]) -> Summary:
        limits = self.backend.limits
        patience = Limits(int(limits["concurrency"]), float(limits["deadline_s"]))
        build = Build(self.backend, {}, {}, "prompt")
        asking = Asking(ledger, build, parse, PARSER_VERSION, self.backend.meter())
        async with connect(self.backend) as server:
            return await run_tasks(asking, tasks, server, patience)

    def _check(
        self, tasks: Sequence[Task], found: Mapping[str, NDArray[np.float32]], ended: Summary | None
    ) -> None:
        missing = [task for task in tasks if task.key not in found]
        if missing:
            rejected = ended.tally.rejected if ended is not None else {}
            why = (ended.reason if ended is not None else "") or ", ".join(rejected)
            text = str(missing[0].subject["text"])[:60]
            raise EmbeddingError(
                f"{len(missing)} of {len(tasks)} texts have no vector "
                f"({why or 'rejected before'}), the first: {text!r}",
                expected="a vector of finite numbers for each text",
                todo=f"run it again; `interestingness ledger status {self.ledger}` says more",
            )
        sizes = sorted({len(vector) for vector in found.values()})
        if len(sizes) > 1:
            raise EmbeddingError(
                f"{self.backend.model} gave vectors of {', '.join(map(str, sizes))} numbers",
                expected="one length",
                todo="set dimensions, or use a ledger of its own for another model",
            )

    def fingerprint(self) -> str:
        """Hash what determines a text's vector."""
        about = [self.backend.name, self.backend.model, self.dimensions]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]

    def describe(self) -> str:
        """One line for people."""
        price = uusd(self.backend.price_list.prompt)
        return f"{self.backend.model} at {self.backend.host}, {dollars(price)} a million tokens"
