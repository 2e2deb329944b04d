"""Excel files (.xlsx), read row by row: dates, numbers, formulas' last values and merged cells."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from core.files import XLSX, BadFile, Row, Shape
from core.header import LOOK, MAX_COLUMNS, find_header, is_totals

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

MAX_UNPACKED = 3 * 1024**3
MAX_STRINGS = 200 * 1024**2
"""openpyxl keeps a workbook's shared texts in memory."""
MAX_RATIO = 250
MAX_MERGED = 20_000
MAX_EMPTY = 1000
"""After so many empty rows a sheet is over: styles alone can fill a million."""
_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!"})
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, SyntaxError, EOFError, ValueError, LookupError, TypeError, OverflowError,
)  # fmt: skip
"""What openpyxl comes upon in XML that no spreadsheet wrote."""
_MERGED = re.compile(rb'<mergeCell ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')


def look_at(path: Path, *, sheet: str = "", header: int | None = None) -> Shape:
    """Sheets, header and columns of an Excel file. Raises BadFile."""
    with _opened(path) as book:
        names = tuple(book.sheetnames)
        chosen = sheet if sheet in names else _first_filled(book)
        first = list(islice(_plain(book, chosen), LOOK))
    found = find_header([(number, [cell.strip() for cell in cells]) for number, cells in first], row=header)
    if not found.names:
        raise BadFile(_("The sheet “%(sheet)s” holds no table.") % {"sheet": chosen})
    return Shape(XLSX, found.names, found.positions, found.row, sheet=chosen, sheets=names)


def rows(path: Path, shape: Shape) -> Iterator[Row]:
    """The rows below the header; what a cell that spans rows says holds for each of them."""
    spans = _spans(path, shape)
    with _opened(path) as book:
        for number, cells in _plain(book, shape.sheet):
            if number > shape.header:
                filled = _fill(number, cells, spans)
                if any(filled):
                    yield _row(number, filled, shape)


def count_rows(path: Path) -> int:
    """Rows of the first sheet, as the file itself says; 0 where it does not."""
    with _opened(path) as book:
        return int(book.worksheets[0].max_row or 0)


@contextmanager
def _opened(path: Path) -> Iterator[Workbook]:
    """A workbook whose size unpacked is known to be sane, whatever its name ends with. Raises BadFile."""
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    _check(path)
    source = path.open("rb")
    try:
        book = load_workbook(source, read_only=True, data_only=True)
    except (InvalidFileException, KeyError, ValueError, SyntaxError, zipfile.BadZipFile) as error:
        source.close()
        raise BadFile(
            _("The Excel file is damaged and cannot be opened. Save the sheet as CSV and import that.")
        ) from error
    try:
        yield book
    except BadFile:
        raise
    except _DAMAGED as error:
        raise BadFile(
            _("The Excel file is damaged and breaks off. Save the sheet as CSV and import that.")
        ) from error
    finally:
        book.close()
        source.close()


def _check(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise BadFile(_("The file is damaged: it begins like an Excel file and cannot be opened.")) from error
    by_name = {member.filename: member for member in members}
    if "xl/workbook.xml" not in by_name:
        raise BadFile(_("This is a ZIP archive and no Excel file: unpack it and import what is inside."))
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members) or 1
    if unpacked > MAX_UNPACKED or (unpacked > 50 * 1024**2 and unpacked / packed > MAX_RATIO):
        words = _("Unpacked, the Excel file would have %(size)s MB. Save the sheet as CSV and import that.")
        raise BadFile(words % {"size": f"{unpacked / 1024**2:,.0f}"})
    strings = by_name.get("xl/sharedStrings.xml")
    if strings and strings.file_size > MAX_STRINGS:
        words = _(
            "The Excel file holds too much text to be read at once. Save the sheet as CSV and import that."
        )
        raise BadFile(words)


def _first_filled(book: Workbook) -> str:
    for name in book.sheetnames:
        if any(any(cells) for _number, cells in islice(_plain(book, name), 50)):
            return str(name)
    raise BadFile(_("The Excel file has no sheet with anything in it."))


def _plain(book: Workbook, sheet: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with something in them, as text, with their numbers."""
    if sheet not in book.sheetnames or not hasattr(book[sheet], "iter_rows"):
        raise BadFile(_("The Excel file has no sheet “%(sheet)s”.") % {"sheet": sheet})
    empty = 0
    for number, cells in enumerate(book[sheet].iter_rows(values_only=True), start=1):
        plain = [_text(cell) for cell in cells[:MAX_COLUMNS]]
        empty = 0 if any(plain) else empty + 1
        if empty > MAX_EMPTY:
            return
        yield number, plain


def _text(cell: Any) -> str:
    """A cell as a person would write it; a number that is whole has no point and no exponent."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return "" if cell in _ERRORS else cell
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:.0f}" if cell.is_integer() and abs(cell) < 1e17 else repr(cell)
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(timespec="seconds")
    if isinstance(cell, (date, time)):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return str(cell)


def _row(number: int, cells: Sequence[str], shape: Shape) -> Row:
    values = {
        name: cells[position] if position < len(cells) else ""
        for name, position in zip(shape.columns, shape.positions, strict=True)
    }
    if is_totals([cell.strip() for cell in cells]):
        return Row(number, values, "a line of totals, not a row")
    return Row(number, values)


class _Span:
    """A cell merged over several rows, and what stood in its first."""

    def __init__(self, column: int, first: int, last: int) -> None:
        self.column, self.first, self.last, self.value = column, first, last, ""


def _spans(path: Path, shape: Shape) -> list[_Span]:
    """Cells merged downwards, from the end of the sheet's XML, which openpyxl does not read row by row."""
    from openpyxl.utils import column_index_from_string

    found = []
    for first_column, first, _last_column, last in _merged(path, shape.sheet):
        if first > shape.header and last > first:
            found.append(_Span(column_index_from_string(first_column) - 1, first, last))
    return sorted(found, key=lambda span: span.first, reverse=True)[-MAX_MERGED:]


def _merged(path: Path, sheet: str) -> Iterator[tuple[str, int, str, int]]:
    with _opened(path) as book:
        part = book[sheet]._worksheet_path  # the part of the archive in which the sheet stands
    with zipfile.ZipFile(path) as archive, archive.open(part.lstrip("/")) as source:
        rest = b""
        while block := source.read(1 << 20):
            text = rest + block
            for match in _MERGED.finditer(text):
                left, top, right, bottom = match.groups()
                yield left.decode(), int(top), right.decode(), int(bottom)
            rest = text[text.rfind(b"<") :] if b"<" in text else b""


def _fill(number: int, cells: list[str], spans: list[_Span]) -> list[str]:
    """Write the value of open spans into a row; `spans` is a stack, the next to open on top."""
    for span in reversed(spans):
        if span.first > number:
            break
        if span.first == number and span.column < len(cells):
            span.value = cells[span.column]
        elif number <= span.last and span.column < len(cells) and any(cells):
            cells[span.column] = cells[span.column] or span.value
    while spans and spans[-1].last < number:
        spans.pop()
    return cells
