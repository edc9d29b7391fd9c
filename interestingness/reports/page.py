"""Write one self-contained HTML file per run or study: answer, tables, figures, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from interestingness.reports.cells import cell_text, filled, groups, heading, visible_columns
from interestingness.reports.charts.draw import draw, is_empty, is_wide
from interestingness.reports.table_files import write_table_files
from interestingness.reports.templating import environment, flatten, stylesheet, write_html
from interestingness.reports.thumbnails import LIMIT, Thumbnails
from interestingness.studies.result import Column, Figure, Gallery, Scatter, StudyResult, Table
from interestingness.studies.study import Picture, Settings

PAGE = "page.html"
ROWS = 150
"""Rows of one table that the page shows; its files have all."""
OPEN_ROWS = 25
"""Rows of a table that are shown without scrolling, and after the first table without a click."""
LETTERS = 130
"""Width of the page: a wider table scrolls sideways."""
IMAGES, PAIRS, PICTURES = 48, 30, 500
"""Images and pairs of one gallery, and pictures of all galleries, that are shown."""
BYTES = 2_400_000
"""All pictures of the galleries together, before base64."""
ON_MAP, ON_MAP_SIDE, ON_MAP_BYTES = 80, 112, 4_000
"""Pictures on one map, their longest side and the bytes of each."""
LISTED = 200
"""Settings that are listed."""


@dataclass(frozen=True)
class _TableView:
    """A table as the template reads it.

    Attributes:
        columns: displayed ones; without the first if it names the groups.
        breadth: class of each of them: "short" texts stand in one line, "long" ones get room.
        groups: names and cells of their rows.
        more: rows that only the files have.
        folded: whether it is opened by a click.
        tall: whether its rows scroll in a box of their own: many rows of few columns, since a box
            must not scroll both down and sideways.
    """

    table: Table
    columns: list[Column]
    breadth: list[str]
    groups: list[tuple[str, list[Sequence[str]]]]
    more: int
    folded: bool
    tall: bool

    @property
    def heads(self) -> list[tuple[Column, str]]:
        """Return columns and their headings with units."""
        return [(column, heading(column)) for column in self.columns]

    @property
    def helps(self) -> list[Column]:
        """Select columns that need a definition."""
        return [column for column in visible_columns(self.table) if column.help]


@dataclass(frozen=True)
class _GalleryView:
    """A gallery cut to what is shown."""

    gallery: Gallery
    images: Sequence[Any]
    pairs: Sequence[Any]
    more: int


def write_report(
    folder: str | Path,
    result: StudyResult,
    *,
    picture: Picture,
    settings: Settings,
    table_files: bool = True,
) -> Path:
    """Write tables and page; each file appears whole or not at all.

    Args:
        folder: made if need be.
        result: what was found.
        picture: image id → picture, None where it cannot be read.
        settings: the config, shown at the foot of the page.
        table_files: whether each table is written as Markdown, CSV and Parquet too; a run has its
            numbers in ``metrics.json`` already.

    Returns:
        The page.
    """
    folder = Path(folder)
    if table_files:
        write_table_files(folder, result.tables)
    page = render_page(result, picture=picture, settings=settings, table_files=table_files)
    return write_html(folder / PAGE, page)


def render_page(
    result: StudyResult, *, picture: Picture, settings: Settings, table_files: bool = True
) -> str:
    """Render the page as HTML text.

    Args:
        result: what a study or a run found.
        picture: image id → picture, None where it cannot be read.
        settings: the config, listed at the foot.
        table_files: whether each table has files to link to.
    """
    galleries, pictures = _galleries([g for g in result.galleries if g.images or g.pairs])
    limit = max(1_500, min(LIMIT, BYTES // max(1, pictures)))
    small = Thumbnails(picture, limit=ON_MAP_BYTES, side=ON_MAP_SIDE)
    listed = list(flatten(settings))
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            css=stylesheet("base.css", "page.css", "charts.css"),
            result=result,
            table_files=table_files,
            tables=[_view(table, first=i == 0) for i, table in enumerate(filled(result.tables))],
            figures=[
                (figure, draw(_cut(figure), thumbnail=small), is_wide(figure))
                for figure in result.figures
                if not is_empty(figure)
            ],
            galleries=galleries,
            thumbnail=Thumbnails(picture, limit=limit),
            settings=listed[:LISTED],
            settings_more=max(0, len(listed) - LISTED),
        )
    )


def render_figure(figure: Figure, *, picture: Picture) -> str:
    """Render one figure as a page of its own."""
    small = Thumbnails(picture, limit=ON_MAP_BYTES, side=ON_MAP_SIDE)
    return (
        environment()
        .get_template("figure.html.j2")
        .render(
            css=stylesheet("base.css", "charts.css"),
            figure=figure,
            chart=draw(_cut(figure), thumbnail=small),
        )
    )


def _view(table: Table, *, first: bool) -> _TableView:
    columns = visible_columns(table)
    rows = [[cell_text(row.get(c.name), c.kind) for c in columns] for row in table.rows[:ROWS]]
    parts = groups(rows)
    body = [row for _, members in parts for row in members]
    columns = columns[-len(body[0]) :] if body else columns
    return _TableView(
        table,
        columns,
        breadth=[_breadth([row[i] for row in body]) for i in range(len(columns))],
        groups=parts,
        more=max(0, len(table.rows) - ROWS),
        folded=not first and len(table.rows) > OPEN_ROWS,
        tall=len(table.rows) > OPEN_ROWS and _letters(columns, body) <= LETTERS,
    )


def _letters(columns: Sequence[Column], body: Sequence[Sequence[str]]) -> int:
    """Estimate the width of a table in letters; long texts are folded."""
    found = 3 * len(columns)
    for i, column in enumerate(columns):
        texts = [*heading(column).split(), *(row[i] for row in body)]
        found += max(min(len(text), 40) for text in texts)
    return found


def _breadth(texts: Sequence[str]) -> str:
    longest = max(map(len, texts), default=0)
    return "short" if longest <= 24 else "long" if longest > 40 else ""


def _galleries(galleries: Sequence[Gallery]) -> tuple[list[_GalleryView], int]:
    """Choose what is shown of each gallery, and count the pictures."""
    views, left = [], PICTURES
    for gallery in galleries:
        images = gallery.images[: min(IMAGES, left)]
        left -= len(images)
        pairs = gallery.pairs[: min(PAIRS, left // 2)]
        left -= 2 * len(pairs)
        more = len(gallery.images) + len(gallery.pairs) - len(images) - len(pairs)
        views.append(_GalleryView(gallery, images, pairs, more))
    return views, PICTURES - left


def _cut(figure: Figure) -> Figure:
    """Reduce a map to as many pictures as a page can hold."""
    if isinstance(figure, Scatter) and len(figure.images) > ON_MAP:
        return replace(figure, images=dict(list(figure.images.items())[:ON_MAP]))
    return figure
