"""Read shards from a URL, with fsspec: ``https:``, ``s3:``, ``gs:``, ``file:``, …

``pipe:`` URLs are shell commands that WebDataset runs.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from interestingness.data.shards.layout import VERIFY, Member, ShardFile, parse_member
from interestingness.errors import ShardError

SILENCE_S = 60.0
"""Seconds that a server may send nothing."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_BUSY = {408, 429}


class Unreachable(ShardError):
    """A URL cannot be read.

    Attributes:
        passing: whether a retry may succeed: a server error, a time-out or a broken connection.
    """

    passing = False

    @classmethod
    def of(cls, url: str, error: BaseException) -> Unreachable:
        """Make the error for what opening or reading raised."""
        status = getattr(error, "status", None)
        if isinstance(error, FileNotFoundError):
            reason = "there is no such file"
        elif isinstance(error, TimeoutError):
            reason = f"the server sends nothing for {SILENCE_S:g} s"
        elif status is not None:
            reason = f"the server answers {status} {getattr(error, 'message', '')}".strip()
        else:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        todo = "check the address, or name a local folder"
        if isinstance(error, ImportError):
            todo = "pip install the package that it names"
        name = without_password(url)
        made = cls(
            f"{name}: cannot be read ({reason.replace(url, name)})",
            expected="a file behind a URL that fsspec opens",
            todo=todo,
        )
        broken = isinstance(error, ConnectionError | TimeoutError) or _is_connection(error)
        made.passing = broken if status is None else status >= 500 or status in _BUSY
        return made


def _is_connection(error: BaseException) -> bool:
    import aiohttp

    return isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError)


def is_url(root: str) -> bool:
    """Return whether a root is a URL (``https:``, ``pipe:``, ``file:``, …), not a local folder."""
    return _SCHEME.match(root) is not None


def join_url(root: str, name: str) -> str:
    """Return the URL of a file: replace ``{name}`` in the root, or append a slash and the name.

    >>> join_url("https://host/shards", "manifest.json")
    'https://host/shards/manifest.json'
    >>> join_url("pipe:aws s3 cp s3://bucket/{name} -", "manifest.json")
    'pipe:aws s3 cp s3://bucket/manifest.json -'
    """
    if "{name}" in root:
        return root.replace("{name}", name)
    return f"{root.rstrip('/')}/{name}"


def without_password(url: str) -> str:
    """Return the URL without user and password, for messages."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def opened(url: str) -> AbstractContextManager[Any]:
    """Open a stream of bytes to be read once from its beginning and then closed.

    Raises:
        Exception: whatever the file system of the URL raises; see ``Unreachable.of``.
    """
    if url.startswith("pipe:"):
        from webdataset.gopen import gopen

        command: AbstractContextManager[Any] = gopen(url, "rb")
        return command
    import fsspec

    if urlsplit(url).scheme not in {"http", "https"}:
        system, path = fsspec.core.url_to_fs(url)
        file: AbstractContextManager[Any] = system.open(path, "rb")
        return file
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_S, sock_read=SILENCE_S)
    options = {"client_kwargs": {"timeout": timeout}, "skip_instance_cache": True}
    system = fsspec.filesystem("http", **options)
    # One request for the whole file; giving its size saves a request for the size.
    stream: AbstractContextManager[Any] = system.open(url, "rb", block_size=0, size=1)
    return stream


def read_url(url: str) -> bytes:
    """Read all bytes of a URL.

    Raises:
        Unreachable: if it cannot be read.
    """
    return b"".join(stream_bytes(url))


def stream_bytes(url: str) -> Iterator[bytes]:
    """Yield the bytes of a URL as they arrive, in pieces of at most a megabyte.

    Raises:
        Unreachable: if it cannot be read.
    """
    try:
        with opened(url) as stream:
            while some := stream.read(1 << 20):
                yield bytes(some)
    except Exception as error:
        raise Unreachable.of(url, error) from None


def stream_members(url: str, shard: ShardFile) -> Iterator[tuple[Member, bytes]]:
    """Yield the members of a tar shard in order, as they arrive.

    Args:
        url: where the shard is.
        shard: its entry in the manifest.

    Raises:
        ShardError: if it cannot be read, ends early, or holds a member that is not one of ours.
    """
    from webdataset.tariterators import tar_file_iterator

    pairs = 0
    try:
        with opened(url) as stream:
            for sample in tar_file_iterator(stream, skip_meta=None):
                member = parse_member(sample["fname"])
                if member is None:
                    raise ShardError(
                        f"{without_password(url)}: a member named {sample['fname']!r}",
                        expected="<pair_id>.left.jpg, <pair_id>.right.jpg and <pair_id>.json only",
                        todo=f"`{VERIFY}` a local copy; do not unpack it",
                    )
                pairs += member.role == "json"
                yield member, sample["data"]
            while stream.read(1 << 16):
                pass  # a command of a pipe has its exit status only when its output has been read
    except ShardError:
        raise
    except (tarfile.TarError, EOFError) as error:
        raise _cut(url, str(error).splitlines()[0] if str(error) else "cut short") from None
    except Exception as error:
        raise Unreachable.of(url, error) from None
    if pairs != shard.pairs:
        raise _cut(url, f"ends after {pairs} pairs")


def _cut(url: str, what: str) -> ShardError:
    return ShardError(
        f"{without_password(url)}: {what}",
        expected="a whole shard",
        todo=f"copy the folder and run `{VERIFY}` on the copy; upload what is damaged again",
    )
