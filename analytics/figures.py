"""What the overview shows, read from rollups alone: the same few statements whatever the volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Case, F, IntegerField, Max, Q, QuerySet, Sum, When

from accounts.querysets import team_ids
from analytics.models import DailyInteractions, DailyPersonas, DailyRevenue, DailyService, DailyTopics
from analytics.periods import Period
from analytics.service import median_minutes
from personas.models import Persona


@dataclass(frozen=True)
class Filters:
    """What the reader narrowed the overview to; '' and None are everything they may see."""

    user: Any
    period: Period
    network: str = ""
    persona: int | None = None


@dataclass(frozen=True)
class Compared:
    """A figure and what it was in the days before."""

    now: float
    before: float

    @property
    def change(self) -> float | None:
        """Relative change in per cent; None where there was nothing before."""
        return 100 * (self.now - self.before) / self.before if self.before else None

    @property
    def difference(self) -> float:
        return self.now - self.before


def _both(period: Period, *, field: str = "n") -> dict[str, Any]:
    """Sums of this period and the one before, in one scan."""
    here = Q(day__range=(period.first, period.last))
    return {
        "now": Sum(Case(When(here, then=F(field)), default=0, output_field=IntegerField())),
        "before": Sum(Case(When(~here, then=F(field)), default=0, output_field=IntegerField())),
    }


def scoped(model: Any, filters: Filters) -> QuerySet[Any]:
    """Rows of both periods that this reader may see and asked for."""
    rows = model.objects.filter(
        team_id__in=team_ids(filters.user), day__range=(filters.period.before.first, filters.period.last)
    )
    rows = rows.filter(network=filters.network) if filters.network else rows
    return rows if filters.persona is None else rows.filter(persona_id=filters.persona)


def inbound(filters: Filters) -> QuerySet[Any]:
    """What customers said in both periods."""
    return scoped(DailyInteractions, filters).filter(direction="inbound")


def newest_day(filters: Filters) -> date | None:
    """The last day with anything in it, where this period and the one before are empty; else None."""
    if scoped(DailyInteractions, filters).exists():
        return None
    seen = DailyInteractions.objects.filter(team_id__in=team_ids(filters.user), day__lt=filters.period.first)
    bought = DailyRevenue.objects.filter(day__lt=filters.period.first)
    newest = [rows.aggregate(day=Max("day"))["day"] for rows in (seen, bought)]
    return max((day for day in newest if day), default=None)


def volume(filters: Filters) -> list[dict[str, Any]]:
    """Inbound interactions by network, the busiest first."""
    found = inbound(filters).values("network").annotate(**_both(filters.period)).order_by("-now", "network")
    return [
        {"network": row["network"], "count": Compared(row["now"], row["before"])}
        for row in found
        if row["now"] or row["before"]
    ]


def volume_by_day(filters: Filters) -> dict[str, list[int]]:
    """Inbound interactions by day, of this period and of the one before."""
    counts = dict(inbound(filters).values_list("day").annotate(Sum("n")))
    return {
        "now": [counts.get(day, 0) for day in filters.period.each()],
        "before": [counts.get(day, 0) for day in filters.period.before.each()],
    }


def sentiment_by_day(filters: Filters) -> dict[str, Any]:
    """Happy and unhappy inbound interactions of those whose sentiment is known, by day and in sum."""
    found = (
        inbound(filters).values_list("day").annotate(Sum("positive_n"), Sum("negative_n"), Sum("sentiment_n"))
    )
    days = {day: (positive, negative, known) for day, positive, negative, known in found}

    def shares(period: Period) -> tuple[float, float, int]:
        rows = [days[day] for day in period.each() if day in days]
        positive, negative, known = (sum(row[at] for row in rows) for at in range(3))
        return (100 * positive / known, 100 * negative / known, known) if known else (0.0, 0.0, 0)

    now, before = shares(filters.period), shares(filters.period.before)
    each = [days.get(day, (0, 0, 0)) for day in filters.period.each()]
    return {
        "happy": [round(100 * row[0] / row[2], 1) if row[2] else None for row in each],
        "unhappy": [round(100 * row[1] / row[2], 1) if row[2] else None for row in each],
        "happy_share": Compared(now[0], before[0]),
        "unhappy_share": Compared(now[1], before[1]),
        "known": now[2],
    }


def first_response(filters: Filters) -> dict[str, Any]:
    """Median minutes to the first answer by day, and how many were answered in time."""
    rows = scoped(DailyService, filters).values_list("day", "conversations", "answered", "in_time", "buckets")
    by_day: dict[date, list[int]] = {}
    sums = {True: [0, 0, 0], False: [0, 0, 0]}
    spread: dict[bool, list[int]] = {True: [], False: []}
    for day, conversations, answered, in_time, buckets in rows:
        by_day[day] = _add(by_day.get(day, []), buckets)
        is_now = day >= filters.period.first
        sums[is_now] = _add(sums[is_now], [conversations, answered, in_time])
        spread[is_now] = _add(spread[is_now], buckets)
    now, before = sums[True], sums[False]
    return {
        "now": [_rounded(median_minutes(by_day.get(day, []))) for day in filters.period.each()],
        "before": [_rounded(median_minutes(by_day.get(day, []))) for day in filters.period.before.each()],
        "median": median_minutes(spread[True]),
        "median_before": median_minutes(spread[False]),
        "conversations": now[0],
        "answered": now[1],
        "in_time": now[2],
        "share": Compared(_percent(now[2], now[0]), _percent(before[2], before[0])),
    }


def _add(one: Sequence[int], other: Sequence[int]) -> list[int]:
    if not one:
        return list(other)
    return [a + b for a, b in zip(one, other, strict=True)] if other else list(one)


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def topics(filters: Filters, *, limit: int = 10) -> list[dict[str, Any]]:
    """What was spoken of most, and how unhappily."""
    found = (
        scoped(DailyTopics, filters)
        .values("topic")
        .annotate(**_both(filters.period), unhappy=Sum("negative_n", filter=Q(day__gte=filters.period.first)))
        .order_by("-now", "topic")[:limit]
    )
    return [
        {
            "topic": row["topic"],
            "count": Compared(row["now"], row["before"]),
            "unhappy_share": _percent(row["unhappy"] or 0, row["now"]),
            "is_rising": row["now"] >= 10 and row["now"] > 2 * row["before"],
        }
        for row in found
        if row["now"]
    ]


def persona_shares(filters: Filters) -> dict[str, Any]:
    """Members of each persona at the end of the period, and of the one before where that is known."""
    newest = _sizes_at(filters.period.last)
    earlier = _sizes_at(filters.period.before.last)
    found = Persona.objects.filter(pk__in={*newest, *earlier}).order_by("rank", "pk")
    total, total_before = sum(newest.values()), sum(earlier.values())
    return {
        "total": total,
        "total_before": total_before,
        "personas": [
            {
                "id": persona.pk,
                "name": persona.name,
                "tone": persona.tone,
                "icon": persona.icon,
                "members": newest.get(persona.pk, 0),
                "share": Compared(
                    _percent(newest.get(persona.pk, 0), total),
                    _percent(earlier.get(persona.pk, 0), total_before),
                ),
            }
            for persona in found
        ],
    }


def _sizes_at(day: date) -> dict[int, int]:
    last = DailyPersonas.objects.filter(day__lte=day).order_by("-day").values("day")[:1]
    return dict(DailyPersonas.objects.filter(day=last).values_list("persona_id", "members"))


def revenue(filters: Filters) -> dict[str, Any]:
    """Revenue by persona and by day; orders without a rate are counted apart."""
    period = filters.period
    rows = DailyRevenue.objects.filter(day__range=(period.before.first, period.last))
    if filters.persona is not None:
        rows = rows.filter(persona_id=filters.persona)
    names = dict(Persona.objects.values_list("pk", "name"))
    sums: dict[int, list[Decimal]] = {}
    days: dict[date, Decimal] = {}
    orders, without_rate = [0, 0], 0
    for day, persona, amount, count, unrated in rows.values_list(
        "day", "persona_id", "revenue", "orders", "without_rate"
    ):
        at = 0 if day >= period.first else 1
        sums.setdefault(persona, [Decimal(0), Decimal(0)])[at] += amount
        days[day] = days.get(day, Decimal(0)) + amount
        orders[at] += count
        without_rate += unrated if at == 0 else 0
    ranked = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    return {
        "by_persona": [
            {"id": pk, "name": names.get(pk, "No persona"), "now": float(now), "before": float(before)}
            for pk, (now, before) in ranked
        ],
        "now": [float(days.get(day, 0)) for day in period.each()],
        "before": [float(days.get(day, 0)) for day in period.before.each()],
        "total": Compared(
            float(sum(now for now, _ in sums.values())), float(sum(b for _, b in sums.values()))
        ),
        "orders": Compared(orders[0], orders[1]),
        "without_rate": without_rate,
    }
