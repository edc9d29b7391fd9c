"""Streams shards from any URL that WebDataset opens.

A stream cannot jump: every worker of every rank reads whole shards and keeps its own pairs, so
that ranks × workers as many bytes travel as the shards have. They are not decoded, though.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator

from interestingness.data.shards.layout import VERIFY, Member, ShardFile, parse_member
from interestingness.data.shards.opening import ERRORS, opened, passing, reason, shown
from interestingness.errors import ShardError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class Unreachable(ShardError):
    """A URL cannot be read.

    Attributes:
        passing: whether another try may go better.
    """

    passing = False

    @classmethod
    def of(cls, url: str, error: BaseException) -> Unreachable:
        """For what ``opened`` raised."""
        made = cls(
            f"{shown(url)}: cannot be read ({reason(error)})",
            expected="a file behind any URL that WebDataset opens",
            todo="check the address, or name a local folder",
        )
        made.passing = passing(error)
        return made


def is_url(root: str) -> bool:
    """Whether a root is a URL (``https:``, ``pipe:``, ``file:``, …) rather than a local folder."""
    return _SCHEME.match(root) is not None


def join_url(root: str, name: str) -> str:
    """The URL of one file: ``{name}`` in the root is replaced, or the name put behind a slash.

    >>> join_url("https://host/shards", "manifest.json")
    'https://host/shards/manifest.json'
    >>> join_url("pipe:aws s3 cp s3://bucket/{name} -", "manifest.json")
    'pipe:aws s3 cp s3://bucket/manifest.json -'
    """
    if "{name}" in root:
        return root.replace("{name}", name)
    return f"{root.rstrip('/')}/{name}"


def read_url(url: str) -> bytes:
    """All bytes behind a URL.

    Raises:
        Unreachable: if it cannot be read.
    """
    return b"".join(stream_bytes(url))


def stream_bytes(url: str) -> Iterator[bytes]:
    """What is behind a URL, as it arrives, in pieces of at most a megabyte.

    Raises:
        Unreachable: if it cannot be read.
    """
    try:
        with opened(url) as stream:
            while some := stream.read(1 << 20):
                yield bytes(some)
    except ERRORS as error:
        raise Unreachable.of(url, error) from None


def stream_members(url: str, shard: ShardFile) -> Iterator[tuple[Member, bytes]]:
    """Members of a tar shard in order, as they arrive.

    Args:
        url: where the shard is.
        shard: what the manifest says of it.

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
                        f"{shown(url)}: a member named {sample['fname']!r}",
                        expected="<pair_id>.left.jpg, <pair_id>.right.jpg and <pair_id>.json only",
                        todo=f"`{VERIFY}` a local copy; do not unpack it",
                    )
                pairs += member.role == "json"
                yield member, sample["data"]
            _drain(stream)
    except (tarfile.TarError, EOFError) as error:
        raise _cut(url, str(error).splitlines()[0] if str(error) else "cut short") from None
    except ERRORS as error:
        raise Unreachable.of(url, error) from None
    if pairs != shard.pairs:
        raise _cut(url, f"ends after {pairs} pairs")


def _drain(stream: object) -> None:
    """Read to the end, so that a command behind a pipe can finish and its exit status is seen."""
    read = getattr(stream, "read")  # noqa: B009  file objects and WebDataset's Pipe share no type
    while read(1 << 16):
        pass


def _cut(url: str, what: str) -> ShardError:
    return ShardError(
        f"{shown(url)}: {what}",
        expected="a whole shard",
        todo=f"copy the folder and run `{VERIFY}` on the copy; upload what is damaged again",
    )
