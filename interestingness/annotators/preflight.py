"""A handful of calls before money is spent: does the judge see, keep the order and the cap, count?

A model without vision answers questions about images without a word of warning, some servers take a
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

from interestingness.annotators.asking import CANARY_CAP
from interestingness.annotators.backends import Backend
from interestingness.annotators.parsing import Parsed
from interestingness.annotators.probabilities import LEAST_MASS
from interestingness.annotators.prompting import Prompt, Template
from interestingness.annotators.stimuli import ImageSource, source_hash
from interestingness.annotators.tasks import identity
from interestingness.annotators.types import Answer, Reply, Task
from interestingness.errors import InterestingnessError

NEAR_DAYS = 30
"""A model that is switched off sooner is not started on: half a table of votes is of little use."""


class PreflightError(InterestingnessError):
    """The judge is not fit for the work; nothing was spent on labels."""


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
    """The tasks of the preflight.

    Attributes:
        backend: who is looked at.
        prompt: which of two images is more blue.
        day: results are asked for anew on another day.
        sources: the two squares, by hash.
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


Ask = Callable[[Task], Awaitable[tuple[Parsed | None, str]]]
"""Asks one task: what was read from the answer, or None and why there is none."""


async def fitness(canary: Canary, ask: Ask) -> Fitness:
    """Ask up to two plus the number of ways of structured output, and judge.

    Args:
        canary: the tasks.
        ask: asks one of them through the ledger; tasks that were answered today cost nothing.

    Raises:
        PreflightError: if the judge does not answer in any way, mistakes colours or their order,
            ignores the cap, or counts no tokens where tokens are paid for.
    """
    failed: list[str] = []
    for structured in canary.backend.structured:
        task, turned = canary.vision(structured)
        found, why = await ask(task)
        if found is not None and isinstance(found[0], Answer):
            break
        failed.append(f"{structured}: {why or (_said(found) if found else 'no answer')}")
    else:
        raise PreflightError(
            f"{canary.backend.model} gives no usable answer in any way: " + "; ".join(failed),
            expected="one JSON object with choice and reason",
            todo="try another model, or ++annotator.cap=400",
        )
    others = [await ask(turned), await ask(canary.cap(structured))]
    if others[0][0] is None:
        raise PreflightError(
            f"{canary.backend.model} answered once and then not: {others[0][1]}",
            todo="run the command again",
        )
    return judged(canary.backend, structured, found, others[0][0], others[1], failed)


def judged(
    backend: Backend,
    structured: str,
    second: Parsed,
    first: Parsed,
    capped: tuple[Parsed | None, str],
    failed: Sequence[str] = (),
) -> Fitness:
    """What the answers say of the judge.

    Args:
        backend: who was asked.
        structured: how.
        second: the answer where blue was shown second.
        first: the answer where blue was shown first.
        capped: the answer without images under the small cap, or why there is none.
        failed: ways of structured output that did not work.

    Raises:
        PreflightError: see ``fitness``.
    """
    chosen = [
        parsed[0].choice if isinstance(parsed[0], Answer) else None for parsed in (second, first)
    ]
    if chosen != ["second", "first"]:
        raise PreflightError(
            f"{backend.model} was asked which of two squares is blue and said {chosen[0]} where it "
            f"was the second, {chosen[1]} where it was the first",
            expected="second, then first: it does not see the images, or not in the order sent",
            todo="choose a model with vision; for one that takes one image a message, "
            "++annotator.images_per_message=1",
        )
    prompts, answers = zip(*((u.prompt_tokens, u.completion_tokens) if u else (None, None)
                             for u in (second[1], first[1])), strict=True)  # fmt: skip
    told = all(value is not None for value in (*prompts, *answers))
    if not told and not backend.price_list.free:
        raise PreflightError(
            f"{backend.host} does not count tokens, so nobody can say what an answer costs",
            expected="usage with prompt_tokens and completion_tokens",
            todo="choose another server",
        )
    notes = [f"does not work here: {way}" for way in failed]
    notes += _cap_notes(backend, capped, max(prompts) if told else None)
    masses = [_mass(parsed) for parsed in (second, first)]
    sure = all(mass is not None and mass >= LEAST_MASS for mass in masses)
    if not sure:
        notes.append("no usable log-probabilities: votes are plain choices")
    served = {parsed[2] for parsed in (second, first) if parsed[2]}
    if served and served != {backend.model}:
        notes.append(f"answers come from {', '.join(sorted(served))}")
    return Fitness(
        structured,
        max(prompts) if told else None,
        max(answers) if told else None,
        sure,
        tuple(notes),
        tuple(sorted(served)),
    )


