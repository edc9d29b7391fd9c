"""Compute what a call costs, in whole millionths of a dollar; never guess a price."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from interestingness.annotators.ledger.money import dollars, uusd
from interestingness.annotators.types import JSON, Task, Usage, canonical_json
from interestingness.errors import ConfigError

CONFIRM_ABOVE_UUSD = 1_000_000
"""What may be spent, in millionths of a dollar, without a budget or a yes."""

MARGIN_PERCENT = 15
"""Added to the measured tokens of a prompt: images differ a little."""

_FRAME = 100
"""Tokens that a server may put around what is sent."""

_PARTS = {"prompt", "completion", "batch", "as_of", "source"}


@dataclass(frozen=True)
class Price:
    """Price list of one model.

    Attributes:
        prompt: dollars per million tokens that are sent.
        completion: dollars per million tokens that come back.
        batch: factor for the provider's batch interface; None if there is none.
        as_of: when the list was looked at, for people.
    """

    prompt: float
    completion: float
    batch: float | None = None
    as_of: str = ""

    @classmethod
    def of(
        cls, values: Mapping[str, Any] | None, *, annotator: str, where: str = "annotator"
    ) -> Price:
        """Check a backend's price node.

        Args:
            values: the node.
            annotator: name of the backend, for the message.
            where: prefix of its options, for the message.

        Raises:
            ConfigError: if a price is absent, negative or no number: nothing starts then.
        """
        given = dict(values or {})
        wrong = [f"price.{key} is not known" for key in sorted(set(given) - _PARTS)]
        for key in ("prompt", "completion"):
            value = given.get(key)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 <= float(value) < 1e6:  # type: ignore[arg-type]
                wrong.append(f"price.{key} is {value!r}")
        batch = given.get("batch")
        if batch is not None and not (isinstance(batch, int | float) and 0 < batch <= 1):
            wrong.append(f"price.batch is {batch!r}")
        if wrong:
            raise ConfigError(
                f"{where} {annotator}: {', '.join(wrong)}; without a price nothing is sent",
                expected="dollars per million tokens, 0 for a model on your own machine",
                todo=f"take them from the price list: {where}.price.prompt=… .completion=…",
            )
        return cls(given["prompt"], given["completion"], batch, str(given.get("as_of") or ""))

    @property
    def free(self) -> bool:
        """Check whether nothing is ever charged."""
        return self.prompt == 0 and self.completion == 0

    @property
    def id(self) -> str:
        """Names the numbers: the same for equal price lists."""
        numbers: list[JSON] = [float(self.prompt), float(self.completion), self.batch]
        return hashlib.sha256(canonical_json(numbers).encode()).hexdigest()[:12]

    def cost(self, prompt_tokens: int, completion_tokens: int) -> int:
        """Compute the cost in millionths of a dollar, rounded up; tokens are not negative."""
        # prices are for a million tokens; the division rounds up
        exact = prompt_tokens * uusd(self.prompt) + completion_tokens * uusd(self.completion)
        return -(-exact // 1_000_000)

    def in_batches(self) -> Price:
        """Return the prices of the provider's batch interface.

        Raises:
            ConfigError: if that is not known: nothing starts then.
        """
        if self.batch is None:
            raise ConfigError(
                "mode=batch, and the annotator has no price for batches",
                expected="annotator.price.batch, a factor such as 0.5",
                todo="take it from the price list, or leave mode=sync",
            )
        return Price(self.prompt * self.batch, self.completion * self.batch, None, self.as_of)

    def table(self) -> dict[str, JSON]:
        """Return the price list for the ledger's record of a run."""
        return {
            "prompt": self.prompt,
            "completion": self.completion,
            "batch": self.batch,
            "as_of": self.as_of,
        }


@dataclass
class Meter:
    """Reserves and costs of tasks, as the engine asks for them.

    Attributes:
        price: of the model.
        cap: most tokens of an answer.
        bound: most tokens of a prompt before one was measured, by kind of task.
        measured: most tokens of a prompt that were seen, by kind of task.
    """

    price: Price
    cap: int
    bound: Mapping[str, int]
    measured: dict[str, int] = field(default_factory=dict)

    @property
    def price_id(self) -> str:
        """Names the price list."""
        return self.price.id

    def in_batches(self) -> Meter:
        """The same measures at the prices of batches; what is measured later counts for both.

        Raises:
            ConfigError: if there is no price for batches.
        """
        return replace(self, price=self.price.in_batches())

    def prompt_tokens(self, kind: str) -> int:
        """Return the most tokens that the prompt of one task may have."""
        seen = self.measured.get(kind)
        if seen is None:
            return self.bound[kind]
        return -(-seen * (100 + MARGIN_PERCENT) // 100)

    def reserve(self, task: Task, retry_with: str | None = None) -> int:
        """Return the most that one attempt may cost, in millionths of a dollar."""
        if task.kind == "embedding":
            # A token is at least one byte of the text.
            return self.price.cost(len(str(task.subject["text"]).encode()) + _FRAME, 0)
        cap = self.cap * (2 if retry_with == "double_cap" else 1)
        return self.price.cost(self.prompt_tokens(task.kind), cap)

    def cost(self, usage: Usage) -> int | None:
        """Return what an answer cost; None where its tokens are unknown."""
        prompt, completion = usage.prompt_tokens, usage.completion_tokens
        if prompt is None or completion is None or prompt < 0 or completion < 0:
            return None
        return self.price.cost(prompt, completion)


@dataclass(frozen=True)
class CostEstimate:
    """Cost of some tasks, in millionths of a dollar.

    Attributes:
        calls: tasks to be asked.
        most: if every answer is as long as the cap allows.
        expected: with answers as long as in the preflight; None before one.
    """

    calls: int
    most: int
    expected: int | None = None

    @classmethod
    def of(
        cls, tasks: Sequence[Task], meter: Meter, completion_tokens: int | None = None
    ) -> CostEstimate:
        """Add up reserves.

        Args:
            tasks: to be asked.
            meter: with what the preflight measured, if there was one.
            completion_tokens: of an answer, as measured.
        """
        most = sum(meter.reserve(task) for task in tasks)
        if completion_tokens is None:
            return cls(len(tasks), most)
        each = [
            meter.price.cost(meter.measured[task.kind], completion_tokens)
            for task in tasks
            if task.kind in meter.measured
        ]
        return cls(len(tasks), most, sum(each) if len(each) == len(tasks) else None)

    def __str__(self) -> str:
        if self.most == 0:
            return f"{self.calls:,} calls, free of charge"
        if self.expected is None:
            return f"{self.calls:,} calls, at most {dollars(self.most)}"
        return f"{self.calls:,} calls, about {dollars(self.expected)}, at most {dollars(self.most)}"


def confirm(estimate: CostEstimate, *, budget: float | None, yes: bool = False) -> None:
    """Require a budget or a yes before more than a dollar can be spent, by a pilot too.

    Raises:
        ConfigError: otherwise.
    """
    if budget is None and not yes and estimate.most > CONFIRM_ABOVE_UUSD:
        raise ConfigError(
            f"{estimate}, and there is no budget",
            expected="budget=… in dollars, over everything that the ledger ever spends",
            todo="pilot=30 asks less; budget=5.00 allows so much; yes=true goes on without one",
        )
