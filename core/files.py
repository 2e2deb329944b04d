"""Rows of a CSV or JSON Lines file, one by one, with the reason for each that cannot be read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

MAX_LINE = 8 * 1024 * 1024


class BadFile(ValueError):
    """A file that cannot be imported at all, with what to do."""


@dataclass(frozen=True)
class Row:
    """One row. `number` is its line in the file, from 1; `error` stands where the values do not."""

    number: int
    values: dict[str, Any]
    error: str = ""


def rows_of(path: Path, *, required: Sequence[str], skip: int = 0) -> Iterator[Row]:
    """Rows after the first `skip` ones, in a format told by the file's name. Raises BadFile."""
    suffix = path.suffix.lower()
    readers = {".csv": _csv_rows, ".jsonl": _json_rows, ".ndjson": _json_rows, ".json": _json_rows}
    if suffix not in readers:
        raise BadFile(f"{path.name}: give a .csv or .jsonl file")
    try:
        with path.open("rb") as source:
            for count, row in enumerate(readers[suffix](source, required)):
                if count >= skip:
                    yield row
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}") from error


def count_rows(path: Path) -> int:
    """Lines of the file, near enough for a progress bar."""
    try:
        with path.open("rb") as source:
            return sum(block.count(b"\n") for block in iter(lambda: source.read(1 << 20), b""))
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}") from error


def _json_rows(source: BinaryIO, required: Sequence[str]) -> Iterator[Row]:
    for number, line in enumerate(source, start=1):
        if not line.strip():
            continue
        yield _json_row(number, line, required)


def _json_row(number: int, line: bytes, required: Sequence[str]) -> Row:
    if len(line) > MAX_LINE:
        return Row(number, {}, f"the line has {len(line):,} bytes, {MAX_LINE:,} at most")
    try:
        values = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        return Row(number, {}, f"not UTF-8: byte {error.start + 1} of the line cannot be read")
    except ValueError as error:
        return Row(number, {}, f"not JSON: {error}")
    if not isinstance(values, dict):
        return Row(number, {}, "not a JSON object")
    missing = [name for name in required if values.get(name) in (None, "")]
    return Row(number, values, f"{', '.join(missing)} missing" if missing else "")


def _csv_rows(source: BinaryIO, required: Sequence[str]) -> Iterator[Row]:
    csv.field_size_limit(MAX_LINE)
    lines = io.TextIOWrapper(source, encoding="utf-8-sig", errors="surrogateescape", newline="")
    first = lines.readline()
    dialect = csv.excel
    separator = ";" if first.count(";") > first.count(",") else ","
    header = next(csv.reader([first], dialect, delimiter=separator), [])
    names = [name.strip().lower() for name in header]
    missing = [name for name in required if name not in names]
    if missing:
        found = ", ".join(names[:20]) or "none"
        raise BadFile(f"column {', '.join(missing)} is missing; the first line has: {found}")
    reader = csv.reader(lines, dialect, delimiter=separator, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(reader.line_num + 1, {}, f"not CSV: {error}")
            continue
        if any(cells):
            yield _csv_row(reader.line_num + 1, names, cells, required)


def _csv_row(number: int, names: Sequence[str], cells: Sequence[str], required: Sequence[str]) -> Row:
    if len(cells) != len(names):
        return Row(number, {}, f"{len(cells)} cells where the first line has {len(names)}")
    values = dict(zip(names, cells, strict=True))
    if any("\udc80" <= letter <= "\udcff" for cell in cells for letter in cell):
        return Row(number, values, "not UTF-8: save the file as UTF-8")
    missing = [name for name in required if not values[name].strip()]
    return Row(number, values, f"{', '.join(missing)} missing" if missing else "")