def same_model(backend: Backend, earlier: str | None, served: Sequence[str]) -> str | None:
    """The name under which the model has to answer, unless ``models`` allows others.

    Args:
        backend: who is asked.
        earlier: name that came with the first label in the ledger; None: there is none.
        served: names in the preflight.

    Raises:
        PreflightError: if another model answers now.
    """
    name = earlier or next(iter(served), None)
    strange = [other for other in served if other != name and other not in backend.models]
    if strange:
        raise PreflightError(
            f"answers came from {name} and now come from {strange[0]}",
            expected="one model; what others say would be mixed with the rest",
            todo=f"a ledger of its own (ledger=…); or, if that is right, "
            f"annotator.models='[{', '.join([*backend.models, *strange])}]'",
        )
    return name


def _cap_notes(
    backend: Backend, capped: tuple[Parsed | None, str], with_images: int | None
) -> list[str]:
    found, why = capped
    usage = found[1] if found else None
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
    if with_images is not None and bare is not None and with_images <= bare:
        return ["images are not counted among the tokens of a prompt"]
    return []


def _mass(parsed: Parsed) -> float | None:
    found = parsed[0].extra.get("mass") if isinstance(parsed[0], Answer) else None
    return float(found) if isinstance(found, int | float) else None


def _said(parsed: Parsed) -> str:
    verdict = parsed[0]
    return "" if isinstance(verdict, Answer) else f"{verdict.kind} {verdict.detail}".strip()


def _square(side: int, colour: str) -> ImageSource:
    sink = BytesIO()
    Image.new("RGB", (side, side), colour).save(sink, "PNG")
    data = sink.getvalue()
    return ImageSource(f"a {colour} square", Path(colour), source_hash(data), data)


def check_listing(backend: Backend, reply: Reply | None, *, today: date) -> list[str]:
    """Is the model there, and for how long?

    Args:
        backend: who will be asked.
        reply: of ``GET /models``; None if the server was not asked.
        today: the day.

    Returns:
        Notes for people.

    Raises:
        PreflightError: if the server lists models and not this one, or it is switched off within
            ``NEAR_DAYS`` days.
    """
    notes = []
    listed = _listed(reply)
    ends = backend.shutdown
    if listed is not None:
        if backend.model not in listed:
            names = ", ".join(sorted(listed)[:8]) or "none"
            raise PreflightError(
                f"{backend.host} has no model {backend.model!r}; it has {names}",
                expected="one of these",
                todo="annotator.model=…",
            )
        ends = _day(listed[backend.model].get("shutdown_date")) or ends
    else:
        notes.append(f"{backend.host} does not list its models")
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


def _listed(reply: Reply | None) -> dict[str, Mapping[str, Any]] | None:
    if reply is None or reply.status != 200:
        return None
    try:
        entries = json.loads(reply.body)["data"]
        return {str(entry["id"]): entry for entry in entries}
    except (ValueError, KeyError, TypeError):
        return None


def _day(value: Any) -> str | None:
    """A date given as text or as seconds since 1970."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).date().isoformat()
        return datetime.fromisoformat(value).date().isoformat() if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
