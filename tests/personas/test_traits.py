"""Traits: held against plain Python, refreshed where something changed, written only where they differ."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, models
from django.db.models import F

from core.models import Workspace
from core.sql import statement
from crm.models import Consent, Customer, CustomerTag, CustomerTouch, Identity, Order, OrderLine
from engagement.models import ContactLedger, Interaction
from personas.models import ChangedCustomer, CustomerDay, Traits
from personas.traits.catalogue import CATALOGUE
from personas.traits.compute import Moment, Refreshed, list_all, list_changed, refresh_next
from personas.traits.sources import traits_statement
from personas.words import hear
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
        list_changed(since=since, today=today, zone=ZONE)
    after, batches = 0, []
    while (batch := refresh_next(after, moment(today), limit=limit)).last is not None:
        after = batch.last
        batches.append(batch)
    ChangedCustomer.objects.all().delete()
    return batches


def sources() -> dict[str, list[dict[str, Any]]]:
    said = Interaction.objects.filter(direction="inbound").annotate(
        network=F("account__network"), media=F("post__media")
    )
    talk = Interaction.objects.filter(direction__in=["inbound", "outbound"]).annotate(
        owner_id=F("conversation__customer_id")
    )
    written = Interaction.objects.filter(direction="outbound").annotate(
        owner=F("conversation__customer_id"), network=F("account__network")
    )
    return {
        "customers": list(Customer.objects.values()),
        "said": list(said.values()),
        "written": [{**row, "customer_id": row["owner"]} for row in written.values()],
        "talk": list(talk.values()),
        "ledger": list(ContactLedger.objects.values()),
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
    counts = ("question_n", "complaint_n", "praise_n", "positive_n", "negative_n")
    rows = CustomerDay.objects.values_list(*key, "n", "public_n", "sentiment_sum", "sentiment_n", *counts)
    return {row[:5]: row[5:] for row in rows}


def agree(found: dict[int, dict[str, Any]], expected: dict[int, dict[str, Any]]) -> None:
    assert found.keys() == expected.keys()
    for customer, row in expected.items():
        for name, value in row.items():
            got = found[customer][name]
            if isinstance(value, float):
                assert got == pytest.approx(value, rel=1e-12, abs=1e-12), (customer, name)
            elif isinstance(value, Decimal):
                assert got == pytest.approx(value), (customer, name)
            else:
                assert got == value, (customer, name)


def test_the_columns_of_the_table_are_the_catalogue() -> None:
    columns = {field.name for field in Traits._meta.get_fields() if isinstance(field, models.Field)}
    assert columns == {"customer", "computed_at", *(trait.name for trait in CATALOGUE)}


def test_the_sql_computes_exactly_the_catalogue() -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement("personas", "working_tables"))
        cursor.execute(traits_statement(), {"today": TODAY, "zone": ZONE})
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


def test_after_many_changes_the_incremental_run_gives_what_a_full_one_gives() -> None:
    """Messages, edits, deletions, orders, refunds, merges and their undoing, tags, consents, moves to other
    zones, contacts, referrals, others' lines, and days passing; RAPPORT_CHANGES asks for more of them.
    """
    world, today, done = World(77, today=TODAY, customers=60), TODAY, 0
    refresh()
    names: Counter[str] = Counter()
    while done < int(os.environ.get("RAPPORT_CHANGES", "1000")):
        some = world.random.choice([1, 20, 60, 110])
        names.update(world.change() for _each in range(some))
        before, today = today, today + timedelta(days=world.random.choice([0, 1, 1, 2, 9, 31, 130]))
        done, world.today = done + some, today
        refresh(today, since=before)
    few, few_days = stored(), days()
    assert hear([one.pk for one in world.customers()]) == []
    assert len(names) >= 18
    assert min(names.values()) >= done // 60
    agree(few, traits(sources(), today=today, zone=ZONE))
    assert few_days == days_in_python(sources(), zone=ZONE)
    assert sum(batch.changed for batch in refresh(today)) == 0
    assert (stored(), days()) == (few, few_days)


def test_every_trait_is_something_for_somebody_and_nothing_for_another() -> None:
    """The oracle proves little of a trait that is the same for everybody."""
    World(9, today=TODAY, customers=60)
    refresh()
    for trait in CATALOGUE:
        values = {row[trait.name] for row in stored().values()}
        assert len(values) > 1, trait.name


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
    Interaction.objects.filter(external_id__startswith="joined").delete()
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


def test_everybody_is_a_year_older_in_another_year() -> None:
    Workspace.current()
    customer = Customer.objects.create(name="Ida", birth_year=2001)
    ageless = Customer.objects.create(name="Bo")
    refresh(date(2026, 12, 30))
    assert Traits.objects.get(customer=customer).age_band == "25-34"
    Customer.objects.filter(pk=customer.pk).update(birth_year=1992)
    CustomerTouch.objects.create(customer=customer)
    refresh(date(2026, 12, 31), since=date(2026, 12, 30))
    assert Traits.objects.get(customer=customer).age_band == "25-34"
    (batch,) = refresh(date(2027, 1, 1), since=date(2026, 12, 31))
    assert (batch.customers, Traits.objects.get(customer=customer).age_band) == (1, "35-44")
    assert Traits.objects.get(customer=ageless).age_band is None


def test_contacts_leave_their_windows_without_any_touch() -> None:
    world = World(10, today=TODAY, customers=0)
    customer = world.add_customer()
    ContactLedger.objects.all().delete()
    Interaction.objects.all().delete()
    Order.objects.all().delete()
    world.contact(customer)
    # 23:30 of the 19th in Santiago, 02:30 of the 20th in UTC
    ContactLedger.objects.update(origin="started", at=datetime(2026, 9, 20, 2, 30, tzinfo=UTC))
    refresh()
    for days_on, expected in {28: (1, 1), 29: (0, 1), 88: (0, 1), 89: (0, 0)}.items():
        today = TODAY + timedelta(days=days_on)
        refresh(today, since=today - timedelta(days=1))
        row = Traits.objects.get()
        assert (row.contacted_30, row.started_90) == expected, days_on


@pytest.mark.parametrize(
    ("zone", "country", "hour"),
    [
        ("", "", 15),  # Santiago, summer time
        ("Asia/Kathmandu", "FR", 23),
        ("", "FR", 20),
        ("", "DE", 20),  # two zones with one time
        ("", "ES", 15),  # two times: the workspace's
        ("Mars/Olympus Mons", "JP", 3),
        ("'; DROP TABLE crm_customer; --", "", 15),
        ("utc", "", 15),  # no name of a zone by its letters
        ("UTC", "ES", 18),
    ],
)
def test_hours_are_those_of_the_customers_own_zone(zone: str, country: str, hour: int) -> None:
    world = World(11, today=TODAY, customers=0)
    customer = world.add_customer()
    Order.objects.all().delete()
    Interaction.objects.all().delete()
    world.say(customer)
    Interaction.objects.exclude(external_id__startswith="in").delete()
    # a Sunday, 18:00 in UTC
    Interaction.objects.update(
        occurred_at=datetime(2026, 9, 20, 18, tzinfo=UTC), deleted_at=None, kind="message"
    )
    Customer.objects.update(zone=zone, country=country)
    refresh()
    row = Traits.objects.get()
    assert (row.usual_hour, row.usual_weekday) == (hour, 1 if hour == 3 else 7)
    assert row.inbound_30 == 1


def test_touches_are_consumed_with_their_batch() -> None:
    world = World(7, today=TODAY)
    assert CustomerTouch.objects.exists()
    refresh()
    assert not CustomerTouch.objects.exists()
    world.touch(world.customers()[0])
    (batch,) = refresh(since=TODAY)
    assert (batch.customers >= 1, batch.changed, CustomerTouch.objects.count()) == (True, 0, 0)


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


def test_more_money_than_a_column_holds_ends_nobodys_rebuild() -> None:
    Workspace.current()
    rich, other = Customer.objects.create(name="Rich"), Customer.objects.create(name="Other")
    most = Decimal("999999999999.99")
    for owner, total in ((rich, most), (rich, most), (other, Decimal(5))):
        Order.objects.create(
            source="shop", external_id=f"{owner.pk} {Order.objects.count()}", currency="EUR", total=total,
            base_total=total, placed_at=datetime(2026, 9, 18, 12, tzinfo=UTC), customer=owner,
            home_customer=owner,
        )  # fmt: skip
    refresh()
    assert (stored()[rich.pk]["revenue_total"], stored()[rich.pk]["revenue_365"]) == (most, most)
    assert stored()[other.pk]["revenue_total"] == 5


def test_zero_customers() -> None:
    Workspace.current()
    assert refresh() == []
    assert not Traits.objects.exists()
