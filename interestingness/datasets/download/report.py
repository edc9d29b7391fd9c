"""Summarise obtained and lost images in a few lines; the rows are in ``downloads.parquet``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from interestingness.datasets.download.addresses import host_of
from interestingness.datasets.download.outcome import MEANING, PASSING, DownloadOutcome, Kind
from interestingness.number_text import percent

SAME = 5
"""So many images of one content are probably a placeholder that we do not know."""


def counts(outcomes: Sequence[DownloadOutcome]) -> dict[str, int]:
    """Count images by outcome, without outcomes that no image has."""
    found = Counter(outcome.kind for outcome in outcomes)
    return {kind: found[kind] for kind in MEANING if found[kind]}


def repeated(outcomes: Sequence[DownloadOutcome], least: int = SAME) -> list[tuple[str, int, str]]:
    """Return contents that several images share: hash, number of images, one of their files."""
    groups = Counter(o.sha256 for o in outcomes if o.kept and o.sha256)
    file = {o.sha256: o.file for o in reversed(outcomes) if o.sha256}
    return [(sha, count, file[sha]) for sha, count in groups.most_common() if count >= least]


def report(outcomes: Sequence[DownloadOutcome], *, examples: int = 3) -> str:
    """Report losses by kind with examples, licences, and likely placeholders."""
    kept = [o for o in outcomes if o.kept]
    size = sum(o.bytes for o in kept)
    share = len(kept) / max(len(outcomes), 1)
    there = f"{len(kept):,} of {len(outcomes):,} images are there"
    lines = [f"{there} ({percent(share)}, {_size(size)})"]
    for name, count in counts(outcomes).items():
        kind: Kind = next(k for k in MEANING if k == name)
        lines.append(f"  {count:>9,}  {kind}: {MEANING[kind]}")
        lost = [o for o in outcomes if o.kind == kind and not o.kept]
        for outcome in lost[:examples]:
            lines.append(
                f"             {outcome.image_id}  {outcome.url}  {outcome.detail}".rstrip()
            )
        if len(lost) > examples:
            lines.append(f"             … and {len(lost) - examples:,} more")
    lines += _hosts(outcomes)
    lines += _licenses(outcomes)
    for sha, count, file in repeated(outcomes):
        lines.append(
            f"{count:,} images have the same content, like {file}: probably a placeholder; "
            f"if so, remove the files and say --placeholder {sha}"
        )
    if any(o.kind in PASSING for o in outcomes):
        lines.append("Some losses may pass: the same command tries these again.")
    return "\n".join(lines)


def _hosts(outcomes: Sequence[DownloadOutcome]) -> list[str]:
    """Return the hosts with most losses, where there are several."""
    asked = [(host_of(o.url), o.kept) for o in outcomes if o.url and o.kind != "address"]
    lost = Counter(host for host, kept in asked if not kept)
    total = Counter(host for host, _ in asked)
    if len(total) < 2 or not lost:
        return []
    worst = [f"{host} {count:,} of {total[host]:,}" for host, count in lost.most_common(5)]
    return [f"lost by host: {', '.join(worst)}"]


def _licenses(outcomes: Sequence[DownloadOutcome]) -> list[str]:
    if not any(o.license for o in outcomes):
        return ["licences: the table states none; whoever took a photograph has its rights"]
    kept = Counter(o.license or "none stated" for o in outcomes if o.kept)
    total = Counter(o.license or "none stated" for o in outcomes)
    lines = ["licences, as the table states them:"]
    for name, count in total.most_common():
        lines.append(f"  {kept[name]:>9,}  {name} (of {count:,})")
    return lines


def _size(size: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:,.0f} {unit}"
        size //= 1000
    return f"{size:,.0f} GB"
