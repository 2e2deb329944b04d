"""Redis for those who can do without: it answers within a second, or the caller goes on alone."""

from __future__ import annotations

from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry


def connect(url: str = "", **options: Any) -> redis.Redis:
    """A client that tries once and gives up after a second; of itself it would try again, with pauses."""
    return redis.Redis.from_url(
        url or settings.REDIS_URL,
        socket_timeout=1,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        **options,
    )
