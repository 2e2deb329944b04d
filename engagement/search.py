"""What the palette finds in conversations: words that were said, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from accounts.permissions import can
from core import formatting, networks
from core.search import Hit
from engagement.models import Conversation, Interaction
from engagement.querysets import PROBE


def find_messages(text: str, user: Any, limit: int) -> Sequence[Hit]:
    """Conversations in which somebody said this."""
    if not can(user, "conversation.read") or len(text) < 2:
        return []
    said = Interaction.objects.visible_to(user).present().saying(text)
    # Taken by the index in any order first: sorted by time at once, the planner would walk the time index.
    probed = list(said.order_by().values_list("pk", flat=True)[:PROBE])
    rows = Interaction.objects.filter(pk__in=probed, conversation__isnull=False)
    rows = rows.select_related("conversation__customer", "account").order_by("-occurred_at", "-pk")
    hits: dict[int, Hit] = {}
    for row in rows[: limit * 4]:
        hits.setdefault(row.conversation_id, _hit(row, row.conversation, text))
    return list(hits.values())[:limit]


def _hit(row: Interaction, conversation: Conversation, text: str) -> Hit:
    who = str(conversation.customer) if conversation.customer else ""
    return Hit(
        label=_around(row.text, text),
        url=f"{reverse('engagement:conversation', args=[conversation.pk])}?view=all",
        detail=f"{who} · {formatting.age(row.occurred_at)}",
        icon=f"ti-{networks.get(row.account.network).icon}",
    )


def _around(said: str, text: str, width: int = 90) -> str:
    """The words around the first one that was searched for."""
    plain = " ".join(said[:5000].split())
    at = plain.casefold().find((text.split() or [""])[0].casefold())
    begin = max(0, at - 30)
    piece = plain[begin : begin + width]
    return f"{'…' if begin else ''}{piece}{'…' if begin + width < len(plain) else ''}"
