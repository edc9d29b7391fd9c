"""What a call costs, in whole millionths of a dollar; never a guess where money is at stake."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from interestingness.annotators.types import Task, Usage, canonical_json
from interestingness.errors import ConfigError

MARGIN_PERCENT = 15
"""Added to the measured tokens of a prompt: images differ a little."""

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
    def of(cls, values: Mapping[str, Any] | None, *, annotator: str) -> Price:
        """Check a backend's price node.

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
                f"annotator {annotator}: {', '.join(wrong)}; without a price nothing is sent",
                expected="dollars per million tokens, 0 for a model on your own machine",
                todo="take them from the price list: annotator.price.prompt=… .completion=…",
            )
        return cls(given["prompt"], given["completion"], batch, str(given.get("as_of") or ""))

    @property
    def free(self) -> bool:
        """Whether nothing is ever charged."""
        return self.prompt == 0 and self.completion == 0

    @property
    def id(self) -> str:
        """Names the numbers: the same for equal price lists."""
        numbers = [float(self.prompt), float(self.completion), self.batch]
        return hashlib.sha256(canonical_json(numbers).encode()).hexdigest()[:12]

    def micro_dollars(self, prompt_tokens: int, completion_tokens: int) -> int:
        """Cost, rounded up to a whole millionth of a dollar.

        A dollar per million tokens is a millionth of a dollar per token; prices count to a
        thousandth of that, so that the sum is one of whole numbers.
        """
        nano = prompt_tokens * round(self.prompt * 1000)
        nano += completion_tokens * round(self.completion * 1000)
        return -(-nano // 1000)


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
    cap: Mapping[str, int]
    bound: Mapping[str, int]
    measured: dict[str, int] = field(default_factory=dict)

    @property
    def price_id(self) -> str:
        """Names the price list."""
        return self.price.id

    def prompt_tokens(self, kind: str) -> int:
        """Most tokens that the prompt of one task may have."""
        seen = self.measured.get(kind)
        if seen is None:
            return self.bound[kind]
        return -(-seen * (100 + MARGIN_PERCENT) // 100)

    def reserve(self, task: Task, retry_with: str | None = None) -> int:
        """The most that one attempt may cost, in millionths of a dollar."""
        cap = self.cap[task.kind] * (2 if retry_with == "double_cap" else 1)
        return self.price.micro_dollars(self.prompt_tokens(task.kind), cap)

    def cost(self, usage: Usage) -> int | None:
        """What an answer cost; None where its tokens were not told."""
        prompt, completion = usage.prompt_tokens, usage.completion_tokens
        if prompt is None or completion is None or prompt < 0 or completion < 0:
            return None
        return self.price.micro_dollars(prompt, completion)


def dollars(micro: int | float) -> str:
    """``$0.0123``, with two digits more where it is small."""
    value = micro / 1e6
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"
