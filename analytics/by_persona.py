"""One row a persona: how much they speak, how they feel, how we serve them and what they buy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet, Sum

from analytics.figures import Compared, Filters, inbound, scoped
from analytics.models import DailyRevenue, DailyService
from analytics.service import median_minutes
from personas.models import Persona


@dataclass
class PersonaRow:
    """Figures of one persona over a period, and over the one before where two are given."""

    id: int
    name: str
    icon: str = ""
    tone: int = 0
    interactions: Compared = field(default_factory=lambda: Compared(0, 0))
    happy: float | None = None
    unhappy: float | None = None
    known: int = 0
    conversations: int = 0
    in_time: int = 0
    median: float | None = None
    orders: Compared = field(default_factory=lambda: Compared(0, 0))
    revenue: Compared = field(default_factory=lambda: Compared(0, 0))

    @property
    def in_time_share(self) -> float | None:
        """Per cent of its conversations answered in time."""
        return 100 * self.in_time / self.conversations if self.conversations else None

    @property
    def says_something(self) -> bool:
        """Whether anything happened in either period."""
        seen = (self.interactions, self.orders, self.revenue)
        return any(one.now or one.before for one in seen) or bool(self.conversations)


def by_persona(filters: Filters) -> list[PersonaRow]:
    """A row for each persona with anything in the period, in the marketer's order; the last is of none.

    Four statements. Money and orders are of every network, since an order belongs to none.
    """
    found = Persona.objects.order_by("rank", "pk").values_list("pk", "name", "icon", "tone")
    rows = {pk: PersonaRow(pk, name, icon, tone) for pk, name, icon, tone in found}
    rows[0] = PersonaRow(0, "")
    _spoke(rows, filters)
    _served(rows, filters)
    _bought(rows, filters)
    return [row for row in rows.values() if row.says_something]


def _row(rows: dict[int, PersonaRow], pk: int) -> PersonaRow:
    """The row of a persona; what belonged to one that was deleted counts for none."""
    return rows.get(pk) or rows[0]


def _spoke(rows: dict[int, PersonaRow], filters: Filters) -> None:
    here = Q(day__gte=filters.period.first)
    found = (
        inbound(filters)
        .values_list("persona_id")
        .annotate(
            now=Sum("n", filter=here, default=0),
            before=Sum("n", filter=~here, default=0),
            happy=Sum("positive_n", filter=here, default=0),
            unhappy=Sum("negative_n", filter=here, default=0),
            known=Sum("sentiment_n", filter=here, default=0),
        )
    )
    for pk, now, before, positive, negative, known in found:
        row = _row(rows, pk)
        row.interactions = Compared(row.interactions.now + now, row.interactions.before + before)
        row.known += known
        if known:
            row.happy, row.unhappy = 100 * positive / known, 100 * negative / known


def _served(rows: dict[int, PersonaRow], filters: Filters) -> None:
    spread: dict[int, Sequence[int]] = {}
    found = scoped(DailyService, filters).filter(day__gte=filters.period.first)
    for pk, conversations, in_time, buckets in found.values_list(
        "persona_id", "conversations", "in_time", "buckets"
    ):
        row = _row(rows, pk)
        row.conversations, row.in_time = row.conversations + conversations, row.in_time + in_time
        known = spread.get(row.id)
        spread[row.id] = [a + b for a, b in zip(known, buckets, strict=True)] if known else buckets
    for pk, counts in spread.items():
        rows[pk].median = median_minutes(counts)


def _bought(rows: dict[int, PersonaRow], filters: Filters) -> None:
    here = Q(day__gte=filters.period.first)
    nothing = Decimal(0)
    found = (
        _sales(filters)
        .values_list("persona_id")
        .annotate(
            orders_now=Sum("orders", filter=here, default=0),
            orders_before=Sum("orders", filter=~here, default=0),
            revenue_now=Sum("revenue", filter=here, default=nothing),
            revenue_before=Sum("revenue", filter=~here, default=nothing),
        )
    )
    for pk, orders, orders_before, revenue, revenue_before in found:
        row = _row(rows, pk)
        row.orders = Compared(row.orders.now + orders, row.orders.before + orders_before)
        row.revenue = Compared(row.revenue.now + float(revenue), row.revenue.before + float(revenue_before))


def _sales(filters: Filters) -> QuerySet[Any]:
    rows = DailyRevenue.objects.filter(day__range=(filters.period.before.first, filters.period.last))
    return rows if filters.persona is None else rows.filter(persona_id=filters.persona)
