"""Tables of renamed options and classes: old and new names.

An old option is refused with its new name. An old class in the config of a checkpoint is replaced
by the new one, so that checkpoints still load. A run's identity is made of the old names, so that a
class may move without a new identity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interestingness.errors import ConfigError

OPTIONS: dict[str, dict[str, str]] = {
    "study=discrepancies": {"study.people": "study.reference", "study.judge": "study.source"},
    "study=image_clusters": {"study.people": "study.reference", "study.judge": "study.source"},
    "study=label_source_table": {"study.judge": "study.reference"},
    "study=social_content": {"study.content": "study.reference"},
}
"""By choice: an option's old name and its new one."""

CHOICES = {
    "model=frozen_clip_linear": "model=paper_recipe",
    "model=frozen_linear_l2": "model=linear, which is the default",
    **{
        f"study={name}": f"it reads no data, so it is benchmarks/{name}.py of the repository now"
        for name in ("debiasing", "engagement", "pair_choice")
    },
}
"""Choices that are no more, and what does the same."""

CLASSES: dict[str, str] = {
    "interestingness.annotators.scorers.": "interestingness.scoring.",
}
"""Beginning of a class's old name and of its new one; one to one."""


def refuse_renamed(words: Sequence[str]) -> None:
    """Refuse options under old names.

    Args:
        words: the command line, as typed: ``study=label_source_table study.judge=human``.

    Raises:
        ConfigError: with the new name.
    """
    typed = dict(word.lstrip("+").partition("=")[::2] for word in words)
    choices = [f"{group}={name}" for group in typed for name in typed[group].split(",")]
    for choice in choices:
        if choice in CHOICES:
            raise ConfigError(
                f"{choice}: there is no such choice any more",
                expected="one that docs/configuration.md lists",
                todo=CHOICES[choice],
            )
        for old, new in OPTIONS.get(choice, {}).items():
            if old in typed:
                raise ConfigError(
                    f"{old}={typed[old]}: {choice} has no such option",
                    expected=f"{new}, as it is called now",
                    todo=f"{new}={typed[old]}",
                )


def new_name(target: str) -> str:
    """Return the present name of a class that a record names."""
    for old, new in CLASSES.items():
        if target.startswith(old):
            return new + target.removeprefix(old)
    return target


def first_name(target: str) -> str:
    """Return the oldest name of a class, which identities of runs are made of."""
    for old, new in CLASSES.items():
        if target.startswith(new):
            return old + target.removeprefix(new)
    return target


def with_new_names(record: Any) -> Any:
    """Replace old class names in a recorded config by present ones.

    Args:
        record: plain containers; they are not changed.
    """
    if isinstance(record, Mapping):
        return {
            key: new_name(value)
            if key == "_target_" and isinstance(value, str)
            else with_new_names(value)
            for key, value in record.items()
        }
    return [with_new_names(value) for value in record] if isinstance(record, list) else record
