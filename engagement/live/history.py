"""The table of events, as the stream reads it. Everything here is called in a thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import close_old_connections, connection

from engagement.live.hub import Notice

P = ParamSpec("P")
Answer = TypeVar("Answer")

LATE_IDS = 1_000
"""A transaction that commits late brings ids smaller than some already told; this far back is read again."""
LATE_SECONDS = 30
BATCH = 2_000
RESUME_LIMIT = 500
RESUME_SPAN = 50_000
"""A client this many events behind begins afresh, unread: its share of them is not worth a scan."""

_threads = ThreadPoolExecutor(max_workers=settings.LIVE_THREADS, thread_name_prefix="live-db")


async def in_thread(call: Callable[P, Answer], *args: P.args, **kwargs: P.kwargs) -> Answer:
    """Call something that reads the database, in one of the few threads that hold a connection."""

    def guarded() -> Answer:
        close_old_connections()
        try:
            return call(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_threads, guarded)


def newest_id() -> int:
    """The greatest id that is committed; 0 when there is none."""
    return int(_rows("SELECT coalesce(max(id), 0) FROM core_event", [])[0][0])


def ids_after(id: int) -> list[int]:
    """Ids only, told or not."""
    return [row[0] for row in _rows("SELECT id FROM core_event WHERE id > %s ORDER BY id", [id])]


def told_after(id: int) -> list[Notice]:
    """The next events with a greater id that somebody is to be told of."""
    return _notices(
        """
        SELECT id, type, ids, channels FROM core_event
        WHERE id > %s AND channels <> '[]' ORDER BY id LIMIT %s
        """,
        [id, BATCH],
    )


@dataclass(frozen=True)
class Missed:
    """What a client did not get while it was away; None: too much, begin afresh."""

    newest: int
    notices: list[Notice] | None


def missed_since(last: int, channels: Collection[str]) -> Missed:
    """What these channels told after `last`, and what committed late around it: clients take repeats."""
    newest = newest_id()
    if last > newest or newest - last > RESUME_SPAN:
        return Missed(newest, None)
    found = _notices(
        """
        SELECT id, type, ids, channels FROM core_event
        WHERE id > %(from)s AND channels ?| %(channels)s
          AND (id > %(last)s
               OR at > (SELECT at FROM core_event WHERE id = %(last)s) - %(late)s * interval '1 second')
        ORDER BY id LIMIT %(limit)s
        """,
        {
            "from": last - LATE_IDS,
            "last": last,
            "late": LATE_SECONDS,
            "channels": sorted(channels),
            "limit": RESUME_LIMIT + 1,
        },
    )
    return Missed(newest, found if len(found) <= RESUME_LIMIT else None)


def _rows(sql: str, parameters: list[Any] | dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def _notices(sql: str, parameters: list[Any] | dict[str, Any]) -> list[Notice]:
    return [
        Notice(id, type, _json(ids), tuple(_json(channels)))
        for id, type, ids, channels in _rows(sql, parameters)
    ]


def _json(value: Any) -> Any:
    """A raw cursor may hand JSON over as text."""
    return json.loads(value) if isinstance(value, str) else value
