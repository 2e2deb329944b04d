"""Text tables: CSV with any separator and in the encodings that spreadsheets write."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from django.utils.translation import gettext as _

from core.files import CSV, MAX_LINE, BadFile, Row, Shape
from core.header import LOOK, find_header, is_totals

SEPARATORS = (",", ";", "\t", "|")
BLOCK = 1 << 20


def look_at(path: Path, *, header: int | None = None) -> Shape:
    """Encoding, separator and header of a text file. Raises BadFile for what is no text."""
    try:
        encoding = _encoding(path)
        with path.open(encoding=encoding, errors="surrogateescape", newline="") as source:
            first = list(islice(_lines(source), LOOK))
    except OSError as error:
        raise BadFile(f"{path.name}: {error.strerror or error}") from error
    separator = _separator(first)
    rows = [(number, [cell.strip() for cell in cells]) for number, cells, _error in _cells(first, separator)]
    found = find_header(rows, row=header)
    if not found.names:
        raise BadFile(_("The file holds no table."))
    return Shape(CSV, found.names, found.positions, found.row, encoding, separator)


def strict(shape: Shape) -> Shape:
    """The same file, where eight bits can only be UTF-8."""
    return replace(shape, encoding="utf-8-sig") if shape.encoding == "cp1252" else shape


def rows(path: Path, shape: Shape, *, exact: bool = False) -> Iterator[Row]:
    """The rows below the header; with `exact` one with too few cells is a bad one, else they are empty."""
    try:
        with path.open(encoding=shape.encoding, errors="surrogateescape", newline="") as source:
            for number, cells, error in _cells(_lines(source), shape.separator):
                if number > shape.header and (error or any(cells)):
                    yield _row(number, cells, error, shape, exact=exact)
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}") from error
    except UnicodeError as error:
        raise BadFile(_("The file breaks off in the middle of a letter: save it as UTF-8.")) from error


def _encoding(path: Path) -> str:
    """UTF-16 by its mark or its zeros, UTF-8 where every byte agrees, else Windows-1252."""
    with path.open("rb") as source:
        start = source.read(4096)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        zeros = start[0::2].count(0), start[1::2].count(0)
        if max(zeros) * 5 > len(start) and min(zeros) * 5 < max(zeros):
            return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
        if start.count(0) * 50 > len(start):
            raise BadFile(_("This is no text and no spreadsheet: it is full of zero bytes."))
        source.seek(0)
        return _eight_bits(source)


def _eight_bits(source: io.BufferedReader) -> str:
    """A file of mostly good UTF-8 is UTF-8, and its few bad rows are named."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
    good = bad = 0
    while block := source.read(BLOCK):
        text = decoder.decode(block)
        if text.isascii():
            continue
        bad_here = sum(1 for letter in text if "\udc80" <= letter <= "\udcff")
        bad += bad_here
        good += sum(1 for letter in text if letter > "\x7f") - bad_here
        if bad > 1000:
            break
    return "cp1252" if bad > good else "utf-8-sig"


def _lines(source: io.TextIOBase) -> Iterator[str]:
    """Lines, none longer than is sane: one without an end would fill the memory."""
    while line := source.readline(MAX_LINE):
        yield line


def _separator(lines: Sequence[str]) -> str:
    """The one that cuts most lines into the same number of cells, more than one."""
    best, chosen = (0.0, 0), ","
    for separator in SEPARATORS:
        widths = [len(cells) for _, cells, error in _cells(lines, separator) if any(cells) and not error]
        counts = Counter(width for width in widths if width > 1)
        if not counts:
            continue
        width, often = max(counts.items(), key=lambda item: (item[1], item[0]))
        score = (often / len(widths), width)
        if score > best:
            best, chosen = score, separator
    return chosen


def _cells(lines: Iterator[str] | Sequence[str], separator: str) -> Iterator[tuple[int, list[str], str]]:
    """Each row with its line number, and what is wrong with it as CSV."""
    csv.field_size_limit(MAX_LINE)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, [], f"not CSV: {error}"
            continue
        yield (number if reader.line_num == number else reader.line_num), cells, ""


def _row(number: int, cells: Sequence[str], error: str, shape: Shape, *, exact: bool) -> Row:
    if error:
        return Row(number, {}, error)
    values = {
        name: cells[position] if position < len(cells) else ""
        for name, position in zip(shape.columns, shape.positions, strict=True)
    }
    width = shape.positions[-1] + 1
    if shape.header and (any(cells[width:]) or (exact and len(cells) < width)):
        return Row(number, values, f"{len(cells)} cells where the header has {width}")
    together = "".join(cells)
    if not together.isascii() and any("\udc80" <= letter <= "\udcff" for letter in together):
        return Row(number, values, "not UTF-8: save the file as UTF-8")
    if "\x00" in together:
        return Row(number, values, "the row holds a zero byte (NUL)")
    if is_totals([cell.strip() for cell in cells]):
        return Row(number, values, "a line of totals, not a row")
    return Row(number, values)
