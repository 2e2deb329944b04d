"""What answers on Meta's networks have in common: windows, ids, and looking for what was cut off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from engagement.channels.failures import PermanentFailure, Uncertain
from engagement.channels.meta.client import Graph
from engagement.channels.meta.messaging import time_of
from engagement.channels.meta.reading import Json, maybe_ident
from engagement.channels.meta.walking import listed
from engagement.channels.shapes import Outgoing, Sent
from engagement.models import ChannelAccount

WINDOW = timedelta(hours=24)
HUMAN_WINDOW = timedelta(days=7)
CLOCKS = timedelta(seconds=10)
READ_BACK = 25


def window(account: ChannelAccount) -> timedelta:
    """How long a private message may be answered: a day, or a week where a human agent may."""
    return HUMAN_WINDOW if account.settings.get("human_agent") else WINDOW


def is_by_human_agent(outgoing: Outgoing) -> bool:
    """Whether the answer needs the Human Agent tag: a day has passed, and the account may use it."""
    heard = outgoing.delivery.conversation.last_inbound_at
    is_late = heard is not None and timezone.now() - heard > WINDOW
    return is_late and bool(outgoing.account.settings.get("human_agent"))


def recipient(outgoing: Outgoing) -> str:
    """Whom a private answer is for. Raises PermanentFailure where nobody wrote."""
    if not outgoing.to:
        raise PermanentFailure(_("Nobody wrote in this conversation yet, so there is no one to answer."))
    return outgoing.to[0].external_id


def sent_id(answer: Json, key: str) -> str:
    """The id of what was sent. Without one it was sent and is not known by name: raises Uncertain."""
    try:
        found = maybe_ident(answer, key)
    except ValueError:
        found = ""
    if not found:
        raise Uncertain(_("Meta took it and did not say under which id."))
    return found


# Reading back


def newest_messages(graph: Graph, path: str, platform: str, person: str) -> list[Json]:
    """The newest messages of the conversation with this person, ours and theirs."""
    fields = "messages.limit(20){id,message,created_time,from}"
    answer = graph.get(path, platform=platform, user_id=person, fields=fields)
    found: list[Json] = []
    for conversation in listed(answer, "conversations"):
        inside = conversation.get("messages")
        found += listed(inside, "messages") if isinstance(inside, dict) else []
    return found


def find_ours(
    outgoing: Outgoing, found: Sequence[Json], *, ids: Sequence[str], text: str, time: str
) -> Sent | None:
    """The one of these that is ours, has the words of this answer, and is no older than it.

    `text` and `time` name the fields in which these things are told.
    """
    since = outgoing.delivery.created_at - CLOCKS
    for item in found:
        sender, at = item.get("from"), time_of(item, time)
        is_ours = isinstance(sender, dict) and str(sender.get("id")) in ids
        words: Any = item.get(text) or ""
        if is_ours and at is not None and at >= since and str(words).strip() == outgoing.text.strip():
            return Sent(str(item["id"]))
    return None
