"""Check a folder of pair shards byte by byte and report every problem."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from interestingness.data.images import decode_image
from interestingness.data.shards.index import ROLES, IndexBlock, ShardIndex
from interestingness.data.shards.layout import (
    INDEX,
    MANIFEST,
    VERIFY,
    Progress,
    ShardFile,
    ShardManifest,
    describe,
    parse_member,
    read_manifest,
)
from interestingness.errors import DataError, ImageError, ShardError
from interestingness.schema import Pair


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        file: name of the file inside the folder.
        what: what was found.
    """

    file: str
    what: str


@dataclass
class ShardReport:
    """The result of ``verify_shards``.

    Attributes:
        root: the folder.
        shards: tar files that the manifest lists.
        pairs: complete pairs.
        images: distinct images that were decoded.
        problems: all problems, in the order of the files.
    """

    root: str
    shards: int = 0
    pairs: int = 0
    images: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Return whether there is no problem."""
        return not self.problems

    @property
    def exit_status(self) -> int:
        """Return 0 if there is no problem, else 1."""
        return 0 if self.ok else 1

    def __str__(self) -> str:
        """Return counts, a line per problem (at most ten of a file) and what to do."""
        lines = [f"{self.root}: {self.shards} shards, {self.pairs} pairs, {self.images} images"]
        if self.ok:
            return f"{lines[0]}: all is well"
        by_file: dict[str, list[str]] = {}
        for problem in self.problems:
            by_file.setdefault(problem.file, []).append(problem.what)
        for name, found in by_file.items():
            lines += [f"  {name}: {what}" for what in found[:10]]
            if len(found) > 10:
                lines.append(f"  {name}: … and {len(found) - 10} more")
        lines.append(
            f"{len(self.problems)} problems. Copy the files named above again from where they are "
            f"whole, or remove the folder and write it again; then `{VERIFY} {self.root}`."
        )
        return "\n".join(lines)

    def add(self, file: str, what: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(file, what))


def verify_shards(
    root: str | Path, *, progress: Progress | None = None, decode: bool = True
) -> ShardReport:
    """Check hashes, counts, names, records and images of a local folder of shards.

    Nothing is unpacked; damage is reported, not raised.

    Args:
        root: the folder.
        progress: called with pairs done and pairs in all.
        decode: decode every distinct image once.
    """
    report = ShardReport(str(root))
    folder = Path(root)
    try:
        manifest = read_manifest(folder)
    except ShardError as error:
        report.add(MANIFEST, error.found)
        return report
    report.shards = len(manifest.shards)
    known = {MANIFEST, INDEX, *(shard.name for shard in manifest.shards)}
    for path in sorted(folder.iterdir()):
        if path.name not in known:
            report.add(path.name, "is no part of these shards")
    index = _index(folder, manifest, report)
    check = _Check(folder, manifest, report, decode, progress)
    for number, shard in enumerate(manifest.shards):
        block = None
        if index is not None:
            try:
                block = index.block(number)
            except ShardError as error:
                report.add(INDEX, error.found)
        check.shard(shard, block)
    report.images = len(check.images) - len(check.unreadable)
    if not report.problems and len(check.images) != manifest.images:
        report.add(MANIFEST, f"{manifest.images} images, but {len(check.images)} are in the shards")
    return report


def _index(folder: Path, manifest: ShardManifest, report: ShardReport) -> ShardIndex | None:
    try:
        if describe(folder / INDEX, manifest.index.pairs) != manifest.index:
            report.add(INDEX, "size or hash differ from the manifest's")
        return ShardIndex(folder / INDEX, manifest, held=1)
    except OSError as error:
        report.add(INDEX, error.strerror or str(error))
    except ShardError as error:
        report.add(INDEX, error.found)
    return None


class _Found(NamedTuple):
    data: bytes
    offset: int


@dataclass
class _Check:
    folder: Path
    manifest: ShardManifest
    report: ShardReport
    decode: bool
    progress: Progress | None
    images: dict[str, str] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    done: int = 0

    def shard(self, shard: ShardFile, block: IndexBlock | None) -> None:
        path = self.folder / shard.name
        try:
            found = describe(path, shard.pairs)
        except OSError as error:
            self.report.add(shard.name, error.strerror or str(error))
            return
        if found.bytes != shard.bytes:
            how = "cut short" if found.bytes < shard.bytes else "too long"
            self.report.add(shard.name, f"{found.bytes} bytes of {shard.bytes}: {how}")
        elif found.sha256 != shard.sha256:
            self.report.add(shard.name, "the content differs from its hash in the manifest")
        whole: dict[str, tuple[Pair, list[list[int]]]] = {}
        try:
            for pair_id, members in self._pairs(path, shard.name):
                pair = self._pair(shard.name, pair_id, members)
                if pair is not None:
                    spans = [[members[role].offset, len(members[role].data)] for role in ROLES]
                    whole[pair_id] = (pair, spans)
                self._tell()
        except (tarfile.TarError, OSError, EOFError) as error:
            self.report.add(shard.name, f"the tar file cannot be read on: {error}")
        self.report.pairs += len(whole)
        if len(whole) != shard.pairs:
            self.report.add(shard.name, f"{len(whole)} whole pairs of {shard.pairs}")
        if block is not None:
            self._against_index(shard.name, block, whole)

    def _tell(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(min(self.done, self.manifest.pairs), self.manifest.pairs)

    def _pairs(self, path: Path, name: str) -> Iterator[tuple[str, dict[str, _Found]]]:
        """Yield the members of each pair; report foreign members."""
        current, members = "", dict[str, _Found]()
        with tarfile.open(path, "r:") as tar:
            while (info := tar.next()) is not None:
                parts = parse_member(info.name)
                if parts is None or not info.isreg():
                    self.report.add(name, _strange(info))
                    continue
                if parts.pair_id != current and current:
                    yield current, members
                    members = {}
                current = parts.pair_id
                if parts.role in members:
                    self.report.add(name, f"pair {current} has {parts.role} twice")
                file = tar.extractfile(info)
                data = file.read() if file is not None else b""
                members[parts.role] = _Found(data, info.offset_data)
        if current:
            yield current, members

    def _pair(self, name: str, pair_id: str, members: dict[str, _Found]) -> Pair | None:
        """Check a pair; return it if it is complete."""
        if pair_id in self.seen:
            self.report.add(name, f"pair {pair_id} occurs more than once")
            return None
        self.seen.add(pair_id)
        missing = [role for role in ROLES if role not in members]
        if missing:
            self.report.add(name, f"pair {pair_id} lacks {' and '.join(missing)}")
            return None
        try:
            record = json.loads(members["json"].data)
            pair = Pair(record["pair_id"], record["left"], record["right"])
            right = Pair.of(pair.left, pair.right)
            hashes = {role: str(record[f"{role}_sha256"]) for role in ("left", "right")}
        except (ValueError, KeyError, TypeError, AttributeError, DataError) as error:
            self.report.add(name, f"pair {pair_id}: damaged json ({error})".splitlines()[0])
            return None
        if pair != right or pair.pair_id != pair_id:
            self.report.add(
                name,
                f"pair {pair_id}: its json says {pair.pair_id} of {pair.left!r} and "
                f"{pair.right!r}, which would be {right.pair_id}",
            )
            return None
        sides = (("left", pair.left), ("right", pair.right))
        good = [self._image(name, image, members[r].data, hashes[r]) for r, image in sides]
        return pair if all(good) else None

    def _image(self, name: str, image_id: str, data: bytes, digest: str) -> bool:
        if hashlib.sha256(data).hexdigest() != digest:
            self.report.add(name, f"image {image_id!r}: its bytes differ from their hash")
            return False
        if image_id in self.images:
            if self.images[image_id] != digest:
                self.report.add(name, f"image {image_id!r} has other bytes in another pair")
                return False
            return image_id not in self.unreadable
        self.images[image_id] = digest
        if self.decode:
            try:
                decode_image(data, where=repr(image_id))
            except ImageError as error:
                self.unreadable.add(image_id)
                self.report.add(name, f"image {error.found}")
                return False
        return True

    def _against_index(
        self, shard: str, block: IndexBlock, found: dict[str, tuple[Pair, list[list[int]]]]
    ) -> None:
        """Check that the index has the pairs that were found, at their places."""
        for row in range(len(block)):
            pair_id = block.pair_id(row)
            if pair_id not in found:
                self.report.add(INDEX, f"pair {pair_id} is not whole in {shard}")
                continue
            pair, spans = found.pop(pair_id)
            if block.images(row) != (pair.left, pair.right):
                self.report.add(INDEX, f"pair {pair_id}: other images than its json in {shard}")
            if block.spans[row].tolist() != spans:
                self.report.add(INDEX, f"pair {pair_id} lies elsewhere in {shard}")
        for pair_id in found:
            self.report.add(INDEX, f"lacks pair {pair_id} of {shard}")


def _strange(info: tarfile.TarInfo) -> str:
    path = PurePosixPath(info.name)
    if path.is_absolute() or ".." in path.parts:
        return f"a member with a path outside, {info.name!r}; do not unpack this file"
    if not info.isreg():
        return f"member {info.name!r} is no regular file; do not unpack this file"
    return f"a member that is not one of ours, {info.name!r}"
