"""What conversations put into the customer page: every interaction of theirs, and our answers among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy

from core import timeline
from core.timeline import Before, Entry, Filter
from engagement.channels.base import Kind
from engagement.flow import messages
from engagement.models import Conversation, Interaction

SOURCE = "interaction"
TEMPLATE = "engagement/_timeline_interaction.html"
VISIT_TEMPLATE = "engagement/_timeline_visit.html"
KINDS = {
    "message": gettext_lazy("Messages"),
    "comment": gettext_lazy("Comments"),
    "mention": gettext_lazy("Mentions"),
    "review": gettext_lazy("Reviews"),
    "call": gettext_lazy("Calls"),
    "visit": gettext_lazy("Visits"),
    "survey": gettext_lazy("Surveys"),
    "note": gettext_lazy("Notes"),
}


def fetch(
    customer_ids: Sequence[int], user: Any, before: Before | None, wanted: Filter, limit: int
) -> Sequence[Entry]:
    """Two walks by time, each by its index: what they said, and what was answered in their conversations."""
    if wanted.leaves_out(*KINDS):
        return []
    theirs = _older(
        _narrow(messages(user).select_related("visit").filter(customer_id__in=customer_ids), wanted), before
    )
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
        # one customer's rows are few: they are walked by time, and a subject needs no index
        said = Interaction.objects.saying(wanted.text).filter(pk=OuterRef("pk"))
        rows = rows.filter(Q(Exists(said)) | Q(subject__icontains=wanted.text))
    if wanted.visibility in ("public", "private"):
        rows = rows.filter(is_public=wanted.visibility == "public")
    return rows


def _entry(row: Interaction) -> Entry:
    if row.kind == Kind.VISIT:
        folds = f"visit:{row.account_id}"
        return Entry(row.occurred_at, SOURCE, row.pk, row.kind, VISIT_TEMPLATE, row, folds=folds)
    return Entry(row.occurred_at, SOURCE, row.pk, row.kind, TEMPLATE, row)
