"""Orders in the customer's timeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from core import timeline
from core.timeline import Before, Entry, Filter
from crm.models import Order

SOURCE = "order"
TEMPLATE = "crm/_timeline_order.html"


def fetch(
    customer_ids: Sequence[int], user: Any, before: Before | None, wanted: Filter, limit: int
) -> Sequence[Entry]:
    """Orders of these customers, newest first, by the index (customer, placed_at, id)."""
    if (wanted.kinds and SOURCE not in wanted.kinds) or wanted.network or wanted.text or wanted.visibility:
        return []
    rows = Order.objects.filter(customer_id__in=customer_ids).prefetch_related("lines")
    bound = timeline.is_older(SOURCE, before)
    if bound is not None:
        at, pk = bound
        rows = rows.filter(Q(placed_at__lt=at) | Q(placed_at=at, pk__lt=pk))
    newest = rows.order_by("-placed_at", "-pk")[:limit]
    return [Entry(row.placed_at, SOURCE, row.pk, SOURCE, TEMPLATE, row) for row in newest]


@dataclass(frozen=True)
class Shown:
    """An entry as the page writes it; `opens` is set where a new local day begins above it."""

    entry: Entry
    opens: str = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.entry, name)


def by_day(entries: Iterable[Entry], *, after: datetime | None = None) -> list[Shown]:
    """Entries with the first of each local day marked: today, yesterday or day.

    `after` is the last entry of the page before, whose day is headed already.
    """
    shown = []
    today = timezone.localdate()
    names = {today: "today", today - timedelta(days=1): "yesterday"}
    headed = timezone.localdate(after) if after else None
    for entry in entries:
        day = timezone.localdate(entry.at)
        shown.append(Shown(entry, "" if day == headed else names.get(day, "day")))
        headed = day
    return shown
