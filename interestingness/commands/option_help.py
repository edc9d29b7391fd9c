"""What ``--help`` of a command with ``OPTION=VALUE`` prints: its groups, choices and values.

All of it stands in ``conf/``: a choice is described by the first sentence of its file, a value by
the comment beside it. Nothing is composed, so that help is fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

HIDDEN = {
    "train": {"study"},
    "study": {"optimizer", "scheduler", "loss", "label_source", "callbacks"},
}
"""Groups that a command's file names only to refuse them, by its config."""
NO_CHOICE = {"paths", "hydra/job_logging"}
"""Groups with one choice."""
_SENTENCE = re.compile(r".*?(?:[.;](?=\s)|$)")
_VALUE = re.compile(r"^(\w+): *([^#]*?) *(?:# *(.*))?$")
_GROUP = re.compile(r"^  - (?:override )?/?([\w/]+)(?:@([\w.]+))?: *([^#\s]+) *(?:# *(.*))?$")


def help_text(typed: str, config: str, folders: Sequence[Path]) -> str:
    """Write the help of a command.

    Args:
        typed: the command with its arguments.
        config: name of its file.
        folders: ours with config files, then those of plugins.
    """
    lines = (folders[0] / f"{config}.yaml").read_text(encoding="utf-8").splitlines()
    said = [f"usage: interestingness {typed}", "", first_sentence(folders[0] / f"{config}.yaml")]
    for option, group, default in _groups(lines, config, folders):
        choices = _choices(group, folders)
        width = max(map(len, choices), default=0)
        said += ["", f"{option}="]
        for name, does in choices.items():
            mark = "*" if name == default else " "
            said.append(f"{mark} {name:<{width}}  {does}".rstrip())
    values = [m for m in map(_VALUE.match, lines) if m and m[1] not in {"defaults", "hydra"}]
    if values:
        width = max(len(f"{m[1]}={m[2]}") for m in values)
        said += ["", "values"]
        said += [f"  {f'{m[1]}={m[2]}':<{width}}  {m[3] or ''}".rstrip() for m in values]
    return "\n".join(
        [
            *said,
            "",
            "* is the default. A choice has options of its own: GROUP.OPTION=VALUE. `--cfg job`",
            "prints them; -m runs a sweep; docs/configuration.md explains the groups.",
        ]
    )


def _groups(
    lines: Sequence[str], config: str, folders: Sequence[Path]
) -> Iterator[tuple[str, str, str]]:
    """List the command's groups: how one types each, its folder, its default; then those inside."""
    hidden = {*HIDDEN.get(config, ()), *NO_CHOICE}
    named, placed = dict[str, str](), dict[str, str]()
    for match in filter(None, map(_GROUP.match, lines)):
        group, place, default, _ = match.groups()
        if place is not None:
            placed[group] = f"+{group}@{place.partition('.')[0]}.NAME"
        elif group not in hidden and any((folder / group).is_dir() for folder in folders):
            named.setdefault(group, default)
    for group, default in named.items():
        yield group, group, default
        inner = {f"{group}/{f.name}" for folder in folders for f in (folder / group).glob("*/")}
        yield from ((name, name, "") for name in sorted(inner - set(named)))
    yield from ((typed, group, "") for group, typed in placed.items() if group not in named)


def _choices(group: str, folders: Sequence[Path]) -> dict[str, str]:
    files = [file for folder in folders for file in sorted((folder / group).glob("*.yaml"))]
    return {file.stem: first_sentence(file) for file in files}


def first_sentence(file: Path) -> str:
    """Return how the comment at the beginning of an option's file begins; "" if it has none."""
    lines = takewhile(
        lambda line: line.startswith("#"), file.read_text(encoding="utf-8").splitlines()
    )
    said = " ".join(line.removeprefix("#").strip() for line in lines if "@package" not in line)
    return _SENTENCE.match(said)[0].rstrip(".:;") if said else ""  # type: ignore[index]
