"""What the documents promise is there: links, pictures, commands, columns, and examples that come in."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands

from core.files import Row, rows_of
from core.imports import importers
from crm.models import Customer, Order, OrderLine
from engagement.models import Conversation, Interaction

BASE_DIR = Path(__file__).resolve().parent.parent
README = BASE_DIR / "README.md"
IMPORTING = BASE_DIR / "docs" / "importing.md"
PICTURES = BASE_DIR / "docs" / "pictures"
DOCUMENTS = sorted(
    [README, *(BASE_DIR / "docs").rglob("*.md"), *(BASE_DIR / "engagement" / "channels").rglob("doc.md")]
)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LARGEST = 250_000


def prose(path: Path) -> str:
    return FENCED.sub("", path.read_text())


def targets(path: Path) -> set[str]:
    text = prose(path)
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset|href)="([^"]+)"', text)
    return {target for target in found if not re.match(r"[a-z]+:|#", target)}


def headings(path: Path) -> set[str]:
    lines = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def make_targets() -> set[str]:
    text = (BASE_DIR / "Makefile").read_text()
    return set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))


def blocks(path: Path, language: str) -> list[str]:
    return [body for kind, body in FENCED.findall(path.read_text()) if kind == language]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(BASE_DIR)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in targets(path):
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve()
        assert found.exists(), target
        assert not anchor or anchor in headings(found), target


def test_every_document_stands_in_the_index() -> None:
    index = BASE_DIR / "docs" / "README.md"
    listed = {(index.parent / target).resolve() for target in targets(index)}
    assert set((BASE_DIR / "docs").rglob("*.md")) - listed - {index} == set()


def test_the_index_names_every_make_target() -> None:
    named = set(re.findall(r"`make ([a-z-]+)", (BASE_DIR / "docs" / "README.md").read_text()))
    assert named == make_targets()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(BASE_DIR)))
def test_commands_exist(path: Path) -> None:
    text = path.read_text()
    called = set(re.findall(r"(?:^ {4}|`)(?:[A-Z_]+=\S+ )*make ([a-z-]+)", text, re.MULTILINE))
    assert called <= make_targets()
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= set(get_commands())


def test_files_of_commands_in_the_readme_exist() -> None:
    named = re.findall(r"\b(?:examples|deploy|docs)/[\w./-]*\w|docker-compose\.yml", README.read_text())
    assert named
    assert [name for name in named if not (BASE_DIR / name).exists()] == []


# Pictures


def test_the_readme_shows_each_page_light_and_dark() -> None:
    shown = {target for target in targets(README) if target.endswith(".png")}
    for page in ("inbox", "customer", "segment", "persona", "overview"):
        assert {f"docs/pictures/{page}-{theme}.png" for theme in ("light", "dark")} <= shown
    assert {BASE_DIR / target for target in shown} == set(PICTURES.glob("*.png"))


@pytest.mark.parametrize("picture", sorted(PICTURES.glob("*.png")), ids=lambda path: path.stem)
def test_pictures_are_small_and_of_one_size(picture: Path) -> None:
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (1440, 900)
    assert len(content) <= LARGEST


# Importing


def documented(heading: str) -> dict[str, bool]:
    """Columns under a heading of docs/importing.md: whether each must be there."""
    section = IMPORTING.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = {}
    for names, must in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (\w*) ?\|", section, re.MULTILINE):
        found.update(dict.fromkeys(re.findall(r"`(\w+)`", names), must == "yes"))
    return found


@pytest.mark.parametrize(
    ("kind", "heading"), [("import_interactions", "Interactions"), ("import_orders", "Orders")]
)
def test_the_columns_that_must_be_there_are_those_of_the_code(kind: str, heading: str) -> None:
    must = {name for name, is_must in documented(heading).items() if is_must}
    assert must == set(importers[kind].required)


def examples(language: str, column: str, folder: Path) -> list[Row]:
    """The rows of the examples in this language that hold this column."""
    rows: list[Row] = []
    for number, body in enumerate(blocks(IMPORTING, language)):
        if column in body:
            path = folder / f"{number}.{'csv' if language == 'csv' else 'jsonl'}"
            path.write_text(body)
            rows += rows_of(path, required=())
    return rows


def store(kind: str, rows: list[Row], **options: Any) -> dict[str, int]:
    result = importers[kind].store(rows, options)
    assert result.rejected == []
    return result.counts


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["csv", "json"])
def test_examples_of_interactions_come_in(language: str, tmp_path: Path, time_machine: Any) -> None:
    rows = examples(language, "thread_id", tmp_path)
    time_machine.move_to("2026-12-24T12:00:00Z", tick=False)
    assert set(rows[0].values) <= set(documented("Interactions")) | {"author"}
    assert store("import_interactions", rows) == {"stored": 2}
    assert store("import_interactions", rows) == {"repeated": 2}
    owner = Customer.objects.get()
    assert (owner.name, Conversation.objects.get().customer) == ("Eva Lind", owner)
    assert Conversation.objects.get().status == "resolved"
    assert Interaction.objects.get(direction="outbound").staff_name == "Amy"


@pytest.mark.django_db
def test_examples_of_orders_come_in(tmp_path: Path, time_machine: Any) -> None:
    time_machine.move_to("2026-12-24T12:00:00Z", tick=False)
    table, lines = examples("csv", "order_id", tmp_path), examples("json", "order_id", tmp_path)
    assert set().union(*(row.values for row in table + lines)) <= set(documented("Orders"))
    assert store("import_orders", table, source="shop") == {"stored": 2}
    assert store("import_orders", lines, source="shop") == {"stored": 1}
    assert store("import_orders", table + lines, source="shop") == {"repeated": 3}
    assert sorted(Customer.objects.values_list("name", flat=True)) == ["Eva Lind", "Max Roth"]
    assert Order.objects.get(external_id="1003").units == 2
    assert OrderLine.objects.get().title == "Fern, 14 cm"
