"""What Redis remembers about an erased person: nothing that has to be kept stands there."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.cache import cache
from redis.exceptions import RedisError

from core.events import live_redis
from crm.privacy.words import Words

log = structlog.get_logger(__name__)


def forget(words: Words) -> int:
    """Delete every cached entry whose key or value holds a word of theirs; how many.

    Queues hold ids only, so they are left alone. With Redis away there is nothing to be read from it
    either: entries run out by themselves.
    """
    if words.is_empty:
        return 0
    gone = 0
    try:
        client = live_redis()
        for key in client.scan_iter(match=f"{cache.key_prefix}:*", count=1000):
            if words.found_in(_text(key)) or words.found_in(_text(_value(client, key))):
                gone += int(client.delete(key))
    except RedisError as error:
        log.warning("cache not searched for an erased customer", error=type(error).__name__)
    return gone


def _value(client: Any, key: bytes) -> bytes:
    kind = client.type(key)
    if kind == b"string":
        return bytes(client.get(key) or b"")
    if kind == b"hash":
        return b"\n".join(one for pair in client.hgetall(key).items() for one in pair)
    if kind == b"zset":
        return b"\n".join(client.zrange(key, 0, -1))
    if kind == b"set":
        return b"\n".join(client.smembers(key))
    return b""


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
