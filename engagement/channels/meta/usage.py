"""What Meta's headers say of our allowance: percentages used, per app or per page and business.

X-App-Usage          {"call_count":28,"total_time":25,"total_cputime":25}
X-Business-Use-Case-Usage  {"<id>":[{"type":"pages","call_count":97,"estimated_time_to_regain_access":12}]}

The time to regain access is in minutes: https://developers.facebook.com/docs/graph-api/overview/rate-limiting
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from core import http

PARTS = ("call_count", "total_cputime", "total_time")
ALL = 100


def allowance(answer: http.Answer) -> http.RateLimit | None:
    """What is left, in percent; None where the answer says nothing of it."""
    found = list(_usages(answer.headers))
    if not found:
        return None
    used = max(_used(one) for one in found)
    regained = max(_minutes(one) for one in found) * 60
    return http.RateLimit(limit=ALL, remaining=max(0, ALL - used), resets_in=regained or None)


def seconds_to_wait(answer: http.Answer) -> float:
    """After a refusal: until access is back, where the headers say so, else 0."""
    return max((_minutes(one) * 60 for one in _usages(answer.headers)), default=0.0)


def _usages(headers: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    for name in ("X-App-Usage", "X-Page-Usage"):
        told = _read(headers.get(name))
        if told:
            yield told
    for listed in _read(headers.get("X-Business-Use-Case-Usage")).values():
        if isinstance(listed, list):
            yield from (one for one in listed if isinstance(one, dict))


def _read(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _used(usage: Mapping[str, Any]) -> int:
    return max((round(_number(usage.get(part))) for part in PARTS), default=0)


def _minutes(usage: Mapping[str, Any]) -> float:
    return max(0.0, _number(usage.get("estimated_time_to_regain_access")))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
