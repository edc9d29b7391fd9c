"""Where a paid answer goes when the ledger itself cannot be written: a file, else standard error.

Spilled answers are taken into the ledger the next time that it is opened for writing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from interestingness.annotators.types import Reply


def folders(ledger: Path) -> list[Path]:
    """Places to try: beside the ledger, then the user's state folder (often another disk)."""
    places = [ledger.with_name(ledger.name + ".spill")]
    # a user without a home, as in some containers, has no state folder either
    with suppress(RuntimeError):
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        name = hashlib.sha256(str(ledger.resolve()).encode()).hexdigest()[:16]
        places.append(state / "interestingness" / "spill" / f"{ledger.name}-{name}")
    return places


def write(ledger: Path, attempt: str, reply: Reply) -> Path | None:
    """Save a reply; None if only standard error was left."""
    text = json.dumps(
        {
            "attempt": attempt,
            "status": reply.status,
            "headers": dict(reply.headers),
            "request_id": reply.request_id,
            "seconds": reply.seconds,
            "body": base64.b64encode(reply.body).decode(),
        }
    )
    name = f"{attempt}-{hashlib.sha256(reply.body).hexdigest()[:8]}.json"
    for folder in folders(ledger):
        temporary = folder / f".{name}.{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(temporary, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(folder / name)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            continue
        return folder / name
    print(f"an answer that was paid for could not be saved: {text}", file=sys.stderr, flush=True)
    return None


def read(ledger: Path) -> Iterator[tuple[Path, str, Reply]]:
    """Spilled replies: file, attempt, reply. Unreadable files are left where they are."""
    for folder in folders(ledger):
        try:
            files = sorted(folder.glob("*.json"))
        except OSError:  # a folder that may not be looked into
            continue
        for path in files:
            try:
                facts = json.loads(path.read_text())
                body = base64.b64decode(facts["body"])
                reply = Reply(
                    facts["status"], body, facts["headers"], facts["request_id"], facts["seconds"]
                )
                attempt = str(facts["attempt"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
            yield path, attempt, reply
