"""What advertising brought: cost joined to orders by first touch.

Somebody's first touch is their earliest inbound interaction or visit up to their first order. It counts for
the campaign whose name the visit's marks carry, else for the network it came by, however many touches came
after it. Where it is more than `WITHIN` days older than the first order, or nothing came before it, the
order has no known first touch and is counted as such.

The rebuild keeps sums by day (`personas.reach.summing`); days that it has not summed are read order by
order. Which campaign a mark names is found when it is asked, so that a renamed one counts at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
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
from personas.models import AdSpend, BroughtRun, How, Persona

WITHIN = 90
"""Days that a first touch may lie before the first order."""
MARK_LENGTH = 1000
"""Letters of a campaign's mark that are kept."""
MARK_DAYS = 365
"""Campaigns that cost something so many days before the span may still bring orders."""
LONGEST = 731
UNKNOWN = ("none", "old")
Row = dict[str, Any]
_PLACE = re.compile(r"%\((\w+)\)s")
GROUPS = """
    how, network, campaign, source, persona_id, sum(orders)::bigint AS orders,
    count(*) FILTER (WHERE is_new) AS new_customers, sum(revenue) AS revenue,
    sum(without_rate)::bigint AS without_rate
FROM (
    SELECT b.how, b.network, b.persona_id, b.orders, b.is_new, b.revenue, b.without_rate,
        CASE WHEN b.campaign = ANY(%(marks)s::text[]) THEN b.campaign ELSE '' END AS campaign,
        CASE WHEN b.source = ANY(%(sources)s::text[]) THEN b.source ELSE '' END AS source
    FROM brought b
) g
GROUP BY how, network, campaign, source, persona_id
"""
BEHIND = """
    customer_id FROM (
        WITH place AS (
            SELECT DISTINCT mark, source, network, campaign
            FROM jsonb_to_recordset(%(places)s::jsonb)
                AS p (mark text, source text, network text, campaign text)
        )
        SELECT b.customer_id, b.persona_id, b.is_new,
            CASE WHEN b.how = 'touched' THEN CASE WHEN x.campaign IS NULL THEN 'network' ELSE 'campaign' END
                ELSE b.how END AS how,
            coalesce(
                x.network, CASE WHEN b.source = ANY(%(sources)s::text[]) THEN b.source END, b.network
            ) AS network,
            coalesce(x.campaign, '') AS campaign
        FROM brought b
        LEFT JOIN place e
            ON e.mark = b.campaign AND e.source = b.source AND b.source <> ''
        LEFT JOIN place d
            ON d.mark = b.campaign AND d.source = ''
        CROSS JOIN LATERAL (
            SELECT coalesce(e.network, d.network) AS network, coalesce(e.campaign, d.campaign) AS campaign
        ) x
    ) a
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
    new_customers: int = 0
    orders: int = 0
    revenue: Decimal = Decimal(0)
    without_rate: int = 0
    paid: tuple[int, int] | None = None
    """New customers and orders that money was spent for, where that is a part of all (a persona)."""

    def add(self, row: Row) -> None:
        """Count a group of orders in."""
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
    customers: int
    kept: BroughtRun | None
    """What the rebuild summed; None: every order was read."""
    by_day: list[tuple[date, Decimal]] = field(default_factory=list)

    @property
    def known(self) -> int:
        """Orders whose first touch is known."""
        return self.total.orders - self.unknown.orders - self.older.orders


def results(span: Span) -> Results:
    """Cost, new customers, orders and revenue of a span by network, campaign and persona."""
    kept = kept_run()
    found = _rows(span, kept)
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
        customers=_customers(span, kept),
        kept=kept,
        by_day=_by_day(span),
    )


def kept_run() -> BroughtRun | None:
    """What the rebuild keeps; None before the first one, and after a change of the zone."""
    return BroughtRun.objects.filter(zone=Workspace.current().zone).order_by("-pk").first()


def _rows(span: Span, kept: BroughtRun | None) -> list[Row]:
    """Sums by network, campaign and persona, as `GROUPS` has them."""
    places, known = _places(span), [network.name for network in networks.known()]
    names = {"marks": sorted({mark for mark, _source in places}), "sources": known}
    live, more = _live(span, kept), brought_parameters(span, is_kept=kept is not None)
    rows = _fetched("spend_kept", {"first": span.first, "before": live, **names})
    rows += _fetched("spend_brought", {**more, "start": _begin(live), **names}, what=GROUPS)
    return [_placed(row, places, known) for row in rows]


def _live(span: Span, kept: BroughtRun | None) -> date:
    """The first day of the span that is read order by order; the day after it where there is none."""
    return min(max(span.first, kept.until), span.last + timedelta(days=1)) if kept else span.first


def _begin(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=Workspace.current().tz)


def _customers(span: Span, kept: BroughtRun | None) -> int:
    start, before = span.moments()
    live = _live(span, kept)
    asked = {"first": span.first, "until": live, "start": start, "live": _begin(live), "before": before}
    return int(_fetched("spend_buyers", asked)[0]["customers"])


def _fetched(name: str, parameters: Mapping[str, Any], *, what: str = "") -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement("personas", name).replace("/*what*/", what), parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def brought_parameters(span: Span, *, is_kept: bool) -> dict[str, Any]:
    """What `spend_brought.sql` is asked with for a span."""
    start, before = span.moments()
    return {
        "start": start,
        "before": before,
        "within": WITHIN,
        "kept": is_kept,
        "whole": False,
        "zone": Workspace.current().zone,
    }


def _places(span: Span) -> dict[tuple[str, str], tuple[str, str]]:
    """The network and campaign for which a mark counts, by mark and network it came from; '' for any other.

    Marks are names of campaigns as they stand in addresses: encoded in the customary ways, in small letters.
    """
    since = span.first - timedelta(days=MARK_DAYS)
    named = AdSpend.objects.exclude(campaign="").filter(day__gte=since, day__lte=span.last)
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for network, campaign in sorted(named.order_by().values_list("network", "campaign").distinct()):
        for text in (campaign, quote_plus(campaign), quote(campaign), quote(campaign, safe="")):
            mark = text.lower()[:MARK_LENGTH]
            found.setdefault((mark, network), (network, campaign))
            found.setdefault((mark, ""), (network, campaign))
    return found


def _placed(row: Row, places: Mapping[tuple[str, str], tuple[str, str]], known: Sequence[str]) -> Row:
    """The row with the network and campaign it counts for, and how that is known."""
    if row["how"] != How.TOUCHED:
        return row
    mark, source = row["campaign"], row["source"]
    place = places.get((mark, source)) or places.get((mark, ""))
    if place:
        return {**row, "how": "campaign", "network": place[0], "campaign": place[1]}
    return {**row, "how": "network", "campaign": "", "network": source if source in known else row["network"]}


def _spent(span: Span) -> QuerySet[AdSpend]:
    return AdSpend.objects.filter(day__gte=span.first, day__lte=span.last)


def _costs(span: Span) -> dict[tuple[str, str], Decimal]:
    """Cost by network and campaign, in the workspace's currency."""
    known = _spent(span).exclude(base_amount=None).order_by().values("network", "campaign")
    return {(row["network"], row["campaign"]): row["cost"] for row in known.annotate(cost=Sum("base_amount"))}


