"""The right pane: who this is, from the data that exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, ExpressionWrapper, F, Q, Sum, Value
from django.db.models.functions import NullIf
from django.utils import timezone

from accounts.models import User
from accounts.querysets import team_ids
from crm.models import Consent, Customer, CustomerTag, Identity, Order
from engagement.models import Conversation
from engagement.replies import contacts_made

ORDERS = 3
CONVERSATIONS = 4
IDENTITIES = 8


@dataclass(frozen=True)
class About:
    """What the pane shows of one customer; counts and sums are of the whole, rows the newest few."""

    customer: Customer
    identities: Sequence[Identity]
    orders: Sequence[Order]
    orders_total: int
    spent_365: Decimal
    conversations: Sequence[Conversation]
    conversations_total: int
    hidden_conversations: int
    tags: Sequence[CustomerTag]
    consents: Sequence[Consent]
    contacted: int


def about(conversation: Conversation, user: User) -> About | None:
    """None while nobody owns the conversation."""
    customer = conversation.customer
    if customer is None:
        return None
    orders = Order.objects.filter(customer=customer)
    others = Conversation.objects.filter(customer=customer).exclude(pk=conversation.pk)
    visible = others.visible_to(user)
    counts = others.aggregate(all=Count("pk"), seen=Count("pk", filter=Q(team_id__in=team_ids(user))))
    figures = _figures(orders)
    return About(
        customer=customer,
        identities=list(Identity.objects.filter(customer=customer).order_by("pk")[:IDENTITIES]),
        orders=list(orders.prefetch_related("lines").order_by("-placed_at", "-pk")[:ORDERS]),
        orders_total=figures["n"],
        spent_365=figures["spent"] or Decimal(0),
        conversations=list(visible.select_related("account").order_by("-last_at", "-pk")[:CONVERSATIONS]),
        conversations_total=counts["seen"],
        hidden_conversations=counts["all"] - counts["seen"],
        tags=_tags(customer),
        consents=_consents(customer),
        contacted=contacts_made(customer.pk),
    )


def _figures(orders: Any) -> dict[str, Any]:
    year = Q(placed_at__gte=timezone.now() - timedelta(days=365), status__in=["paid", "refunded"])
    kept = F("base_total") * (F("total") - F("refunded")) / NullIf(F("total"), Value(Decimal(0)))
    found: dict[str, Any] = orders.aggregate(
        n=Count("pk", filter=Q(status__in=["paid", "refunded"])),
        spent=Sum(ExpressionWrapper(kept, DecimalField()), filter=year),
    )
    return found


def _tags(customer: Customer) -> list[CustomerTag]:
    """Each tag once, though two merged records may both carry it."""
    rows = CustomerTag.objects.filter(customer=customer).select_related("tag").order_by("tag__name")
    return list({row.tag_id: row for row in rows}.values())


def _consents(customer: Customer) -> list[Consent]:
    """The newest word for each identity and purpose."""
    rows = Consent.objects.filter(customer=customer).select_related("identity")
    newest = rows.order_by("identity_id", "purpose", "-at", "-pk").distinct("identity_id", "purpose")
    return sorted(newest, key=lambda row: row.at, reverse=True)
