"""Options and classes under the names that they had before: one table for each.

An old option is refused with its new name. An old class in the config of a checkpoint is replaced
by the new one, so that checkpoints still load. A run's identity is made of the old names, so that a
class may move without a new identity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interestingness.errors import ConfigError

OPTIONS: dict[str, dict[str, str]] = {
    "interestingness.studies.discrepancies.Discrepancies": {
        "people": "reference",
        "judge": "source",
    },
    "interestingness.studies.label_source_table.LabelSourceTable": {"judge": "reference"},
    "interestingness.studies.social_content.SocialContent": {"content": "reference"},
}
"""By class: an option's old name and its new one."""

CLASSES: dict[str, str] = {
    "interestingness.annotators.scorers.": "interestingness.scoring.",
}
"""Beginning of a class's old name and of its new one; one to one."""


def refuse_renamed(words: Sequence[str], conf: Path) -> None:
    """Refuse an option that is typed under its old name.

    Args:
        words: the command line, as typed: ``study=label_source_table study.judge=human``.
        conf: the folder of options.

    Raises:
        ConfigError: with the new name.
    """
    typed = dict(word.lstrip("+").split("=", 1) for word in words if "=" in word)
    old = {name for names in OPTIONS.values() for name in names}
    for place in typed:
        group, _, name = place.rpartition(".")
        if name not in old or group not in typed:
            continue
        for option in typed[group].split(","):
            names = _names_in(conf / group / f"{option}.yaml")
            new = OPTIONS.get(names.get("_target_", ""), {}).get(name)
            if new is not None and name not in names:
                raise ConfigError(
                    f"{place}: this option is now {group}.{new}",
                    expected=f"{group}.{new}=…",
                    todo="use the new name",
                )


def new_name(target: str) -> str:
    """The present name of a class that a record names."""
    for old, new in CLASSES.items():
        if target.startswith(old):
            return new + target.removeprefix(old)
    return target


def first_name(target: str) -> str:
    """The oldest name of a class: what identities of runs are made of."""
    for old, new in CLASSES.items():
        if target.startswith(new):
            return old + target.removeprefix(new)
    return target


def with_new_names(record: Any) -> Any:
    """A recorded config whose classes have their present names.

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


def _names_in(file: Path) -> dict[str, str]:
    """Names and values at the top of an option's file and of those that it builds on.

    No YAML reader is imported for it: this runs before every command.
    """
    names: dict[str, str] = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else []:
        text = line.split("#")[0]
        base = file.with_name(text.strip().removeprefix("- ") + ".yaml")
        if text[:1].strip():
            name, _, value = text.partition(":")
            names[name.strip()] = value.strip()
        elif text.strip().startswith("- ") and base != file:
            names |= _names_in(base)
    return names
