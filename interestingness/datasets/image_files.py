"""List image files on disk, and read cheap facts of them: names, sizes, hashes of copies."""

from __future__ import annotations

import glob
import os
import stat
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from interestingness.datasets.preparing import Progress
from interestingness.disk import sha256_of
from interestingness.errors import DataError
from interestingness.tables.spellings import SUFFIXES

_NEEDS_EXTRA = frozenset((".heic", ".heif", ".avif"))


@dataclass(frozen=True)
class ImageFile:
    """One file.

    Attributes:
        image_id: path below the root with forward slashes, Unicode-normalised (NFC), so that a name
            in a table is found whichever form the file system uses.
        path: the same in the file system's form.
        size: bytes.
        modified: modification time in nanoseconds.
    """

    image_id: str
    path: str
    size: int
    modified: int


def list_images(images: str | Path | Iterable[str | Path]) -> tuple[Path, tuple[ImageFile, ...]]:
    """List image files, and find the folder that their names are relative to.

    Args:
        images: a folder (searched with its subfolders, hidden ones left out), a glob pattern
            (``photos/**/*.jpg``), one file or a list of files.

    Returns:
        The absolute root folder, and the files sorted by id.

    Raises:
        DataError: if nothing is there, no image, or two files of one name.
    """
    if images is None or not str(images):
        raise DataError(
            "dataset.images is empty",
            expected="a folder, a glob pattern or a list of image files",
            todo="say where the images are: dataset.images=…",
        )
    if isinstance(images, str | Path):
        text = os.fspath(images)
        given = _home(text)
        if given.is_dir():
            root = Path(os.path.abspath(given))
            return root, _files(root, list(_walk(root)), text)
        if not given.exists() and glob.has_magic(text):
            found = [Path(p) for p in glob.glob(str(given), recursive=True)]
            chosen = [Path(os.path.abspath(p)) for p in found if p.is_file() and _is_image(p.name)]
            root = Path(os.path.abspath(_fixed_part(given)))
            return root, _files(root, chosen, text)
        listed = [given]
    else:
        listed = [_home(p) for p in images]
        text = f"a list of {len(listed)} files"
    for path in listed:
        if not path.is_file():
            raise DataError(
                f"dataset.images: {'a folder' if path.is_dir() else 'nothing'} is at {path}",
                expected="a folder, a glob pattern or a list of image files",
                todo=f"correct the path (current folder: {Path.cwd()})",
            )
        if not _is_image(path.name):
            raise _no_image(text, [path])
    absolute = [Path(os.path.abspath(path)) for path in listed]
    root = Path(os.path.commonpath([path.parent for path in absolute])) if absolute else Path.cwd()
    return root, _files(root, absolute, text)


def _home(path: str | Path) -> Path:
    return Path(os.path.expanduser(path))  # noqa: PTH111  leaves ~nobody as it is


def _walk(root: Path) -> Iterator[Path]:
    """Yield files below a folder; follow links, but visit each folder once."""
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__MACOSX")
        yield from (Path(folder, name) for name in names)


def _fixed_part(pattern: Path) -> Path:
    """Return the folder above the first part of a pattern that has wildcards."""
    parts = pattern.parts
    varying = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:varying]) if varying else Path()


def _is_image(name: str) -> bool:
    # macOS writes "._photo.jpg" beside photo.jpg on other file systems; it is not an image.
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def _files(root: Path, paths: Sequence[Path], text: str) -> tuple[ImageFile, ...]:
    files: dict[str, ImageFile] = {}
    for path in dict.fromkeys(p for p in paths if _is_image(p.name)):
        try:
            status = path.stat()
        except OSError:  # a broken or circular link
            continue
        if not stat.S_ISREG(status.st_mode):  # opening a named pipe would block
            continue
        relative = path.relative_to(root).as_posix()
        image_id = unicodedata.normalize("NFC", relative)
        try:
            image_id.encode()
        except UnicodeEncodeError:
            raw = relative.encode("utf-8", "surrogateescape")
            raise DataError(
                f"{root}: the file name {raw!r} is not UTF-8",
                expected="file names in UTF-8",
                todo="rename the file",
            ) from None
        if image_id in files:
            raise DataError(
                f"{root}: two files are called {image_id!r}, in two Unicode spellings",
                expected="distinct file names",
                todo="rename one of them",
            )
        files[image_id] = ImageFile(image_id, relative, status.st_size, status.st_mtime_ns)
    if not files:
        raise _no_image(text, paths)
    return tuple(files[name] for name in sorted(files))


def _no_image(text: str, paths: Sequence[Path]) -> DataError:
    kinds = Counter(path.suffix.lower() or path.name for path in paths)
    found = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common(3)) or "nothing"
    return DataError(
        f"dataset.images: no image in {text} (found {found})",
        expected="files ending in .jpg, .png, .webp, .heic, … in the folder or its subfolders",
        todo="name the folder that holds the images",
    )


def frame_sizes(
    root: Path, files: Sequence[ImageFile], progress: Progress | None = None
) -> tuple[list[tuple[int, int] | None], list[str]]:
    """Read width and height in pixels from the files' headers (before EXIF rotation).

    Returns:
        A size per file, None where the header cannot be read; and the ids of files which are
        damaged or no images (except HEIC and AVIF, which may need an extra).
    """
    sizes: list[tuple[int, int] | None] = []
    damaged = []
    with warnings.catch_warnings():
        # Huge pictures are rejected when they are decoded; here only headers are read.
        warnings.simplefilter("ignore")
        for i, file in enumerate(files):
            try:
                with Image.open(root / file.path) as image:
                    sizes.append(image.size)
            except Exception:  # decoders raise any kind of exception for a damaged file
                sizes.append(None)
                if Path(file.path).suffix.lower() not in _NEEDS_EXTRA:
                    damaged.append(file.image_id)
            if progress is not None:
                progress(i + 1, len(files))
    return sizes, damaged


def hashes_of_possible_copies(root: Path, files: Sequence[ImageFile]) -> list[str | None]:
    """Hash (SHA-256) files that share their size with another; None for the others.

    Only files of equal size can be copies of each other, so this finds all copies while reading
    few files.
    """
    by_size = Counter(file.size for file in files)
    return [sha256_of(root / file.path) if by_size[file.size] > 1 else None for file in files]
