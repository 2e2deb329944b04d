"""What happened, told to everybody who wants to know: the live stream, the change feed, automation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
import structlog
from django.conf import settings
from django.db import connection, transaction

from core.models import Event

log = structlog.get_logger(__name__)
LIVE_CHANNEL = "rapport:live"


def live_channel() -> str:
    """Where notices are published. Redis' channels ignore its database numbers, so the name carries ours."""
    number = redis.connection.parse_url(settings.REDIS_URL).get("db", 0)
    return f"{LIVE_CHANNEL}:{number}"


@dataclass(frozen=True)
class Happening:
    """One event to be written: its type, the ids it is about, and who is told live."""

    type: str
    ids: dict[str, Any]
    channels: Sequence[str] = field(default_factory=tuple)


def emit(type: str, *, channels: Iterable[str] = (), **ids: Any) -> None:
    """Write one event in the current transaction; see `emit_many`."""
    emit_many([Happening(type, ids, tuple(channels))])


def emit_many(happenings: Sequence[Happening]) -> None:
    """Write events with ONE statement, and publish them after the commit.

    Redis being away costs the live notice, never the event: the stream reads the table on reconnect.
    """
    if not happenings:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO core_event (type, at, ids, channels, transaction)
            SELECT h->>'type', statement_timestamp(), h->'ids', h->'channels', txid_current()
            FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS t(h, n) ORDER BY n
            RETURNING id
            """,
            [json.dumps([{"type": h.type, "ids": h.ids, "channels": list(h.channels)} for h in happenings])],
        )
        numbers = [row[0] for row in cursor.fetchall()]
    messages = [
        {"id": number, "type": h.type, "ids": h.ids, "channels": list(h.channels)}
        for number, h in zip(numbers, happenings, strict=True)
        if h.channels
    ]
    if messages:
        transaction.on_commit(lambda: publish(messages), robust=True)


def publish(messages: Sequence[dict[str, Any]]) -> None:
    """Tell the live processes; a Redis that is away is logged and forgotten."""
    try:
        live_redis().publish(live_channel(), json.dumps(messages))
    except redis.RedisError as error:
        log.warning("live notice not published", error=type(error).__name__)


def live_redis() -> redis.Redis:
    """A client that gives up after a second."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def settled(after: int, *, types: Sequence[str] = (), limit: int = 500) -> list[Event]:
    """Events with a greater id than `after` that no open transaction can still slip in before.

    An event is settled when every transaction that was open when it was written has ended.
    """
    found = Event.objects.filter(id__gt=after).extra(
        where=["transaction < txid_snapshot_xmin(txid_current_snapshot())"]
    )
    if types:
        found = found.filter(type__in=types)
    return list(found.order_by("id")[:limit])
