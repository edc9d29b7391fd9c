"""Remember configs of finished runs: a job that is skipped needs no check, and so no torch.

The check and the identity of a run need the signatures of all classes of its config. Beside the
index of finished runs lies, for each config that passed the check, what its classes' defaults are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from interestingness.runs import registry

UNREAD = ("paths", "logger", "resume", "skip_finished", "name", "run_name")
"""Groups that a skipped job does not use."""
VERSIONED = ("torch", "lightning")
"""Packages whose classes a config names."""

Defaults = Mapping[str, Mapping[str, Any]]
"""By class: its plain defaults, by argument."""


def known_defaults(config: Mapping[str, Any], trusted: Sequence[str]) -> Defaults | None:
    """Return the defaults of a config's classes; None if it never passed the check of this code.

    Args:
        config: resolved plain values.
        trusted: packages beside ours whose classes it may name.
    """
    try:
        known: Defaults = json.loads(_file(config, trusted).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError):
        return None
    return known


def remember(config: Mapping[str, Any], trusted: Sequence[str], defaults: Defaults) -> None:
    """Keep the defaults of a config that passed the check."""
    registry.write_text(_file(config, trusted), json.dumps(defaults) + "\n")


def _file(config: Mapping[str, Any], trusted: Sequence[str]) -> Path:
    """Name the file by the config, without the names of folders, and by the code that reads it."""
    paths = config["paths"]
    text = json.dumps({k: v for k, v in config.items() if k not in UNREAD}, sort_keys=True)
    for name in ("run", "runs", "cache"):
        for folder in (str(Path(paths[name]).expanduser().absolute()), paths[name]):
            text = text.replace(json.dumps(folder)[1:-1], f"<{name}>")
    said = json.dumps([text, sorted(trusted), _code(tuple(sorted({"interestingness", *trusted})))])
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    return Path(paths["runs"]) / registry.INDEX / f"config-{digest}.json"


@cache
def _code(packages: tuple[str, ...]) -> list[Any]:
    """Describe the code: versions of packages, and sizes and times of the files of our own."""
    found: list[Any] = []
    for name in VERSIONED:
        try:
            found.append([name, version(name)])
        except PackageNotFoundError:
            found.append([name, None])
    for name in packages:
        spec = find_spec(name)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            files = sorted(Path(folder).rglob("*.py"))
            found += [[str(f), s.st_size, s.st_mtime_ns] for f in files for s in [f.stat()]]
    return found
