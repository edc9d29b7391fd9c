"""Possible outcomes of one image address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "downloaded", "already there",
    "gone", "refused", "placeholder", "page", "not an image", "too large", "redirects", "address",
    "unreachable", "server error", "busy",
]  # fmt: skip

KEPT: tuple[Kind, ...] = ("downloaded", "already there")
PASSING: tuple[Kind, ...] = ("unreachable", "server error", "busy")
"""Tried several times, and again in the next run; all other losses are final."""

MEANING: dict[Kind, str] = {
    "downloaded": "fetched and decoded",
    "already there": "a file of yours, used as it is",
    "gone": "the host says that there is no such image (404, 410)",
    "refused": "the host does not give it out (401, 403, 451 or another 4xx)",
    "placeholder": "a picture that says that the photo is no longer available",
    "page": "a web page or text where an image should be",
    "not an image": "bytes that do not decode to one still picture, or a format not allowed",
    "too large": "more bytes or pixels than allowed",
    "redirects": "too many redirects, or a circle of them",
    "address": "no public http(s) address, or it leads to one that is not public",
    "unreachable": "no connection, or the answer was cut or too slow, several times",
    "server error": "the host failed (5xx), several times",
    "busy": "the host asks to come back later (429, 503), several times",
}


@dataclass(frozen=True)
class Item:
    """One image to obtain.

    Attributes:
        image_id: its name, distinct.
        url: its address; "" where the table has none.
        license: from the table, or "".
        sha256: expected hash of the bytes, or "".
    """

    image_id: str
    url: str
    license: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class DownloadOutcome:
    """The outcome of one item.

    Attributes:
        image_id: the item.
        url: the address as given.
        kind: see ``MEANING``.
        detail: one line for people: the status, the address that was refused, …
        file: name below the folder of images; "" for a loss.
        sha256: of the file; "" for a loss and for files that were there before.
        bytes: size of the file.
        width: pixels after EXIF rotation; 0 if unknown.
        height: the same.
        final_url: address after all redirects.
        status: last HTTP status, 0 if there was none.
        attempts: requests made for it (redirects not counted).
        license: from the table.
    """

    image_id: str
    url: str
    kind: Kind
    detail: str = ""
    file: str = ""
    sha256: str = ""
    bytes: int = 0
    width: int = 0
    height: int = 0
    final_url: str = ""
    status: int = 0
    attempts: int = 0
    license: str = ""
    final: bool = True
    """Whether another attempt would be pointless."""

    @property
    def kept(self) -> bool:
        """Return whether there is a usable file."""
        return self.kind in KEPT
