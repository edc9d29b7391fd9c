"""``interestingness download TABLE URL_COLUMN --out FOLDER``."""

from __future__ import annotations

from pathlib import Path

from interestingness.commands.options import Options
from interestingness.datasets.download.settings import DownloadSettings

_DEFAULT = DownloadSettings()


def settings_of(options: Options) -> DownloadSettings:
    """Read limits from the command line."""
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


def download(options: Options) -> int:
    """Download the images and print a summary.

    Returns:
        Exit status: 0, or 1 if not a single image is there.
    """
    from interestingness.datasets.download.content import with_own
    from interestingness.datasets.download.outcomes import TABLE, report
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
