"""Find a user's pictures: folders, patterns, files and tar files → pictures with names."""

from __future__ import annotations

import contextlib
import glob
import os
import tarfile
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

from PIL import Image

from interestingness.data.encoding import Picture
from interestingness.data.image_kinds import HEAD
from interestingness.data.images import MAX_PIXELS, decode_image, read_bytes
from interestingness.data.shards.index import ShardIndex
from interestingness.data.shards.layout import INDEX, MANIFEST, read_manifest
from interestingness.datasets.image_files import (
    LeftOut,
    can_decode,
    distinct_names,
    list_images,
)
from interestingness.errors import DataError, ImageError
from interestingness.tables.spellings import SUFFIXES

THUMBNAIL = 640
"""Pixels of the shorter side of a picture that is shown; a page makes it smaller."""
_TEXTS = frozenset((".json", ".txt"))

Place = tuple[str] | tuple[str, int, int]
"""A file below the root; or a tar file below it, where a member's bytes begin, and how many."""


@dataclass(frozen=True, eq=False)
class Photographs(Sequence[Picture]):
    """Pictures by name, in the order of their names; files are read only when used.

    Attributes:
        root: absolute folder that names are relative to.
        image_ids: distinct; path below the root, for members of tar files with the member's name.
        places: place of each.
        left_out: what was found and not taken.
        max_pixels: what a picture may cost to be shown.
        absent: why there is no file, by name: a path of a list, or an address, that leads nowhere.
    """

    root: Path
    image_ids: Sequence[str]
    places: Sequence[Place]
    left_out: LeftOut = field(default_factory=LeftOut)
    max_pixels: int = MAX_PIXELS
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown_root(self) -> str:
        """Return the root as text, even where its name is not UTF-8."""
        return os.fsencode(self.root).decode("utf-8", "backslashreplace")

    def __len__(self) -> int:
        return len(self.image_ids)

    @overload
    def __getitem__(self, at: int) -> Picture: ...
    @overload
    def __getitem__(self, at: slice) -> list[Picture]: ...
    def __getitem__(self, at: int | slice) -> Picture | list[Picture]:
        """Return picture(s) that read their bytes on use; messages show their short name."""
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        name, place = self.image_ids[at], self.places[at]
        if name in self.absent:
            return Picture(name, lambda: _absent(name, self.absent[name]))
        if len(place) == 1:
            path = self.root / place[0]
            return Picture(name, lambda: _file(path, name), path)
        tar, offset, size = self.root / place[0], place[1], place[2]
        return Picture(name, lambda: _member(tar, offset, size, name))

    def path(self, at: int) -> Path | None:
        """Return the file of a picture; None in a tar file, and where there is none."""
        place = self.places[at]
        if self.image_ids[at] in self.absent:
            return None
        return self.root / place[0] if len(place) == 1 else None

    def image(self, image_id: str) -> Image.Image | None:
        """Read the picture of this name; None if there is none, or it cannot be read."""
        at = bisect_left(self.image_ids, image_id)
        if at == len(self) or self.image_ids[at] != image_id:
            return None
        picture = self[at]
        try:
            return decode_image(
                picture.read(), where=picture.name, max_pixels=self.max_pixels, enough=THUMBNAIL
            )
        except ImageError:
            return None


def find_photographs(
    given: Iterable[str | Path],
    *,
    copies: bool = False,
    listed: Iterable[str] = (),
    addresses: Mapping[str, Path | str] | None = None,
) -> Photographs:
    """Find all pictures that are given, each once.

    Args:
        given: folders (with their subfolders), glob patterns, image files; tar files of images as
            img2dataset writes them, folders of those, and folders of pair shards.
        copies: whether to take files in folders that machines fill.
        listed: paths of a list, of the same kinds but for patterns. A path that leads nowhere is a
            picture that cannot be read, because a list of thousands outlives some of its files.
        addresses: the downloaded file by URL, or why there is none. The URL is the picture's name.

    Raises:
        DataError: if there is nothing, no image, or a damaged tar file.
    """
    here, gone = _split_list(listed)
    files: dict[str, None] = {}
    tars: dict[str, None] = {}
    shards: list[Path] = []
    single: list[str] = []
    left_out = LeftOut()
    for text in (*(os.fspath(item) for item in given), *here):
        path = Path(os.path.expanduser(text))  # noqa: PTH111  leaves ~nobody as it is
        if (path / MANIFEST).is_file() and (path / INDEX).is_file():
            shards.append(Path(os.path.abspath(path)))
        elif found := _tars(path, text):
            tars.update(dict.fromkeys(os.path.abspath(tar) for tar in found))
            if path.is_dir():
                with contextlib.suppress(DataError):  # img2dataset's folders have no other images
                    files.update(_images(text, copies, left_out))
        elif path.is_file():
            single.append(text)
        else:
            files.update(_images(text, copies, left_out))
    if single:
        files.update(_images(single, copies, left_out))
    files.update(dict.fromkeys(gone))
    fetched = addresses or {}
    own = [str(path.parent) for path in fetched.values() if isinstance(path, Path)]
    folders = [*map(os.path.dirname, [*files, *tars]), *map(str, shards)] or own
    if not folders and not fetched:
        raise DataError("no photographs are named", todo="interestingness rank ~/Pictures")
    root = Path(os.path.commonpath(folders) if folders else Path.cwd())
    named = distinct_names(os.path.relpath(path, root) for path in files)
    places: dict[str, Place] = {name: (path,) for name, path in named.items()}
    lost = {os.path.relpath(path, root) for path in gone}
    absent = {name: "there is no such file" for name, path in named.items() if path in lost}
    for tar in tars:
        short = os.path.relpath(tar, root)
        try:
            inside: dict[str, Place] = {
                f"{short}/{name}": (short, at, size) for name, at, size in members(Path(tar))
            }
        except DataError:
            if len(tars) + len(files) == 1:
                raise
            inside = {short: (short,)}  # listed as unreadable; the others are used
        places |= {name: inside[path] for name, path in distinct_names(inside).items()}
    for folder in shards:
        places.update(_of_pairs(folder, root, prefix=len(folders) > 1))
    for url, found_at in fetched.items():
        places[url] = (os.path.relpath(found_at, root) if isinstance(found_at, Path) else "",)
    absent |= {url: why for url, why in fetched.items() if isinstance(why, str)}
    if not places:
        raise DataError(
            f"{', '.join(os.path.relpath(tar, root) for tar in tars)}: no image inside",
            expected="members ending in .jpg, .png, .webp, …, as img2dataset writes them",
            todo="name another tar file",
        )
    ids = sorted(places)
    return Photographs(root, ids, [places[name] for name in ids], left_out, absent=absent)


