"""What tells the jobs of a sweep apart, and folder names made of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST = 60


def choices(overrides: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """Per job, the options whose values differ between jobs, in the order of the command line.

    A sweep of one job is told apart by nothing.
    """
    jobs = [dict(_split(override) for override in job) for job in overrides]
    keys = list(dict.fromkeys(key for job in jobs for key in job))
    differing = [key for key in keys if len({job.get(key) for job in jobs}) > 1]
    return [{key: job[key] for key in differing if key in job} for job in jobs]


def short_name(choice: dict[str, str]) -> str:
    """A folder name: ``label_source-gpt4o_seed-3``; "job" where there is nothing to say.

    It holds letters, digits, ``.``, ``_`` and ``-`` only: Hydra cannot parse "=" in a checkpoint's
    path, and shells and file systems have their own opinions on the rest.
    """
    parts = [f"{key.rsplit('/', 1)[-1]}-{value}" for key, value in choice.items()]
    name = re.sub(r"[^\w.]+", "-", "_".join(parts), flags=re.ASCII).strip("-._")
    return name[:LONGEST].rstrip("-._") or "job"


def _split(override: str) -> tuple[str, str]:
    key, _, value = override.partition("=")
    return key.lstrip("+~"), value.strip("'\"")
