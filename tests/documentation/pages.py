"""Pages read for their commands, options and blocks; nothing is run here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from interestingness.cli import conf_folder

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", *sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/**/*.md"))]
DOORS = {
    "train": "train",
    "evaluate": "evaluate",
    "study": "study",
    "annotate": "annotate",
    "caption": "caption",
    "score": "score",
    "features": "features",
    "shards write": "shards",
}
NEEDED = {"study": ["study=audit"], "score": ["scorer=cupl"]}
"""What a door must be told before it composes."""
PROGRAMS = ("python ", "interestingness ", "pip ", "pytest ", "wandb ")


class Block(NamedTuple):
    """A fenced block: its language, the file name that it is given, and its text."""

    language: str
    title: str
    text: str


@cache
def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    found = re.findall(r"^```(\w*) ?([^\n]*)\n(.*?)^```$", text_of(page), re.M | re.S)
    return [Block(*parts) for parts in found]


def prose(page: str) -> str:
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.M | re.S)


def spans(page: str) -> list[str]:
    """Code spans outside of blocks, line ends made spaces."""
    return [" ".join(s.split()) for s in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose(page))]


class Command(NamedTuple):
    """Variables set before a command, its words, and whether it stands in the text, where it may be
    named without the values that a user has to give."""

    environment: tuple[tuple[str, str], ...]
    words: tuple[str, ...]
    named_only: bool = False


def commands(page: str) -> list[Command]:
    """Every command of a page."""
    found = []
    for block in blocks(page):
        if block.language == "sh":
            found += commands_in(block.text)
    for span in spans(page):
        if span.startswith(PROGRAMS):
            found += commands_in(span, named_only=True)
    return found


def commands_in(text: str, *, named_only: bool = False) -> list[Command]:
    found = []
    variables = {"SLURM_ARRAY_TASK_ID": "3"}  # the scheduler's
    for line in text.replace("\\\n", " ").splitlines():
        for name in re.findall(r"\$(\w+)", line):
            line = line.replace(f"${name}", variables[name])
        words = [w for w in shlex.split(line, comments=True) if w != "…"]
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            command, words = words[:end], words[end + 1 :]
            own: dict[str, str] = {}
            while command and re.fullmatch(r"[A-Za-z_]\w*=.*", command[0]):
                key, _, value = command.pop(0).partition("=")
                own[key] = value
            if command and command[-1] == "&":
                command.pop()
            if command:
                found.append(Command(tuple(own.items()), tuple(command), named_only))
            else:
                variables.update(own)
    return found


def fragments(page: str) -> list[list[str]]:
    """Code spans that are overrides only, of options that one of the doors has."""
    found = []
    for span in spans(page):
        words = span.split()
        if all(re.fullmatch(r"[+~]?[A-Za-z_][\w/.@]*=[^…]+", w) for w in words) and all(
            door_of([word]) for word in words
        ):
            found.append(words)
    return found


@cache
def default(door: str) -> dict[str, Any]:
    """The door's config without overrides, unresolved."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return OmegaConf.to_container(compose(door, NEEDED.get(door, [])), resolve=False)


@cache
def roots(door: str) -> set[str]:
    """What an override for this door may begin with."""
    raw = yaml.safe_load((conf_folder() / f"{door}.yaml").read_text(encoding="utf-8"))
    names = " ".join(key for entry in raw["defaults"] if isinstance(entry, dict) for key in entry)
    return {*raw, *re.findall(r"(?:^|(?<=[ @]))\w+", names.replace("override ", ""))} - {"defaults"}


def door_of(overrides: Sequence[str]) -> str | None:
    """The first door that has all these options at its top level."""
    wanted = {re.split(r"[/.@=]", override.lstrip("+~"))[0] for override in overrides}
    return next((door for door in DOORS.values() if wanted <= roots(door)), None)
