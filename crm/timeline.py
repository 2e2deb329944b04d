"""Orders in the customer's timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from core import timeline
from core.timeline import Before, Entry, Filter
from crm.models import Order

SOURCE = "order"
TEMPLATE = "crm/_timeline_order.html"


def fetch(customer_id: int, user: Any, before: Before | None, wanted: Filter, limit: int) -> Sequence[Entry]:
    """Orders of this customer, newest first, by the index (customer, placed_at, id)."""
    if (wanted.kinds and SOURCE not in wanted.kinds) or wanted.network or wanted.text or wanted.visibility:
        return []
    rows = Order.objects.filter(customer_id=customer_id).prefetch_related("lines")
    bound = timeline.is_older(SOURCE, before)
    if bound is not None:
        at, pk = bound
        rows = rows.filter(Q(placed_at__lt=at) | Q(placed_at=at, pk__lt=pk))
    newest = rows.order_by("-placed_at", "-pk")[:limit]
    return [Entry(row.placed_at, SOURCE, row.pk, SOURCE, TEMPLATE, row) for row in newest]
