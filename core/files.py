"""Rows of a CSV, Excel or JSON Lines file, one by one, with the reason for each that cannot be read.

`look_at` says how a file is to be read, from its content and not from its name; `read` reads it that way.
`rows_of` reads files whose first line is known to hold the names of the columns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from core.text import clean_text

MAX_LINE = 8 * 1024 * 1024
SAMPLES = 200
CSV, XLSX, JSONL = "csv", "xlsx", "jsonl"
_FOREIGN = (
    (b"\xd0\xcf\x11\xe0", _lazy("This is an old Excel file (.xls): open it and save it as .xlsx or .csv.")),
    (b"%PDF", _lazy("This is a PDF, which holds no table: export the data as .csv or .xlsx.")),
    (b"\x1f\x8b", _lazy("This is compressed (gzip): unpack it first.")),
    (b"\x89PNG", _lazy("This is a picture.")),
    (b"\xff\xd8\xff", _lazy("This is a picture.")),
    (b"SQLite format 3", _lazy("This is a database: export the table as .csv.")),
)


class BadFile(ValueError):
    """A file that cannot be imported at all, with what to do."""


@dataclass(frozen=True)
class Row:
    """One row. `number` is its line in the file, from 1; `error` stands where the values do not."""

    number: int
    values: dict[str, Any]
    error: str = ""


@dataclass(frozen=True)
class Shape:
    """How a file is read: guessed by `look_at`, shown to whoever imports it, and kept."""

    format: str
    columns: tuple[str, ...]
    positions: tuple[int, ...] = ()
    header: int = 1
    """The row of the names; 0 where there is none."""
    encoding: str = "utf-8"
    separator: str = ","
    sheet: str = ""
    sheets: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> Shape:
        lists = ("columns", "positions", "sheets")
        values: dict[str, Any] = {
            name: tuple(value) if name in lists else value for name, value in kept.items()
        }
        return cls(**values)


def look_at(path: Path, *, sheet: str = "", header: int | None = None) -> Shape:
    """How this file is to be read, by its content. Raises BadFile for one that cannot be."""
    try:
        with path.open("rb") as source:
            start = source.read(4096)
    except OSError as error:
        raise BadFile(f"{path.name}: {error.strerror or error}") from error
    if not start.strip():
        raise BadFile(_("The file is empty."))
    if start.startswith(b"PK\x03\x04"):
        from core import sheets

        return sheets.look_at(path, sheet=sheet, header=header)
    for magic, what in _FOREIGN:
        if start.startswith(magic):
            raise BadFile(str(what))
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _json_shape(path)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        raise BadFile(_("This is one JSON list. Write one object a line (JSON Lines), without the brackets."))
    from core import delimited

    return delimited.look_at(path, header=header)


def read(path: Path, shape: Shape, *, skip: int = 0) -> Iterator[Row]:
    """Rows in the shape that `look_at` found, after the first `skip` ones. Raises BadFile."""
    for count, row in enumerate(_reader(path, shape)):
        if count >= skip:
            yield row


def _reader(path: Path, shape: Shape) -> Iterator[Row]:
    if shape.format == XLSX:
        from core import sheets

        return sheets.rows(path, shape)
    if shape.format == JSONL:
        return _opened_json(path, ())
    from core import delimited

    return delimited.rows(path, shape)


def rows_of(path: Path, *, required: Sequence[str] = (), skip: int = 0) -> Iterator[Row]:
    """Rows after the first `skip` ones, with names of columns in small letters. Raises BadFile."""
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson", ".json"):
        found = _opened_json(path, required)
    elif suffix in (".csv", ".tsv", ".txt", ".xlsx"):
        found = _table(path, required)
    else:
        raise BadFile(f"{path.name}: give a .csv or .jsonl file, or .xlsx")
    for count, row in enumerate(found):
        if count >= skip:
            yield row


def _table(path: Path, required: Sequence[str]) -> Iterator[Row]:
    """Of text, only UTF-8 and rows of one length: programs write these files, and a slip is a slip."""
    from core import delimited

    if path.exists() and not path.stat().st_size:
        raise BadFile(f"column {', '.join(required)} is missing; the file is empty")
    shape = look_at(path)
    if shape.format == JSONL:
        yield from _opened_json(path, required)
        return
    names = {column: column.lower() for column in shape.columns}
    missing = [name for name in required if name not in names.values()]
    if missing:
        found = ", ".join(list(names.values())[:20]) or "none"
        raise BadFile(f"column {', '.join(missing)} is missing; the first line has: {found}")
    plain = delimited.rows(path, delimited.strict(shape), exact=True) if shape.format == CSV else None
    for row in plain or _reader(path, shape):
        values = {names.get(column, column): value for column, value in row.values.items()}
        yield Row(row.number, values, row.error or _missing(values, required))


def _missing(values: dict[str, Any], required: Sequence[str]) -> str:
    missing = [name for name in required if not str(values.get(name) or "").strip()]
    return f"{', '.join(missing)} missing" if missing else ""


def count_rows(path: Path) -> int:
    """Rows of the file, near enough for a progress bar: lines of a text, rows as an Excel file says."""
    try:
        with path.open("rb") as source:
            if source.read(4) == b"PK\x03\x04":
                from core import sheets

                return sheets.count_rows(path)
            source.seek(0)
            return sum(block.count(b"\n") for block in iter(lambda: source.read(1 << 20), b""))
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}") from error


def value_at(values: dict[str, Any], column: str) -> Any:
    """The value of a column; "address.city" of a JSON object is the city within its address."""
    if column in values or "." not in column:
        return values.get(column)
    outer, _dot, inner = column.partition(".")
    nested = values.get(outer)
    return nested.get(inner) if isinstance(nested, dict) else None


def _json_shape(path: Path) -> Shape:
    columns: dict[str, None] = {}
    good = 0
    for count, row in enumerate(_opened_json(path, ())):
        if count >= SAMPLES:
            break
        good += not row.error
        for name, value in row.values.items():
            columns[name] = None
            if isinstance(value, dict):
                columns.update(dict.fromkeys(f"{name}.{inner}" for inner in list(value)[:50]))
    if not good:
        raise BadFile(_("No line of the file is a JSON object. Write one object a line, in UTF-8."))
    return Shape(JSONL, tuple(columns)[:500], header=0)


def _opened_json(path: Path, required: Sequence[str]) -> Iterator[Row]:
    try:
        with path.open("rb") as source:
            yield from _json_rows(source, required)
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}") from error


def _json_rows(source: BinaryIO, required: Sequence[str]) -> Iterator[Row]:
    number = 0
    while line := source.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            length = len(line) + _rest_of_line(source, line)
            yield Row(number, {}, f"the line has {length:,} bytes, {MAX_LINE:,} at most")
        elif line.strip():
            yield _json_row(number, line, required)


def _rest_of_line(source: BinaryIO, line: bytes) -> int:
    """Skip to the end of a line that is too long to be kept; how many bytes that were."""
    length = 0
    while line and not line.endswith(b"\n"):
        line = source.readline(1 << 20)
        length += len(line)
    return length


def _json_row(number: int, line: bytes, required: Sequence[str]) -> Row:
    try:
        values = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        if b"\\u" in line:
            values = _storable(values)
    except UnicodeDecodeError as error:
        return Row(number, {}, f"not UTF-8: byte {error.start + 1} of the line cannot be read")
    except (ValueError, RecursionError) as error:
        return Row(number, {}, f"not JSON: {error}")
    if not isinstance(values, dict):
        return Row(number, {}, "not a JSON object")
    missing = [name for name in required if values.get(name) in (None, "")]
    return Row(number, values, f"{', '.join(missing)} missing" if missing else "")


def _storable(value: Any) -> Any:
    """Without the zero bytes and halves of letters that JSON can write and no table holds."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(name): _storable(one) for name, one in value.items()}
    return [_storable(one) for one in value] if isinstance(value, list) else value
