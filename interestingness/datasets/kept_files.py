"""Copy or link chosen photographs into a folder: nothing is moved, nothing is written over."""

from __future__ import annotations

import contextlib
import errno
import filecmp
import os
import shutil
import tempfile
import unicodedata
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from interestingness.disk import naming
from interestingness.errors import ConfigError

_PART = ".interestingness-copy-"
_LONGEST = 255
"""Bytes of a file's name."""


def check_target(folder: Path, sources: Sequence[Path], option: str) -> Path:
    """Refuse a folder for chosen photographs that would be among the photographs themselves.

    Args:
        folder: where they shall go.
        sources: the folders that are searched for photographs.
        option: the option that names it, for messages.

    Returns:
        The folder without links, absolute.

    Raises:
        ConfigError: if a file is there, or the folder is one of the sources or inside one.
    """
    found = folder.expanduser().resolve()
    if found.exists() and not found.is_dir():
        raise ConfigError(
            f"{option} {folder}: a file is there",
            expected="a folder, or a name for a new one",
            todo="name another folder",
        )
    for source in sources:
        if found.is_relative_to(source.expanduser().resolve()):
            raise ConfigError(
                f"{option} {folder}: inside {source}, whose photographs are ranked",
                expected="a folder elsewhere: the next run would rank its copies too",
                todo=f"name another, such as {option} ~/best",
            )
    return found


@dataclass
class KeptFolder:
    """A folder that receives chosen photographs.

    A photograph and what belongs to it (raw file, sidecar) keep their names. Where another file
    has that of the photograph or the raw file, all get the same number: ``IMG_1 (2).JPG``,
    ``IMG_1 (2).CR2``. A file that is there with the same content stays, so that the command can be
    given again after it was stopped. So does another sidecar, because somebody may have rated the
    copy.

    Attributes:
        folder: absolute; made at the first file.
        link: make symbolic links instead of copies.
        counts: files by what became of them.
        problems: why a file is not there, by its source.
    """

    folder: Path
    link: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    problems: dict[str, str] = field(default_factory=dict)
    _taken: dict[str, set[str]] | None = None

    def put(self, files: Sequence[Path], sidecars: Sequence[Path] = ()) -> None:
        """Take a photograph with what belongs to it.

        Args:
            files: the photograph first, then raw files.
            sidecars: of the photograph and its raw files.

        Raises:
            OSError: if the folder cannot be written to; the error names the file.
        """
        taken = self._names()
        stem = files[0].stem
        for number in count(1):
            names = [_numbered(file.name, stem, number) for file in files]
            if all(self._free(file, name) for file, name in zip(files, names, strict=True)):
                break
        names += [_numbered(file.name, stem, number) for file in sidecars]
        for file, name in zip([*files, *sidecars], names, strict=True):
            done = self._place(file, self.folder / name)
            self.counts[done] += 1
            taken.setdefault(_key(name), set()).add(name)

    def put_bytes(self, name: str, data: bytes) -> None:
        """Take a photograph that is no file of its own.

        Args:
            name: of the file.
            data: its bytes.

        Raises:
            OSError: if the folder cannot be written to.
        """
        self._names()
        prefix = f"{_PART}{os.getpid()}-"
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=prefix) as inside:
            file = Path(inside, name)
            with naming(self.folder / name):
                file.write_bytes(data)
            self.put([file])

    def sentence(self) -> str:
        """Count the files by what became of them."""
        parts = [f"{number:,} {what}" for what, number in self.counts.items()]
        lost = [f"{name}: {why}" for name, why in list(self.problems.items())[:3]]
        return "; ".join([*(parts or ["no file"]), *lost])

    def _names(self) -> dict[str, set[str]]:
        """Return the names in the folder by what other file systems take for the same name."""
        if self._taken is None:
            with naming(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                self._taken = {}
                for name in [path.name for path in self.folder.iterdir()]:
                    if name.startswith(_PART):
                        _remove_leftover(self.folder / name)
                    else:
                        self._taken.setdefault(_key(name), set()).add(name)
        return self._taken

    def _free(self, file: Path, name: str) -> bool:
        """Check whether a name is free, or has the file already."""
        there = self._names().get(_key(name), set())
        return not there or (there == {name} and self._same(file, self.folder / name))

    def _same(self, file: Path, there: Path) -> bool:
        try:
            if self.link:
                return there.is_symlink() and there.readlink() == _target(file)
            return (
                there.is_file()
                and not there.is_symlink()
                and filecmp.cmp(file, there, shallow=False)
            )
        except OSError:
            return False

    def _place(self, file: Path, there: Path) -> str:
        if os.path.lexists(there):
            same = self._same(file, there)
            return "already there" if same else "left out, because another sidecar is there"
        if self.link:
            with naming(there):
                there.symlink_to(_target(file))
            return "linked"
        part = self._part()
        try:
            try:
                source = file.open("rb")
            except OSError as error:
                self.problems[str(file)] = error.strerror or str(error)
                return "cannot be read"
            with source, naming(there):
                with part.open("xb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                with contextlib.suppress(OSError):
                    shutil.copystat(file, part)
                _appear(part, there)
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
        return "copied"

    def _part(self) -> Path:
        return self.folder / f"{_PART}{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _appear(part: Path, there: Path) -> None:
    """Give a whole file its name, unless a file has it: a hard link never replaces one.

    Raises:
        OSError: if there is one meanwhile, or the disk does not allow it.
    """
    try:
        os.link(part, there)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}:
            raise
        if os.path.lexists(there):  # a disk without hard links, such as a memory card
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(there)) from None
        part.rename(there)


def _target(file: Path) -> Path:
    return Path(os.path.abspath(file))


def _numbered(name: str, stem: str, number: int) -> str:
    """Return ``photo (2).jpg`` for ``photo.jpg``, not longer than a name may be."""
    if number == 1:
        return name
    ending = name[len(stem) :] if name.startswith(stem) else Path(name).suffix
    mark = f" ({number})"
    room = _LONGEST - len(os.fsencode(mark + ending))
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return f"{stem}{mark}{ending}"


def _remove_leftover(part: Path) -> None:
    """Remove what a killed run left; a run under way keeps its own."""
    owner = part.name.removeprefix(_PART).partition("-")[0]
    gone = Path("/proc").is_dir() and not Path("/proc", owner).exists()
    if owner.isdecimal() and gone:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def _key(name: str) -> str:
    return unicodedata.normalize(
        "NFC", os.fsencode(name).decode("utf-8", "backslashreplace")
    ).casefold()
