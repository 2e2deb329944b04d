"""Lists as files, CSV or XLSX: one writer, row by row, with cells that a spreadsheet would run made harmless.

    return table_response(request, "customers", HEADER, rows)

Both are sent while `rows` is read, so give it a query that streams (`.iterator(chunk_size=…)`): memory does
not grow with the list.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

from core.workbooks import SHEET_ROWS, Cell, workbook_blocks

FORMAT_PARAM = "format"
FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet read text as a formula, the wide signs of East Asian keyboards with it."""
_BLOCK = 512


class _Echo:
    """A file that hands back each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def would_run(text: str) -> bool:
    """Whether a spreadsheet would take this text for a formula."""
    return text.lstrip(" ").startswith(RUNS)


def harmless(cell: Any) -> Any:
    """Text that a spreadsheet would run as a formula, with an apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and would_run(cell) else cell


def plain(value: Any, zone: tzinfo) -> Cell:
    """What stands in a cell: text or a number. Times are ISO 8601 in `zone`, lists are joined by commas."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return value
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    return _plain_other(value, zone)


def _plain_other(value: Any, zone: tzinfo) -> Cell:
    if isinstance(value, float | Decimal):
        return value if math.isfinite(value) else ""
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, default=str) if value else ""
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(plain(one, zone)) for one in value)
    return str(value)


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


def xlsx_blocks(
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    zone: tzinfo,
    *,
    title: str = "Sheet",
    sheet_rows: int = SHEET_ROWS,
) -> Iterator[bytes]:
    """The blocks of an XLSX file; text that a spreadsheet would run is in cells that stay text."""
    cells = ([plain(value, zone) for value in row] for row in rows)
    return workbook_blocks(list(header), cells, title=title, must_stay_text=would_run, sheet_rows=sheet_rows)


def format_of(request: HttpRequest) -> str:
    """The kind of file that was asked for; CSV unless said. Raises BadRequest for any other."""
    asked = request.GET.get(FORMAT_PARAM) or "csv"
    if asked not in FORMATS:
        raise BadRequest(f"format must be one of {', '.join(FORMATS)}.")
    return asked


def table_response(
    request: HttpRequest, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> StreamingHttpResponse:
    """A list as a download in the format that `?format=` asks for; `name` is the file's, without its ending.

    Times are in the reader's zone, which is taken here: rows are read when the request is over.
    """
    if format_of(request) == "csv":
        return csv_file(name, header, rows)
    blocks = xlsx_blocks(header, rows, timezone.get_current_timezone(), title=name)
    return StreamingHttpResponse(blocks, content_type=FORMATS["xlsx"], headers=_headers(name, "xlsx"))


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """A list that is CSV whoever asks."""
    lines = _csv_blocks(csv_lines(header, rows, timezone.get_current_timezone()))
    return StreamingHttpResponse(lines, content_type=FORMATS["csv"], headers=_headers(name, "csv"))


def _headers(name: str, kind: str) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="{name}.{kind}"',
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
    }
