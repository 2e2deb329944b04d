"""The HTTP client of a connector: what a platform's answers say of its allowance is remembered.

    with calling.client(account, "https://api.example.com/2/", headers=...) as client:
        client.get("mentions")
    with calling.client(account, base, bucket="send", limit_of=percentages, ...) as client:
        client.post("messages", json=...)

`bucket` is the name of the allowance (`Rate.name`) that the calls of this client use up: "pull" or "send" for
most. `limit_of` reads a platform's own headers; None from it means that the answer says nothing. Percentages
are told as RateLimit(limit=100, remaining=100 - used).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core import http

if TYPE_CHECKING:
    from engagement.models import ChannelAccount

LimitOf = Callable[[http.Answer], http.RateLimit | None]


def client(
    account: ChannelAccount,
    base: str = "",
    *,
    bucket: str = "pull",
    limit_of: LimitOf | None = None,
    **options: Any,
) -> http.Client:
    """A client for one job on this account; `options` are those of core.http.Client."""
    return http.Client(base, on_answer=observer(account, bucket, limit_of=limit_of), **options)


def observer(
    account: ChannelAccount, bucket: str, *, limit_of: LimitOf | None = None
) -> Callable[[http.Answer], None]:
    """What a client calls with every answer, for connectors that make their client themselves."""
    from engagement import rates

    def observe(answer: http.Answer) -> None:
        limit = limit_of(answer) if limit_of is not None else answer.rate_limit
        # An account that is being connected has no number yet, and so no allowance of its own.
        if limit is not None and account.pk is not None:
            rates.observe(account, bucket, limit)

    return observe
