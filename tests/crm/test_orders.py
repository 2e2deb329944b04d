"""Purchases: once, changed where they differ, in the workspace's currency."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core.models import Job, Workspace
from crm.models import Customer, CustomerTouch, DirtyOrderDay, ExchangeRate, Identity, Order
from crm.orders import LineIn, OrderOutcome, store_orders
from tests.crm.orders import order

pytestmark = pytest.mark.django_db


def test_a_repeated_order_changes_nothing_and_a_changed_one_only_itself() -> None:
    assert store_orders("shop", [order("1"), order("2")]).outcomes == [OrderOutcome.STORED] * 2
    CustomerTouch.objects.all().delete()
    assert store_orders("shop", [order("1"), order("2")]).outcomes == [OrderOutcome.REPEATED] * 2
    assert not CustomerTouch.objects.exists()
    changed = store_orders("shop", [order("1", refunded=Decimal("5.00")), order("2")])
    assert changed.outcomes == [OrderOutcome.CHANGED, OrderOutcome.REPEATED]
    assert Order.objects.get(external_id="1").refunded == Decimal("5.00")
    assert Customer.objects.count() == 1


def test_two_shops_may_use_one_number() -> None:
    store_orders("north", [order("1")])
    store_orders("south", [order("1")])
    assert (Order.objects.count(), Customer.objects.count()) == (2, 2)


def test_an_e_mail_address_is_one_person_in_every_shop() -> None:
    for shop in ("north", "south"):
        store_orders(shop, [order("1", network="email", customer_id="Eva@Example.org ")])
    assert Identity.objects.get().external_id == "eva@example.org"


def test_amounts_take_the_rate_of_their_day_and_without_one_stay_out_of_sums() -> None:
    ExchangeRate.objects.create(currency="EUR", day=date(2026, 3, 1), rate="1.10")
    store_orders("shop", [order("e", currency="EUR"), order("g", currency="GBP"), order("u")])
    amounts = dict(Order.objects.values_list("external_id", "base_total"))
    assert amounts == {"e": Decimal("22.00"), "g": None, "u": Decimal("20.00")}


def test_lines_are_replaced_and_an_order_without_lines_keeps_its_own() -> None:
    lines = (LineIn("Kettle", units=1, price=Decimal(15)), LineIn("Filter", units=5, price=Decimal(1)))
    store_orders("shop", [order("1", lines=lines)])
    assert Order.objects.get().units == 6
    store_orders("shop", [order("1", lines=lines[:1], total="15.00")])
    assert [line.title for line in Order.objects.get().lines.all()] == ["Kettle"]
    store_orders("shop", [order("1", units=1, total="14.00")])
    assert Order.objects.get().lines.count() == 1


def test_an_order_that_moves_marks_both_days() -> None:
    store_orders("shop", [order("1")])
    DirtyOrderDay.objects.all().delete()
    store_orders("shop", [order("1", placed_at=datetime(2026, 3, 5, tzinfo=UTC))])
    assert set(DirtyOrderDay.objects.values_list("day", flat=True)) == {date(2026, 3, 2), date(2026, 3, 5)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"total": Decimal(-1)}, "total"),
        ({"total": Decimal("NaN")}, "total"),
        ({"currency": "EURO"}, "currency"),
        ({"placed_at": datetime(9000, 1, 1, tzinfo=UTC)}, "future"),
        ({"placed_at": datetime(2026, 1, 1)}, "time zone"),
        ({"status": "lost"}, "status"),
        ({"external_id": ""}, "order_id"),
        ({"customer_id": " "}, "customer"),
        ({"units": -1}, "units"),
    ],
)
def test_a_bad_order_is_answered_by_itself(change: dict[str, Any], reason: str) -> None:
    result = store_orders("shop", [order("1"), order("bad", **change), order("3")])
    assert result.outcomes == [OrderOutcome.STORED, OrderOutcome.REJECTED, OrderOutcome.STORED]
    assert reason in result.reasons[1]


def test_the_number_of_statements_does_not_depend_on_the_page() -> None:
    Workspace.current()
    counts = []
    for size in (1, 40, 400):
        with CaptureQueriesContext(connection) as seen:
            store_orders("shop", [order(f"{size}-{n}", buyer=f"{size}-{n}") for n in range(size)])
        counts.append(len(seen))
    assert len(set(counts)) == 1


HEADER = "order_id,customer_id,placed_at,units,total,currency\n"


def test_a_file_brings_its_good_rows_in_and_names_the_bad_ones(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(
        HEADER.encode() + b"1,a,2026-01-02,1,10.00,USD\n2,a,not a day,1,10.00,USD\n3,a,2026-13-02,1,1,USD\n"
        b"4,a,20000-01-01,1,1,USD\n5,a,2026-01-02,1\n6,\xff,2026-01-02,1,1,USD\n7,b,2026-01-03,2,20.00,USD\n"
    )
    call_command("import_orders", str(path))
    out = capsys.readouterr().out
    assert sorted(Order.objects.values_list("external_id", flat=True)) == ["1", "7"]
    for number, word in ((3, "not a date"), (4, "date that exists"), (5, "9999"), (6, "cells"), (7, "UTF-8")):
        assert any(f"line {number}:" in line and word in line for line in out.splitlines()), (number, out)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("orders.csv", "order_id,when\n1,2\n", "customer_id"),
        ("orders.csv", "", "order_id"),
        ("orders.pdf", "x", ".csv or .jsonl"),
        ("absent.csv", None, "No such file"),
    ],
)
def test_a_file_that_is_no_such_file_is_refused(
    tmp_path: Path, name: str, content: str | None, reason: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(CommandError, match=reason):
        call_command("import_orders", str(path))
    assert not Order.objects.exists()


def test_an_import_is_refused_while_the_demo_is_there(tmp_path: Path) -> None:
    Workspace.current()
    Workspace.objects.update(demo_since=timezone.now())
    path = tmp_path / "orders.csv"
    path.write_text(HEADER)
    with pytest.raises(CommandError, match="Remove the demo first"):
        call_command("import_orders", str(path))
    assert not Job.objects.exists()
