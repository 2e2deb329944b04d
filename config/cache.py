"""A cache on Redis that answers "not there" while Redis is away.

Throttles, sessions and presence then go on: the throttle lets through, the session is read from the
database.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import structlog
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)

Answer = TypeVar("Answer")
PAUSE_SECONDS = 5.0
AWAY = (RedisError, OSError)


class ForgivingRedisCache(RedisCache):
    """Redis as a cache; after a failure it is left alone for five seconds, so that no request waits twice."""

    _away_until = 0.0

    def _ask(self, call: Callable[[], Answer], otherwise: Answer) -> Answer:
        if time.monotonic() < ForgivingRedisCache._away_until:
            return otherwise
        try:
            return call()
        except AWAY as error:
            ForgivingRedisCache._away_until = time.monotonic() + PAUSE_SECONDS
            logger.warning("cache_away", error=str(error))
            return otherwise

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        upper: Any = super()
        return self._ask(lambda: upper.add(key, value, timeout, version), True)

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        upper: Any = super()
        return self._ask(lambda: upper.get(key, default, version), default)

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        upper: Any = super()
        self._ask(lambda: upper.set(key, value, timeout, version), None)

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        upper: Any = super()
        return self._ask(lambda: upper.touch(key, timeout, version), False)

    def delete(self, key: str, version: int | None = None) -> bool:
        upper: Any = super()
        return self._ask(lambda: upper.delete(key, version), False)

    def get_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        upper: Any = super()
        return self._ask(lambda: upper.get_many(keys, version), {})

    def has_key(self, key: str, version: int | None = None) -> bool:
        upper: Any = super()
        return self._ask(lambda: upper.has_key(key, version), False)

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Add to a counter; while Redis is away, answer as if it had just begun."""
        upper: Any = super()
        return self._ask(lambda: upper.incr(key, delta, version), delta)

    def set_many(
        self, data: dict[str, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[str]:
        upper: Any = super()
        return self._ask(lambda: upper.set_many(data, timeout, version), list(data))

    def delete_many(self, keys: Iterable[str], version: int | None = None) -> None:
        upper: Any = super()
        self._ask(lambda: upper.delete_many(keys, version), None)

    def clear(self) -> None:
        """Forget what is cached, and only that: queues live in the same database."""
        self._ask(self._forget_ours, None)

    def _forget_ours(self) -> None:
        client = self._cache.get_client(None, write=True)
        keys = list(client.scan_iter(match=f"{self.key_prefix}:*", count=1000))
        if keys:
            client.delete(*keys)
