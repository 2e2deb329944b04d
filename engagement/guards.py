"""Which conversations and accounts somebody may hear of in the change feed."""

from __future__ import annotations

from typing import Any

from core.events import register_guard


def register() -> None:
    """Make both known."""
    register_guard("conversation", visible_conversations)
    register_guard("account", visible_accounts)


def visible_conversations(user: Any, ids: set[int]) -> set[int]:
    """Those of the teams of this person."""
    from engagement.models import Conversation

    return set(Conversation.objects.visible_to(user).filter(pk__in=ids).values_list("pk", flat=True))


def visible_accounts(user: Any, ids: set[int]) -> set[int]:
    """Those of the teams of this person."""
    from engagement.models import ChannelAccount

    return set(ChannelAccount.objects.visible_to(user).filter(pk__in=ids).values_list("pk", flat=True))
