"""Record in run folders what a run is and how it ended; find finished runs by identity."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from interestingness.disk import appearing

RECORD = "run.json"
METRICS = "metrics.json"
INDEX = "index"


def start(
    run: Path, identity: str, overrides: Sequence[str], facts: Mapping[str, Any] | None = None
) -> None:
    """Write ``run.json`` of a run that begins (or resumes: the first start is kept).

    Args:
        run: the run's folder; made if it is not there.
        identity: from ``checks.identity``.
        overrides: of the command line, without those of Hydra itself.
        facts: further plain values to keep (``simulated``, …).
    """
    before = read(run) or {}
    _write(
        run,
        {
            **(facts or {}),
            "identity": identity,
            "status": "running",
            "overrides": list(overrides),
            "started": before.get("started") or _now(),
            "finished": None,
            "version": _version(),
        },
    )


def finish(run: Path, runs: Path) -> None:
    """Mark the run as finished and enter it in the index of ``runs``.

    Call it last, when ``metrics.json`` and all else is on disk.

    Raises:
        FileNotFoundError: if the run was never started or left no metrics.
    """
    record = read(run)
    if record is None:
        raise FileNotFoundError(f"{run / RECORD}: the run was never started")
    if not (run / METRICS).is_file():
        raise FileNotFoundError(f"{run / METRICS}: a finished run has metrics")
    _write(run, {**record, "status": "finished", "finished": _now()})
    entry = _entry(runs, str(record["identity"]))
    write_text(entry, json.dumps({"run": os.path.relpath(run, entry.parent)}) + "\n")


def fail(run: Path, error: BaseException | str) -> None:
    """Mark the run as failed, with the error's message; a run that never started is marked too."""
    text = error if isinstance(error, str) else f"{error}".strip() or type(error).__name__
    _end(run, {"status": "failed", "error": text})


def stop(run: Path) -> None:
    """Mark the run as stopped, by Ctrl-C or SIGTERM; a run that never started is marked too."""
    _end(run, {"status": "stopped"})


def skip(run: Path, identity: str, overrides: Sequence[str], of: Path) -> None:
    """Mark the run as not run, because ``of`` is a finished run with the same identity.

    A sweep that is started again in its folder finds its own runs: these stay finished.
    """
    if run.resolve() == of.resolve():
        return
    start(run, identity, overrides)
    record = read(run) or {}
    _write(run, {**record, "status": "skipped", "finished": _now(), "of": str(of)})


def find_finished(runs: Path, identity: str) -> Path | None:
    """Find the folder of a finished run with this identity, or None.

    The index is only a hint: it is believed if the folder still has metrics, and a ``run.json``
    that says finished with this very identity.
    """
    entry = _entry(runs, identity)
    try:
        hint = json.loads(entry.read_text(encoding="utf-8"))["run"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    run = Path(os.path.normpath(entry.parent / str(hint)))
    record = read(run)
    if record is None or not (run / METRICS).is_file():
        return None
    same = record.get("status") == "finished" and record.get("identity") == identity
    return run if same else None


def read(run: Path) -> dict[str, Any] | None:
    """Read the record of a run folder; None if it cannot be read."""
    try:
        record = json.loads((run / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def result(run: Path) -> dict[str, Any]:
    """Return what a sweep's table needs of an ended run: ``{"run", "status", "accuracy"}``.

    The accuracy is that against the main reference; None if there is none, or nothing was run.
    """
    record = read(run) or {}
    if record.get("status") == "skipped":
        return {"run": str(record.get("of")), "status": "skipped", "accuracy": None}
    tested = json.loads((run / METRICS).read_text(encoding="utf-8"))["test"]
    main = [r for r in tested["references"] if r["name"] == tested["main"]]
    accuracy = main[0]["accuracy"]["value"] if main else None
    return {"run": str(run), "status": "finished", "accuracy": accuracy}


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: readers see the old one until the new one is complete."""
    with appearing(path) as part:
        part.write_text(text, encoding="utf-8")


def _entry(runs: Path, identity: str) -> Path:
    return runs / INDEX / f"{identity}.json"


def _end(run: Path, how: Mapping[str, str]) -> None:
    record = read(run) or {"identity": None, "started": None, "overrides": []}
    _write(run, {**record, "finished": _now(), "version": _version(), **how})


def _write(run: Path, record: Mapping[str, Any]) -> None:
    write_text(run / RECORD, json.dumps(record, indent=2, default=str) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _version() -> str:
    try:
        return version("interestingness")
    except PackageNotFoundError:
        return "unknown"
