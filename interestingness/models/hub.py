"""Published weights: from the local cache, else downloaded after a notice, else one error.

Downloads go through the libraries' own clients, huggingface_hub and torch.hub.
"""

from __future__ import annotations

import os
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from interestingness.errors import WeightsError

LOCAL_ALTERNATIVES = (
    "give a local file (model.backbone.weights=/path/to/{file}), take another backbone with one "
    "(model/backbone=torchvision_mobilenet_v2 model.backbone.weights=/path/to/mobilenet_v2.pt), "
    "use features that were computed elsewhere (model=cached_features model.features=vectors.npz), "
    "or run once where the hub can be reached"
)


def seconds() -> float:
    """Timeout in seconds for an answer of a hub: ``HF_HUB_ETAG_TIMEOUT``, else 10."""
    try:
        return float(os.environ["HF_HUB_ETAG_TIMEOUT"])
    except (KeyError, ValueError):
        return 10.0


class Published(ABC):
    """Weights that a hub offers.

    Attributes:
        licence: of the weights, printed before a download.
    """

    licence: str

    @property
    @abstractmethod
    def place(self) -> str:
        """Repository or URL, for messages."""

    @property
    @abstractmethod
    def file(self) -> str:
        """The file's name; of several the preferred one."""

    @property
    def name(self) -> str:
        """Place and file."""
        return f"{self.place}/{self.file}"

    @property
    def alternatives(self) -> str:
        """What the user can do if it cannot be downloaded."""
        return LOCAL_ALTERNATIVES.format(file=self.file)

    @abstractmethod
    def cached(self) -> Path | None:
        """The file in the local cache, if it is there."""

    @abstractmethod
    def offer(self) -> tuple[str, int | None]:
        """The file that the hub has, and its size in bytes (None if the hub does not tell).

        Raises:
            Exception: any error of the client when the hub cannot be reached.
        """

    @abstractmethod
    def download(self, file: str) -> Path:
        """Download the file of ``offer`` into the local cache.

        Raises:
            Exception: any error of the client.
        """


@dataclass(frozen=True)
class HubFile(Published):
    """One file of a Hugging Face repository; the first of ``files`` that exists is taken."""

    repository: str
    files: tuple[str, ...]
    licence: str
    endpoint: str | None = None

    @property
    def place(self) -> str:
        """The repository."""
        return self.repository

    @property
    def file(self) -> str:
        """The preferred file."""
        return self.files[0]

    def cached(self) -> Path | None:
        """The file in the Hugging Face cache (``HF_HOME``), of any revision."""
        from huggingface_hub import try_to_load_from_cache

        for file in self.files:
            found = try_to_load_from_cache(self.repository, file)
            if isinstance(found, str):
                return Path(found)
        return None

    def offer(self) -> tuple[str, int | None]:
        """The first file that the repository has."""
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
        from huggingface_hub.errors import EntryNotFoundError

        if constants.HF_HUB_OFFLINE:
            raise ConnectionError("HF_HUB_OFFLINE is set")
        absent: Exception = FileNotFoundError("no file is named")
        for file in self.files:
            url = hf_hub_url(self.repository, file, endpoint=self.endpoint)
            try:
                return file, get_hf_file_metadata(url, timeout=seconds()).size
            except EntryNotFoundError as error:
                absent = error
        raise absent

    def download(self, file: str) -> Path:
        """Fetch the file."""
        from huggingface_hub import hf_hub_download

        return Path(
            hf_hub_download(self.repository, file, etag_timeout=seconds(), endpoint=self.endpoint)
        )


@dataclass(frozen=True)
class TorchFile(Published):
    """One file at a URL, checked by its hash.

    Attributes:
        sha256: of the content; "" takes the digits at the end of the file's name, where torchvision
            puts the first eight.
    """

    url: str
    licence: str
    bytes: int | None = None
    sha256: str = ""

    @property
    def place(self) -> str:
        """The URL up to the file."""
        return self.url.rsplit("/", 1)[0]

    @property
    def file(self) -> str:
        """Last part of the URL."""
        return self.url.rsplit("/", 1)[-1]

    def _path(self) -> Path:
        import torch

        return Path(torch.hub.get_dir()) / "checkpoints" / self.file

    def cached(self) -> Path | None:
        """The file in torch's cache (``TORCH_HOME``)."""
        path = self._path()
        return path if path.is_file() else None

    def offer(self) -> tuple[str, int | None]:
        """The file, and its size in bytes if it is known."""
        return self.file, self.bytes

    def download(self, file: str) -> Path:
        """Fetch the file."""
        import torch

        path = self._path()
        path.parent.mkdir(parents=True, exist_ok=True)
        digits = self.sha256 or self.file.rsplit(".", 1)[0].rsplit("-", 1)[-1]
        with _socket_timeout(seconds()):
            torch.hub.download_url_to_file(self.url, str(path), hash_prefix=digits)
        return path


_downloads: ContextVar[bool] = ContextVar("downloads", default=True)


@contextmanager
def cached_only() -> Iterator[None]:
    """Take weights from the local caches only, within this block."""
    token = _downloads.set(False)
    try:
        yield
    finally:
        _downloads.reset(token)


def obtain(published: Published) -> Path:
    """Take the file from the cache, else print its name, size and licence and download it.

    Raises:
        WeightsError: if it cannot be downloaded, or may not (``cached_only``); names the local
            alternatives.
    """
    cached = published.cached()
    if cached is not None:
        return cached
    if not _downloads.get():
        raise WeightsError(
            f"the weights {published.name} (licence {published.licence}) are not in the local "
            "cache",
            expected="the file in the cache",
            todo=published.alternatives,
        )
    try:
        file, size = published.offer()
        amount = f"{size / 1e6:,.0f} MB" if size else "size unknown"
        print(
            f"downloading {published.place}/{file} ({amount}, licence {published.licence})",
            file=sys.stderr,
            flush=True,
        )
        return published.download(file)
    except Exception as error:  # clients raise a dozen classes of errors for the same problem
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise WeightsError(
            f"the weights {published.name} are not in the local cache and cannot be downloaded: "
            f"{reason}",
            expected="the file in the cache, or a hub that answers within "
            f"{seconds():g} s (HF_HUB_ETAG_TIMEOUT)",
            todo=published.alternatives,
        ) from None


@contextmanager
def _socket_timeout(limit: float) -> Iterator[None]:
    # torch.hub sets no timeout for its connection.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(limit)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
