"""What the palette finds among customers and orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from accounts.permissions import can
from core.search import Hit
from crm.models import Customer, Order


def find_customers(text: str, user: Any, limit: int) -> Sequence[Hit]:
    """Customers by any part of a name, handle, address or number."""
    if not can(user, "customer.read") or len(text) < 2:
        return []
    found = Customer.objects.visible_to(user).roots().matching(text)
    rows = found.prefetch_related("identities").order_by("-last_seen_at", "-pk")[:limit]
    return [
        Hit(
            label=str(customer),
            url=reverse("crm:customer", args=[customer.pk]),
            detail=", ".join(str(identity) for identity in customer.identities.all()[:2]),
            icon="ti-user" if customer.kind == "person" else "ti-building",
        )
        for customer in rows
    ]


def find_orders(text: str, user: Any, limit: int) -> Sequence[Hit]:
    """Orders by their exact number."""
    if not can(user, "customer.read") or len(text) < 3:
        return []
    rows = Order.objects.filter(external_id=text).select_related("customer")[:limit]
    return [
        Hit(
            str(order),
            reverse("crm:customer", args=[order.customer_id]),
            str(order.customer),
            "ti-shopping-bag",
        )
        for order in rows
    ]
