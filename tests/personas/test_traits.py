"""Traits: held against plain Python, refreshed where something changed, written only where they differ."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, models
from django.db.models import F

from core.models import Workspace
from core.sql import statement
from crm.models import Consent, Customer, CustomerTag, CustomerTouch, Identity, Order, OrderLine
from engagement.models import Interaction
from personas.models import ChangedCustomer, CustomerDay, Traits
from personas.traits.catalogue import CATALOGUE
from personas.traits.compute import Moment, Refreshed, list_all, list_changed, refresh_next
from tests.personas.traits_in_python import days as days_in_python
from tests.personas.traits_in_python import traits
from tests.personas.world import ZONE, World

pytestmark = pytest.mark.django_db
# The night in which Santiago's clocks go forward lies within the last 30 days.
TODAY = date(2026, 9, 20)


def moment(today: date = TODAY) -> Moment:
    return Moment(today=today, zone=ZONE, now=datetime(2026, 9, 20, 7, tzinfo=UTC))


def refresh(today: date = TODAY, *, since: date | None = None, limit: int = 20_000) -> list[Refreshed]:
    """One traits step: everybody, or who changed since a day."""
    if since is None:
        list_all()
    else:
        list_changed(since=since, today=today)
    after, batches = 0, []
    while (batch := refresh_next(after, moment(today), limit=limit)).last is not None:
        after = batch.last
        batches.append(batch)
    ChangedCustomer.objects.all().delete()
    return batches


def sources() -> dict[str, list[dict[str, Any]]]:
    said = Interaction.objects.filter(direction="inbound").annotate(network=F("account__network"))
    written = Interaction.objects.filter(direction="outbound").annotate(
        owner=F("conversation__customer_id"), network=F("account__network")
    )
    return {
        "customers": list(Customer.objects.values()),
        "said": list(said.values()),
        "written": [{**row, "customer_id": row["owner"]} for row in written.values()],
        "orders": list(Order.objects.values()),
        "lines": list(OrderLine.objects.values()),
        "consents": list(Consent.objects.values()),
        "identities": list(Identity.objects.values()),
        "tags": list(CustomerTag.objects.values()),
    }


def stored() -> dict[int, dict[str, Any]]:
    rows = Traits.objects.values(*["customer_id", *(trait.name for trait in CATALOGUE)])
    return {row.pop("customer_id"): row for row in rows}


def days() -> dict[tuple[Any, ...], tuple[Any, ...]]:
    key = ("customer_id", "day", "network", "kind", "direction")
    rows = CustomerDay.objects.values_list(*key, "n", "public_n", "sentiment_sum", "sentiment_n")
    return {row[:5]: row[5:] for row in rows}


def agree(found: dict[int, dict[str, Any]], expected: dict[int, dict[str, Any]]) -> None:
    assert found.keys() == expected.keys()
    for customer, row in expected.items():
        for name, value in row.items():
            got = found[customer][name]
            if isinstance(value, float):
                assert got == pytest.approx(value, rel=1e-12), (customer, name)
            elif name == "revenue_365":
                assert got == pytest.approx(value), (customer, name)
            else:
                assert got == value, (customer, name)


def test_the_columns_of_the_table_are_the_catalogue() -> None:
    columns = {field.name for field in Traits._meta.get_fields() if isinstance(field, models.Field)}
    assert columns == {"customer", "computed_at", *(trait.name for trait in CATALOGUE)}


def test_the_sql_computes_exactly_the_catalogue() -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement("personas", "working_tables"))
        cursor.execute(statement("personas", "traits"), {"today": TODAY})
        names = [column.name for column in cursor.description or ()]
    assert names == ["customer_id", *(trait.name for trait in CATALOGUE)]


@pytest.mark.parametrize("seed", range(6))
def test_traits_are_what_plain_python_finds(seed: int) -> None:
    World(seed, today=TODAY, customers=40)
    refresh()
    agree(stored(), traits(sources(), today=TODAY, zone=ZONE))
    assert days() == days_in_python(sources(), zone=ZONE)


@pytest.mark.parametrize("seed", range(8))
def test_refreshing_who_changed_gives_what_computing_everybody_gives(seed: int) -> None:
    world = World(100 + seed, today=TODAY, customers=25)
    refresh()
    today = TODAY
    for _night in range(4):
        for _change in range(world.random.randrange(6)):
            world.change()
        before, today = today, today + timedelta(days=world.random.choice([0, 1, 1, 7, 40]))
        refresh(today, since=before)
        few, few_days = stored(), days()
        agree(few, traits(sources(), today=today, zone=ZONE))
        assert few_days == days_in_python(sources(), zone=ZONE)
        batches = refresh(today)
        assert sum(batch.changed for batch in batches) == 0
        assert stored() == few
        assert days() == few_days


def test_small_batches_give_the_same() -> None:
    World(3, today=TODAY)
    refresh()
    whole, whole_days = stored(), days()
    Traits.objects.all().delete()
    CustomerDay.objects.all().delete()
    batches = refresh(limit=4)
    assert len(batches) == -(-Customer.objects.count() // 4)
    assert (stored(), days()) == (whole, whole_days)


def test_nothing_changed_means_nobody_is_looked_at() -> None:
    World(4, today=TODAY)
    refresh()
    assert refresh(since=TODAY) == []


def test_a_row_is_written_only_where_a_value_differs() -> None:
    world = World(5, today=TODAY)
    refresh()
    physical = dict(Traits.objects.extra(select={"place": "ctid::text"}).values_list("customer_id", "place"))
    chosen = world.customers()[0]
    Customer.objects.filter(pk=chosen.pk).update(country="JP")
    world.touch(*world.customers())
    (batch,) = refresh(since=TODAY)
    assert (batch.customers, batch.changed) == (len(world.customers()), 1)
    after = dict(Traits.objects.extra(select={"place": "ctid::text"}).values_list("customer_id", "place"))
    assert {pk for pk in after if after[pk] != physical[pk]} == {chosen.pk}


def test_a_window_edge_is_crossed_without_any_touch() -> None:
    world = World(6, today=TODAY, customers=0)
    customer = world.add_customer()
    Order.objects.filter(customer=customer).delete()
    Interaction.objects.all().delete()
    world.say(customer)
    at = datetime(2026, 9, 20, 15, tzinfo=UTC)
    Interaction.objects.update(occurred_at=at, deleted_at=None, kind="message")
    refresh()
    assert Traits.objects.get().inbound_30 == 1
    for days_on, (short, middle, long) in {
        29: (1, 1, 1),
        30: (0, 1, 1),
        90: (0, 0, 1),
        365: (0, 0, 0),
    }.items():
        today = TODAY + timedelta(days=days_on)
        refresh(today, since=today - timedelta(days=1))
        row = Traits.objects.get()
        assert (row.inbound_30, row.inbound_90, row.inbound_365) == (short, middle, long), days_on


def test_touches_are_consumed_with_their_batch() -> None:
    world = World(7, today=TODAY)
    assert CustomerTouch.objects.exists()
    refresh()
    assert not CustomerTouch.objects.exists()
    world.touch(world.customers()[0])
    (batch,) = refresh(since=TODAY)
    assert (batch.customers, batch.changed, CustomerTouch.objects.count()) == (1, 0, 0)


def test_who_was_merged_away_or_erased_has_no_row() -> None:
    from crm.merging import merge_customers

    world = World(8, today=TODAY, customers=4)
    refresh()
    keep, drop, *_rest = world.customers()
    merge_customers(keep=keep, drop=drop)
    refresh(since=TODAY)
    assert not Traits.objects.filter(customer_id=drop.pk).exists()
    assert not CustomerDay.objects.filter(customer_id=drop.pk).exists()
    agree(stored(), traits(sources(), today=TODAY, zone=ZONE))


def test_somebody_with_nothing_still_has_a_row() -> None:
    Workspace.current()
    customer = Customer.objects.create(name="Nobody yet")
    refresh(since=TODAY)
    row = stored()[customer.pk]
    assert (row["inbound_total"], row["orders_total"], row["office_share"]) == (0, 0, None)


def test_zero_customers() -> None:
    Workspace.current()
    assert refresh() == []
    assert not Traits.objects.exists()
