"""Charts as SVG text: small, sharp at any size, no plotting library, coloured by the page's CSS."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from markupsafe import Markup, escape

from interestingness.evaluation.results import (
    ConsensusLevel,
    Estimate,
    Evaluation,
    Histogram,
    ReferenceResult,
    ReliabilityBin,
)
from interestingness.reports.description import percent
from interestingness.reports.text import plural

WIDTH, HEIGHT = 360, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 350, 12, 200


def accuracy_span(results: Iterable[ReferenceResult]) -> tuple[float, float]:
    """Ends of a common axis for accuracies, in tenths: chance and every interval lie within."""
    ends = [0.5]
    for result in results:
        numbers = (result.accuracy.value, result.accuracy.low, result.accuracy.high)
        ends += [n for n in numbers if n is not None]
        ends += [result.ceiling.accuracy] if result.ceiling else []
    low = math.floor(10 * min(ends) - 1e-9) / 10
    high = math.ceil(10 * max(ends) + 1e-9) / 10
    return max(0.0, min(low, 0.4)), min(1.0, max(high, 0.9))


def interval_bar(result: ReferenceResult, span: tuple[float, float]) -> Markup:
    """One accuracy as a dot on its interval, with ticks for chance and ceiling; fills its cell."""

    def x(value: float) -> str:
        return f"{100 * (value - span[0]) / (span[1] - span[0]):.2f}%"

    accuracy = result.accuracy
    parts = [
        '<line class="track" x1="0%" x2="100%" y1="11" y2="11"/>',
        f'<line class="chance" x1="{x(result.chance)}" x2="{x(result.chance)}" y1="2" y2="20"/>',
    ]
    if result.ceiling:
        at = x(result.ceiling.accuracy)
        parts.append(f'<line class="ceiling" x1="{at}" x2="{at}" y1="2" y2="20"/>')
    if accuracy.low is not None and accuracy.high is not None:
        ends = f'x1="{x(accuracy.low)}" x2="{x(accuracy.high)}"'
        parts.append(f'<line class="interval" {ends} y1="11" y2="11"/>')
    if accuracy.value is not None:
        parts.append(f'<circle class="dot" cx="{x(accuracy.value)}" cy="11" r="5"/>')
    label = f"accuracy {percent(accuracy.value)} %" + _between(accuracy)
    return _svg(parts, label, size='width="100%" height="22"', kind="bar")


def consensus_chart(levels: Sequence[ConsensusLevel]) -> Markup:
    """Accuracy against the share of votes on the majority side, with intervals."""
    values = [v for c in levels for v in (c.accuracy.value, c.accuracy.low) if v is not None]
    tenths = range(4, 11) if min(values, default=1) >= 0.4 else range(0, 11, 2)
    parts = _y_axis([t / 10 for t in tenths], [f"{10 * t}" for t in tenths])
    y = _scale(tenths[0] / 10, 1, _BOTTOM, _TOP)
    parts.append(_line("chance", _LEFT, y(0.5), _RIGHT, y(0.5)))
    step = (_RIGHT - _LEFT) / max(1, len(levels))
    for i, level in enumerate(levels):
        x = _LEFT + (i + 0.5) * step
        accuracy = level.accuracy
        if accuracy.low is not None and accuracy.high is not None:
            parts.append(_line("interval", x, y(accuracy.low), x, y(accuracy.high)))
        if accuracy.value is not None:
            parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y(accuracy.value):.1f}" r="5"/>')
        parts.append(_text(x, _BOTTOM + 16, level.label))
        parts.append(_text(x, _BOTTOM + 31, plural(level.pairs, "pair"), kind="faint"))
    spoken = ", ".join(f"{c.label}: {percent(c.accuracy.value)} %" for c in levels)
    return _svg(parts, f"accuracy by consensus; {spoken}")


def calibration_chart(bins: Sequence[ReliabilityBin]) -> Markup:
    """Observed against predicted preference; dots grow with the pairs behind them."""
    y = _scale(0, 1, _BOTTOM, _TOP)
    x = _scale(0, 1, _LEFT, _RIGHT)
    quarters = range(5)
    parts = _y_axis([q / 4 for q in quarters], [f"{25 * q}" for q in quarters])
    parts.append(_line("chance", x(0), y(0), x(1), y(1)))
    most = max((b.pairs for b in bins), default=1)
    path = " ".join(f"{x(b.predicted):.1f},{y(b.observed):.1f}" for b in bins)
    parts.append(f'<polyline class="curve" points="{path}"/>')
    for b in bins:
        radius = 2.5 + 5 * math.sqrt(b.pairs / most)
        at = f'cx="{x(b.predicted):.1f}" cy="{y(b.observed):.1f}"'
        parts.append(f'<circle class="dot" {at} r="{radius:.1f}"/>')
    parts += [_text(x(tick / 4), _BOTTOM + 16, f"{25 * tick}") for tick in quarters]
    parts.append(_text((_LEFT + _RIGHT) / 2, _BOTTOM + 33, "predicted, %", kind="faint"))
    spoken = ", ".join(f"{percent(b.predicted, 0)} → {percent(b.observed, 0)} %" for b in bins)
    return _svg(parts, f"predicted and observed preference; {spoken}")


def histogram_chart(histogram: Histogram) -> Markup:
    """How the scores of the test images are distributed."""
    most = max(histogram.counts, default=0)
    between = _round_step(most / 4)
    ticks = range(0, max(1, math.ceil(most / between)) * between + 1, between)
    parts = _y_axis(ticks, [f"{t:,}" for t in ticks])
    y = _scale(0, ticks[-1], _BOTTOM, _TOP)
    step = (_RIGHT - _LEFT) / max(1, len(histogram.counts))
    for i, count in enumerate(histogram.counts):
        place = f'x="{_LEFT + i * step + 0.5:.1f}" width="{max(step - 1, 0.5):.1f}"'
        parts.append(
            f'<rect class="column" {place} y="{y(count):.1f}" height="{_BOTTOM - y(count):.1f}"/>'
        )
    if histogram.edges:
        first, last = histogram.edges[0], histogram.edges[-1]
        for value, anchor, at in (
            (first, "start", _LEFT),
            ((first + last) / 2, "middle", (_LEFT + _RIGHT) / 2),
            (last, "end", _RIGHT),
        ):
            parts.append(_text(at, _BOTTOM + 16, _short(value), anchor=anchor))
    parts.append(_text((_LEFT + _RIGHT) / 2, _BOTTOM + 33, "score, logits", kind="faint"))
    return _svg(parts, f"histogram of {sum(histogram.counts):,} image scores")


def accuracy_chart(evaluation: Evaluation, *, title: str, simulated: str = "") -> str:
    """A standalone SVG: accuracy with interval per reference, chance and human ceiling.

    Args:
        evaluation: rows that could judge are drawn, in their order.
        title: one line on top.
        simulated: sentence that goes with every number if raters are simulated, else "".
    """
    results = [r for r in evaluation.references if r.judged]
    low, high = accuracy_span(results)
    width, row, top = 720, 34, 66
    bottom = top + row * max(1, len(results))
    height = bottom + (66 if simulated else 46)
    x = _scale(low, high, 210, width - 90)
    parts = [
        f"<style>{_STANDALONE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        _text(20, 32, title, anchor="start", kind="title"),
    ]
    for tick in range(round(10 * low), round(10 * high) + 1):
        parts.append(_line("track", x(tick / 10), top, x(tick / 10), bottom))
        parts.append(_text(x(tick / 10), bottom + 18, f"{10 * tick}"))
    parts.append(_line("chance", x(0.5), top - 6, x(0.5), bottom))
    parts.append(_text(x(0.5), top - 11, "chance", kind="faint"))
    for i, result in enumerate(results):
        y, accuracy = top + (i + 0.5) * row, result.accuracy
        name = f"{_clip(result.name, 22)} (learnt)" if result.learnt else _clip(result.name, 28)
        parts.append(_text(196, y + 4, name, anchor="end"))
        if result.ceiling:
            at = x(result.ceiling.accuracy)
            parts.append(_line("ceiling", at, y - 13, at, y + 13))
            parts.append(_text(at, top - 11, "one human", kind="faint"))
        if accuracy.low is not None and accuracy.high is not None:
            parts.append(_line("interval", x(accuracy.low), y, x(accuracy.high), y))
        if accuracy.value is not None:
            parts.append(f'<circle class="dot" cx="{x(accuracy.value):.1f}" cy="{y:.1f}" r="6"/>')
        value = f"{percent(accuracy.value)} %"
        parts.append(_text(width - 20, y + 4, value, anchor="end", kind="value"))
    note = "accuracy on held-out pairs, %; bars are 95 % intervals over resampled images"
    parts.append(_text(20, bottom + 38, note, anchor="start", kind="faint"))
    if simulated:
        parts.append(_text(20, bottom + 56, simulated, anchor="start", kind="warning"))
    box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return str(_svg(_once(parts), title, size=f'xmlns="http://www.w3.org/2000/svg" {box}'))


def write_accuracy_chart(
    path: str | Path, evaluation: Evaluation, *, title: str, simulated: str = ""
) -> None:
    """Write ``accuracy_chart`` as a file."""
    text = accuracy_chart(evaluation, title=title, simulated=simulated)
    Path(path).write_bytes((text + "\n").encode("utf-8", "replace"))


_STANDALONE = """
text{font:14px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1d2330}
.title{font-size:18px;font-weight:600}.value{font-weight:600}
.faint{font-size:12px;fill:#667085}.warning{font-size:12px;font-weight:600;fill:#9a5b00}
.paper{fill:#fff}.track{stroke:#e6e8ee}.chance{stroke:#98a1b3;stroke-dasharray:4 4}
.ceiling{stroke:#c2570c;stroke-width:2.5}
.interval{stroke:#3563c9;stroke-width:4;stroke-opacity:.4;stroke-linecap:round}.dot{fill:#2450b2}
"""


def _svg(
    parts: Iterable[str],
    label: str,
    *,
    size: str = f'viewBox="0 0 {WIDTH} {HEIGHT}"',
    kind: str = "chart",
) -> Markup:
    body = "".join(map(str, parts))
    return Markup(
        f'<svg class="{kind}" {size} role="img" aria-label="{escape(label)}">{body}</svg>'
    )


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "middle", kind: str = "") -> str:
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {where}>{escape(text)}</text>'


def _y_axis(ticks: Sequence[float], labels: Sequence[str]) -> list[str]:
    y = _scale(ticks[0], ticks[-1], _BOTTOM, _TOP)
    parts = []
    for tick, label in zip(ticks, labels, strict=True):
        parts.append(_line("track", _LEFT, y(tick), _RIGHT, y(tick)))
        parts.append(_text(_LEFT - 7, y(tick) + 4, label, anchor="end"))
    return parts


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """A linear map from [low, high] to [start, end]."""
    return lambda value: start + (end - start) * (value - low) / (high - low)


def _between(accuracy: Estimate) -> str:
    if accuracy.low is None or accuracy.high is None:
        return ""
    return f", between {percent(accuracy.low)} and {percent(accuracy.high)} %"


def _short(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")


def _round_step(least: float) -> int:
    """The first of 1, 2, 5, 10, 20, 50, … that is not below ``least``."""
    size = 1
    while True:
        for step in (size, 2 * size, 5 * size):
            if step >= least:
                return step
        size *= 10


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _once(parts: Iterable[str]) -> list[str]:
    """Parts without repeats: several references share one human ceiling."""
    return list(dict.fromkeys(parts))
