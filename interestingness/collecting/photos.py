"""Photographs as the page gets them: by an id, at the size of a screen, made ahead."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image

from interestingness.data.images import MAX_PIXELS, decode_image
from interestingness.datasets.photographs import Photographs
from interestingness.disk import appear
from interestingness.errors import ImageError

LONGEST = 1600
"""Pixels of the longer side of a rendition."""
SHORTER = LONGEST * 3 // 4
"""Of a JPEG that has twice as many pixels or more on its shorter side, half are decoded."""
QUALITY = 88


class Renditions:
    """Screen-sized JPEGs of photographs, kept in a folder and made before they are asked for."""

    def __init__(self, photographs: Photographs, name_of: Mapping[str, str], folder: Path) -> None:
        """Take the parts.

        Args:
            photographs: where the pictures are.
            name_of: name of each image by its id.
            folder: where renditions are kept.
        """
        self.photographs, self.name_of, self.folder = photographs, dict(name_of), folder
        self._row = {name: row for row, name in enumerate(photographs.image_ids)}
        self._making: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self._wanted, self._nobody_waits = 0, threading.Event()
        self._nobody_waits.set()
        folder.mkdir(parents=True, exist_ok=True)

    def file(self, image: str) -> Path | bytes:
        """Return the rendition of an image for a page; what is made ahead waits meanwhile.

        As ``make``.
        """
        with self._guard:
            self._wanted += 1
            self._nobody_waits.clear()
        try:
            return self.make(image)
        finally:
            with self._guard:
                self._wanted -= 1
                if not self._wanted:
                    self._nobody_waits.set()

    def make(self, image: str) -> Path | bytes:
        """Return the rendition of an image, which is made if need be.

        Returns:
            The file, or its bytes where it cannot be kept, as on a full disk.

        Raises:
            KeyError: for an id that there is not.
            ImageError: if the picture cannot be read.
        """
        row = self._row[self.name_of[image]]
        path = self.folder / f"{self._identity(row)}.jpg"
        if path.is_file():
            return path
        with self._guard:
            lock = self._making.setdefault(image, threading.Lock())
        with lock:
            if not path.is_file():
                picture = self.photographs[row]
                made = decode_image(
                    picture.read(), where=picture.name, max_pixels=MAX_PIXELS, enough=SHORTER
                )
                made.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
                stream = BytesIO()
                made.save(stream, "JPEG", quality=QUALITY)
                data = stream.getvalue()
                try:
                    appear(path, lambda part: part.write_bytes(data))
                except OSError:
                    return data
        return path

    def make_ahead(self, images: Iterable[str], stop: threading.Event) -> None:
        """Make renditions one after the other until they are done or ``stop`` is set.

        The thread that runs this gives way to others.
        """
        if sys.platform == "linux":  # elsewhere it would be the whole process
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 15)
        for image in images:
            self._nobody_waits.wait(timeout=5)
            if stop.is_set():
                return
            try:
                self.make(image)
            except (ImageError, OSError):
                continue  # asked for by a page, it says so there

    def _identity(self, row: int) -> str:
        """Hash place, size and time of a file: a changed photograph gets another rendition."""
        path = self.photographs.path(row)
        text = f"{self.photographs.root}\0{self.photographs.places[row]}\0{LONGEST}\0{QUALITY}"
        if path is not None:
            state = os.stat(path)
            text += f"\0{state.st_size}\0{state.st_mtime_ns}"
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def outside(photographs: Photographs, folders: Iterable[Path]) -> list[str]:
    """Names of photographs whose file lies, by a symbolic link, outside of the named folders."""
    roots = [folder.resolve() for folder in folders]
    found = []
    for row, name in enumerate(photographs.image_ids):
        path = photographs.path(row)
        if path is not None and not any(path.resolve().is_relative_to(r) for r in roots):
            found.append(name)
    return found
