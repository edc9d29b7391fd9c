"""Check with a few calls that a model sees, keeps order and cap, and counts tokens.

A model without vision answers questions about images without a warning, some servers take a
schema and answer with status 500, and some ignore the cap. So two solid squares are asked about in
both orders, and once without images under a small cap. Where a server refuses an option by name,
the question is asked again without it. The calls go through the ledger like all others; a day's
result is found there again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from io import BytesIO
from pathlib import Path

from PIL import Image

from interestingness.annotators.backends import Backend, without_refused
from interestingness.annotators.engine.run_state import Exit
from interestingness.annotators.probabilities import LEAST_MASS
from interestingness.annotators.prompting import Prompt, Template
from interestingness.annotators.requests import CANARY_CAP
from interestingness.annotators.sent_images import ImageSource, source_hash
from interestingness.annotators.tasks import identity
from interestingness.annotators.types import Answer, Parsed, Reject, Task, Usage
from interestingness.errors import InterestingnessError


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
        backend: as it has to be asked: without the options that the server refuses.
        structured: the first way to be sure of JSON that works, one of ``backends.STRUCTURED``.
        prompt_tokens: most tokens of a prompt with two images that were counted; None: not told.
        completion_tokens: most tokens of an answer.
        probabilities: whether log-probabilities cover the choice.
        notes: what is worth knowing and stops nothing.
        served: names of the models that answered, sorted; empty: not told.
    """

    backend: Backend
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
            {
                **same,
                "day": self.day,
                "structured": structured,
                "server": address,
                "cap_name": self.backend.cap_name,
            },
            {"canary": kind},
        )


def _square(side: int, colour: str) -> ImageSource:
    sink = BytesIO()
    Image.new("RGB", (side, side), colour).save(sink, "PNG")
    data = sink.getvalue()
    return ImageSource(f"a {colour} square", Path(colour), source_hash(data), data)


@dataclass(frozen=True)
class Asked:
    """What came of one task of the preflight.

    Attributes:
        parsed: what was read from the answer; None: there is none.
        why: why there is none; the server's own words if it refused or failed.
        refused: whether the server refused the request.
    """

    parsed: Parsed | None
    why: str = ""
    refused: bool = False

    @property
    def answer(self) -> Answer | None:
        """Return the usable answer, if there is one."""
        verdict = self.parsed.verdict if self.parsed is not None else None
        return verdict if isinstance(verdict, Answer) else None

    @property
    def problem(self) -> str:
        """Say why there is no usable answer."""
        verdict = self.parsed.verdict if self.parsed is not None else None
        if isinstance(verdict, Reject):
            return f"{verdict.kind} {verdict.detail}".strip()
        return self.why or "no answer"


Ask = Callable[[Task, Backend], Awaitable[Asked]]
"""Asks one task through the ledger, as a backend says; what was answered today costs nothing."""


async def examine(canary: Canary, ask: Ask, notes: Sequence[str] = ()) -> Fitness:
    """Ask up to two plus the number of ways of structured output, and check the answers.

    Args:
        canary: the tasks.
        ask: asks one of them.
        notes: what is known of the server; errors and the result say it.

    Raises:
        PreflightError: if the model does not answer in any way, mistakes colours or their order,
            ignores the cap, or counts no tokens where tokens are paid for.
    """
    canary, structured, second, found = await _find_way(canary, ask, notes)
    backend = canary.backend
    first = await ask(canary.vision(structured)[1], backend)
    capped = await ask(canary.cap(structured), backend)
    if first.parsed is None:
        raise PreflightError(
            f"{backend.model} answered once and then not: {first.why}",
            todo="run the command again",
        )
    chosen = [asked.answer.choice if asked.answer else None for asked in (second, first)]
    if chosen != ["second", "first"]:
        raise PreflightError(
            f"{backend.model} was asked which of two squares is blue and said {chosen[0]} where it "
            f"was the second, {chosen[1]} where it was the first",
            expected="second, then first: it does not see the images, or not in the order sent",
            todo="choose a model with vision; for one that takes one image a message, "
            "++annotator.images_per_message=1",
        )
    both = [asked.parsed for asked in (second, first) if asked.parsed is not None]
    tokens = _most_tokens(backend, *(parsed.usage for parsed in both))
    found += _check_cap(backend, capped.parsed, capped.why, tokens)
    if tokens is not None and tokens[1] > backend.cap // 2:
        found.append(
            f"an answer took {tokens[1]} of {backend.cap} tokens:"
            f" ++annotator.cap={4 * tokens[1]} leaves room for longer ones"
        )
    masses = [_mass(parsed) for parsed in both]
    sure = all(mass is not None and mass >= LEAST_MASS for mass in masses)
    if not sure:
        found.append("no usable log-probabilities: votes are plain choices")
    served = {parsed.model for parsed in both if parsed.model}
    if served and served != {backend.model}:
        found.append(f"answers come from {', '.join(sorted(served))}")
    prompt_tokens, completion_tokens = tokens or (None, None)
    return Fitness(
        backend,
        structured,
        prompt_tokens,
        completion_tokens,
        sure,
        (*notes, *found),
        tuple(sorted(served)),
    )


async def _find_way(
    canary: Canary, ask: Ask, notes: Sequence[str]
) -> tuple[Canary, str, Asked, list[str]]:
    """Find the first way to be sure of JSON that works, without the options that are refused.

    Returns:
        The tasks as they have to be asked, the way, its answer, and notes on what did not work.
    """
    changes: list[str] = []
    failed: dict[str, list[str]] = {}
    longest = 0
    for structured in canary.backend.structured:
        asked = await ask(canary.vision(structured)[0], canary.backend)
        while asked.refused and (mended := without_refused(canary.backend, asked.why)) is not None:
            canary = replace(canary, backend=mended[0])
            changes.append(f"{mended[1]}, because the server says: {asked.why}")
            asked = await ask(canary.vision(structured)[0], canary.backend)
        if asked.answer is not None:
            others = [f"does not work here: {_by_way(failed)}"] if failed else []
            return canary, structured, asked, [*changes, *others]
        if asked.refused and asked.why.startswith("404"):
            raise PreflightError(
                "; ".join([f"{canary.backend.host} says: {asked.why}", *notes]),
                expected="a model that it serves, at annotator.base_url",
                todo="annotator.model=…, or correct the address",
            )
        failed.setdefault(asked.problem, []).append(structured)
        if asked.parsed is not None and asked.problem.startswith("length"):
            usage = asked.parsed.usage
            longest = max(longest, (usage and usage.completion_tokens) or canary.backend.cap)
    model, todo = canary.backend.model, "try another model"
    if longest:
        todo = (
            f"++annotator.cap={4 * longest}; or let it think less, such as"
            " ++annotator.parameters.reasoning_effort=low"
        )
    raise PreflightError(
        "; ".join([f"{model} gives no usable answer in any way: {_by_way(failed)}", *notes]),
        expected="one JSON object with choice and reason, within annotator.cap tokens",
        todo=todo,
    )


def _by_way(failed: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{', '.join(ways)}: {problem}" for problem, ways in failed.items())


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
    usage = capped.usage if capped else None
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
    verdict = parsed.verdict
    found = verdict.extra.get("mass") if isinstance(verdict, Answer) else None
    return float(found) if isinstance(found, int | float) else None
