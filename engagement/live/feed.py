"""Brings what happened to the hub: by Redis within milliseconds, and from the table in any case.

Redis is only the quick way. Whatever it loses (it was away, a publisher could not reach it, two
transactions committed out of order) the next look into the table finds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from core.events import live_channel
from engagement.live import history
from engagement.live.hub import Hub, Notice

log = structlog.get_logger(__name__)

LOOK_WITHOUT_REDIS = 2.0
LOOK_WITH_REDIS = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
PING_EVERY = 15.0


class Feed:
    """The one subscriber of this process."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.redis_is_there = False
        self._look_now = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Listen and look, from here until `stop`."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._look())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _listen(self) -> None:
        """Stay subscribed, with a longer pause after each failure."""
        pause = FIRST_PAUSE
        while True:
            try:
                client = Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2)
                async with client, client.pubsub() as subscription:
                    await subscription.subscribe(live_channel())
                    pause = FIRST_PAUSE
                    await self._hear(subscription)
            except (RedisError, OSError) as error:
                if self.redis_is_there:
                    log.warning("live_redis_away", error=type(error).__name__)
                self.redis_is_there = False
                self._look_now.set()
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _hear(self, subscription: PubSub) -> None:
        """Hand on what is published until the connection breaks."""
        while True:
            message = await subscription.get_message(timeout=PING_EVERY)
            if message is None:
                await subscription.ping()
            elif message["type"] == "subscribe":
                self.redis_is_there = True
                self._look_now.set()
            elif message["type"] == "message":
                self._tell(message["data"])

    def _tell(self, body: bytes) -> None:
        try:
            notices = [notice_of(item) for item in json.loads(body)]
        except (ValueError, TypeError, KeyError):
            log.warning("live_notice_unreadable", body=body[:200])
            return
        for notice in notices:
            self.hub.deliver(notice)

    async def _look(self) -> None:
        """Read the table again and again; often while Redis is away."""
        primed = False
        while True:
            try:
                if primed:
                    await self._read_table()
                else:
                    await self._prime()
                    primed = True
            except DatabaseError as error:
                log.warning("live_database_away", error=type(error).__name__)
            seconds = LOOK_WITH_REDIS if self.redis_is_there and primed else LOOK_WITHOUT_REDIS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look_now.wait(), seconds)
            self._look_now.clear()

    async def _prime(self) -> None:
        """What happened before this process began is history: known, and not told."""
        newest = await history.in_thread(history.newest_id)
        for id in await history.in_thread(history.ids_after, newest - history.LATE_IDS):
            self.hub.remember(id)

    async def _read_table(self) -> None:
        """Tell what Redis did not, also ids that committed later than greater ones."""
        after = max(0, self.hub.last_id - history.LATE_IDS)
        while True:
            notices = await history.in_thread(history.told_after, after)
            for notice in notices:
                self.hub.deliver(notice)
            if len(notices) < history.BATCH:
                return
            after = notices[-1].id


def notice_of(item: dict[str, Any]) -> Notice:
    """A published notice as `core.events.publish` writes it."""
    return Notice(int(item["id"]), str(item["type"]), dict(item["ids"]), tuple(item["channels"]))
