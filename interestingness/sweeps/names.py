"""Find the options that differ between jobs of a sweep, and make folder names of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser

LONGEST = 60


def choices(overrides: Sequence[str], command_line: Sequence[str]) -> dict[str, str]:
    """Return what a sweep chose for one job, by option.

    Args:
        overrides: of the job.
        command_line: of the whole sweep; options with one value do not tell jobs apart.
    """
    parsed = OverridesParser.create().parse_overrides(list(command_line))
    same = {o.get_key_element().lstrip("+~") for o in parsed if not o.is_sweep_override()}
    split = (override.partition("=") for override in overrides)
    chosen = {key.lstrip("+~"): value.strip("'\"") for key, _, value in split}
    return {key: value for key, value in chosen.items() if key not in same}


def short_name(choice: Mapping[str, str]) -> str:
    """Make a folder name: ``label_source-gpt4o_seed-3``; "job" if nothing differs.

    Of paths, the last part is taken. A name holds letters, digits, ``.``, ``_`` and ``-`` only:
    Hydra cannot parse "=" in a checkpoint's path, and shells treat the rest specially.
    """
    parts = [f"{last_part(key)}-{last_part(value)}" for key, value in choice.items()]
    name = re.sub(r"[^\w.]+", "-", "_".join(parts), flags=re.ASCII).strip("-._")
    return name[:LONGEST].rstrip("-._") or "job"


def last_part(path: str) -> str:
    """Return the name of a path's file or folder; other text as it is."""
    return path.rstrip("/").rsplit("/", 1)[-1]
