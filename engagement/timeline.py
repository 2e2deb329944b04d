"""What conversations put into the customer page: every interaction of theirs, and our answers among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet

from core import timeline
from core.timeline import Before, Entry, Filter
from engagement.flow import messages
from engagement.models import Conversation, Interaction

SOURCE = "interaction"
TEMPLATE = "engagement/_timeline_interaction.html"
OUR_KINDS = frozenset({"message", "comment", "mention", "review", "call", "visit", "survey", "note"})


def fetch(
    customer_ids: Sequence[int], user: Any, before: Before | None, wanted: Filter, limit: int
) -> Sequence[Entry]:
    """Two walks by time, each by its index: what they said, and what was answered in their conversations."""
    if wanted.kinds and not wanted.kinds & OUR_KINDS:
        return []
    theirs = _older(_narrow(messages(user).filter(customer_id__in=customer_ids), wanted), before)
    own = Conversation.objects.visible_to(user).filter(customer_id__in=customer_ids).values("pk")
    ours = messages(user).filter(conversation_id__in=own).exclude(direction="inbound")
    ours = _older(_narrow(ours, wanted), before)
    found = [*_newest(theirs, limit), *_newest(ours, limit)]
    found.sort(key=lambda row: (row.occurred_at, row.pk), reverse=True)
    return [_entry(row) for row in found[:limit]]


def _newest(rows: QuerySet[Interaction], limit: int) -> list[Interaction]:
    return list(rows.order_by("-occurred_at", "-pk")[:limit])


def _older(rows: Any, before: Before | None) -> Any:
    bound = timeline.is_older(SOURCE, before)
    if bound is None:
        return rows
    at, pk = bound
    return rows.filter(Q(occurred_at__lt=at) | Q(occurred_at=at, pk__lt=pk))


def _narrow(rows: Any, wanted: Filter) -> Any:
    if wanted.kinds:
        rows = rows.filter(kind__in=wanted.kinds)
    if wanted.network:
        rows = rows.filter(account__network=wanted.network)
    if wanted.text:
        rows = rows.saying(wanted.text)
    if wanted.visibility in ("public", "private"):
        rows = rows.filter(is_public=wanted.visibility == "public")
    return rows


def _entry(row: Interaction) -> Entry:
    return Entry(row.occurred_at, SOURCE, row.pk, row.kind, TEMPLATE, row)
