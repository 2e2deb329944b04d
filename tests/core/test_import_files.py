"""Files as people have them: what is read, what is refused, and what is said."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from core.files import BadFile, look_at, read


def lines(path: Path, **more: Any) -> list[dict[str, Any]]:
    shape = look_at(path, **more)
    return [row.values for row in read(path, shape) if not row.error]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_any_separator_and_encoding_is_recognized(tmp_path: Path, separator: str, encoding: str) -> None:
    path = tmp_path / "table"
    rows = [["Name", "E-Mail"], ["Jürgen Größe", "j@example.org"], ["Zoë", "z@example.org"]]
    path.write_bytes("\r\n".join(separator.join(row) for row in rows).encode(encoding))
    assert lines(path) == [
        {"Name": "Jürgen Größe", "E-Mail": "j@example.org"},
        {"Name": "Zoë", "E-Mail": "z@example.org"},
    ]


def test_titles_empty_columns_doubled_names_and_totals_are_seen_through(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        "Customers 2026;;;;\nby Petra;;;;\n;;;;\n;Name;Name;E-Mail;\n"
        ";Eva;Lind;e@example.org;\n;;;;\nTotal;;;1;\n"
    )
    shape = look_at(path)
    assert (shape.header, shape.columns) == (4, ("Column 1", "Name", "Name (2)", "E-Mail"))
    found = list(read(path, shape))
    assert [(row.number, row.error) for row in found] == [(5, ""), (7, "a line of totals, not a row")]
    assert found[0].values["Name (2)"] == "Lind"


def test_a_file_without_names_gets_numbered_columns(tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    path.write_text("e@example.org,Eva\nm@example.org,Max\n")
    shape = look_at(path)
    assert (shape.header, shape.columns) == (0, ("Column 1", "Column 2"))
    assert len(list(read(path, shape))) == 2
    assert look_at(path, header=1).columns == ("e@example.org", "Eva")


def workbook(path: Path) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Kunden"
    sheet.append(["Kundenliste"])
    sheet.append(["Name", "Telefon", "Seit", "Firma", "Fehler"])
    sheet.append(["Eva", 491701234567.0, datetime.datetime(2026, 1, 2), "Acme", "#N/A"])
    sheet.append(["Max", "0170 1", datetime.datetime(2026, 1, 3, 9, 30), None, True])
    sheet.merge_cells("D3:D4")
    sheet.append(["Ida", None, None, None, None])
    book.create_sheet("Zwei").append(["a", "b"])
    book.save(path)
    return path


def test_excel_cells_become_what_a_person_would_write(tmp_path: Path) -> None:
    path = workbook(tmp_path / "anything.bin")
    assert lines(path) == [
        {"Name": "Eva", "Telefon": "491701234567", "Seit": "2026-01-02", "Firma": "Acme", "Fehler": ""},
        {"Name": "Max", "Telefon": "0170 1", "Seit": "2026-01-03T09:30:00", "Firma": "Acme", "Fehler": "yes"},
        {"Name": "Ida", "Telefon": "", "Seit": "", "Firma": "", "Fehler": ""},
    ]
    assert look_at(path).sheets == ("Kunden", "Zwei")
    assert look_at(path, sheet="Zwei").columns == ("a", "b")


def test_what_a_formula_last_gave_counts(tmp_path: Path) -> None:
    path = workbook(tmp_path / "book.xlsx")
    book = openpyxl.load_workbook(path)
    book.active["A3"] = "=1+1"
    book.save(path)
    assert lines(path)[0]["Name"] == "", "no program computed it, so there is no value"


def zipped(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    zipped(path, xl__workbook_xml=b"<x/>", xl__worksheets__sheet1_xml=b"0" * 60 * 1024 * 1024)
    with pytest.raises(BadFile, match="Unpacked"):
        look_at(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"   \r\n  ", "empty"),
        (b"%PDF-1.7 x", "PDF"),
        (b"\x1f\x8b\x08x", "gzip"),
        (b"\xd0\xcf\x11\xe0x", r"\.xls"),
        (b"\x89PNG\r\n", "picture"),
        (b"PK\x03\x04broken", "damaged"),
        (b"abc\x00\x00\x00\x01\x02def\x00\x00\x00", "zero bytes"),
        (b'[{"a": 1}]', "list"),
        (b"{broken\n", "JSON"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "customers.csv"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=told):
        look_at(path)


def test_an_archive_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    zipped(tmp_path / "x.xlsx", readme=b"hello")
    with pytest.raises(BadFile, match="ZIP"):
        look_at(tmp_path / "x.xlsx")


def test_a_zero_byte_spoils_its_row_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"name,email\n" + b"Eva,e@example.org\n" * 50 + b"M\x00x,m@example.org\n")
    found = list(read(path, look_at(path)))
    assert [row.number for row in found if row.error] == [52]
    assert "zero byte" in found[-1].error


def test_json_lines_are_known_by_content_and_reach_into_objects(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text('{"id": 1, "address": {"city": "Lyon"}}\n{"id": 2}\nbroken\n')
    shape = look_at(path)
    assert shape.columns == ("id", "address", "address.city")
    assert [bool(row.error) for row in read(path, shape)] == [False, False, True]


def test_letters_of_json_that_no_table_holds_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "people.jsonl"
    path.write_text(r'{"name": "E\u0000va \ud83d\ude00", "tags": ["a\ud800"], "x\udfff": {"y": "\u0000"}}')
    assert lines(path) == [{"name": "Eva 😀", "tags": ["a"], "x": {"y": ""}}]
    path.write_text('{"a": ' + "[" * 5000 + r'"\u0000"' + "]" * 5000 + "}\n" + '{"a": "b"}')
    assert [row.values for row in read(path, look_at(path)) if not row.error] == [{"a": "b"}]


@pytest.mark.parametrize(
    "cell", ['<c r="ZZZZZ3"><v>1</v></c>', '<c r="A3" t="s"><v>99</v></c>', '<c r="A3" t="d"><v>nope</v></c>']
)
def test_a_workbook_that_no_spreadsheet_wrote_is_refused_with_a_reason(tmp_path: Path, cell: str) -> None:
    whole, broken = workbook(tmp_path / "whole.xlsx"), tmp_path / "broken.xlsx"
    with zipfile.ZipFile(whole) as good, zipfile.ZipFile(broken, "w") as bad:
        for name in good.namelist():
            text = good.read(name).decode()
            bad.writestr(name, text.replace("</sheetData>", f'<row r="99">{cell}</row></sheetData>'))
    with pytest.raises(BadFile, match="damaged"):
        list(read(broken, look_at(broken)))
