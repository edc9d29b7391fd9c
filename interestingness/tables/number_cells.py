"""Read a column of a user's table as numbers: ``4.5``, ``4,5``, ``1.250,00``, ``NA``.

Where the comma separates cells, the dot is the decimal sign. In other files either may be, and the
other one may separate thousands; each column decides. ``12.500`` alone may be both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.errors import ConfigError, DataError
from interestingness.tables.user_tables import MISSING, TextTable

DECIMAL_SIGNS = (".", ",")
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_GROUPED = r"^[+-]?[1-9][0-9]{0,2}('[0-9]{3})+(\.[0-9]*)?$"


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column read as numbers.

    Attributes:
        values: NaN where a cell is empty or marks a missing value, shape (rows,).
        strange: cells that are neither a number nor missing, shape (rows,).
        missing: empty cells and words such as ``NA``, shape (rows,).
        unclear: those of the strange ones that would be numbers if the decimal sign were known.
    """

    values: NDArray[np.float64]
    strange: NDArray[np.bool_]
    missing: NDArray[np.bool_]
    unclear: NDArray[np.bool_]


def check_decimal(option: str, decimal: str | None) -> None:
    """Check an option that says which sign is the decimal one.

    Raises:
        ConfigError: if it is no such sign.
    """
    if decimal not in (None, *DECIMAL_SIGNS):
        raise ConfigError(
            f"{option}={decimal}", expected="a comma or a dot", todo=f"say {option}=, or {option}=."
        )


def numbers(table: TextTable, name: str) -> Numbers:
    """Read one column as numbers; see ``as_numbers``."""
    return as_numbers(table.columns[name], decimal_comma=table.decimal_comma, decimal=table.decimal)


def as_numbers(
    column: pa.Array, *, decimal_comma: bool = False, decimal: str | None = None
) -> Numbers:
    """Read cells as numbers and mark those that are not.

    Args:
        column: stripped text, None where a cell is empty, shape (rows,).
        decimal_comma: whether the comma is free to be a decimal sign. Then a cell that can be read
            in one way only (``4,5``, ``4.5``, ``1.250,0``, ``0.125``) settles how those are read
            that leave it open (``12.500``); where none does, or two disagree, these are strange.
        decimal: the decimal sign, where the user has said it; the other one separates thousands.
    """
    missing = column.is_null().to_numpy(zero_copy_only=False)
    plain = _cast_all(column)
    if (
        plain is not None
        and decimal != ","
        and not (decimal_comma and _matches(column, "[.]").any())
    ):
        nothing = np.zeros(len(column), dtype=bool)
        return Numbers(plain, nothing, missing, nothing)
    words = pc.is_in(pc.utf8_lower(column), value_set=pa.array(MISSING))
    missing = missing | words.to_numpy(zero_copy_only=False)
    column = pc.replace_substring(column, "\N{MINUS SIGN}", "-")
    dot, comma = (_read(column, sign) for sign in DECIMAL_SIGNS)
    if decimal is not None:
        values = dot if decimal == "." else comma
        unclear = np.zeros(len(column), dtype=bool)
    elif decimal_comma:
        values, unclear = _settled(dot, comma)
    else:
        values = np.where(_matches(column, ","), np.nan, dot)
        unclear = np.isnan(values) & ~(np.isnan(dot) & np.isnan(comma))
    return Numbers(values, np.isnan(values) & ~missing, missing, unclear & ~missing)


def no_number(
    table: TextTable, name: str, read: Numbers, rows: NDArray[np.bool_], *, todo: str
) -> DataError:
    """Return the error for cells that are no numbers, naming the first.

    Args:
        table: the user's table.
        name: the column.
        read: what it was read as.
        rows: the cells that are meant, shape (rows of the table,); at least one.
        todo: what can be done about them.
    """
    first = int(np.argmax(rows))
    cell = table.columns[name][first].as_py()
    count = int(rows.sum())
    found = f"{table.path}: column {name!r}: " + (
        f"{count} cells are no finite numbers, the first " if count > 1 else "no finite number: "
    )
    found += f"{cell!r} ({table.lines(rows)})"
    if read.unclear[first]:
        found = (
            f"{table.path}: column {name!r}: {cell!r} ({table.lines([first])}) can be read in two "
            "ways: its comma or dot is a decimal sign, or separates thousands"
        )
        if table.decimal_option:
            todo = f"say which is the decimal sign: {table.decimal_option}=, or =.; or {todo}"
    return DataError(found, expected="finite numbers, or empty cells", todo=todo)


def _settled(
    dot: NDArray[np.float64], comma: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the values of a column that decides by itself, and which cells stay unclear."""
    one_way = np.isnan(dot) != np.isnan(comma)
    values = np.where(np.isnan(dot), comma, dot)
    both_ways = ~np.isnan(dot) & ~np.isnan(comma) & (dot != comma)
    by_dot, by_comma = (one_way & ~np.isnan(read) for read in (dot, comma))
    if by_dot.any() != by_comma.any():
        values[both_ways] = (dot if by_dot.any() else comma)[both_ways]
        both_ways[:] = False
    values[both_ways] = np.nan
    return values, both_ways


def _read(column: pa.Array, decimal: str) -> NDArray[np.float64]:
    """Read finite numbers with this decimal sign, thousands separated or not; else NaN."""
    thousands = "," if decimal == "." else "."
    text = pc.replace_substring(pc.replace_substring(column, thousands, "'"), decimal, ".")
    grouped = pa.array(_matches(text, _GROUPED))
    text = pc.if_else(grouped, pc.replace_substring(text, "'", ""), text)
    good = _matches(text, _NUMBER)
    values = np.full(len(column), np.nan)
    values[good] = text.filter(pa.array(good)).cast(pa.float64()).to_numpy()
    values[np.isinf(values)] = np.nan  # 1e999
    return values


def _cast_all(column: pa.Array) -> NDArray[np.float64] | None:
    """Convert all cells at once if each is a finite number or empty; else return None."""
    try:
        read = column.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    values: NDArray[np.float64] = read.to_numpy(zero_copy_only=False).astype(np.float64)
    return values if np.isfinite(values).sum() == len(column) - column.null_count else None


def _matches(column: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found = pc.fill_null(pc.match_substring_regex(column, pattern), False)
    return found.to_numpy(zero_copy_only=False)
