"""``interestingness collect-flickr --from 2024-05-01 --to 2024-05-31 --out flickr``."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from interestingness.commands.options import Options
from interestingness.errors import ConfigError

FIRST = date(2004, 7, 1)
"""Flickr has lists from this day on."""


def days_of(options: Options) -> tuple[date, date]:
    """Return the first and the last day.

    Raises:
        ConfigError: for missing dates, a wrong order, days without a list, or other numbers
            out of range.
    """
    try:
        first, last = (date.fromisoformat(text) for text in (options.first, options.last))
    except ValueError as error:
        raise ConfigError(
            f"--from {options.first} --to {options.last}: {error}",
            expected="days such as 2024-05-01",
            todo="correct the dates",
        ) from None
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    if not FIRST <= first <= last <= yesterday:
        raise ConfigError(
            f"--from {first} --to {last}",
            expected=f"days from {FIRST} to {yesterday}, the first one first",
            todo="correct the dates",
        )
    if not 1 <= options.per_day <= 500 or options.seed < 0 or not options.per_hour > 0:
        raise ConfigError(
            f"--per-day {options.per_day} --seed {options.seed} --per-hour {options.per_hour}",
            expected="1 to 500 photos (a list has no more), a seed of 0 or more, queries above 0",
            todo="correct the option",
        )
    return first, last


def collect_flickr(options: Options) -> None:
    """Ask, write the table, and print the next command."""
    first, last = days_of(options)

    from interestingness.datasets.flickr.api import ENDPOINT, Flickr, key_from_environment
    from interestingness.datasets.flickr.collect import collect
    from interestingness.progress import ProgressLine

    flickr = Flickr(
        key_from_environment(),
        endpoint=options.endpoint_for_tests or ENDPOINT,
        per_hour=options.per_hour,
    )
    found = collect(
        flickr, options.out, first=first, last=last, per_day=options.per_day, seed=options.seed,
        progress=ProgressLine("days"),
    )  # fmt: skip
    days, before = found.days
    print(f"{found.table}: {found.interesting:,} interesting photos and as many others")
    print(f"  {days:,} days, {before:,} of them collected before; {found.queries:,} queries")
    for why, count in found.counts.items():
        print(f"  {count:>9,}  left out: {why.replace('_', ' ')}")
    print(f"next: interestingness download {found.table} url --out images")
    print(f"      python train.py dataset=lafin dataset.photos={found.table} label_source=lafin")
