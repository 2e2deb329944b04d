"""How many calls a minute a key, or an address without one, may make.

A counter a window in the cache. While the cache is away everything is let through.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from accounts.models import APIKey
from accounts.origin import client_ip

PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class WindowThrottle(BaseThrottle):
    """Counts the calls of one caller in windows of fixed length, and says in headers how many are left."""

    scope: ClassVar[str]
    wait_seconds: float | None = None

    def caller(self, request: Request) -> str | None:
        """Who is counted; None where this throttle does not apply."""
        raise NotImplementedError

    def allow_request(self, request: Request, view: Any) -> bool:
        caller = self.caller(request)
        limit, seconds = _rate(self.scope)
        if caller is None or not limit:
            return True
        now = time.time()
        window = int(now // seconds)
        reset = (window + 1) * seconds - now
        key = f"api-calls:{self.scope}:{caller}:{window}"
        cache.add(key, 0, timeout=seconds * 2)
        try:
            calls = cache.incr(key)
        except ValueError:  # it went between the two calls
            calls = 1
        request.rate_headers = {  # type: ignore[attr-defined]
            "RateLimit-Limit": str(limit),
            "RateLimit-Remaining": str(max(limit - calls, 0)),
            "RateLimit-Reset": str(int(reset) + 1),
        }
        self.wait_seconds = reset
        return calls <= limit

    def wait(self) -> float | None:
        return self.wait_seconds


class KeyThrottle(WindowThrottle):
    """By key: two keys of one person do not take each other's calls."""

    scope = "key"

    def caller(self, request: Request) -> str | None:
        return str(request.auth.pk) if isinstance(request.auth, APIKey) else None


class AnonymousThrottle(WindowThrottle):
    """By address, where no key was shown."""

    scope = "anonymous"

    def caller(self, request: Request) -> str | None:
        return None if isinstance(request.auth, APIKey) else client_ip() or "unknown"


def _rate(scope: str) -> tuple[int, int]:
    """Calls and seconds of a rate such as 1200/min."""
    calls, _slash, period = str(api_settings.DEFAULT_THROTTLE_RATES[scope]).partition("/")
    return int(calls), PERIODS[period[:1]]
