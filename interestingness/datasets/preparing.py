"""Prepare a data set once, in one process, and atomically."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import FileLock

from interestingness.schema import FORMAT_VERSION
from interestingness.tables.tables import Manifest, Tables

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)`` while something long goes on."""

Build = Callable[[Path], tuple[Manifest, Mapping[str, pa.Table]]]
"""Writes whatever else belongs to the data set below the folder, and returns what goes into it."""


def input_key(inputs: Mapping[str, Any]) -> str:
    """Hash everything that a preparation depends on, 16 hexadecimal digits.

    Args:
        inputs: plain values (options, hashes of files, a version of the preparing code).
    """
    text = json.dumps([FORMAT_VERSION, dict(inputs)], sort_keys=True, ensure_ascii=False)
    # surrogatepass: the inputs may hold a file name that is not valid UTF-8.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def prepare_once(root: str | Path, folder: str, build: Build) -> Tables:
    """Open the data set in ``root/folder``; build it if it is absent.

    Other processes wait for the first. A killed build leaves nothing that could be mistaken for a
    data set: the next one starts again.

    Args:
        root: where prepared data sets are kept; ``~`` is expanded, the folder is made.
        folder: name that contains the hash of all inputs (``input_key``).
        build: called with an empty folder; must not depend on anything outside the inputs.
    """
    parent = Path(root).expanduser()
    final = parent / folder
    if _finished(final):
        return _reused(final)
    parent.mkdir(parents=True, exist_ok=True)
    with FileLock(parent / f".{folder}.lock"):
        if _finished(final):
            return _reused(final)
        unfinished = parent / f".{folder}.unfinished"
        for leftover in (unfinished, final):
            if leftover.exists():
                shutil.rmtree(leftover)
        unfinished.mkdir()
        try:
            manifest, tables = build(unfinished)
            Tables.write(unfinished, manifest, tables)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        unfinished.rename(final)
    log.info("prepared %s", final)
    return Tables(final)


def _finished(final: Path) -> bool:
    # The manifest is written last, and then the folder is renamed to its final name.
    return (final / "dataset.json").is_file()


def _reused(final: Path) -> Tables:
    log.info("using the data set prepared before in %s", final)
    return Tables(final)
