"""What tells the jobs of a sweep apart, and folder names made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser

LONGEST = 60


def choices(overrides: Sequence[str], command_line: Sequence[str]) -> dict[str, str]:
    """What a sweep chose for one job, by option.

    Args:
        overrides: of the job.
        command_line: of the whole sweep, whose options with one value say nothing of a job.
    """
    parsed = OverridesParser.create().parse_overrides(list(command_line))
    same = {o.get_key_element().lstrip("+~") for o in parsed if not o.is_sweep_override()}
    split = (override.partition("=") for override in overrides)
    chosen = {key.lstrip("+~"): value.strip("'\"") for key, _, value in split}
    return {key: value for key, value in chosen.items() if key not in same}


def short_name(choice: Mapping[str, str]) -> str:
    """A folder name: ``label_source-gpt4o_seed-3``; "job" where there is nothing to say.

    Of paths, the last part is taken. A name holds letters, digits, ``.``, ``_`` and ``-`` only:
    Hydra cannot parse "=" in a checkpoint's path, and shells have their own opinions on the rest.
    """
    parts = [f"{last_part(key)}-{last_part(value)}" for key, value in choice.items()]
    name = re.sub(r"[^\w.]+", "-", "_".join(parts), flags=re.ASCII).strip("-._")
    return name[:LONGEST].rstrip("-._") or "job"


def last_part(path: str) -> str:
    """Of a path the name of its file or folder; other text as it is."""
    return path.rstrip("/").rsplit("/", 1)[-1]
