"""The rows behind the figures as cells of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from crm.models import Order
from engagement.models import Conversation, Interaction

CHUNK = 2000
INTERACTION_HEADER = (
    "id", "at", "customer", "name", "network", "account", "kind", "public", "subject", "text", "topics",
    "reason", "sentiment", "language", "conversation",
)  # fmt: skip
CONVERSATION_HEADER = (
    "id", "customer", "name", "network", "account", "subject", "status", "assignee", "first written",
    "first answered", "minutes to first answer", "goal in minutes",
)  # fmt: skip
ORDER_HEADER = (
    "id", "customer", "name", "source", "external_id", "number", "status", "placed", "units", "total",
    "discount", "refunded", "currency", "total in workspace currency",
)  # fmt: skip


def interactions(found: QuerySet[Interaction]) -> Iterator[tuple[Any, ...]]:
    """Cells of INTERACTION_HEADER."""
    for one in found.order_by("-occurred_at", "-pk").iterator(chunk_size=CHUNK):
        name = one.customer.name if one.customer else ""
        yield (
            one.pk, one.occurred_at, one.customer_id, name, one.account.network, one.account.name, one.kind,
            one.is_public, one.subject, one.text, one.topics, one.reason, one.sentiment, one.language,
            one.conversation_id,
        )  # fmt: skip


def conversations(found: QuerySet[Conversation]) -> Iterator[tuple[Any, ...]]:
    """Cells of CONVERSATION_HEADER."""
    for one in found.order_by("-first_inbound_at", "-pk").iterator(chunk_size=CHUNK):
        name = one.customer.name if one.customer else ""
        took = round(one.took.total_seconds() / 60, 1) if one.took is not None else None  # type: ignore[attr-defined]
        yield (
            one.pk, one.customer_id, name, one.account.network, one.account.name, one.subject, one.status,
            one.assignee.display_name if one.assignee else "", one.first_inbound_at, one.first_answered_at,
            took, one.account.reply_goal_minutes,
        )  # fmt: skip


def orders(found: QuerySet[Order]) -> Iterator[tuple[Any, ...]]:
    """Cells of ORDER_HEADER."""
    for one in found.order_by("-placed_at", "-pk").iterator(chunk_size=CHUNK):
        yield (
            one.pk, one.customer_id, one.customer.name, one.source, one.external_id, one.number, one.status,
            one.placed_at, one.units, one.total, one.discount, one.refunded, one.currency, one.base_total,
        )  # fmt: skip
