"""Lists as files: what stands in a cell, that nothing in it runs, and that memory does not grow with them."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import BadRequest
from django.test import RequestFactory
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from core.tables import csv_lines, harmless, plain, table_response, xlsx_blocks

BRUSSELS = ZoneInfo("Europe/Brussels")
FIRST = "=+-@\t\r\n＝＋－＠"


@pytest.mark.parametrize(
    "text", ["=1+1", "+32 2", "-5", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1+1", '=HYPERLINK("x")']
)
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("cell", ["Eva", "1=1", "a@b.example", "", "'=1", -5, 3.5, None, Decimal("-1.5")])
def test_everything_else_stays_as_it_is(cell: Any) -> None:
    assert harmless(cell) is cell


@given(st.text())
def test_no_text_begins_like_a_formula_after_harmless_and_none_is_lost(text: str) -> None:
    made = harmless(text)
    assert not made.lstrip(" ").startswith(tuple(FIRST))
    assert made in {text, f"'{text}"}
    assert harmless(made) == made


@pytest.mark.parametrize(
    "value, cell",
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (7, 7),
        (Decimal("1.50"), Decimal("1.50")),
        (float("nan"), ""),
        (datetime(2026, 7, 1, 10, 0, 0, 999, tzinfo=UTC), "2026-07-01T12:00:00+02:00"),
        (date(2026, 7, 1), "2026-07-01"),
        (["a", "b"], "a, b"),
        ([], ""),
        ({"é": 1}, '{"é": 1}'),
        ({}, ""),
    ],
)
def test_a_value_is_written_for_people_and_programs(value: Any, cell: Any) -> None:
    assert plain(value, BRUSSELS) == cell


ROWS = [
    ("Eva Marín", "=1+1", -5, datetime(2026, 1, 1, tzinfo=UTC)),
    ("a,b\n\"c\"", "@x", Decimal("3.5"), None),
]  # fmt: skip


def read_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_csv_is_utf8_with_its_mark_and_harmless() -> None:
    text = "".join(csv_lines(("name", "=evil", "n", "at"), ROWS, UTC))
    assert text.startswith("\ufeff")
    assert read_csv(text[1:]) == [
        ["name", "'=evil", "n", "at"],
        ["Eva Marín", "'=1+1", "-5", "2026-01-01T00:00:00+00:00"],
        ['a,b\n"c"', "'@x", "3.5", ""],
    ]


def workbook(header: Any, rows: Any, **more: Any) -> Any:
    return load_workbook(io.BytesIO(b"".join(xlsx_blocks(header, rows, UTC, **more))))


def test_xlsx_holds_formulas_as_text_and_numbers_as_numbers() -> None:
    (sheet,) = workbook(("name", "=evil", "n", "at"), ROWS, title="customers").worksheets
    cells = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert cells[1] == ["Eva Marín", "=1+1", -5, "2026-01-01T00:00:00+00:00"]
    for place in ("B1", "B2", "B3"):
        assert sheet[place].data_type == "s" and sheet[place].quotePrefix
    assert sheet["C2"].data_type == "n" and sheet.title == "customers"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans()), max_size=6))
def test_no_cell_of_xlsx_is_a_formula_whatever_it_holds(values: list[Any]) -> None:
    (sheet,) = workbook([f"h{at}" for at in range(len(values))], [values]).worksheets
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)


def test_long_texts_and_numbers_fit_into_xlsx() -> None:
    (sheet,) = workbook(("a", "b", "c"), [("x" * 40_000, 12345678901234567890, "bad\x00\x0b")]).worksheets
    assert len(sheet["A2"].value) == 32_767
    assert sheet["B2"].value == "12345678901234567890"
    assert sheet["C2"].value == "bad"


def test_more_rows_than_a_sheet_takes_go_on_in_the_next() -> None:
    book = workbook(("n",), [(at,) for at in range(7)], title="rows", sheet_rows=4)
    got = [[cell.value for (cell,) in sheet.iter_rows()] for sheet in book.worksheets]
    assert book.sheetnames == ["rows", "rows 2", "rows 3"]
    assert got == [["n", 0, 1, 2], ["n", 3, 4, 5], ["n", 6]]


def test_an_empty_list_is_a_file_with_its_header() -> None:
    (sheet,) = workbook(("name",), []).worksheets
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [["name"]]
    assert read_csv("".join(csv_lines(("name",), [], UTC))[1:]) == [["name"]]


# Answers


def asked(query: str) -> Any:
    return RequestFactory().get(f"/x/?{query}")


def test_the_answer_is_a_download_in_the_readers_zone() -> None:
    with timezone.override(BRUSSELS):
        answer = table_response(asked("format=csv"), "list", ("at",), [(datetime(2026, 7, 1, tzinfo=UTC),)])
    # Read when the request is over, and the zone with it.
    assert b"2026-07-01T02:00:00+02:00" in b"".join(answer.streaming_content)
    assert answer["Content-Disposition"] == 'attachment; filename="list.csv"'
    assert "no-store" in answer["Cache-Control"]


def test_xlsx_is_asked_for_by_name_and_any_other_format_refused() -> None:
    answer = table_response(asked("format=xlsx"), "list", ("a",), [("b",)])
    book = load_workbook(io.BytesIO(b"".join(answer.streaming_content)))
    assert [cell.value for (cell,) in book.active.iter_rows()] == ["a", "b"]
    with pytest.raises(BadRequest):
        table_response(asked("format=exe"), "list", ("a",), [])


@pytest.mark.parametrize("kind, soon", [("csv", 2_000), ("xlsx", 2_000)])
def test_a_list_is_read_while_it_is_sent(kind: str, soon: int) -> None:
    taken = 0

    def rows() -> Iterator[tuple[int, str]]:
        nonlocal taken
        for taken in range(40_000):
            yield taken, f"{taken}x" * 10

    answer = table_response(asked(f"format={kind}"), "list", ("n", "x"), rows())
    parts = iter(answer.streaming_content)
    next(parts)
    assert taken < soon
    tracemalloc.start()
    sent = sum(len(part) for part in parts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken == 39_999 and sent > 200_000 and peak < 2_000_000


def test_text_comes_back_from_xlsx_as_it_went_in() -> None:
    texts = ["a & b < c > d", '"quoted"', "two\nlines", " spaces ", "é 😀", "a,b;c"]
    (sheet,) = workbook([f"h{at}" for at in range(len(texts))], [texts]).worksheets
    assert [cell.value for cell in sheet[2]] == texts


def test_a_sheet_has_columns_beyond_z_and_a_name_that_may_be_one() -> None:
    (sheet,) = workbook([f"h{at}" for at in range(60)], [list(range(60))], title="a/b: [c]*?").worksheets
    assert (sheet["AA1"].value, sheet["BH2"].value) == ("h26", 59)
    assert not set(sheet.title) & set("[]:*?/\\")


def test_the_archive_is_whole_and_small() -> None:
    data = b"".join(xlsx_blocks(("a",), [("same",)] * 20_000, UTC))
    with ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert "[Content_Types].xml" in archive.namelist()
        for name in archive.namelist():
            ElementTree.fromstring(archive.read(name))
    assert len(data) < 200_000
