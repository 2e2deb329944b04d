"""Short ways to write events and accounts in tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from accounts.models import Team
from engagement.channels.base import Author, Event
from engagement.models import ChannelAccount

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def account(name: str = "shop", network: str = "instagram", **more: Any) -> ChannelAccount:
    """An account whose interactions are pushed."""
    team = more.pop("team", None) or Team.general()
    return ChannelAccount.objects.create(
        connector="api", network=network, external_id=name, name=name, team=team, **more
    )


def inbound(key: str, *, who: str = "eva", minute: int = 0, thread: str = "t1", **more: Any) -> Event:
    """A message of a customer, `minute` minutes after the start."""
    return Event(
        **{
            "external_id": key,
            "kind": "message",
            "direction": "inbound",
            "occurred_at": START + timedelta(minutes=minute),
            "text": f"hello {key}",
            "thread_keys": (thread,),
            "author": Author(who, handle=who, name=who.capitalize()),
            **more,
        }
    )


def outbound(key: str, *, minute: int = 0, thread: str = "t1", **more: Any) -> Event:
    """A message of ours that was written in the network's own app."""
    return inbound(key, minute=minute, thread=thread, direction="outbound", author=None, **more)
