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
from django.db.models import Max

from core import sql
from core.models import Event

log = structlog.get_logger(__name__)
LIVE_CHANNEL = "rapport:live"
NUMBERED_AT_ONCE = 5_000
FEED_LOCK = 5_203_171
"""The advisory lock of whoever numbers events, so that numbers appear in their order."""


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
            INSERT INTO core_event (type, at, ids, channels)
            SELECT h->>'type', statement_timestamp(), h->'ids', h->'channels'
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


@dataclass(frozen=True)
class Feed:
    """One page of the change feed; the next one begins at `next_after`, and is there already if `more`."""

    events: list[Event]
    next_after: int
    more: bool


def read_feed(after: int, *, types: Sequence[str] = (), limit: int = 500) -> Feed:
    """Events with a greater number than `after`, in the order in which they could first be seen.

    Ids are given before commit and numbers after it, so a transaction that ends late comes late in the
    feed and is never passed by. Numbering is done by the readers, one at a time.
    """
    with transaction.atomic():
        numbered = _number_events()
        newest = newest_number()
    found = Event.objects.filter(number__gt=after, number__lte=newest)
    if types:
        found = found.filter(type__in=types)
    page = list(found.order_by("number")[: limit + 1])
    if len(page) > limit:
        return Feed(page[:limit], page[limit - 1].number or after, more=True)
    return Feed(page, max(after, newest), more=numbered == NUMBERED_AT_ONCE)


def newest_number() -> int:
    """The greatest number given so far; 0 where there is none."""
    return Event.objects.aggregate(newest=Max("number"))["newest"] or 0


def _number_events() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FEED_LOCK])
    return sql.run("core", "number_events", {"most": NUMBERED_AT_ONCE})
