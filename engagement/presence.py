"""Who else looks at a conversation just now, kept in Redis; without it, nobody is shown."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import redis
import structlog

from accounts.models import User
from core.events import live_redis

log = structlog.get_logger(__name__)
SECONDS = 45
DOING = ("reads", "reply", "note")


@dataclass(frozen=True)
class Here:
    """Somebody who is here, and whether they read, write a reply or a note."""

    user: User
    doing: str


def _key(conversation_id: int) -> str:
    return f"rapport:here:{conversation_id}"


def arrive(conversation_id: int, user: User, *, doing: str = "reads") -> None:
    """Note that somebody is here; forgotten after 45 seconds without another word."""
    doing = doing if doing in DOING else "reads"
    try:
        client = live_redis()
        client.hset(_key(conversation_id), str(user.pk), f"{time.time():.0f} {doing}")
        client.expire(_key(conversation_id), SECONDS)
    except redis.RedisError as error:
        log.info("presence not noted", error=type(error).__name__)


def leave(conversation_id: int, user: User) -> None:
    """Somebody went on."""
    try:
        live_redis().hdel(_key(conversation_id), str(user.pk))
    except redis.RedisError:
        return


def others(conversation_ids: Sequence[int], user: User) -> dict[int, list[Here]]:
    """Everybody else in these conversations: one round trip, and one statement where somebody is there."""
    if not conversation_ids:
        return {}
    try:
        pipeline = live_redis().pipeline(transaction=False)
        for pk in conversation_ids:
            pipeline.hgetall(_key(pk))
        found = dict(zip(conversation_ids, map(_fresh, pipeline.execute()), strict=True))
    except redis.RedisError:
        return {}
    wanted = {pk for people in found.values() for pk in people} - {user.pk}
    known = User.objects.filter(is_active=True).in_bulk(wanted) if wanted else {}
    return {
        conversation: [Here(known[pk], doing) for pk, doing in people.items() if pk in known]
        for conversation, people in found.items()
    }


def _fresh(raw: dict[bytes, bytes]) -> dict[int, str]:
    oldest = time.time() - SECONDS
    said = {int(user): value.decode().split(" ", 1) for user, value in raw.items()}
    return {user: doing for user, (at, doing) in said.items() if float(at) >= oldest}
