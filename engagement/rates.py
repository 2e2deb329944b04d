"""What a platform allows, kept as token buckets in Redis and corrected by what its answers say.

A bucket is full of `count` tokens and refills in `seconds`. The platform's own headers know better than our
count (other programs use the same app), so they overwrite it. A platform that said "not before" shuts the
account's gate for that allowance, and for no other account: whether its app is meant too, the next answer to
each of the others tells. With Redis away everything is allowed: the platform then says no by itself, and
nothing is lost.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

import redis
import structlog

from core import http, quick_redis
from engagement.channels import connector
from engagement.channels.base import Rate
from engagement.models import ChannelAccount

log = structlog.get_logger(__name__)

TAKE = """
local now, gates = tonumber(ARGV[1]), tonumber(ARGV[2])
for i = 1, gates do
  local shut = tonumber(redis.call('HGET', KEYS[i], 'shut') or 0)
  if shut > now then return {i, tostring(shut - now)} end
end
local function left(i)
  local count, seconds = tonumber(ARGV[1 + 2 * (i - gates)]), tonumber(ARGV[2 + 2 * (i - gates)])
  local kept = tonumber(redis.call('HGET', KEYS[i], 'left') or count)
  local at = tonumber(redis.call('HGET', KEYS[i], 'at') or now)
  return math.min(count, kept + math.max(0, now - at) * count / seconds), count, seconds
end
for i = gates + 1, #KEYS do
  local shut = tonumber(redis.call('HGET', KEYS[i], 'shut') or 0)
  if shut > now then return {i, tostring(shut - now)} end
  local tokens, count, seconds = left(i)
  if tokens < 1 then return {i, tostring((1 - tokens) * seconds / count)} end
end
for i = gates + 1, #KEYS do
  local tokens, count, seconds = left(i)
  redis.call('HSET', KEYS[i], 'left', tostring(tokens - 1), 'at', tostring(now))
  redis.call('EXPIRE', KEYS[i], math.ceil(seconds * 2) + 60)
end
return {0, '0'}
"""
"""Take a token of every bucket, or of none: answers which key says no (0: none), and for how many seconds."""


@dataclass(frozen=True)
class Left:
    """What is left of one allowance."""

    name: str
    count: int
    left: float
    seconds: float


@dataclass(frozen=True)
class Wait:
    """How long to wait, and whether that is only for this person; false where nothing need wait."""

    seconds: float = 0.0
    is_person: bool = False

    def __bool__(self) -> bool:
        return self.seconds > 0


@cache
def _redis() -> redis.Redis:
    return quick_redis.connect(decode_responses=True)


def _key(account: ChannelAccount, rate: Rate, person: str = "") -> str:
    # no name or number of a person stands in a key: nobody would find it there to erase it
    name = sha256(person.encode("utf-8", "replace")).hexdigest()[:32]
    whose = {"account": str(account.pk), "app": "app", "person": f"{account.pk}:{name}"}[rate.per]
    return f"rapport-rate:{account.connector}:{rate.name}:{whose}:{rate.count}/{rate.seconds:g}"


def _gate(account: ChannelAccount, name: str) -> str:
    return f"rapport-rate:{account.connector}:{name}:gate:{account.pk}"


def _rates(account: ChannelAccount, names: Iterable[str]) -> list[Rate]:
    wanted = set(names)
    return [rate for rate in connector(account.connector).rates if rate.name in wanted]


def take(account: ChannelAccount, *names: str, person: str = "") -> float:
    """Take one token of each allowance of these names; seconds to wait where one is used up, else 0."""
    return ask(account, *names, person=person).seconds


def ask(account: ChannelAccount, *names: str, person: str = "") -> Wait:
    """The same, and whether the wait concerns this person alone. Without a person theirs is not asked."""
    found = [rate for rate in _rates(account, names) if person or rate.per != "person"]
    gates = [_gate(account, name) for name in names]
    keys = [*gates, *(_key(account, rate, person) for rate in found)]
    arguments: list[Any] = [time.time(), len(gates)]
    for rate in found:
        arguments += [rate.count, rate.seconds]
    try:
        told: Any = _redis().eval(TAKE, len(keys), *keys, *arguments)
    except redis.RedisError as error:
        log.warning("allowances cannot be asked", reason=str(error))
        return Wait()
    which, seconds = int(told[0]), float(told[1])
    if which == 0:
        return Wait()
    is_person = which > len(gates) and found[which - len(gates) - 1].per == "person"
    return Wait(seconds, is_person)


def shut(account: ChannelAccount, name: str, seconds: float) -> None:
    """The platform said: nothing of this for so many seconds."""
    _write(_gate(account, name), {"shut": str(time.time() + seconds)}, seconds)


def shut_for(account: ChannelAccount, name: str) -> float:
    """For how many seconds the platform still wants none of this; 0 for open."""
    try:
        until = _redis().hget(_gate(account, name), "shut")
    except redis.RedisError:
        return 0.0
    return max(0.0, float(str(until or 0)) - time.time())


def observe(account: ChannelAccount, name: str, limit: http.RateLimit) -> None:
    """What an answer said of the allowance replaces our own count.

    An answer speaks of one allowance. Where several bear the name it is the one of that size, else the
    account's own. One of another size than ours (a platform that counts in percent) is taken by its share.
    """
    if limit.remaining is None:
        return
    rate = _meant(account, name, limit)
    if rate is None:
        return
    share = limit.remaining / limit.limit if limit.limit else limit.remaining / rate.count
    values = {"left": str(rate.count * min(max(share, 0.0), 1.0)), "at": str(time.time())}
    if limit.remaining == 0 and limit.resets_in:
        values["shut"] = str(time.time() + limit.resets_in)
    _write(_key(account, rate), values, max(rate.seconds, limit.resets_in or 0))


def _meant(account: ChannelAccount, name: str, limit: http.RateLimit) -> Rate | None:
    found = [rate for rate in _rates(account, [name]) if rate.per != "person"]
    same = [rate for rate in found if rate.count == limit.limit]
    own = [rate for rate in found if rate.per == "account"]
    return next(iter([*same, *own, *found]), None)


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
    for rate in connector(account.connector).rates:
        if rate.per != "person":
            tokens = 0.0 if shut_for(account, rate.name) else _tokens(account, rate)
            found.append(Left(rate.name, rate.count, tokens, rate.seconds))
    return found


def _tokens(account: ChannelAccount, rate: Rate) -> float:
    now = time.time()
    try:
        values: Any = _redis().hgetall(_key(account, rate))
    except redis.RedisError:
        values = {}
    if float(values.get("shut", 0)) > now:
        return 0.0
    known, at = float(values.get("left", rate.count)), float(values.get("at", now))
    return min(rate.count, known + max(0.0, now - at) * rate.count / rate.seconds)
