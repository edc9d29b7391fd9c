"""List image files on disk, and read cheap facts of them: names, sizes, hashes of copies."""

from __future__ import annotations

import glob
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from PIL import Image

from interestingness.data.image_kinds import HEAD, image_kind, without_metadata
from interestingness.data.images import open_image, quiet_pillow
from interestingness.datasets.machine_copies import machine_part
from interestingness.datasets.preparing import Progress
from interestingness.disk import sha256_of
from interestingness.errors import DataError
from interestingness.tables.spellings import SUFFIXES

RAW = frozenset(
    (
        ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq",
        ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2",
        ".rwl", ".sr2", ".srf", ".srw", ".x3f",
    )
)  # fmt: skip
"""What raw files of cameras end with; those whose container is TIFF would decode as a thumbnail."""
_READ_OTHERWISE = frozenset((".xmp", ".tar"))
_NEEDS_EXTRA = frozenset((".heic", ".heif", ".avif"))
_KINDS = 12


@dataclass(frozen=True)
class ImageFile:
    """One file.

    Attributes:
        image_id: path below the root with forward slashes, from ``distinct_names``.
        path: the same in the file system's form.
        size: bytes.
        modified: modification time in nanoseconds.
    """

    image_id: str
    path: str
    size: int
    modified: int


@dataclass
class LeftOut:
    """Files that are not taken, and names that had to be written otherwise; all are told.

    Attributes:
        copies: images in folders that machines fill, by the folder's name.
        raw_pairs: raw files beside an image of the same name.
        raw: other raw files, by ending.
        others: files that cannot be decoded, by ending.
        names: files that are taken under another name than theirs, and why.
    """

    copies: Counter[str] = field(default_factory=Counter)
    raw_pairs: int = 0
    raw: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    names: dict[str, str] = field(default_factory=dict)

    def add(self, other: LeftOut) -> None:
        """Add what was left out elsewhere."""
        self.copies += other.copies
        self.raw_pairs += other.raw_pairs
        self.raw += other.raw
        self.others += other.others
        self.names |= other.names

    def sentences(self, *, option: str) -> list[str]:
        """Tell all of it, a sentence for each kind.

        Args:
            option: what takes the copies in.
        """
        said = []
        if self.copies:
            said.append(
                f"{self.copies.total():,} images in folders that machines fill, by their names "
                f"({_counts(self.copies)}); {option} takes them in"
            )
        if self.raw_pairs:
            said.append(
                f"{self.raw_pairs:,} raw files beside an image of the same name, which counts"
            )
        if self.raw:
            said.append(
                f"{self.raw.total():,} raw files without such an image ({_counts(self.raw)}): they "
                "are not decoded; export them as JPEG"
            )
        if self.others:
            said.append(
                f"{self.others.total():,} files that are no image or of a kind that is not decoded "
                f"({_counts(self.others)})"
            )
        return said


@dataclass(frozen=True)
class Listing:
    """Image files that were found.

    Attributes:
        root: absolute folder that names are relative to.
        files: sorted by id.
        left_out: what was not taken.
    """

    root: Path
    files: tuple[ImageFile, ...]
    left_out: LeftOut


def list_images(images: str | Path | Iterable[str | Path], *, copies: bool = False) -> Listing:
    """List image files, by ending or, where that says nothing, by content.

    Args:
        images: a folder (searched with its subfolders), a glob pattern (``photos/**/*.jpg``), one
            file or a list of files.
        copies: whether to take files in folders that machines fill, below what is named.

    Raises:
        DataError: if nothing is there, or no image.
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
            return _listing(root, list(_walk(root)), text, copies)
        if not given.exists() and glob.has_magic(text):
            found = [Path(p) for p in glob.glob(str(given), recursive=True)]
            chosen = [Path(os.path.abspath(p)) for p in found if p.is_file()]
            return _listing(Path(os.path.abspath(_fixed_part(given))), chosen, text, copies)
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
    absolute = [Path(os.path.abspath(path)) for path in listed]
    root = Path(os.path.commonpath([path.parent for path in absolute])) if absolute else Path.cwd()
    return _listing(root, absolute, text, copies=True)


def distinct_names(paths: Iterable[str]) -> dict[str, str]:
    """Name files for tables, which hold UTF-8, and for people, who do not see Unicode's forms.

    A name is the path in composed form (NFC). If two files differ in the form only, the second
    keeps its own. Bytes that are not UTF-8 are written as ``\\xe9``.

    Args:
        paths: relative, in the file system's form.

    Returns:
        Path by name.
    """
    named: dict[str, str] = {}
    for path in sorted(paths, key=lambda p: (_composed(p) != p, p)):
        name = _composed(path)
        if name in named:
            name = path.encode("utf-8", "backslashreplace").decode()
        while name in named:
            name += "′"
        named[name] = path
    return named


def _composed(path: str) -> str:
    text = os.fsencode(PurePath(path).as_posix()).decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", text)


def is_utf8(path: str) -> bool:
    """Check whether the file system's name of a file is text."""
    return not any("\udc80" <= character <= "\udcff" for character in path)


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
        folders.sort()
        yield from (Path(folder, name) for name in names)


