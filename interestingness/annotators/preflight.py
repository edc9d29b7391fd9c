"""Check with a few calls that a model sees, keeps order and cap, and counts tokens.

A model without vision answers questions about images without a warning, some servers take a
schema and answer with status 500, and some ignore the cap. So two solid squares are asked about in
both orders, and once without images under a small cap. The calls go through the ledger like all
others; a day's result is found there again.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from interestingness.annotators.backends import Backend
from interestingness.annotators.engine.run_state import Exit
from interestingness.annotators.probabilities import LEAST_MASS
from interestingness.annotators.prompting import Prompt, Template
from interestingness.annotators.requests import CANARY_CAP
from interestingness.annotators.sent_images import ImageSource, source_hash
from interestingness.annotators.tasks import identity
from interestingness.annotators.types import Answer, Parsed, Reply, Task, Usage
from interestingness.errors import InterestingnessError

NEAR_DAYS = 30
"""A model that is switched off sooner is not started on: half a table of votes is of little use."""


class PreflightError(InterestingnessError):
    """Nothing can be asked; nothing was spent on answers."""

    def __init__(
        self, found: str, *, expected: str = "", todo: str = "", exit_code: Exit | None = None
    ) -> None:
        """With the exit status for the shell; None: as for a wrong option."""
        super().__init__(found, expected=expected, todo=todo)
        if exit_code is not None:
            self.exit_code = int(exit_code)


@dataclass(frozen=True)
class Fitness:
    """What the preflight found.

    Attributes:
        structured: the first way to be sure of JSON that works, one of ``backends.STRUCTURED``.
        prompt_tokens: most tokens of a prompt with two images that were counted; None: not told.
        completion_tokens: most tokens of an answer.
        probabilities: whether log-probabilities cover the choice.
        notes: what is worth knowing and stops nothing.
        served: names of the models that answered, sorted; empty: not told.
    """

    structured: str
    prompt_tokens: int | None
    completion_tokens: int | None
    probabilities: bool
    notes: tuple[str, ...] = ()
    served: tuple[str, ...] = ()


@dataclass
class Canary:
    """Tasks of the preflight.

    Attributes:
        backend: the backend that is checked.
        prompt: which of two images is more blue.
        day: results are asked for anew on another day.
        sources: the red and the blue square, by hash.
    """

    backend: Backend
    prompt: Prompt
    day: str
    sources: dict[str, ImageSource] = field(default_factory=dict)

    @classmethod
    def of(cls, backend: Backend, template: Template, *, today: date) -> Canary:
        """Draw the squares and ask in the words of the real prompt.

        Args:
            backend: who is looked at.
            template: of kind ``pair``.
            today: part of the tasks' identity.
        """
        prompt = template.render(question="blue", canvas=backend.images_per_message == 1)
        squares = [_square(backend.max_side, colour) for colour in ("red", "blue")]
        return cls(backend, prompt, today.isoformat(), {s.sha256: s for s in squares})

    def vision(self, structured: str) -> tuple[Task, Task]:
        """Blue second, then blue first."""
        red, blue = self.sources
        return self._task("canary", [red, blue], structured), self._task(
            "canary", [blue, red], structured
        )

    def cap(self, structured: str) -> Task:
        """The question without images, with room for a few tokens only."""
        return self._task("canary_cap", [], structured)

    def _task(self, kind: str, hashes: Sequence[str], structured: str) -> Task:
        same = identity(self.backend, self.prompt, hashes, 0)
        address = self.backend.base_url or "in process"
        return Task.of(
            kind,
            {**same, "day": self.day, "structured": structured, "server": address},
            {"canary": kind},
        )


def _square(side: int, colour: str) -> ImageSource:
    sink = BytesIO()
    Image.new("RGB", (side, side), colour).save(sink, "PNG")
    data = sink.getvalue()
    return ImageSource(f"a {colour} square", Path(colour), source_hash(data), data)


Ask = Callable[[Task], Awaitable[tuple[Parsed | None, str]]]
"""Asks one task: what was read from the answer, or None and why there is none."""


async def examine(canary: Canary, ask: Ask) -> Fitness:
    """Ask up to two plus the number of ways of structured output, and check the answers.

    Args:
        canary: the tasks.
        ask: asks one of them through the ledger; tasks that were answered today cost nothing.

    Raises:
        PreflightError: if the model does not answer in any way, mistakes colours or their order,
            ignores the cap, or counts no tokens where tokens are paid for.
    """
    backend = canary.backend
    structured, second, notes = await _find_structured(canary, ask)
    first, why = await ask(canary.vision(structured)[1])
    capped, why_not_capped = await ask(canary.cap(structured))
    if first is None:
        raise PreflightError(
            f"{backend.model} answered once and then not: {why}", todo="run the command again"
        )
    chosen = [p[0].choice if isinstance(p[0], Answer) else None for p in (second, first)]
    if chosen != ["second", "first"]:
        raise PreflightError(
            f"{backend.model} was asked which of two squares is blue and said {chosen[0]} where it "
            f"was the second, {chosen[1]} where it was the first",
            expected="second, then first: it does not see the images, or not in the order sent",
            todo="choose a model with vision; for one that takes one image a message, "
            "++annotator.images_per_message=1",
        )
    tokens = _most_tokens(backend, second[1], first[1])
    notes += _check_cap(backend, capped, why_not_capped, tokens)
    masses = [_mass(parsed) for parsed in (second, first)]
    sure = all(mass is not None and mass >= LEAST_MASS for mass in masses)
    if not sure:
        notes.append("no usable log-probabilities: votes are plain choices")
    served = {parsed[2] for parsed in (second, first) if parsed[2]}
    if served and served != {backend.model}:
        notes.append(f"answers come from {', '.join(sorted(served))}")
    prompt_tokens, completion_tokens = tokens or (None, None)
    return Fitness(
        structured, prompt_tokens, completion_tokens, sure, tuple(notes), tuple(sorted(served))
    )


async def _find_structured(canary: Canary, ask: Ask) -> tuple[str, Parsed, list[str]]:
    """The first way to be sure of JSON that works, its answer, and notes on those before it."""
    failed: list[str] = []
    for structured in canary.backend.structured:
        found, why = await ask(canary.vision(structured)[0])
        if found is not None and isinstance(found[0], Answer):
            return structured, found, [f"does not work here: {way}" for way in failed]
        if found is not None and not isinstance(found[0], Answer):
            why = why or f"{found[0].kind} {found[0].detail}".strip()
        failed.append(f"{structured}: {why or 'no answer'}")
    raise PreflightError(
        f"{canary.backend.model} gives no usable answer in any way: " + "; ".join(failed),
        expected="one JSON object with choice and reason",
        todo="try another model, or ++annotator.cap=400",
    )


def _most_tokens(backend: Backend, *usages: Usage | None) -> tuple[int, int] | None:
    """Most tokens of a prompt and of an answer; None where the server does not count them."""
    prompts = [u.prompt_tokens for u in usages if u is not None and u.prompt_tokens is not None]
    answers = [
        u.completion_tokens for u in usages if u is not None and u.completion_tokens is not None
    ]
    if len(prompts) == len(answers) == len(usages):
        return max(prompts), max(answers)
    if not backend.price_list.free:
        raise PreflightError(
            f"{backend.host} does not count tokens, so nobody can say what an answer costs",
            expected="usage with prompt_tokens and completion_tokens",
            todo="choose another server",
        )
    return None


def _check_cap(
    backend: Backend, capped: Parsed | None, why: str, tokens: tuple[int, int] | None
) -> list[str]:
    usage = capped[1] if capped else None
    if usage is None or usage.completion_tokens is None:
        return [f"whether the cap is kept is not known ({why or 'no usage'})"]
    if usage.completion_tokens > CANARY_CAP:
        raise PreflightError(
            f"{backend.host} was asked for {CANARY_CAP} tokens at most and counted "
            f"{usage.completion_tokens}",
            expected=f"a server that keeps to {backend.cap_name}; otherwise no budget holds",
            todo="try ++annotator.cap_name=max_tokens or max_completion_tokens",
        )
    bare = usage.prompt_tokens
    if tokens is not None and bare is not None and tokens[0] <= bare:
        return ["images are not counted among the tokens of a prompt"]
    return []


def _mass(parsed: Parsed) -> float | None:
    found = parsed[0].extra.get("mass") if isinstance(parsed[0], Answer) else None
    return float(found) if isinstance(found, int | float) else None


def check_listing(backend: Backend, reply: Reply, *, today: date) -> list[str]:
    """Check that the server lists the model and will keep it.

    Args:
        backend: who will be asked.
        reply: of ``GET /models``.
        today: the day.

    Returns:
        Notes for people.

    Raises:
        PreflightError: if the server lists models and not this one, or it is switched off within
            ``NEAR_DAYS`` days.
    """
    notes = []
    listed = _read_listing(reply)
    ends = backend.shutdown
    if listed is None:
        notes.append(f"{backend.host} does not list its models")
    elif backend.model not in listed:
        names = ", ".join(sorted(listed)[:8]) or "none"
        raise PreflightError(
            f"{backend.host} has no model {backend.model!r}; it has {names}",
            expected="one of these",
            todo="annotator.model=…",
        )
    else:
        ends = _read_day(listed[backend.model].get("shutdown_date")) or ends
    if ends is not None:
        left = (date.fromisoformat(ends) - today).days
        if left <= NEAR_DAYS:
            raise PreflightError(
                f"{backend.model} is switched off on {ends}, "
                + (f"in {left} days" if left > 0 else "so it is gone"),
                expected=f"a model that stays for more than {NEAR_DAYS} days",
                todo="choose another annotator; ++annotator.shutdown=null if the date is wrong",
            )
        notes.append(f"{backend.model} is switched off on {ends}, in {left} days")
    return notes


def _read_listing(reply: Reply) -> dict[str, Mapping[str, Any]] | None:
    if reply.status != 200:
        return None
    try:
        return {str(entry["id"]): entry for entry in json.loads(reply.body)["data"]}
    except (ValueError, KeyError, TypeError):
        return None


def _read_day(value: Any) -> str | None:
    """Read a date given as text or as seconds since 1970."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).date().isoformat()
        return datetime.fromisoformat(value).date().isoformat() if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
