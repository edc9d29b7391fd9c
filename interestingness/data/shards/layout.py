"""Layout of a folder of pair shards: names of members, the manifest and its checks."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from interestingness.errors import ShardError

SHARD_FORMAT_VERSION = 1
MANIFEST = "manifest.json"
INDEX = "index.parquet"
IMAGE_EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
"""Formats whose bytes are kept as they are, with the extension that says so."""

VERIFY = "interestingness shards verify"
Progress = Callable[[int, int], None]
"""Called with pairs done and pairs in all."""

_MEMBER = re.compile(r"([0-9a-f]{16})\.(left\.(?:jpg|png|webp)|right\.(?:jpg|png|webp)|json)")
_SHARD = re.compile(r"pairs-\d{6,}\.tar")


def shard_name(number: int) -> str:
    """Return a shard's file name; ``pairs-{000000..000012}.tar`` names all of them."""
    return f"pairs-{number:06d}.tar"


class Member(NamedTuple):
    """A tar member's name in parts: ``<pair_id>.<role>[.<extension>]``."""

    pair_id: str
    role: str
    """"left", "right" or "json"."""
    extension: str


def parse_member(name: str) -> Member | None:
    """Parse a member's name; None if it has another form, such as a path."""
    match = _MEMBER.fullmatch(name)
    if match is None:
        return None
    role, _, extension = match[2].partition(".")
    return Member(match[1], role, extension or "json")


def pair_json(
    pair_id: str, left: str, right: str, left_sha256: str, right_sha256: str
) -> dict[str, str]:
    """Return the JSON record of a pair."""
    return {
        "pair_id": pair_id,
        "left": left,
        "right": right,
        "left_sha256": left_sha256,
        "right_sha256": right_sha256,
    }


@dataclass(frozen=True)
class ShardFile:
    """One file of the folder as the manifest lists it.

    Attributes:
        name: file name inside the folder.
        bytes: its size.
        sha256: hexadecimal digest of its content.
        pairs: pairs that it holds.
    """

    name: str
    bytes: int
    sha256: str
    pairs: int


@dataclass(frozen=True)
class ShardManifest:
    """Description of a folder of shards (``manifest.json``).

    Attributes:
        name: the data set's short name.
        domain: "photographs" or "synthetic".
        simulated: sentence shown with every number if raters are simulated, else "".
        source: hash of the tables and options that the shards were written from.
        pairs: pairs in all shards.
        images: distinct images in them.
        index: the index file.
        shards: the tar files, in order.
        max_side: longest side in pixels beyond which images were made smaller; None kept them.
        reencoded: images stored as JPEG because their format is none of JPEG, PNG, WebP.
        resized: images that were made smaller.
        unreadable: why an image could not be read, by image id.
        skipped: ids of the pairs that are left out because of them.
    """

    name: str
    domain: str
    simulated: str
    source: str
    pairs: int
    images: int
    index: ShardFile
    shards: tuple[ShardFile, ...]
    max_side: int | None = None
    reencoded: int = 0
    resized: int = 0
    unreadable: Mapping[str, str] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    format_version: int = SHARD_FORMAT_VERSION

    def to_json(self) -> str:
        """Return the file's text; equal manifests give equal texts."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, where: str) -> ShardManifest:
        """Parse and check a manifest.

        Raises:
            ShardError: damaged, of another format version, or contradicting itself.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            version = values["format_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise damaged_manifest(where, f"{type(error).__name__}: {error}") from None
        if version != SHARD_FORMAT_VERSION:
            raise ShardError(
                f"{where}: shard format version {version}",
                expected=f"version {SHARD_FORMAT_VERSION}",
                todo="write the shards again with this version",
            )
        try:
            values["index"] = ShardFile(**values["index"])
            values["shards"] = tuple(ShardFile(**shard) for shard in values["shards"])
            values["skipped"] = tuple(values["skipped"])
            manifest = cls(**values)
        except (KeyError, TypeError) as error:
            raise damaged_manifest(where, str(error)) from None
        manifest._check(where)
        return manifest

    def _check(self, where: str) -> None:
        names = [shard.name for shard in self.shards]
        if any(not _SHARD.fullmatch(name) for name in names) or self.index.name != INDEX:
            raise damaged_manifest(where, "a file name that is not one of ours")
        if len(set(names)) != len(names):
            raise damaged_manifest(where, "a shard is listed twice")
        in_shards = sum(shard.pairs for shard in self.shards)
        if not self.pairs == in_shards == self.index.pairs:
            raise damaged_manifest(
                where,
                f"{self.pairs} pairs in all, {in_shards} in the shards, "
                f"{self.index.pairs} in the index",
            )


def damaged_manifest(where: str, what: str) -> ShardError:
    """Return the error for a manifest that cannot be parsed."""
    return ShardError(
        f"{where}: damaged manifest ({what})",
        expected="the manifest.json that was written with the shards",
        todo="copy the folder again, or write the shards again",
    )


def read_manifest(root: str | Path) -> ShardManifest:
    """Read the manifest of a local folder.

    Raises:
        ShardError: absent, damaged, or of another format version.
    """
    path = Path(root) / MANIFEST
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ShardError(
            f"{path}: {error.strerror or error}",
            expected=f"a folder of shards with its {MANIFEST}",
            todo="name the folder that the shards were written to, or write them",
        ) from None
    return ShardManifest.from_json(text, where=str(path))


def describe(path: Path, pairs: int) -> ShardFile:
    """Return name, size and hash of a file on disk."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return ShardFile(path.name, os.fstat(file.fileno()).st_size, digest, pairs)
