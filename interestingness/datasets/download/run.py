"""Download many images: use existing files, fetch the rest, record each outcome at once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
from filelock import FileLock, Timeout

from interestingness.datasets.download.addresses import AddressRefusedError, checked_url
from interestingness.datasets.download.content import Placeholders, Refusal, examine
from interestingness.datasets.download.fetch import FetchAnswer, close, fetch, open_session
from interestingness.datasets.download.files import (
    present,
    remove_unfinished,
    stem_of,
    write_whole,
)
from interestingness.datasets.download.hosts import Host, Hosts, HostTask
from interestingness.datasets.download.outcomes import (
    PASSING,
    DownloadOutcome,
    Item,
    Journal,
    read_outcomes,
    write_outcomes,
)
from interestingness.datasets.download.settings import DownloadSettings
from interestingness.disk import sha256_of
from interestingness.errors import DataError

Progress = Callable[[int, int], None]


def download_images(
    items: Sequence[Item],
    out: str | Path,
    *,
    have: Sequence[str | Path] = (),
    settings: DownloadSettings | None = None,
    placeholders: Placeholders | None = None,
    again: bool = False,
    verify: bool = False,
    progress: Progress | None = None,
) -> list[DownloadOutcome]:
    """Obtain images; safe to interrupt and to call again.

    Files are written atomically and named after their image and format. Existing files are used as
    they are and never replaced. ``downloads.parquet`` in the folder holds the outcome of each
    image, with the rows of earlier runs on other images.

    Args:
        items: what to obtain, ids distinct.
        out: folder for the files; created if it is absent.
        have: other folders that may hold the files already.
        settings: limits; see ``Settings``.
        placeholders: pictures to reject; None for the known ones.
        again: also try images that earlier runs found permanently lost.
        verify: hash files of earlier runs, and fetch changed ones again.
        progress: called with the progress.

    Returns:
        One outcome per item, in their order.

    Raises:
        DataError: two items of one id, another process at work in the folder, a damaged record.
    """
    settings, known = settings or DownloadSettings(), placeholders or Placeholders()
    folder = Path(out).expanduser()
    stems = _stems(items)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".downloads.lock", timeout=0):
            job = _Job(folder, settings, known, progress or _silent, len(items))
            job.start(items, stems, [Path(p).expanduser() for p in have], again, verify)
            try:
                asyncio.run(job.work())
            except* OSError as group:
                raise _unwritable(folder, group) from None
            finally:
                job.finish()
            return [job.outcomes[item.image_id] for item in items]
    except Timeout:
        raise DataError(
            f"{folder}: another download into this folder is under way",
            expected="one at a time",
            todo="wait for it, or name another folder",
        ) from None


def _unwritable(folder: Path, group: BaseExceptionGroup[OSError]) -> DataError:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return DataError(
        f"{folder}: cannot be written ({first})",
        expected="a folder with room for the images",
        todo="make room and give the same command again: what is there is kept",
    )


def _silent(done: int, total: int) -> None:
    """Show no progress."""


def _stems(items: Sequence[Item]) -> dict[str, str]:
    stems: dict[str, str] = {}
    owner: dict[str, str] = {}
    for item in items:
        stem = stem_of(item.image_id)
        # folded: some file systems do not distinguish a.jpg from A.jpg
        other = owner.setdefault(stem.casefold(), item.image_id)
        if item.image_id in stems or other != item.image_id:
            raise DataError(
                f"image {item.image_id!r} occurs twice"
                if other == item.image_id
                else f"images {other!r} and {item.image_id!r} would be one file",
                expected="distinct image ids",
                todo="remove or rename the repeated rows, or name another column of ids",
            )
        stems[item.image_id] = stem
    return stems


@dataclass
class _Job:
    """The state of one run, which its workers share."""

    folder: Path
    settings: DownloadSettings
    placeholders: Placeholders
    progress: Progress
    total: int

    def start(
        self,
        items: Sequence[Item],
        stems: Mapping[str, str],
        have: Sequence[Path],
        again: bool,
        verify: bool,
    ) -> None:
        """Separate settled items from those to fetch."""
        self.stems = stems
        remove_unfinished(self.folder)
        self.outcomes = read_outcomes(self.folder)
        self.journal = Journal(self.folder)
        there = present([self.folder, *have])
        self.todo: list[Item] = []
        for item in items:
            settled = _settled(
                item, there.get(stems[item.image_id]), self.outcomes, self.folder, again, verify
            )
            if settled is None:
                try:
                    self.todo.append(replace(item, url=checked_url(item.url)))
                except AddressRefusedError as error:
                    settled = DownloadOutcome(item.image_id, item.url, "address", str(error))
            if settled is not None:
                self.note(replace(settled, license=item.license))
        self.done = self.total - len(self.todo)

    def note(self, outcome: DownloadOutcome) -> None:
        """Record an outcome, unless it is recorded already."""
        if self.outcomes.get(outcome.image_id) != outcome:
            self.outcomes[outcome.image_id] = outcome
            self.journal.add(outcome)

    async def work(self) -> None:
        """Fetch all unsettled items."""
        hosts = Hosts(self.todo, self.settings)
        session = open_session(self.settings)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.settings.connections):
                    group.create_task(self.worker(session, hosts))
        finally:
            await close(session)

    async def worker(self, session: aiohttp.ClientSession, hosts: Hosts) -> None:
        """Fetch images until none is left."""
        while (taken := await hosts.take()) is not None:
            host, task = taken
            if host.dead:
                self.end(
                    hosts, host, self.lost(task, FetchAnswer(None, "unreachable", host.dead, ""))
                )
                continue
            task.attempts += 1
            answer = await fetch(
                session, task.item.url, settings=self.settings, placeholders=self.placeholders
            )
            wait = self.settings.backoff_s * 2 ** (task.attempts - 1)
            self.listen(hosts, host, answer, wait)
            if answer.data is not None:
                self.end(hosts, host, await asyncio.to_thread(self.keep, task, answer))
            elif answer.kind in PASSING and task.attempts < self.settings.attempts:
                hosts.again(host, task, wait)
            else:
                self.end(hosts, host, self.lost(task, answer))

    def listen(self, hosts: Hosts, host: Host, answer: FetchAnswer, usual_s: float) -> None:
        """Update the host after an answer: requested pauses, and failures without an answer."""
        host.silent = host.silent + 1 if answer.kind == "unreachable" and not answer.status else 0
        if host.silent >= self.settings.dead_after:
            host.dead = f"{host.name} did not answer {host.silent} times in a row: {answer.detail}"
        if answer.kind == "busy":
            wait = usual_s if math.isnan(answer.wait_s) else answer.wait_s
            if wait > self.settings.longest_wait_s:
                host.dead = f"{host.name} asks to come back in {wait:.0f} s"
            hosts.pause(host, min(wait, self.settings.longest_wait_s))

    def end(self, hosts: Hosts, host: Host, outcome: DownloadOutcome) -> None:
        """Record the outcome of one image and free its place."""
        self.note(outcome)
        hosts.finished(host)
        self.done += 1
        self.progress(self.done, self.total)

    def lost(self, task: HostTask, answer: FetchAnswer) -> DownloadOutcome:
        """Return the outcome of a lost image."""
        kind = answer.kind or "unreachable"
        return DownloadOutcome(
            task.item.image_id, task.item.url, kind, answer.detail,
            final_url=answer.url, status=answer.status, attempts=task.attempts,
            license=task.item.license, final=kind not in PASSING,
        )  # fmt: skip

    def keep(self, task: HostTask, answer: FetchAnswer) -> DownloadOutcome:
        """Check bytes and store them; runs in a thread, because decoding takes time."""
        data, item = answer.data or b"", task.item
        found = examine(
            data, settings=self.settings, placeholders=self.placeholders, sha256=item.sha256
        )
        if isinstance(found, Refusal):
            return self.lost(task, replace(answer, kind=found.kind, detail=found.detail))
        path = self.folder / (self.stems[item.image_id] + found.suffix)
        write_whole(path, data)
        return DownloadOutcome(
            item.image_id, item.url, "downloaded", "", path.name, found.sha256, len(data),
            found.width, found.height, answer.url, answer.status, task.attempts, item.license,
        )  # fmt: skip

    def finish(self) -> None:
        """Write the table of all outcomes so far, also when the run ends early."""
        self.journal.close()
        write_outcomes(self.folder, self.outcomes.values())


def _settled(
    item: Item,
    path: Path | None,
    before: Mapping[str, DownloadOutcome],
    folder: Path,
    again: bool,
    verify: bool,
) -> DownloadOutcome | None:
    """Return an outcome that needs no request: an existing file or a permanent loss."""
    known = before.get(item.image_id)
    if path is not None:
        name = path.name if path.parent == folder else str(path.resolve())
        ours = known is not None and known.kind == "downloaded" and known.file == name
        if known is not None and ours and verify and sha256_of(path) != known.sha256:
            path.unlink()
            return None
        if known is not None and ours and path.stat().st_size == known.bytes:
            return known
        return DownloadOutcome(
            item.image_id, item.url, "already there", "", name, bytes=path.stat().st_size
        )
    if known is not None and not known.kept and known.final and not again:
        return known if known.url == item.url else None
    return None