def _fixed_part(pattern: Path) -> Path:
    """Return the folder above the first part of a pattern that has wildcards."""
    parts = pattern.parts
    varying = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:varying]) if varying else Path()


def _is_image(path: Path) -> bool:
    """Check whether a file is taken: by its ending, else by its first bytes and its header."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return True
    if suffix in _READ_OTHERWISE:
        return False
    try:
        with path.open("rb") as file:
            data = file.read(HEAD)
            return can_decode(data, suffix) and can_decode(data + file.read(), suffix, whole=True)
    except OSError:
        return False


def can_decode(data: bytes, suffix: str, *, whole: bool = False) -> bool:
    """Check whether bytes are a picture of a kind that is decoded, whatever the file is called.

    Args:
        data: the first bytes.
        suffix: the file's ending, in lower case: a raw file may look like a TIFF.
        whole: whether ``data`` are all of the file, whose header is then read.
    """
    kind = image_kind(data)
    if kind is None or (kind == "TIFF" and suffix in RAW):
        return False
    if not whole or kind == "HEIC":
        return True
    try:
        with quiet_pillow():
            open_image(without_metadata(data)[0], where="")
    except Exception:  # decoders raise any kind of exception for what is none
        return False
    return True


def _listing(root: Path, paths: Sequence[Path], text: str, copies: bool) -> Listing:
    left_out, taken = LeftOut(), {}
    raw: list[PurePath] = []
    for path in dict.fromkeys(paths):
        relative = path.relative_to(root)
        try:
            status = path.stat()
        except OSError:  # a broken or circular link
            continue
        # Opening a named pipe would block; "._photo.jpg" is what a Mac writes beside photo.jpg.
        if not stat.S_ISREG(status.st_mode) or path.name.startswith("._"):
            continue
        hidden = path.name if path.name.startswith(".") else None
        machine = machine_part(relative.parts[:-1], root.name) or hidden
        if machine is not None and not copies:
            left_out.copies[machine] += path.suffix.lower() in SUFFIXES
        elif _is_image(path):
            taken[relative.as_posix()] = status
        elif path.suffix.lower() in RAW:
            raw.append(relative)
        elif path.suffix.lower() not in _READ_OTHERWISE:
            left_out.others[path.suffix.lower() or "no ending"] += 1
    left_out.copies = +left_out.copies
    beside = {_without_ending(PurePath(path)) for path in taken}
    for file in raw:
        if _without_ending(file) in beside:
            left_out.raw_pairs += 1
        else:
            left_out.raw[file.suffix.lower()] += 1
    if not taken:
        raise _no_image(text, paths, left_out)
    files = []
    for name, short in sorted(distinct_names(taken).items()):
        status = taken[short]
        files.append(ImageFile(name, short, status.st_size, status.st_mtime_ns))
        if not is_utf8(short):
            left_out.names[name] = "its name is not UTF-8"
        elif name != _composed(short):
            left_out.names[name] = "another file has its name in another form of Unicode"
    return Listing(root, tuple(files), left_out)


def _without_ending(path: PurePath) -> str:
    return path.with_suffix("").as_posix().casefold()


def _no_image(text: str, paths: Sequence[Path], left_out: LeftOut) -> DataError:
    kinds = Counter(path.suffix.lower() or path.name for path in paths)
    found = _counts(kinds, 3) or "nothing"
    copies = f"; {_counts(left_out.copies)} are in folders that machines fill"
    return DataError(
        f"dataset.images: no image in {text} (found {found}{copies if left_out.copies else ''})",
        expected="JPEG, PNG, WebP, HEIC, … in the folder or its subfolders",
        todo="name the folder that holds the images",
    )


def _counts(counts: Counter[str], most: int = _KINDS) -> str:
    """Write counts by kind, the most frequent first."""
    parts = [f"{count:,} × {kind}" for kind, count in counts.most_common(most)]
    return ", ".join([*parts, "…"] if len(counts) > most else parts)


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
    with quiet_pillow():  # huge pictures are refused when they are decoded
        for i, file in enumerate(files):
            try:
                sizes.append(_frame_size(root / file.path))
            except Exception:  # decoders raise any kind of exception for a damaged file
                sizes.append(None)
                if Path(file.path).suffix.lower() not in _NEEDS_EXTRA:
                    damaged.append(file.image_id)
            if progress is not None:
                progress(i + 1, len(files))
    return sizes, damaged


def _frame_size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except Exception:  # maybe for its metadata only
        pixels, _ = without_metadata(path.read_bytes())
        return open_image(pixels, where="").size


def hashes_of_possible_copies(root: Path, files: Sequence[ImageFile]) -> list[str | None]:
    """Hash (SHA-256) files that share their size with another; None for the others.

    Only files of equal size can be copies of each other, so this finds all copies while reading
    few files.
    """
    by_size = Counter(file.size for file in files)
    return [sha256_of(root / file.path) if by_size[file.size] > 1 else None for file in files]
