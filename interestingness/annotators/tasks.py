"""Make tasks whose keys stay the same from run to run."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from interestingness.annotators.backends import Backend
from interestingness.annotators.prompting import Prompt
from interestingness.annotators.sent_images import ImageSource
from interestingness.annotators.types import JSON, Task
from interestingness.errors import ConfigError
from interestingness.schema import Pair, Side

VERSION = 1
"""Version of the identity; raising it asks everything again."""

AUDIT = 300
"""Pairs that are asked in both orders even with ``orders=random``: the order term rests on them."""


@dataclass(frozen=True)
class Round:
    """One way of asking: a prompt for one persona, or for nobody.

    Attributes:
        prompt: rendered.
        question: what is asked, as in the vote table.
        persona: whom the model is told to be; None for nobody.
    """

    prompt: Prompt
    question: str
    persona: str | None = None

    def rater(self, model: str) -> str:
        """Votes of a persona have a rater of their own, which no pattern ``model*`` takes in."""
        return model if self.persona is None else f"{self.persona} ({model})"


@dataclass
class Planned:
    """Tasks, and what was left out.

    Attributes:
        tasks: in the order in which they are asked; copies of a file give tasks of the same key,
            which are asked once and answered for all.
        same_image: pairs of two files with the same bytes, which nobody can compare.
        unreadable: images that cannot be used, with the reason.
        left_out: pairs or images that are not asked about because of an unreadable image.
    """

    tasks: list[Task] = field(default_factory=list)
    same_image: list[Pair] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    left_out: int = 0


def pair_tasks(
    backend: Backend,
    rounds: Sequence[Round],
    pairs: Iterable[Pair],
    sources: Mapping[str, ImageSource],
    *,
    orders: str = "both",
    samples: int = 1,
    audit: int = AUDIT,
) -> Planned:
    """Make tasks: pairs × rounds × orders × samples.

    Pairs come in an order of their own, by a hash of their ids: a run that stops early has asked
    about a random part of them, and about each of these in both orders.

    Args:
        backend: who is asked.
        rounds: prompts and personas.
        pairs: canonical; a pair of images that ``sources`` lacks is left out and counted.
        sources: readable images by id.
        orders: ``both``, or ``random``: one order, which the pair's id decides.
        samples: repetitions of everything.
        audit: pairs asked in both orders even if ``orders`` is ``random``.
    """
    planned = Planned()
    for place, pair in enumerate(sorted(pairs, key=lambda pair: _shuffled(pair.pair_id))):
        if pair.left not in sources or pair.right not in sources:
            planned.left_out += 1
            continue
        if sources[pair.left].sha256 == sources[pair.right].sha256:
            planned.same_image.append(pair)
            continue
        sides = [Side.LEFT, Side.RIGHT]
        if orders == "random" and place >= audit:
            sides = [sides[int(_shuffled("first " + pair.pair_id)[0], 16) % 2]]
        for ask in rounds:
            for sample in range(samples):
                for first in sides:
                    task = _pair_task(backend, ask, pair, sources, first, sample)
                    planned.tasks.append(task)
    return planned


def _pair_task(
    backend: Backend,
    ask: Round,
    pair: Pair,
    sources: Mapping[str, ImageSource],
    first: Side,
    sample: int,
) -> Task:
    shown = (pair.left, pair.right) if first is Side.LEFT else (pair.right, pair.left)
    hashes = [sources[name].sha256 for name in shown]
    subject = {"pair_id": pair.pair_id, "left": pair.left, "right": pair.right}
    return Task.of(
        "pair",
        identity(backend, ask.prompt, hashes, sample),
        {**subject, "first": first.value, **_who(backend, ask, sample)},
    )


def image_tasks(
    backend: Backend,
    rounds: Sequence[Round],
    image_ids: Iterable[str],
    sources: Mapping[str, ImageSource],
    *,
    samples: int = 1,
) -> Planned:
    """Make tasks: images × rounds × samples, for judgments or descriptions."""
    planned = Planned()
    for image_id in sorted(image_ids, key=_shuffled):
        if image_id not in sources:
            planned.left_out += 1
            continue
        for ask in rounds:
            for sample in range(samples):
                task = Task.of(
                    ask.prompt.kind,
                    identity(backend, ask.prompt, [sources[image_id].sha256], sample),
                    {"image_id": image_id, **_who(backend, ask, sample)},
                )
                planned.tasks.append(task)
    return planned


def text_tasks(backend: Backend, ask: Round, *, samples: int) -> Planned:
    """Make ``samples`` tasks of the same request without images: CuPL's descriptions."""
    tasks = [
        Task.of(
            ask.prompt.kind, identity(backend, ask.prompt, [], sample), _who(backend, ask, sample)
        )
        for sample in range(samples)
    ]
    return Planned(tasks)


def embedding_task(backend: Backend, text: str, dimensions: int | None = None) -> Task:
    """The vector of a text; equal texts are one task, however their letters are composed.

    Raises:
        ConfigError: for an empty text: servers refuse it, and it has no meaning.
    """
    normal = unicodedata.normalize("NFC", text)
    if not normal.strip():
        raise ConfigError(
            "an empty text is to be embedded",
            expected="texts with at least one letter",
            todo="leave it out",
        )
    whole = normal.encode("utf-8", "replace")
    return Task.of(
        "embedding",
        {
            "v": VERSION,
            "text": hashlib.sha256(whole).hexdigest(),
            "backend": backend.name,
            "model": backend.model,
            "dimensions": dimensions,
        },
        {"text": whole.decode()},
    )


def pick_pilot_tasks(tasks: Sequence[Task], size: int, voted: Iterable[str]) -> list[Task]:
    """Choose the tasks on ``size`` pairs (or images), those that people voted on first.

    Which ones is decided by a hash of their names, so that a larger pilot contains a smaller one.

    Args:
        tasks: of the whole.
        size: number of pairs or images, at least 1.
        voted: ids of the pairs that can be compared.
    """
    first = set(voted)

    def rank(name: str) -> tuple[bool, str]:
        return name not in first, hashlib.sha256(f"pilot {name}".encode()).hexdigest()

    names = dict.fromkeys(_about(task) for task in tasks)
    chosen = set(sorted(names, key=rank)[:size])
    return [task for task in tasks if _about(task) in chosen]


def _about(task: Task) -> str:
    subject = task.subject
    return str(subject.get("pair_id") or subject.get("image_id") or subject.get("sample"))


def identity(
    backend: Backend, prompt: Prompt, hashes: Sequence[str], sample: int
) -> dict[str, JSON]:
    """What makes two questions the same, for `types.task_key`."""
    return {
        "v": VERSION,
        "images": list(hashes),
        "transcode": backend.transcode.id if hashes else None,
        "detail": backend.detail if hashes else None,
        "canvas": prompt.canvas,
        "prompt": prompt.id,
        "backend": backend.name,
        "model": backend.model,
        "sampling": backend.sampling,
        "sample": sample,
    }


def _who(backend: Backend, ask: Round, sample: int) -> dict[str, JSON]:
    return {
        "question": ask.question,
        "persona": ask.persona,
        "sample": sample,
        "rater_id": ask.rater(backend.model),
        "prompt": ask.prompt.name,
    }


def _shuffled(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
