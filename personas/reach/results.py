"""What advertising brought: cost joined to orders by first touch, in one statement.

Somebody's first touch is their earliest inbound interaction or visit before their first order. It counts for
the campaign whose name the visit's marks carry, else for the network it came by, however many touches came
after it. Where it is more than `WITHIN` days older than the first order, or nothing came before it, the
order has no known first touch and is counted as such.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

from django.db import connection
from django.db.models import QuerySet, Sum
from django.db.models.expressions import RawSQL

from accounts.models import User
from core import networks
from core.models import Workspace
from core.sql import statement
from crm.models import Customer
from personas.models import AdSpend, Persona

WITHIN = 90
"""Days that a first touch may lie before the first order."""
MARK_DAYS = 365
"""Campaigns that cost something so many days before the span may still bring orders."""
LONGEST = 731
UNKNOWN = ("none", "old")
_PLACE = re.compile(r"%\((\w+)\)s")
WHAT = """
    network, campaign, how, persona_id,
    count(*) AS customers, count(*) FILTER (WHERE is_new) AS new_customers, sum(orders)::bigint AS orders,
    coalesce(sum(revenue), 0) AS revenue, sum(without_rate)::bigint AS without_rate
FROM attributed GROUP BY network, campaign, how, persona_id
"""


@dataclass(frozen=True)
class Span:
    """Local days of the workspace, both ends included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    def moments(self) -> tuple[datetime, datetime]:
        """When it begins, and when the day after it begins."""
        zone = Workspace.current().tz
        return (
            datetime.combine(self.first, time.min, tzinfo=zone),
            datetime.combine(self.last + timedelta(days=1), time.min, tzinfo=zone),
        )


@dataclass
class Brought:
    """What came of one network, campaign or persona. `cost` is None where nothing was entered."""

    network: str = ""
    campaign: str | None = None
    persona: int | None = None
    name: str = ""
    tone: int = 0
    cost: Decimal | None = None
    customers: int = 0
    new_customers: int = 0
    orders: int = 0
    revenue: Decimal = Decimal(0)
    without_rate: int = 0
    paid: tuple[int, int] | None = None
    """New customers and orders that money was spent for, where that is a part of all (a persona)."""

    def add(self, row: dict[str, Any]) -> None:
        """Count a group of customers in."""
        self.customers += row["customers"]
        self.new_customers += row["new_customers"]
        self.orders += row["orders"]
        self.revenue += row["revenue"]
        self.without_rate += row["without_rate"]

    @property
    def a_new_customer(self) -> Decimal | None:
        """Cost of each new customer."""
        count = self.new_customers if self.paid is None else self.paid[0]
        return self.cost / count if self.cost is not None and count else None

    @property
    def an_order(self) -> Decimal | None:
        """Cost of each order."""
        count = self.orders if self.paid is None else self.paid[1]
        return self.cost / count if self.cost is not None and count else None

    @property
    def returned(self) -> Decimal | None:
        """Revenue for each unit of money spent."""
        return self.revenue / self.cost if self.cost else None


@dataclass
class Results:
    """Everything of one span."""

    span: Span
    total: Brought
    networks: list[Brought]
    campaigns: list[Brought]
    personas: list[Brought]
    unknown: Brought
    older: Brought
    costs_without_rate: int
    by_day: list[tuple[date, Decimal]] = field(default_factory=list)

    @property
    def known(self) -> int:
        """Orders whose first touch is known."""
        return self.total.orders - self.unknown.orders - self.older.orders


def results(span: Span) -> Results:
    """Cost, new customers, orders and revenue of a span by network, campaign and persona."""
    found = _rows(span)
    costs = _costs(span)
    spent = sum(costs.values(), Decimal(0)) if costs else None
    total = Brought(cost=spent)
    for row in found:
        total.add(row)
    by_network = _by_network(found, costs)
    return Results(
        span=span,
        total=total,
        networks=by_network,
        campaigns=_by_campaign(found, costs),
        personas=_by_persona(found, {one.network: one for one in by_network}),
        unknown=_sum(row for row in found if row["how"] == "none"),
        older=_sum(row for row in found if row["how"] == "old"),
        costs_without_rate=_spent(span).filter(base_amount=None).count(),
        by_day=_by_day(span),
    )


def _rows(span: Span) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement("personas", "spend_results").replace("/*what*/", WHAT), _parameters(span))
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _parameters(span: Span) -> dict[str, Any]:
    start, before = span.moments()
    return {
        "start": start,
        "before": before,
        "within": WITHIN,
        "marks": json.dumps(_marks(span)),
        "networks": [network.name for network in networks.known()],
    }


