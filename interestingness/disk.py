"""Write files atomically, and explain errors of a full or read-only disk."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from interestingness.errors import ConfigError, DiskError

_FULL = ("room on the disk", "make room")
_RIGHTS = ("a place where this user may read and write", "see to its rights")
_PLACE = ("no file in a folder's place, and no folder in a file's", "move what lies in the way")
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: ("files as large as needed", "raise the limit (ulimit -f)"),
    errno.EROFS: _RIGHTS,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EEXIST: _PLACE,
    errno.ENOTDIR: _PLACE,
    errno.EISDIR: _PLACE,
    errno.ENAMETOOLONG: ("names that the disk can hold", "shorten the names"),
    errno.EIO: ("a disk that works", "look at the disk"),
}
# Libraries that report an error of the system only in the text of their own error.
_NUMBER = re.compile(r"\b(?:os error|errno) (\d+)\b", re.IGNORECASE)
_SHORT = re.compile(r"\d+ requested and \d+ written|PytorchStreamWriter failed writing")


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside ``path`` that replaces it if nothing went wrong.

    Readers see the old file until the new one is complete, also after a kill.

    Raises:
        OSError: if it cannot be written; the error names ``path``.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        with naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield part
            part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def appear(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` write a file atomically, as with ``appearing``, and return its path."""
    with appearing(path) as part:
        write(part)
    return path


def try_to_write(path: Path) -> None:
    """Try whether a file can be written here, before work is done whose result it shall hold.

    Raises:
        OSError: if it cannot; the error names ``path``.
    """
    # No folder is made for work that may yet fail.
    folder = next(above for above in path.absolute().parents if above.exists())
    part = folder / f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}"
    with naming(path):
        try:
            part.write_bytes(b"?")
        finally:
            with contextlib.suppress(OSError):
                part.unlink()


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the file's name to an ``OSError``: a failed write names no file."""
    try:
        yield
    except OSError as error:
        unknown = error.filename is None or Path(os.fsdecode(error.filename)).name.startswith(".")
        if unknown and disk_error(error) is not None:
            error.filename, error.filename2 = str(path), None
        raise


def disk_error(
    error: BaseException, folders: Sequence[str | Path] = (), *, todo: str = ""
) -> DiskError | None:
    """Translate errors of a full disk, or of one that forbids access, for the user.

    Args:
        error: any error; its causes are examined too.
        folders: where the job writes, which options of its config name; if the error names no
            file, the fullest of them is named.
        todo: what the user should do next.

    Returns:
        None if the error is about something else.
    """
    cause: BaseException | None = error
    while cause is not None:
        number = _number(cause)
        if number in _ADVICE:
            break
        cause = cause.__cause__
    else:
        return None
    expected, advice = _ADVICE[number]
    name = getattr(cause, "filename", None)
    full = expected == _FULL[0]
    place = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else None
    if place is None and full and folders:
        place = f"a file, probably below {min(map(str, folders), key=_room)}"
    elif place is None:
        place = "a file"
    else:
        place += f" ({_room(place) / 1e6:,.1f} MB free)" if full else ""
    options = " (paths.runs=…, paths.cache=…)" if folders else ""
    advice = f"{advice}, or name another place{options}"
    return DiskError(
        f"{place}: {os.strerror(number)}",
        expected=expected,
        todo=f"{advice}; {todo}" if todo else advice,
    )


def writable_cache(folder: str, option: str = "paths.cache=…") -> Path:
    """Return the cache folder; create it if it is absent.

    Args:
        folder: as an option has it.
        option: which one, for the message.

    Raises:
        ConfigError: if it cannot be created or written to.
    """
    path = Path(folder).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
        usable = os.access(path, os.W_OK)
    except OSError:
        usable = False
    if not usable:
        raise ConfigError(
            f"{path}: the cache folder cannot be made or written to",
            expected="a folder for prepared data and features",
            todo=f"set the environment variable INTERESTINGNESS_CACHE, or {option}",
        )
    return path


def _number(error: BaseException) -> int:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    said = " ".join(map(str, error.args))  # str() of an OSError leaves out args
    if not isinstance(error, OSError | RuntimeError) and "os error" not in said:
        return 0
    if found := _NUMBER.search(said):
        return int(found[1])
    return errno.ENOSPC if _SHORT.search(said) else 0


def _room(place: str) -> float:
    """Return the free bytes on the disk of a path or of its nearest existing parent."""
    for there in (Path(place), *Path(place).absolute().parents):
        with contextlib.suppress(OSError):
            return float(shutil.disk_usage(there).free)
    return float("inf")
