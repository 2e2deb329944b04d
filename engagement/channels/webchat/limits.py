"""How much one address and one visitor may ask for."""

from __future__ import annotations

from datetime import timedelta

from django.core.cache import cache
from django.utils import timezone

from engagement.models import ChatLine, ChatVisitor

WINDOW = 60
SESSIONS_AN_ADDRESS = 60
MESSAGES_AN_ADDRESS = 600
MESSAGES_A_VISITOR = 60
READS_A_VISITOR = 240


def address_may(what: str, address: str | None, most: int) -> bool:
    """Whether this address is below its limit for the running minute; with Redis away, yes."""
    return address is None or _count(f"chat:{what}:{address}") <= most


def visitor_may_read(visitor: ChatVisitor) -> bool:
    """Whether this visitor is below the limit of questions; with Redis away, yes."""
    return _count(f"chat:read:{visitor.pk}") <= READS_A_VISITOR


def visitor_may_write(visitor: ChatVisitor) -> bool:
    """Whether this visitor is below the limit of messages.

    The counter in Redis answers nearly always. It says 1 when a minute begins and whenever Redis is away:
    then the messages themselves are counted.
    """
    count = _count(f"chat:write:{visitor.pk}")
    if count > 1:
        return count <= MESSAGES_A_VISITOR
    since = timezone.now() - timedelta(seconds=WINDOW)
    written = ChatLine.objects.filter(visitor=visitor, at__gt=since, interaction__direction="inbound")
    return written[:MESSAGES_A_VISITOR].count() < MESSAGES_A_VISITOR


def _count(key: str) -> int:
    cache.add(key, 0, WINDOW)
    try:
        return cache.incr(key)
    except ValueError:
        # it expired between the two calls
        return 1
