"""What a check has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from interestingness.errors import ConfigError


class State(Enum):
    """Whether a thing works."""

    OK = "ok"
    ABSENT = "absent"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """One line of the check-up.

    Attributes:
        name: what was checked, a word that ``--need`` takes.
        state: OK; ABSENT where something optional is not there; WRONG where it will not work.
        text: what was found, without any secret.
        todo: the command or step that mends it; "" where nothing is to be done.
    """

    name: str
    state: State
    text: str
    todo: str = ""

    @property
    def ok(self) -> bool:
        """Whether it works."""
        return self.state is State.OK


def check_needed(needed: Sequence[str], known: Sequence[str]) -> None:
    """Refuse a need that no check has, before anything is checked.

    Raises:
        ConfigError: naming the checks.
    """
    unknown = [name for name in needed if name not in known]
    if unknown:
        raise ConfigError(
            f"--need {unknown[0]}: there is no such check",
            expected=f"one of {', '.join(known)}",
            todo="name one of them",
        )


def report_lines(findings: Sequence[Finding], needed: Sequence[str]) -> list[str]:
    """Write a line for each finding and one for what mends it.

    Args:
        findings: in their order.
        needed: names of what was asked for; it is marked where it fails.
    """
    width = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for found in findings:
        mark = "NEEDED" if found.name in needed and not found.ok else found.state.value
        lines.append(f"{mark:<6}  {found.name:<{width}}  {found.text}")
        if found.todo:
            lines.append(f"{'':<6}  {'':<{width}}  > {found.todo}")
    return lines


def lacking(findings: Sequence[Finding], needed: Sequence[str]) -> list[str]:
    """Return what was asked for and does not work."""
    return [found.name for found in findings if found.name in needed and not found.ok]
