"""What the palette finds in conversations: words that were said, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from accounts.permissions import can
from core import formatting, networks
from core.paging import Sort, desc, paginate
from core.search import Hit, beginning
from engagement.models import Conversation, Interaction

NEWEST = Sort(desc("occurred_at"))
SHORTEST = 2
ROWS_FOR_ONE = 3


def find_messages(text: str, user: Any, limit: int) -> Sequence[Hit]:
    """Conversations in which somebody said this; a conversation once, by its newest message."""
    if not can(user, "conversation.read") or len(text) < SHORTEST:
        return []
    said = messages(user, beginning(text)).select_related("conversation__customer", "account")
    hits: dict[int, Hit] = {}
    for row in paginate(said, sort=NEWEST, limit=ROWS_FOR_ONE * limit):
        hits.setdefault(row.conversation_id, _hit(row, row.conversation, text))
    return list(hits.values())[:limit]


def messages(user: Any, text: str) -> Any:
    """Messages in conversations of one's teams that say this."""
    return Interaction.objects.searched(text, user).present().filter(conversation__isnull=False)


def _hit(row: Interaction, conversation: Conversation, text: str) -> Hit:
    who = str(conversation.customer) if conversation.customer else ""
    return Hit(
        label=excerpt(f"{row.subject} {row.text}".strip(), text),
        url=f"{reverse('engagement:conversation', args=[conversation.pk])}?view=all",
        detail=f"{who} · {formatting.age(row.occurred_at)}",
        icon=f"ti-{networks.get(row.account.network).icon}",
        object="conversation",
        id=conversation.pk,
    )


def excerpt(said: str, text: str, width: int = 90) -> str:
    """The words around the first one that was searched for."""
    plain = " ".join(said[:5000].split())
    first = (text.replace('"', " ").replace("*", " ").split() or [""])[0]
    begin = max(0, plain.casefold().find(first.casefold()) - 30)
    begin = plain.find(" ", begin) + 1 if begin else 0
    piece = plain[begin : begin + width]
    return f"{'…' if begin else ''}{piece}{'…' if begin + width < len(plain) else ''}"


def name_conversations(ids: Sequence[int], user: Any) -> dict[int, Hit]:
    """Conversations that were opened before."""
    if not can(user, "conversation.read"):
        return {}
    rows = Conversation.objects.visible_to(user).filter(pk__in=ids).select_related("customer", "account")
    return {
        row.pk: Hit(
            label=str(row.customer or row),
            url=f"{reverse('engagement:conversation', args=[row.pk])}?view=all",
            detail=row.subject or row.last_text[:60],
            icon=f"ti-{networks.get(row.account.network).icon}",
        )
        for row in rows
    }
