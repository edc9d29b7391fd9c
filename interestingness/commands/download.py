"""``interestingness download TABLE URL_COLUMN --out FOLDER``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from interestingness.datasets.download.settings import FORMATS, DownloadSettings

_DEFAULT = DownloadSettings()


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = argparse.ArgumentParser(
        prog="interestingness download",
        description="Images by URL: politely, resumably, every loss counted. Give the same command "
        "again to go on, or to try again what may only have been out of reach.",
    )
    result.add_argument("table", help="CSV or Parquet")
    result.add_argument("url_column", help="its column of addresses")
    result.add_argument("--out", default="images", help="folder for the images (%(default)s)")
    result.add_argument("--id", help="column that names the images (image_id, …, else the URL)")
    result.add_argument("--license", help="column of licences, for the report")
    result.add_argument("--sha256", help="column of hashes that the files must have")
    result.add_argument(
        "--have", action="append", default=[], help="folder that may hold files already; repeatable"
    )
    result.add_argument(
        "--placeholder", action="append", default=[],
        help="what is no photograph: an MD5 or SHA-256, '2900 bytes', an example file, or a part "
        "of an address that redirects lead to; repeatable",
    )  # fmt: skip
    result.add_argument("--again", action="store_true", help="also try what was lost for good")
    result.add_argument(
        "--verify", action="store_true", help="hash files of earlier runs, fetch changed ones anew"
    )
    result.add_argument("--connections", type=int, default=_DEFAULT.connections)
    result.add_argument("--per-host", type=int, default=_DEFAULT.per_host)
    result.add_argument(
        "--pause",
        type=float,
        default=_DEFAULT.pause_s,
        help="seconds between requests (each place)",
    )
    result.add_argument("--attempts", type=int, default=_DEFAULT.attempts)
    result.add_argument(
        "--backoff", type=float, default=_DEFAULT.backoff_s, help="seconds, doubled"
    )
    result.add_argument("--timeout", type=float, default=_DEFAULT.timeout_s, help="seconds")
    result.add_argument("--max-mb", type=float, default=_DEFAULT.max_bytes / 1e6)
    result.add_argument("--max-pixels", type=int, default=_DEFAULT.max_pixels)
    result.add_argument("--formats", nargs="+", default=list(FORMATS), help="by content")
    result.add_argument(
        "--user-agent", default=_DEFAULT.user_agent, help="who you are; be findable"
    )
    result.add_argument("--loopback-for-tests", action="store_true", help=argparse.SUPPRESS)
    return result


def settings_of(options: argparse.Namespace) -> DownloadSettings:
    """Limits as given on the command line."""
    return DownloadSettings(
        connections=options.connections,
        per_host=options.per_host,
        pause_s=options.pause,
        attempts=options.attempts,
        backoff_s=options.backoff,
        timeout_s=options.timeout,
        idle_s=min(_DEFAULT.idle_s, options.timeout),
        max_bytes=round(options.max_mb * 1e6),
        max_pixels=options.max_pixels,
        formats=tuple(name.upper() for name in options.formats),
        user_agent=options.user_agent,
        loopback=options.loopback_for_tests,
    )


def run(options: argparse.Namespace) -> int:
    """Do it and tell what came of it.

    Returns:
        Exit status: 0, or 1 if not a single image is there.
    """
    from interestingness.datasets.download.placeholders import with_own
    from interestingness.datasets.download.record import TABLE
    from interestingness.datasets.download.report import report
    from interestingness.datasets.download.run import download_images
    from interestingness.datasets.download.table import read_items
    from interestingness.progress import ProgressLine

    settings = settings_of(options)
    items = read_items(
        options.table,
        options.url_column,
        id_column=options.id,
        license_column=options.license,
        sha256_column=options.sha256,
    )
    outcomes = download_images(
        items,
        options.out,
        have=options.have,
        settings=settings,
        placeholders=with_own(options.placeholder),
        again=options.again,
        verify=options.verify,
        progress=ProgressLine("images"),
    )
    print(report(outcomes))
    print(f"each image's row: {Path(options.out).expanduser() / TABLE}")
    return 0 if any(outcome.kept for outcome in outcomes) else 1


def main(arguments: Sequence[str]) -> int:
    """Parse and run."""
    return run(parser().parse_args(list(arguments)))
