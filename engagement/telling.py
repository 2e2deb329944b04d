"""Who is told live when something about a conversation changes."""

from __future__ import annotations

from typing import Any

from accounts.models import User
from core.events import emit
from engagement.models import Conversation


def tell(
    conversation: Conversation, what: str, *, by: User | None = None, teams: tuple[int, ...] = (), **ids: Any
) -> None:
    """One `conversation.changed` for the teams that see it; `what` names the change."""
    heard = dict.fromkeys((conversation.team_id, *teams))
    channels = [*(f"team:{team}" for team in heard), f"conversation:{conversation.pk}"]
    emit(
        "conversation.changed",
        channels=channels,
        conversation=conversation.pk,
        customer=conversation.customer_id,
        what=what,
        by=by.pk if by else None,
        **ids,
    )
