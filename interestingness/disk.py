"""Files that appear whole or not at all, and what is said of a disk that takes no more."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write, which takes its place if nothing went wrong.

    Whoever reads meanwhile, or after a kill, finds what was there before.

    Raises:
        OSError: if it cannot be written; the error names ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        if error.filename in {None, str(part), part}:
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
