"""First touches and what they brought, kept by the rebuild: what plain Python finds, whatever happens."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.jobs import run_job
from crm.merging import merge_customers, undo_merge
from crm.models import Customer, MergeRecord, Order
from engagement.models import Interaction, VisitContent
from personas.models import (
    AdSpend,
    BroughtDay,
    BroughtRun,
    ChangedCustomer,
    FirstTouch,
    Persona,
    PersonaMembership,
)
from personas.nightly import start_rebuild
from personas.reach.results import Behind, Results, Span, customers_behind, results
from personas.reach.summing import keep_sums
from personas.traits.compute import Moment, list_all, list_changed, refresh_next
from tests.personas.world import ZONE, World

pytestmark = pytest.mark.django_db
TODAY = date(2026, 9, 20)
NOW = datetime(2026, 9, 20, 7, tzinfo=UTC)
SPANS = [
    Span(TODAY - timedelta(days=89), TODAY),
    Span(TODAY - timedelta(days=600), TODAY + timedelta(days=5)),
    Span(TODAY - timedelta(days=31), TODAY - timedelta(days=2)),
    Span(TODAY, TODAY),
]
NETWORKS = {"email", "instagram", "phone", "x"}
MARKS = [
    ("https://s.example/?utm_campaign=Spring+ferns&utm_source=Instagram", {}),
    ("https://s.example/?a=1&utm_campaign=spring%20ferns#top", {}),
    ("https://s.example/", {"utm_campaign": "SPRING FERNS", "utm_source": "email"}),
    ("https://s.example/?utm_campaign=Nobody+paid&utm_source=email", {}),
    ("https://s.example/?utm_source=elsewhere", {}),
    ("", {}),
]


def rebuild(*, since: date | None = None, today: date = TODAY) -> None:
    """What the steps of a rebuild do about first touches: everybody, or who changed since a day."""
    if since is None:
        list_all()
    else:
        list_changed(since=since, today=today, zone=ZONE)
    after: int | None = 0
    while after is not None:
        after = refresh_next(after, Moment(today, ZONE, NOW), limit=11).last
    ChangedCustomer.objects.all().delete()
    keep_sums(until=today, zone=ZONE, at=NOW)


def mark_visits(world: World) -> None:
    """Every third interaction is a visit, some with marks."""
    found = Interaction.objects.filter(direction="inbound", visit=None).order_by("pk")
    for place, one in enumerate(list(found)[::3]):
        url, properties = MARKS[place % len(MARKS)]
        VisitContent.objects.create(interaction=one, event="page_view", url=url, properties=properties)
        Interaction.objects.filter(pk=one.pk).update(kind="visit")
        if one.customer_id is not None:
            world.touch(Customer(pk=one.customer_id))


@pytest.fixture
def fans(db: None) -> Persona:
    return Persona.objects.create(name="Fans")


def world_of(seed: int, fans: Persona) -> World:
    world = World(seed, today=TODAY, customers=40)
    mark_visits(world)
    for customer in world.customers()[::3]:
        PersonaMembership.objects.create(customer=customer, persona=fans, confidence=1, since=NOW)
    for network, campaign, cost in (
        ("instagram", "Spring ferns", 30),
        ("email", "Spring ferns", 8),
        ("x", "", 5),
    ):
        AdSpend.objects.create(
            network=network, campaign=campaign, day=TODAY, amount=cost, base_amount=cost, currency="USD"
        )
    return world


# In plain Python


def first_touches() -> dict[int, Any]:
    rows: dict[int, list[Any]] = defaultdict(list)
    said = Interaction.objects.filter(direction="inbound", deleted_at=None, is_automatic=False)
    for one in said.exclude(kind="note").select_related("account", "visit"):
        if one.customer_id is not None:
            rows[one.customer_id].append(one)
    return {pk: min(said, key=lambda one: (one.occurred_at, one.pk)) for pk, said in rows.items()}


def marks_of(one: Interaction) -> tuple[str, str]:
    visit = getattr(one, "visit", None)
    if visit is None:
        return "", ""
    query = visit.url.partition("?")[2].partition("#")[0]
    asked = dict(part.split("=", 1) for part in query.split("&") if part)
    found = [visit.properties.get(name) or asked.get(name, "") for name in ("utm_campaign", "utm_source")]
    return unquote_plus(found[0]).lower(), found[1].lower()


def counted_for(customer: int, first: datetime, touches: dict[int, Any], span: Span) -> tuple[str, str, str]:
    """(how, network, campaign)."""
    touch = touches.get(customer)
    if touch is None or touch.occurred_at > first:
        return "none", "", ""
    if touch.occurred_at < first - timedelta(days=90):
        return "old", "", ""
    mark, source = marks_of(touch)
    named = AdSpend.objects.exclude(campaign="").filter(
        day__gte=span.first - timedelta(days=365), day__lte=span.last
    )
    paid = sorted((one.network, one.campaign) for one in named if one.campaign.lower() == mark)
    if mark and paid:
        network, campaign = next((one for one in paid if one[0] == source), paid[0])
        return "campaign", network, campaign
    return "network", source if source in NETWORKS else touch.account.network, ""


def expected(span: Span) -> dict[Any, Any]:
    """New customers, orders and revenue by what they count for, and how many bought."""
    zone, touches, persona = ZoneInfo(ZONE), first_touches(), dict(
        PersonaMembership.objects.values_list("customer_id", "persona_id")
    )  # fmt: skip
    orders: dict[int, list[Order]] = defaultdict(list)
    for one in Order.objects.filter(status__in=["paid", "refunded"]):
        orders[one.customer_id].append(one)
    found: dict[Any, list[Any]] = defaultdict(lambda: [0, 0, Decimal(0)])
    buyers = 0
    for customer, bought in orders.items():
        inside = [one for one in bought if span.first <= one.placed_at.astimezone(zone).date() <= span.last]
        first = min(one.placed_at for one in bought)
        how, network, campaign = counted_for(customer, first, touches, span)
        keys: list[Any] = ["all", how] if how in ("none", "old") else ["all", network, persona.get(customer)]
        keys += [(network, campaign)] if campaign else []
        buyers += bool(inside)
        for key in keys if inside else []:
            found[key][0] += first in [one.placed_at for one in inside]
            found[key][1] += len(inside)
            found[key][2] += sum((kept(one) for one in inside), Decimal(0))
    return {"buyers": buyers, **{key: tuple(value) for key, value in found.items()}}


def kept(order: Order) -> Decimal:
    if order.base_total is None:
        return Decimal(0)
    part = (order.total - order.refunded) / order.total if order.total else 1
    return order.base_total * part


def told(found: Results) -> dict[Any, Any]:
    def figures(one: Any) -> tuple[Any, ...]:
        return (one.new_customers, one.orders, one.revenue)

    rows = {"all": found.total, "none": found.unknown, "old": found.older}
    rows |= {one.network: one for one in found.networks} | {one.persona: one for one in found.personas}
    rows |= {(one.network, one.campaign): one for one in found.campaigns if one.campaign}
    return {"buyers": found.customers, **{key: figures(one) for key, one in rows.items() if one.orders}}


def agree() -> None:
    for span in SPANS:
        found, wanted = told(results(span)), expected(span)
        assert found.keys() == wanted.keys(), span
        for key, value in wanted.items():
            assert found[key] == pytest.approx(value, abs=Decimal("0.0001")), (span, key)


# The rules


@pytest.mark.parametrize("seed", range(3))
def test_what_is_kept_is_what_plain_python_finds_after_any_change(seed: int, fans: Persona) -> None:
    """Merges, their undoing, deletions, refunds, late interactions and orders, day after day."""
    world = world_of(300 + seed, fans)
    agree()
    rebuild()
    agree()
    today = TODAY - timedelta(days=3)
    rebuild(today=today)
    agree()
    for _night in range(4):
        for _change in range(world.random.randrange(1, 9)):
            world.change()
        mark_visits(world)
        before, today = today, today + timedelta(days=1)
        rebuild(since=before, today=today)
        agree()
        few = rows_of_everybody()
        rebuild(today=today)
        assert rows_of_everybody() == few


def rows_of_everybody() -> Any:
    names = [field.attname for field in BroughtDay._meta.concrete_fields if field.attname != "id"]
    touches = FirstTouch.objects.order_by("pk").values_list()
    return list(touches), sorted(map(repr, BroughtDay.objects.values_list(*names)))


def test_every_rule_is_met_by_somebody(fans: Persona) -> None:
    """The oracle proves little of a case that its data lack."""
    world = world_of(302, fans)
    for _more in range(60):
        world.add_customer()
    mark_visits(world)
    found = expected(SPANS[1])
    assert {"none", "old", "all", "email", ("instagram", "Spring ferns"), fans.pk, None} <= set(found)
    agree()


def test_between_rebuilds_the_page_says_as_of_when_and_a_renamed_campaign_counts_at_once(
    fans: Persona, client: Client, vic: Any, mia: Any
) -> None:
    world_of(7, fans)
    client.force_login(vic)
    url = reverse("personas:spend")
    asked = {"first": SPANS[1].first.isoformat(), "last": TODAY.isoformat()}
    assert "No rebuild has summed" in client.get(url, asked).content.decode()
    with CaptureQueriesContext(connection) as few:
        client.get(url, asked)
    rebuild()
    assert "Orders before 20 Sep 2026" in client.get(url, asked).content.decode()
    with CaptureQueriesContext(connection) as many:
        client.get(url, asked)
    assert len(many) <= len(few)
    AdSpend.objects.filter(campaign="Spring ferns").update(campaign="Nobody paid")
    agree()
    BroughtRun.objects.update(zone="Asia/Tokyo")
    assert results(SPANS[0]).kept is None, "days of another zone are others"


def test_the_steps_of_a_rebuild_keep_it_once_a_day(fans: Persona) -> None:
    world_of(5, fans)

    def written(day: date) -> int:
        with time_machine.travel(datetime(day.year, day.month, day.day, 12, tzinfo=UTC), tick=True):
            job = run_job(start_rebuild(enqueue=False).pk)
        assert job is not None
        return next(int(step["written"]) for step in job.steps if step["name"] == "advertising")

    assert written(TODAY) > 0
    assert BroughtRun.objects.get().until == TODAY
    agree()
    before = rows_of_everybody()
    assert written(TODAY) == 0, "nobody changed, and no day is over"
    assert rows_of_everybody() == before
    assert written(TODAY + timedelta(days=1)) > 0
    assert BroughtRun.objects.get().until == TODAY + timedelta(days=1)
    agree()


def test_a_merge_its_undoing_and_a_late_import_count_when_they_are_rebuilt(fans: Persona, mia: Any) -> None:
    world = world_of(11, fans)
    rebuild()
    span = SPANS[1]
    keep, drop = [one for one in world.customers() if one.pk in first_touches() and first_order(one.pk)][:2]
    merge_customers(keep=keep, drop=drop)
    found = results(span)
    assert found.kept is not None
    assert set(customers_behind(span, Behind(), by=mia)) == set(
        Customer.objects.filter(orders__status__in=["paid", "refunded"], merged_into=None)
    ), "whom a figure counts is read anew of those who changed"
    rebuild(since=TODAY)
    assert not FirstTouch.objects.filter(customer=drop).exists()
    agree()
    undo_merge(record=MergeRecord.objects.get())
    late = Interaction.objects.filter(customer=keep, direction="inbound").first()
    assert late is not None
    bought = first_order(keep.pk)
    assert bought is not None
    Interaction.objects.filter(pk=late.pk).update(occurred_at=bought - timedelta(days=89), deleted_at=None)
    world.touch(keep)
    rebuild(since=TODAY)
    assert FirstTouch.objects.filter(customer=drop).exists()
    agree()


def first_order(customer: int) -> datetime | None:
    placed = Order.objects.filter(customer_id=customer, status__in=["paid", "refunded"]).order_by("placed_at")
    return placed.values_list("placed_at", flat=True).first()
