"""Render pages: escaping on, one style sheet inside, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from interestingness.disk import appear
from interestingness.reports.cells import format_cell
from interestingness.reports.text import breakable, inline, plain, plural

TEMPLATES = Path(__file__).parent / "templates"


def environment() -> jinja2.Environment:
    """Load templates of this folder; every value is escaped unless it is ``Markup``."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        written=format_cell,
        plain=plain,
        inline=inline,
        plural=plural,
        breakable=breakable,
    )
    return made


def stylesheet(*names: str) -> Markup:
    """Concatenate the style sheets of this folder."""
    return Markup("\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names))


def write_html(path: str | Path, page: str) -> Path:
    """Write the page so that it appears whole or not at all.

    Returns:
        The path, for printing.
    """
    # names of files may hold bytes that are not text; the page must be written nevertheless
    data = page.encode("utf-8", "replace")
    return appear(Path(path), lambda temporary: temporary.write_bytes(data))


def flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Flatten nested settings to dotted names and texts."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)
