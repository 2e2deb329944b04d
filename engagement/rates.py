"""What a platform allows, kept as token buckets in Redis and corrected by what its answers say.

A bucket is full of `count` tokens and refills in `seconds`. The platform's own headers know better than our
count (other programs use the same app), so they overwrite it. With Redis away everything is allowed: the
platform then says no by itself, and nothing is lost.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
import structlog
from django.conf import settings

from core import http
from engagement.channels import connector
from engagement.channels.base import Rate
from engagement.models import ChannelAccount

log = structlog.get_logger(__name__)

TAKE = """
local now = tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
  local count, seconds = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local left = tonumber(redis.call('HGET', key, 'left') or count)
  local at = tonumber(redis.call('HGET', key, 'at') or now)
  local shut = tonumber(redis.call('HGET', key, 'shut') or 0)
  left = math.min(count, left + (now - at) * count / seconds)
  if shut > now then return tostring(shut - now) end
  if left < 1 then return tostring((1 - left) * seconds / count) end
end
for i, key in ipairs(KEYS) do
  local count, seconds = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local left = tonumber(redis.call('HGET', key, 'left') or count)
  local at = tonumber(redis.call('HGET', key, 'at') or now)
  left = math.min(count, left + (now - at) * count / seconds)
  redis.call('HSET', key, 'left', tostring(left - 1), 'at', tostring(now))
  redis.call('EXPIRE', key, math.ceil(seconds * 2) + 60)
end
return '0'
"""
"""Take one token of every bucket, or of none: answers how many seconds to wait, '0' where they were taken."""


@dataclass(frozen=True)
class Left:
    """What is left of one allowance."""

    name: str
    count: int
    left: float
    seconds: float


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1, decode_responses=True
    )


def _key(account: ChannelAccount, rate: Rate, person: str = "") -> str:
    whose = {"account": str(account.pk), "app": "app", "person": f"{account.pk}:{person}"}[rate.per]
    return f"rapport-rate:{account.connector}:{rate.name}:{whose}"


def _rates(account: ChannelAccount, names: Iterable[str]) -> list[Rate]:
    wanted = set(names)
    return [rate for rate in connector(account.connector).rates if rate.name in wanted]


def take(account: ChannelAccount, *names: str, person: str = "") -> float:
    """Take one token of each allowance of these names; seconds to wait where one is used up, else 0."""
    rates = _rates(account, names)
    if not rates:
        return 0.0
    keys = [_key(account, rate, person) for rate in rates]
    arguments: list[Any] = [time.time()]
    for rate in rates:
        arguments += [rate.count, rate.seconds]
    try:
        return float(str(_redis().eval(TAKE, len(keys), *keys, *arguments)))
    except redis.RedisError as error:
        log.warning("allowances cannot be asked", reason=str(error))
        return 0.0


def shut(account: ChannelAccount, name: str, seconds: float) -> None:
    """The platform said: nothing of this for so many seconds."""
    until = time.time() + seconds
    for rate in _rates(account, [name]) or [Rate(name, 1, max(seconds, 1))]:
        _write(_key(account, rate), {"shut": str(until)}, seconds)


def observe(account: ChannelAccount, name: str, limit: http.RateLimit) -> None:
    """What an answer said of the allowance replaces our own count."""
    if limit.remaining is None:
        return
    for rate in _rates(account, [name]):
        values = {"left": str(min(limit.remaining, rate.count)), "at": str(time.time())}
        if limit.remaining == 0 and limit.resets_in:
            values["shut"] = str(time.time() + limit.resets_in)
        _write(_key(account, rate), values, max(rate.seconds, limit.resets_in or 0))


def _write(key: str, values: dict[str, str], seconds: float) -> None:
    try:
        with _redis().pipeline() as pipe:
            pipe.hset(key, mapping=dict[Any, Any](values))
            pipe.expire(key, int(seconds * 2) + 60)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("allowances cannot be written", reason=str(error))


def left(account: ChannelAccount) -> list[Left]:
    """What is left of each allowance of this account, for its health page; full where nothing is known."""
    found = []
    now = time.time()
    for rate in connector(account.connector).rates:
        if rate.per == "person":
            continue
        try:
            values = _redis().hgetall(_key(account, rate))
        except redis.RedisError:
            values = {}
        known, at = float(values.get("left", rate.count)), float(values.get("at", now))
        now_left = min(rate.count, known + (now - at) * rate.count / rate.seconds)
        shut_for = float(values.get("shut", 0)) - now
        found.append(Left(rate.name, rate.count, 0 if shut_for > 0 else now_left, rate.seconds))
    return found
