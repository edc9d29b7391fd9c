"""Load prompt files and fill in question and persona.

A prompt's id is a hash of the text that the model reads and of the answers it may give. A change
of that text asks everything again; another comment, file name or version number does not.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from interestingness.annotators.types import JSON, canonical_json
from interestingness.errors import ConfigError

CHOICES: dict[str, tuple[str, ...]] = {
    "pair": ("first", "second"),
    "image": ("yes", "no"),
    "description": (),
    "cupl": (),
}
"""Allowed answers, by kind of prompt; none for free text."""

IMAGES = {"pair": 2, "image": 1, "description": 1, "cupl": 0}
"""Number of images in a request, by kind of prompt."""

PAPER_PERSONAS = tuple(
    f"a {who} from {where}, between {ages} years old"
    for who in ("man", "woman")
    for where in ("North America", "Africa")
    for ages in ("25 and 34", "45 and 54")
)
"""The eight personas of Abdullahu and Grabner 2025."""

_FIELDS = {"question", "comparison", "persona"}
_KEYS = {"kind", "choices", "persona", "captions", "canvas", "ask"}


@dataclass(frozen=True)
class Prompt:
    """A prompt with question and persona filled in: all text of a request.

    Attributes:
        name: of the file, with its version: ``pair-1``.
        kind: a key of ``CHOICES``.
        system: the persona that the model is told to take; empty for none.
        captions: text before each image that is sent.
        ask: text after the images.
        choices: what may be answered; empty for free text.
        canvas: whether both images of a pair are sent as one.
    """

    name: str
    kind: str
    system: str
    captions: tuple[str, ...]
    ask: str
    choices: tuple[str, ...]
    canvas: bool = False

    @cached_property
    def id(self) -> str:
        """Hash the text and the allowed answers: 16 hexadecimal digits."""
        read: dict[str, JSON] = {
            "kind": self.kind,
            "system": self.system,
            "captions": list(self.captions),
            "ask": self.ask,
            "schema": self.schema,
            "canvas": self.canvas,
        }
        return hashlib.sha256(canonical_json(read).encode()).hexdigest()[:16]

    @property
    def schema(self) -> dict[str, JSON] | None:
        """JSON schema of the answer, choice before reason; None for free text."""
        if not self.choices:
            return None
        return {
            "type": "object",
            "properties": {
                "choice": {"type": "string", "enum": list(self.choices)},
                "reason": {"type": "string"},
            },
            "required": ["choice", "reason"],
            "additionalProperties": False,
        }


@dataclass(frozen=True)
class Template:
    """A prompt file before question and persona are filled in; see ``prompts/pair-1.toml``."""

    name: str
    values: Mapping[str, Any]

    @classmethod
    def load(cls, prompt: str) -> Template:
        """Read a prompt of ours by name (``pair-1``) or one's own file (``my_pair.toml``).

        Raises:
            ConfigError: if there is none, or it is not as a prompt file must be.
        """
        shipped = files("interestingness.annotators") / "prompts" / f"{prompt}.toml"
        own = Path(prompt).expanduser()
        if own.suffix == ".toml":
            source, name = own, own.stem
        else:
            source, name = Path(str(shipped)), prompt
        try:
            values = tomllib.loads(source.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            names = sorted(p.stem for p in Path(str(shipped)).parent.glob("*.toml"))
            raise ConfigError(
                f"prompt {prompt!r} cannot be read ({getattr(error, 'strerror', None) or error})",
                expected=f"one of {', '.join(names)}, or a .toml file of yours",
                todo="correct prompt=…",
            ) from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(
                f"{source}: not TOML ({error})",
                expected="a prompt file like interestingness/annotators/prompts/pair-1.toml",
                todo="correct the file",
            ) from None
        _check(values, source)
        return cls(name, values)

    @property
    def kind(self) -> str:
        """Key of ``CHOICES``."""
        return str(self.values["kind"])

    def render(
        self,
        *,
        question: str,
        comparison: str | None = None,
        persona: str | None = None,
        canvas: bool = False,
    ) -> Prompt:
        """Fill in question and persona.

        Args:
            question: an adjective: interesting, beautiful, safe.
            comparison: how two images are compared; None says "more <question>".
            persona: the persona ("a woman from Africa, …"); None for none.
            canvas: both images of a pair go as one picture.

        Raises:
            ConfigError: for a persona or a canvas that the file has no text for.
        """
        words = {
            "question": question,
            "comparison": comparison or f"more {question}",
            "persona": persona or "",
        }
        wanted = {"persona": persona is not None, "canvas": canvas}
        for key in (key for key, needed in wanted.items() if needed and not self.values.get(key)):
            raise ConfigError(
                f"prompt {self.name!r} has no text {key!r}",
                expected=f"a line `{key} = …` in the file",
                todo="add it, or choose another prompt",
            )
        captions = [self.values["canvas"]] if canvas else self.values["captions"]
        return Prompt(
            name=self.name,
            kind=self.kind,
            system=_fill(self.values["persona"], words) if persona is not None else "",
            captions=tuple(_fill(text, words) for text in captions),
            ask=_fill(self.values["ask"], words),
            choices=CHOICES[self.kind],
            canvas=canvas,
        )


def _fill(text: str, words: Mapping[str, str]) -> str:
    # One pass, so that braces in a user's own words stay what they are.
    return re.sub(r"\{(\w+)\}", lambda match: words[match[1]], text.strip())


def _check(values: Mapping[str, Any], source: Path) -> None:
    problems = []
    kind = values.get("kind")
    if kind not in CHOICES:
        problems.append(f"kind {kind!r} is not one of {', '.join(CHOICES)}")
    else:
        if tuple(values.get("choices", ())) != CHOICES[kind]:
            problems.append(f"choices of kind {kind} are {list(CHOICES[kind])}")
        captions = values.get("captions")
        if not isinstance(captions, list) or len(captions) != IMAGES[kind]:
            problems.append(f"captions has one text for each of {IMAGES[kind]} images")
    if not str(values.get("ask", "")).strip():
        problems.append("ask is missing")
    problems += [f"{key} is no key of a prompt" for key in sorted(set(values) - _KEYS)]
    texts = [str(values.get(key, "")) for key in ("ask", "persona", "canvas")]
    texts += [str(text) for text in values.get("captions") or []]
    unknown = {name for text in texts for name in re.findall(r"\{(\w+)\}", text)} - _FIELDS
    problems += [f"{{{name}}} is no field of a prompt" for name in sorted(unknown)]
    if problems:
        raise ConfigError(
            f"{source}: {'; '.join(problems)}",
            expected="a prompt file like interestingness/annotators/prompts/pair-1.toml",
            todo="correct the file",
        )