def _by_day(span: Span) -> list[tuple[date, Decimal]]:
    known = _spent(span).exclude(base_amount=None).order_by("day").values_list("day")
    return [(day, cost) for day, cost in known.annotate(cost=Sum("base_amount"))]


def _sum(rows: Iterable[Row]) -> Brought:
    found = Brought()
    for row in rows:
        found.add(row)
    return found


def _by_network(rows: Sequence[Row], costs: dict[tuple[str, str], Decimal]) -> list[Brought]:
    found: dict[str, Brought] = {}
    for (network, _campaign), cost in costs.items():
        one = found.setdefault(network, Brought(network=network, cost=Decimal(0)))
        one.cost = (one.cost or Decimal(0)) + cost
    for row in rows:
        if row["how"] not in UNKNOWN:
            found.setdefault(row["network"], Brought(network=row["network"])).add(row)
    return sorted(found.values(), key=_largest_first)


def _by_campaign(rows: Sequence[Row], costs: dict[tuple[str, str], Decimal]) -> list[Brought]:
    """Campaigns alone: `campaign` '' is what was spent on a network without naming one."""
    found = {key: Brought(network=key[0], campaign=key[1], cost=cost) for key, cost in costs.items()}
    for row in rows:
        if row["how"] == "campaign":
            key = (row["network"], row["campaign"])
            found.setdefault(key, Brought(network=key[0], campaign=key[1])).add(row)
    return sorted(found.values(), key=_largest_first)


def _largest_first(one: Brought) -> tuple[Any, ...]:
    return (-(one.cost or 0), -one.new_customers, one.network, one.campaign or "")


def _by_persona(rows: Sequence[Row], by_network: dict[str, Brought]) -> list[Brought]:
    """What each persona brought; a network's cost is shared out by the new customers it brought."""
    found: dict[int | None, Brought] = {}
    for row in rows:
        if row["how"] in UNKNOWN:
            continue
        persona = row["persona_id"] or None
        one = found.setdefault(persona, Brought(persona=persona))
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
    conditions, more = ["true"], brought_parameters(span, is_kept=kept_run() is not None)
    more["sources"] = [network.name for network in networks.known()]
    more["places"] = _places_json(span)
    for name, value in (("network", behind.network), ("campaign", behind.campaign), ("how", behind.how)):
        if value:
            conditions.append(f"{name} = %({name})s")
            more[name] = value
    if behind.persona is not None:
        conditions.append("persona_id = %(persona)s")
        more["persona"] = behind.persona
    if behind.new:
        conditions.append("is_new")
    what = f"{BEHIND} WHERE {' AND '.join(conditions)}"
    text = statement("personas", "spend_brought").replace("/*what*/", what)
    names = _PLACE.findall(text)
    text = _PLACE.sub("%s", text)
    return Customer.objects.visible_to(by).filter(pk__in=RawSQL(text, [more[name] for name in names]))  # noqa: S611


def _places_json(span: Span) -> str:
    return json.dumps(
        [
            {"mark": mark, "source": source, "network": network, "campaign": campaign}
            for (mark, source), (network, campaign) in _places(span).items()
        ]
    )
