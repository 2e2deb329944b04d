"""What happened, told to everybody who wants to know: the live stream, the change feed, automation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max

from core import quick_redis, sql
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
    return quick_redis.connect()


Guard = Callable[[Any, set[int]], set[int]]
_guards: dict[str, Guard] = {}


def register_guard(name: str, guard: Guard) -> None:
    """`guard(user, ids)` gives those of the things called `name` in events that this person may see."""
    _guards[name] = guard


def visible_events(events: Sequence[Event], user: Any) -> list[Event]:
    """Without the events about things this person does not see; one question for each kind of thing."""
    seen: dict[str, set[int]] = {}
    for name, guard in _guards.items():
        ids = {event.ids[name] for event in events if event.ids.get(name) is not None}
        seen[name] = guard(user, ids) if ids else set()
    return [event for event in events if all(_may_see(event, name, seen[name]) for name in _guards)]


def _may_see(event: Event, name: str, seen: set[int]) -> bool:
    found = event.ids.get(name)
    return found is None or found in seen


@dataclass(frozen=True)
class Feed:
    """One page of the change feed; the next one begins at `next_after`, and is there already if `more`."""

    events: list[Event]
    next_after: int
    more: bool
    newest: int


def read_feed(after: int, *, types: Sequence[str] = (), limit: int = 500) -> Feed:
    """Events with a greater number than `after`, in the order in which they could first be seen.

    Ids are given before commit and numbers after it, so a transaction that ends late comes late in the
    feed and is never passed by. Numbering is done by the readers, one at a time.
    """
    with transaction.atomic():
        numbered = _number_events(NUMBERED_AT_ONCE)
        newest = newest_number()
    found = Event.objects.filter(number__gt=after, number__lte=newest)
    if types:
        found = found.filter(type__in=types)
    page = list(found.order_by("number")[: limit + 1])
    if len(page) > limit:
        return Feed(page[:limit], page[limit - 1].number or after, more=True, newest=newest)
    return Feed(page, max(after, newest), more=numbered == NUMBERED_AT_ONCE, newest=newest)


def newest_number() -> int:
    """The greatest number given so far; 0 where there is none."""
    return Event.objects.aggregate(newest=Max("number"))["newest"] or 0


def latest_number() -> int:
    """The number of the newest event that can be seen, after all are numbered."""
    with transaction.atomic():
        while _number_events(10 * NUMBERED_AT_ONCE):
            pass
        return newest_number()


def _number_events(most: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FEED_LOCK])
    return sql.run("core", "number_events", {"most": most})
