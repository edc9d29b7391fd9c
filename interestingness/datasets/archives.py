"""Find the files of a published zip file, or of the folder it was unpacked to."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from filelock import FileLock

from interestingness.errors import DataError

MOST_BYTES = 4_000_000_000
"""A zip file that unpacks to more is not what it says."""


def published_files(source: str | Path, names: Sequence[str], root: Path, *, todo: str) -> Path:
    """Return a folder that holds these files.

    Args:
        source: the folder, a parent with no other such subfolder, or the zip file.
        names: file names, each required once.
        root: where a zip file is unpacked to, once.
        todo: what the user should do if they are not found.

    Raises:
        DataError: if a file is absent, or the zip file is damaged, another one or a zip bomb.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return _unpacked(path, names, root, todo)
    inside = [p.parent for p in path.glob(f"*/{names[0]}")]
    if not (path / names[0]).is_file() and len(inside) == 1:
        path = inside[0]
    missing = [name for name in names if not (path / name).is_file()]
    if missing:
        raise _missing(path, missing, names, todo)
    return path


def _missing(path: Path, missing: Sequence[str], names: Sequence[str], todo: str) -> DataError:
    return DataError(
        f"{path}: no {', '.join(missing)}", expected=f"the files {', '.join(names)}", todo=todo
    )


def _unpacked(path: Path, names: Sequence[str], root: Path, todo: str) -> Path:
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as stream:
            # a Mac adds "__MACOSX/._name" for each file
            found = {
                PurePosixPath(member.filename).name: member
                for member in archive.infolist()
                if not member.filename.startswith("__MACOSX") and not member.is_dir()
            }
            missing = [name for name in names if name not in found]
            if missing:
                raise _missing(path, missing, names, todo)
            if sum(found[name].file_size for name in names) > MOST_BYTES:
                raise zipfile.BadZipFile(f"unpacks to more than {MOST_BYTES:,} bytes")
            digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
            final = root / f"unpacked-{digest}"
            root.mkdir(parents=True, exist_ok=True)
            with FileLock(root / f".unpacked-{digest}.lock"):
                if not final.is_dir():
                    _extract(archive, [found[name] for name in names], final)
            return final
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"{path}: cannot be unpacked ({error})",
            expected="the published zip file, whole",
            todo=todo,
        ) from None


def _extract(archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], final: Path) -> None:
    unfinished = final.with_name(f".{final.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        for member in members:
            target = unfinished / PurePosixPath(member.filename).name
            with archive.open(member) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
        unfinished.rename(final)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