def _marks(span: Span) -> list[dict[str, str]]:
    """Names of campaigns as they stand in addresses: encoded in both customary ways, in small letters."""
    since = span.first - timedelta(days=MARK_DAYS)
    named = AdSpend.objects.exclude(campaign="").filter(day__gte=since, day__lte=span.last)
    return [
        {"mark": mark, "network": network, "campaign": campaign}
        for network, campaign in named.order_by().values_list("network", "campaign").distinct()
        for mark in {
            campaign.lower(),
            quote_plus(campaign).lower(),
            quote(campaign).lower(),
            quote(campaign, safe="").lower(),
        }
    ]


def _spent(span: Span) -> QuerySet[AdSpend]:
    return AdSpend.objects.filter(day__gte=span.first, day__lte=span.last)


def _costs(span: Span) -> dict[tuple[str, str], Decimal]:
    """Cost by network and campaign, in the workspace's currency."""
    known = _spent(span).exclude(base_amount=None).order_by().values("network", "campaign")
    return {(row["network"], row["campaign"]): row["cost"] for row in known.annotate(cost=Sum("base_amount"))}


def _by_day(span: Span) -> list[tuple[date, Decimal]]:
    known = _spent(span).exclude(base_amount=None).order_by("day").values_list("day")
    return [(day, cost) for day, cost in known.annotate(cost=Sum("base_amount"))]


def _sum(rows: Iterable[dict[str, Any]]) -> Brought:
    found = Brought()
    for row in rows:
        found.add(row)
    return found


def _by_network(rows: Sequence[dict[str, Any]], costs: dict[tuple[str, str], Decimal]) -> list[Brought]:
    found: dict[str, Brought] = {}
    for (network, _campaign), cost in costs.items():
        one = found.setdefault(network, Brought(network=network, cost=Decimal(0)))
        one.cost = (one.cost or Decimal(0)) + cost
    for row in rows:
        if row["how"] not in UNKNOWN:
            found.setdefault(row["network"], Brought(network=row["network"])).add(row)
    return sorted(found.values(), key=_largest_first)


def _by_campaign(rows: Sequence[dict[str, Any]], costs: dict[tuple[str, str], Decimal]) -> list[Brought]:
    """Campaigns alone: `campaign` '' is what was spent on a network without naming one."""
    found = {key: Brought(network=key[0], campaign=key[1], cost=cost) for key, cost in costs.items()}
    for row in rows:
        if row["how"] == "campaign":
            key = (row["network"], row["campaign"])
            found.setdefault(key, Brought(network=key[0], campaign=key[1])).add(row)
    return sorted(found.values(), key=_largest_first)


def _largest_first(one: Brought) -> tuple[Any, ...]:
    return (-(one.cost or 0), -one.new_customers, one.network, one.campaign or "")


def _by_persona(rows: Sequence[dict[str, Any]], by_network: dict[str, Brought]) -> list[Brought]:
    """What each persona brought; a network's cost is shared out by the new customers it brought."""
    found: dict[int | None, Brought] = {}
    for row in rows:
        if row["how"] in UNKNOWN:
            continue
        one = found.setdefault(row["persona_id"], Brought(persona=row["persona_id"]))
        one.add(row)
        whole = by_network[row["network"]]
        if whole.cost is not None and whole.new_customers:
            part = whole.cost * row["new_customers"] / whole.new_customers
            one.cost = (one.cost or Decimal(0)) + part
            new, orders = one.paid or (0, 0)
            one.paid = (new + row["new_customers"], orders + row["orders"])
    known = {one.pk: one for one in Persona.objects.filter(pk__in=[pk for pk in found if pk])}
    for pk, one in found.items():
        if pk in known:
            one.name, one.tone = known[pk].name, known[pk].tone
    return sorted(found.values(), key=lambda one: (-one.new_customers, one.persona or 0))


# Whom a figure counts


@dataclass(frozen=True)
class Behind:
    """Which of the buyers of a span: of a network, a campaign, a persona, those who are new, or unknown."""

    network: str = ""
    campaign: str = ""
    persona: int | None = None
    new: bool = False
    how: str = ""


def customers_behind(span: Span, behind: Behind, *, by: User) -> QuerySet[Customer]:
    """The customers whom a figure counts, of those that this person sees."""
    conditions, more = ["true"], _parameters(span)
    for name, value in (("network", behind.network), ("campaign", behind.campaign), ("how", behind.how)):
        if value:
            conditions.append(f"{name} = %({name})s")
            more[name] = value
    if behind.persona is not None:
        conditions.append("persona_id = %(persona)s")
        more["persona"] = behind.persona
    if behind.new:
        conditions.append("is_new")
    text = statement("personas", "spend_results").replace(
        "/*what*/", f"customer_id FROM attributed WHERE {' AND '.join(conditions)}"
    )
    names = _PLACE.findall(text)
    text = _PLACE.sub("%s", text)
    return Customer.objects.visible_to(by).filter(pk__in=RawSQL(text, [more[name] for name in names]))  # noqa: S611
