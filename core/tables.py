"""Lists as files, CSV or XLSX: one writer, row by row, with cells that a spreadsheet would run made harmless.

    return table_response(request, "customers", HEADER, rows)

`rows` is read while it is written, so give it a query that streams (`.iterator(chunk_size=…)`): memory does
not grow with the list. CSV is sent while it is read. An XLSX file is a ZIP archive whose directory stands at
its end, so it is written to a temporary file first and sent from there.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, tzinfo
from decimal import Decimal
from tempfile import TemporaryFile
from typing import IO, Any

from django.core.exceptions import BadRequest
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from core.formatting import number

FORMAT_PARAM = "format"
FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet read text as a formula, the wide signs of East Asian keyboards with it."""
SHEET_ROWS = 1_048_576
"""Rows of one sheet, the header with them; more rows go on in another sheet."""
CELL_LETTERS = 32_767
"""The longest text that a cell of XLSX takes."""
XLSX_AT_ONCE = 250_000
"""More rows than that take longer to write as XLSX than people and proxies wait."""
EXACT_DIGITS = 15
"""A spreadsheet's numbers keep so many digits; a longer number goes in as text."""
_BLOCK = 512
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class _Echo:
    """A file that hands back each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def harmless(cell: Any) -> Any:
    """Text that a spreadsheet would run as a formula, with an apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip(" ").startswith(RUNS) else cell


def plain(value: Any, zone: tzinfo) -> str | int | float | Decimal:
    """What stands in a cell: text or a number. Times are ISO 8601 in `zone`, lists are joined by commas."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | Decimal):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else ""
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, default=str) if value else ""
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(plain(one, zone)) for one in value)
    return str(value)


# CSV


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Any]], zone: tzinfo) -> Iterator[str]:
    """The lines of a CSV file; the mark before them tells spreadsheets that it is UTF-8."""
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow([harmless(name) for name in header])
    for row in rows:
        yield writer.writerow([harmless(plain(value, zone)) for value in row])


def _csv_blocks(lines: Iterable[str]) -> Iterator[str]:
    """Several lines at once: a write to the network for each line costs more than the line."""
    block: list[str] = []
    for line in lines:
        block.append(line)
        if len(block) == _BLOCK:
            yield "".join(block)
            block = []
    yield "".join(block)


# XLSX


def write_xlsx(
    target: IO[bytes],
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    zone: tzinfo,
    *,
    title: str = "Sheet",
    sheet_rows: int = SHEET_ROWS,
) -> int:
    """Write a workbook row by row; the number of its sheets, each of which begins with the header."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheets = 0
    left = 0
    sheet: Any = None
    for row in _header_first(header, rows):
        if not left:
            sheets += 1
            sheet = book.create_sheet(f"{title[:24]} {sheets}" if sheets > 1 else title[:31])
            left = sheet_rows
            if sheets > 1:
                sheet.append([_xlsx_cell(sheet, name, zone) for name in header])
                left -= 1
        sheet.append([_xlsx_cell(sheet, value, zone) for value in row])
        left -= 1
    book.save(target)
    return sheets


def _header_first(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    yield header
    yield from rows


def _xlsx_cell(sheet: Any, value: Any, zone: tzinfo) -> Any:
    """A number, plain text, or a cell that says it is text where the text would be read as something else.

    openpyxl makes a formula of text that begins with an equals sign. The mark of a quote prefix keeps it text
    when somebody opens the cell and presses Enter.
    """
    from openpyxl.cell import WriteOnlyCell

    value = plain(value, zone)
    if isinstance(value, int | Decimal) and len(str(abs(value)).replace(".", "")) > EXACT_DIGITS:
        value = str(value)
    if not isinstance(value, str):
        return value
    text = _UNWRITABLE.sub("", value)[:CELL_LETTERS]
    if harmless(text) is text:
        return text
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    cell.quotePrefix = True
    return cell


# Answers


def format_of(request: HttpRequest) -> str:
    """The kind of file that was asked for; CSV unless said. Raises BadRequest for any other."""
    asked = request.GET.get(FORMAT_PARAM) or "csv"
    if asked not in FORMATS:
        raise BadRequest(f"format must be one of {', '.join(FORMATS)}.")
    return asked


def table_response(
    request: HttpRequest,
    name: str,
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    count: int | None = None,
) -> StreamingHttpResponse:
    """A list as a download in the format that `?format=` asks for; `name` is the file's, without its ending.

    Times are in the reader's zone, which is taken here: rows are read when the request is over. Raises
    BadRequest where `count` rows are more than an XLSX file can be written of while somebody waits.
    """
    kind = format_of(request)
    if kind == "xlsx" and count is not None and count > XLSX_AT_ONCE:
        words = _("These are %(n)s rows, and an XLSX file of more than %(most)s takes minutes. Choose CSV.")
        raise BadRequest(words % {"n": number(count), "most": number(XLSX_AT_ONCE)})
    if kind == "csv":
        return csv_file(name, header, rows)
    file = TemporaryFile()  # noqa: SIM115  the answer closes it
    write_xlsx(file, header, rows, timezone.get_current_timezone(), title=name)
    file.seek(0)
    return FileResponse(file, content_type=FORMATS[kind], headers=_headers(name, kind))


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """A list that is CSV whoever asks, sent while it is read."""
    lines = _csv_blocks(csv_lines(header, rows, timezone.get_current_timezone()))
    return StreamingHttpResponse(lines, content_type=FORMATS["csv"], headers=_headers(name, "csv"))


def _headers(name: str, kind: str) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="{name}.{kind}"',
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
    }