def _split_list(listed: Iterable[str]) -> tuple[list[str], list[str]]:
    """Separate paths that lead somewhere from those that lead nowhere, which become absolute."""
    here, gone = [], []
    for text in dict.fromkeys(listed):
        path = os.path.expanduser(text)  # noqa: PTH111  leaves ~nobody as it is
        if os.path.isfile(path) or os.path.isdir(path):  # noqa: PTH112, PTH113  any text is a name
            here.append(text)
        else:
            gone.append(os.path.abspath(path))
    return here, gone


def members(tar: Path) -> Iterator[tuple[str, int, int]]:
    """Return name, first byte and length of each image in a tar file; read headers only.

    Raises:
        DataError: for a damaged or a compressed file.
    """
    try:
        with tarfile.open(tar, "r:") as archive:
            for info in archive:
                archive.members = []  # type: ignore[attr-defined]  # tarfile remembers every header otherwise
                hidden = Path(info.name).name.startswith(".")
                if info.isfile() and not hidden and _is_image(archive, info):
                    yield info.name, info.offset_data, info.size
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(
            f"{tar}: cannot be read as a tar file ({error})",
            expected="a whole tar file, not compressed",
            todo="obtain it again, or unpack it and name the folder",
        ) from None


def _is_image(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bool:
    """Check whether a member is taken: by its ending, else by its bytes."""
    suffix = Path(info.name).suffix.lower()
    if suffix in SUFFIXES:
        return True
    stream = archive.extractfile(info)
    if suffix in _TEXTS or stream is None:
        return False
    data = stream.read(HEAD)
    return can_decode(data, suffix) and can_decode(data + stream.read(), suffix, whole=True)


def _tars(path: Path, text: str) -> list[str]:
    """Find tar files: one, those of a pattern, or those in a folder of img2dataset."""
    if path.is_dir():
        tars = (tar for tar in path.glob("*.tar") if tar.is_file())
        return sorted(str(tar) for tar in tars if not tar.name.startswith("."))
    if path.suffix.lower() == ".tar" and not path.exists() and glob.has_magic(text):
        return sorted(glob.glob(str(path), recursive=True))
    return [str(path)] if path.suffix.lower() == ".tar" and path.is_file() else []


def _images(given: str | Sequence[str], copies: bool, left_out: LeftOut) -> dict[str, None]:
    try:
        listing = list_images(given, copies=copies)
    except DataError as error:
        # The data sets use the same function, so its messages name their option.
        found = error.found.removeprefix("dataset.images: ")
        raise DataError(found, expected=error.expected, todo=error.todo) from None
    left_out.add(listing.left_out)
    return {str(listing.root / file.path): None for file in listing.files}


def _of_pairs(folder: Path, root: Path, *, prefix: bool) -> dict[str, Place]:
    """Find the distinct images of a folder of pair shards, which repeat an image in each pair."""
    manifest = read_manifest(folder)
    index = ShardIndex(folder / INDEX, manifest)
    places: dict[str, Place] = {}
    short = os.path.relpath(folder, root)
    for number, shard in enumerate(manifest.shards):
        block = index.block(number)
        for role, column in enumerate(("left", "right")):
            for row, name in enumerate(block.ids[column].to_pylist()):
                image_id = f"{short}/{name}" if prefix and short != "." else name
                if image_id not in places:
                    offset, size = map(int, block.spans[row, role])
                    places[image_id] = (str(Path(short, shard.name)), offset, size)
    return places


def _absent(name: str, why: str) -> bytes:
    raise ImageError(f"{name}: {why}")


def _file(path: Path, name: str) -> bytes:
    try:
        return read_bytes(path)
    except ImageError as error:
        found = error.found.replace(str(path), name)
        raise ImageError(found, expected=error.expected, todo=error.todo) from None


def _member(tar: Path, offset: int, size: int, name: str) -> bytes:
    try:
        with tar.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
    except OSError as error:
        raise ImageError(f"{name}: {error.strerror or error}") from None
    if len(data) < size:
        raise ImageError(f"{name}: the tar file ends inside of it")
    return data
