"""Read items from a user's table of image addresses."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

from interestingness.datasets.download.outcomes import Item
from interestingness.errors import DataError
from interestingness.tables.user_tables import TextTable, read_user_table

IDS = ("image_id", "ImageID", "photo_id", "id", "key")
LICENSES = ("license", "licence", "photo_license", "license_name")


def read_items(
    path: str | Path,
    url_column: str,
    *,
    id_column: str | None = None,
    license_column: str | None = None,
    sha256_column: str | None = None,
) -> list[Item]:
    """Read items of a CSV or Parquet table; rows that repeat an id and its URL are one item.

    Args:
        path: the table.
        url_column: column of the addresses.
        id_column: names of images; None takes the first of ``IDS`` that exists, else the last
            part of the URL.
        license_column: None takes the first of ``LICENSES`` that exists.
        sha256_column: expected hashes of the files.

    Raises:
        DataError: for an unreadable table, an absent column, a row without an id, or an
            id with two URLs.
    """
    table = read_user_table(path)
    urls = [url or "" for url in _column(table, url_column)]
    name = id_column or next((name for name in IDS if name in table), None)
    ids = _ids(table, name) if name else _from_urls(urls)
    licenses = _optional(table, license_column, LICENSES)
    hashes = _optional(table, sha256_column, ())
    items: dict[str, Item] = {}
    for at, image_id in enumerate(ids):
        item = Item(image_id, urls[at], licenses[at], hashes[at])
        other = items.setdefault(image_id, item)
        if other.url != item.url:
            raise DataError(
                f"{table.path}: image {image_id!r} has two addresses: {other.url} and {item.url} "
                f"({table.lines([at])})",
                expected="one address for each image",
                todo="remove one of the rows, or name another column of ids with --id",
            )
    return list(items.values())


def _column(table: TextTable, name: str) -> list[str | None]:
    if name not in table:
        raise DataError(
            f"{table.path}: no column {name!r}; found {', '.join(map(repr, table.columns))}",
            expected="the name of one of its columns",
            todo="correct the name",
        )
    return table.cells(name)


def _ids(table: TextTable, name: str) -> list[str]:
    cells = _column(table, name)
    empty = [at for at, cell in enumerate(cells) if cell is None]
    if empty:
        raise DataError(
            f"{table.path}: {len(empty)} rows have no {name!r} ({table.lines(empty)})",
            expected="a name for each image",
            todo="fill the column, or name another one with --id",
        )
    return [cell or "" for cell in cells]


def _from_urls(urls: list[str]) -> list[str]:
    """Name images by the last part of their address, with a hash where names repeat."""
    stems = [unquote(Path(urlsplit(url).path).stem) for url in urls]
    distinct = dict.fromkeys(zip(urls, stems, strict=True))
    count = Counter(stem.casefold() for _, stem in distinct)
    return [
        stem
        if stem and count[stem.casefold()] == 1
        else f"{stem}-{hashlib.sha256(url.encode()).hexdigest()[:16]}".lstrip("-")
        for url, stem in zip(urls, stems, strict=True)
    ]


def _optional(table: TextTable, name: str | None, aliases: tuple[str, ...]) -> list[str]:
    if name is None:
        name = next((alias for alias in aliases if alias in table), None)
    cells = [None] * len(table) if name is None else _column(table, name)
    return [cell or "" for cell in cells]
