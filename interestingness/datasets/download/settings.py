"""Settings of a download: limits of requests, and which files to accept."""

from __future__ import annotations

from dataclasses import dataclass

from interestingness.errors import ConfigError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "HEIC", "AVIF")


@dataclass(frozen=True)
class DownloadSettings:
    """Limits of a download; the defaults are polite to photo hosts.

    Attributes:
        connections: most requests at a time.
        per_host: most requests at a time to one host.
        pause_s: seconds between the end of a request and the next one in its place at that host.
        attempts: most requests for one image.
        backoff_s: seconds before the second attempt; doubled for each further one.
        longest_wait_s: a host that asks for a longer wait is not asked again in this run.
        timeout_s: seconds for one whole answer.
        idle_s: seconds without a byte, and for opening a connection.
        redirects: most redirects followed for one image.
        max_bytes: largest file.
        max_pixels: most pixels, width × height.
        formats: accepted formats, by content.
        dead_after: failures in a row, without any answer, after which a host counts as dead.
        user_agent: says who sends requests, so that a host can write to you before it blocks you.
        loopback: accept this machine as a host. For tests only.
    """

    connections: int = 16
    per_host: int = 4
    pause_s: float = 0.05
    attempts: int = 4
    backoff_s: float = 1.0
    longest_wait_s: float = 120.0
    timeout_s: float = 60.0
    idle_s: float = 20.0
    redirects: int = 5
    max_bytes: int = 30_000_000
    max_pixels: int = 100_000_000
    formats: tuple[str, ...] = FORMATS
    dead_after: int = 10
    user_agent: str = "interestingness/0.1 (research; image download)"
    loopback: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers out of range.

        Raises:
            ConfigError: for a count below 1, a negative time or an unknown format.
        """
        for name in (
            "connections",
            "per_host",
            "attempts",
            "max_bytes",
            "max_pixels",
            "dead_after",
        ):
            self._check(name, 1)
        for name in ("pause_s", "backoff_s", "longest_wait_s", "redirects"):
            self._check(name, 0)
        for name in ("timeout_s", "idle_s"):
            self._check(name, 0.001)
        unknown = [name for name in self.formats if name not in FORMATS]
        if unknown or not self.formats:
            raise ConfigError(
                f"formats: {', '.join(unknown) or 'none'}",
                expected=f"some of {', '.join(FORMATS)}",
                todo="correct the option",
            )

    def _check(self, name: str, least: float) -> None:
        value = getattr(self, name)
        if not value >= least:
            raise ConfigError(
                f"{name.replace('_', '-')}: {value}",
                expected=f"{least:g} or more",
                todo="correct the option",
            )
