"""One self-contained HTML file per run: no script, no other host, every text escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup
from PIL import Image

from interestingness.evaluation.results import Evaluation
from interestingness.reports import figures
from interestingness.reports.charts.heat_map import heat_map
from interestingness.reports.description import RunDescription, number, percent, roles
from interestingness.reports.reasons import Reason
from interestingness.reports.templating import environment, flatten, stylesheet, write_html
from interestingness.reports.text import plural
from interestingness.reports.thumbnails import Thumbnails
from interestingness.studies.result import HeatMap

LISTED = 200
"""Skipped images and settings that are listed; the rest is counted."""
REASONS = 3
"""Reasons of people, and of models, shown for one pair."""


@dataclass(frozen=True, eq=False)
class PageContent:
    """What a page shows.

    Attributes:
        title: a few words, e.g. "human on oasis".
        run: data, labels, model, weights, split, and the sentence of a simulation.
        evaluation: what was measured.
        thumbnail: image id to picture; None shows a placeholder.
        reasons: why raters chose as they did, by pair id; texts are untrusted.
        skipped: unusable images and why, one pair of texts each.
        settings: the run's config, nested or flat.
        agreement: of the model and the references with each other, if there is more than one.
    """

    title: str
    run: RunDescription
    evaluation: Evaluation
    thumbnail: Callable[[str], Image.Image | None]
    reasons: Mapping[str, Sequence[Reason]] = field(default_factory=dict)
    skipped: Sequence[tuple[str, str]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    agreement: HeatMap | None = None


def write_page(path: str | Path, content: PageContent) -> Path:
    """Write the page so that it appears whole or not at all.

    Returns:
        The path, for printing.
    """
    return write_html(path, render_page(content))


def render_page(content: PageContent) -> str:
    """The page as HTML text."""
    evaluation = content.evaluation
    judged = [r for r in evaluation.references if r.judged]
    main = evaluation.main_result
    span = figures.accuracy_span(judged)
    settings = list(flatten(content.settings))
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            css=stylesheet("base.css", "run.css", "charts.css"),
            title=content.title,
            run=content.run,
            evaluation=evaluation,
            roles=roles(evaluation),
            main=main if main is not None and main.judged else None,
            bars={r.name: figures.interval_bar(r, span) for r in judged},
            span=span,
            columns=_columns(evaluation),
            said=[r for r in judged if r.yes_or_no is not None],
            figures=_figures(evaluation),
            agreement=content.agreement,
            heat=heat_map(content.agreement) if content.agreement is not None else "",
            galleries=_galleries(evaluation),
            mistakes=[
                (mistake, _voices(content.reasons.get(mistake.pair_id, ())))
                for mistake in evaluation.mistakes
            ],
            thumbnail=Thumbnails(content.thumbnail),
            skipped=content.skipped[:LISTED],
            skipped_more=max(0, len(content.skipped) - LISTED),
            settings=settings[:LISTED],
            settings_more=max(0, len(settings) - LISTED),
        )
    )


def _voices(reasons: Sequence[Reason]) -> list[tuple[str, list[Reason]]]:
    """What people and what models say of a pair, to stand side by side."""
    voices = [
        (title, [reason for reason in reasons if reason.kind == kind][:REASONS])
        for title, kind in (("people", "human"), ("models", "model"))
    ]
    return [(title, found) for title, found in voices if found]


def _columns(evaluation: Evaluation) -> list[tuple[str, Callable[[Any], str]]]:
    """Titles and texts of the table's numbers after accuracy; empty columns are left out."""
    every: list[tuple[str, Callable[[Any], str], Callable[[Any], Any]]] = [
        ("pairs", lambda r: f"{r.pairs:,}", lambda r: r.pairs),
        ("images", lambda r: f"{r.images:,}", lambda r: r.images),
        ("Spearman", lambda r: number(r.spearman), lambda r: True),
        ("Kendall", lambda r: number(r.kendall), lambda r: r.kendall),
        ("chance", lambda r: percent(r.chance, 0), lambda r: True),
        (
            "ceiling",
            lambda r: percent(r.ceiling.accuracy if r.ceiling else None),
            lambda r: r.ceiling,
        ),
        ("ECE", lambda r: number(r.ece, 3), lambda r: r.ece),
        ("Brier", lambda r: number(r.brier, 3), lambda r: r.brier),
        ("AP", lambda r: number(r.average_precision), lambda r: r.average_precision),
        ("NDCG", lambda r: number(r.ndcg), lambda r: r.ndcg),
        ("ties", lambda r: f"{r.ties:,}", lambda r: r.ties),
    ]
    judged = [r for r in evaluation.references if r.judged]
    return [
        (title, text)
        for title, text, value in every
        if any(value(r) not in (None, 0) for r in judged)
    ]


def _figures(evaluation: Evaluation) -> list[tuple[str, str, Markup]]:
    """Title, caption and chart of what there is to draw."""
    found = []
    main = evaluation.main_result
    if main is not None and main.consensus:
        found.append(
            (
                "Accuracy by consensus",
                f"Pairs on which more of the votes of {main.name} agree should be easier.",
                figures.consensus_chart(main.consensus),
            )
        )
    if main is not None and main.reliability:
        found.append(
            (
                "Calibration",
                f"Predicted preference against that of {main.name}; on the dashed line a "
                "prediction means what it says. Larger dots stand for more pairs.",
                figures.calibration_chart(main.reliability),
            )
        )
    if evaluation.histogram.counts:
        found.append(
            (
                "Scores",
                f"Scores of {plural(evaluation.images, 'test image')}.",
                figures.histogram_chart(evaluation.histogram),
            )
        )
    return found


def _galleries(evaluation: Evaluation) -> list[tuple[str, Any]]:
    groups = (
        ("Highest", evaluation.highest),
        ("Middle", evaluation.middle),
        ("Lowest", evaluation.lowest),
    )
    return [(name, images) for name, images in groups if images]
