"""Before anything is sent: which images can be used, what would be asked, what it would cost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from interestingness.annotators.asking import Stored
from interestingness.annotators.backends import Backend
from interestingness.annotators.ledger.money import dollars
from interestingness.annotators.prices import Meter
from interestingness.annotators.stimuli import ImageSource, Transcode
from interestingness.annotators.types import Need, Task
from interestingness.errors import ConfigError, DataError, ImageError
from interestingness.tables.tables import Tables

CONFIRM_ABOVE_UUSD = 1_000_000
"""What may be spent, in millionths of a dollar, without a budget or a yes."""


@dataclass(frozen=True)
class Images:
    """Image files by id, and why the others cannot be used."""

    sources: dict[str, ImageSource]
    unreadable: dict[str, str]

    def check(self, max_bad_share: float) -> None:
        """Refuse to go on if too many cannot be used.

        Raises:
            DataError: if more than ``max_bad_share`` of the images are unreadable.
        """
        bad, total = len(self.unreadable), len(self.unreadable) + len(self.sources)
        if bad > max_bad_share * total or not self.sources:
            shown = "\n".join(f"    {n}: {why}" for n, why in list(self.unreadable.items())[:5])
            raise DataError(
                f"{bad} of {total} images cannot be sent:\n{shown}",
                expected=f"at most {max_bad_share:.3g} of them",
                todo="repair or remove these files, or allow a larger share (max_bad_share)",
            )


def read_images(
    tables: Tables, image_ids: Iterable[str], progress: Callable[[int, int], None]
) -> Images:
    """Hash the files of images; absent, unreadable and empty ones are counted."""
    row_of = {name: row for row, name in enumerate(tables.image_ids.tolist())}

    def read(image_id: str) -> ImageSource | str:
        try:
            return ImageSource.read(image_id, tables.image_path(row_of[image_id]))
        except (ImageError, DataError) as error:
            return error.found

    return _sorted_out(list(dict.fromkeys(image_ids)), read, progress)


def checked(
    images: Images, transcode: Transcode, stored: Stored, progress: Callable[[int, int], None]
) -> Images:
    """Make every image ready for sending, so that none fails once money is being spent.

    Args:
        images: hashed.
        transcode: the rule.
        stored: keeps the bytes; an image that it has is not decoded again.
        progress: told how far it is.
    """

    def ready(image_id: str) -> ImageSource | str:
        source = images.sources[image_id]

        def make() -> bytes:
            return transcode(source.bytes(), where=image_id)

        try:
            stored(source.sha256, transcode.id, make)
        except ImageError as error:
            return error.found
        return source

    found = _sorted_out(list(images.sources), ready, progress)
    return Images(found.sources, {**images.unreadable, **found.unreadable})


def _sorted_out(
    names: Sequence[str],
    look: Callable[[str], ImageSource | str],
    progress: Callable[[int, int], None],
) -> Images:
    images = Images({}, {})
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="image") as pool:
        for done, (name, found) in enumerate(zip(names, pool.map(look, names), strict=True), 1):
            if isinstance(found, ImageSource):
                images.sources[name] = found
            else:
                images.unreadable[name] = found
            progress(done, len(names))
    return images


@dataclass(frozen=True)
class CostEstimate:
    """Cost of some tasks, in millionths of a dollar.

    Attributes:
        calls: tasks to be asked.
        most: if every answer is as long as the cap allows.
        expected: with answers as long as in the preflight; None before one.
    """

    calls: int
    most: int
    expected: int | None = None

    @classmethod
    def of(
        cls, tasks: Sequence[Task], meter: Meter, completion_tokens: int | None = None
    ) -> CostEstimate:
        """Add up reserves.

        Args:
            tasks: to be asked.
            meter: with what the preflight measured, if there was one.
            completion_tokens: of an answer, as measured.
        """
        most = sum(meter.reserve(task) for task in tasks)
        if completion_tokens is None:
            return cls(len(tasks), most)
        each = [
            meter.price.cost(meter.measured[task.kind], completion_tokens)
            for task in tasks
            if task.kind in meter.measured
        ]
        return cls(len(tasks), most, sum(each) if len(each) == len(tasks) else None)

    def __str__(self) -> str:
        if self.most == 0:
            return f"{self.calls:,} calls, free of charge"
        if self.expected is None:
            return f"{self.calls:,} calls, at most {dollars(self.most)}"
        return f"{self.calls:,} calls, about {dollars(self.expected)}, at most {dollars(self.most)}"


def confirm(estimate: CostEstimate, *, budget: float | None, yes: bool = False) -> None:
    """A budget or a yes is needed before more than a dollar can be spent, by a pilot too.

    Raises:
        ConfigError: otherwise.
    """
    if budget is None and not yes and estimate.most > CONFIRM_ABOVE_UUSD:
        raise ConfigError(
            f"{estimate}, and there is no budget",
            expected="budget=… in dollars, over everything that the ledger ever spends",
            todo="pilot=30 asks less; budget=5.00 allows so much; yes=true goes on without one",
        )


def leaving(backend: Backend, tasks: Sequence[Task]) -> str:
    """How many photographs leave this machine for which host."""
    hashes = {str(sha) for task in tasks for sha in task.identity.get("images") or ()}  # type: ignore[union-attr]
    number = f"{len(hashes):,} photograph{'' if len(hashes) == 1 else 's'}"
    if not hashes:
        return "no photograph leaves this machine; " + (
            f"texts go to {backend.host}" if not backend.local else "nothing else does either"
        )
    if backend.local:
        where = "" if backend.base_url is None else f" ({backend.host} is this machine)"
        return f"no photograph leaves this machine{where}"
    return (
        f"{number} leave this machine for {backend.host}: at most {backend.max_side} pixels wide "
        "or high, without metadata"
    )


def there_already(need: Need) -> str:
    """What is there, and what is not asked again."""
    return "; ".join([f"{need.labelled:,} answers are there", *without_answer(need)])


def nothing_to_ask(need: Need) -> str:
    """Why nothing is asked; where tasks are under way, how to go on."""
    rest = without_answer(need)
    if not rest:
        return "nothing to ask: every answer is there"
    said = f"nothing to ask now: {there_already(need)}"
    return said + ("; mode=batch takes in what is in a batch" if need.waiting else "")


def without_answer(need: Need) -> list[str]:
    """Tasks that have no answer and are not asked again by themselves."""
    counts = (
        (need.refused, "refused for good"),
        (need.rejected, "given up after unusable answers"),
        (need.held, "in doubt: perhaps paid for, not asked again (in_doubt=rebuy asks them)"),
        (need.waiting, "under way: in a batch, or of a process that was killed"),
        (need.unjudged, "stored and not yet read"),
    )
    return [f"{number:,} {what}" for number, what in counts if number]
