"""Where a table begins in a messy file: titles above it, empty columns in it, totals below it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

LOOK = 200
"""So many rows are looked at to understand a file."""
SEARCH = 30
"""The header is looked for in so many rows."""
MAX_COLUMNS = 500
_DATA = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|[+(]?[\d][\d\s().,/:+-]*|\d{4}-\d\d-\d\d.*")
_TOTALS = re.compile(
    r"(grand |sub)?totals?|sums?|gesamt(summe)?|summe|totaal|totale|total général|итого|合計", re.IGNORECASE
)


@dataclass(frozen=True)
class Header:
    """The names of the columns and where they stand; `row` is 0 where the file names none."""

    row: int
    names: tuple[str, ...]
    positions: tuple[int, ...]


def find_header(rows: Sequence[tuple[int, Sequence[str]]], *, row: int | None = None) -> Header:
    """The header among the first rows of a file, each with its number; `row` where somebody says so."""
    filled = [(number, cells) for number, cells in rows if any(cells)]
    if not filled:
        return Header(0, (), ())
    at = _chosen(filled, row) if row is not None else _guessed(filled)
    if at is None:
        return _named(0, [], [cells for _, cells in filled])
    number, cells = filled[at]
    return _named(number, cells, [cells for _, cells in filled[at + 1 :]])


def _chosen(filled: Sequence[tuple[int, Sequence[str]]], row: int) -> int | None:
    return next((at for at, (number, _cells) in enumerate(filled) if number == row), None)


def _guessed(filled: Sequence[tuple[int, Sequence[str]]]) -> int | None:
    """The first row about as wide as those below it; None where it reads like data itself."""
    widths = [_width(cells) for _, cells in filled]
    for at, (_number, cells) in enumerate(filled[:SEARCH]):
        below = widths[at + 1 : at + 60]
        typical = median(below) if below else widths[at]
        if widths[at] >= max(1, 0.6 * typical) and (widths[at] > 1 or typical <= 1):
            return None if _reads_like_data(cells) else at
    return 0


def _width(cells: Sequence[str]) -> int:
    return sum(1 for cell in cells if cell)


def _reads_like_data(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    data = sum(1 for cell in filled if _DATA.fullmatch(cell))
    return any("@" in cell and _DATA.fullmatch(cell) for cell in filled) or data * 2 > len(filled)


def _named(row: int, cells: Sequence[str], below: Sequence[Sequence[str]]) -> Header:
    """Columns with a name, or with something in them; a name that comes again is numbered."""
    width = min(max([len(cells), *(len(one) for one in below)], default=0), MAX_COLUMNS)
    names: list[str] = []
    positions: list[int] = []
    for position in range(width):
        name = " ".join(cells[position].split()) if position < len(cells) else ""
        if not name and not any(position < len(one) and one[position] for one in below):
            continue
        names.append(_fresh(name[:120] or f"Column {position + 1}", names))
        positions.append(position)
    return Header(row, tuple(names), tuple(positions))


def _fresh(name: str, taken: Sequence[str]) -> str:
    number, fresh = 1, name
    while fresh in taken:
        number += 1
        fresh = f"{name} ({number})"
    return fresh


def is_totals(cells: Sequence[str]) -> bool:
    """Whether this is a line of sums below a table."""
    filled = [cell for cell in cells if cell]
    first = filled[0].strip(" :.") if filled else ""
    return bool(_TOTALS.fullmatch(first)) and len(filled) * 2 <= len(cells) + 1
