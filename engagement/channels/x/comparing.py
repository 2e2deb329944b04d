"""What X says it has of a window of time, and what is gone there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from engagement.channels.base import Event, Listed
from engagement.channels.x.client import DM_FIELDS, Client
from engagement.channels.x.events import DM
from engagement.channels.x.hooks import pulled_items
from engagement.channels.x.json_parts import part, parts
from engagement.channels.x.pulling import PAGE, Walk
from engagement.models import ChannelAccount

ASKED_AT_ONCE = 100
LEAST_AGE = timedelta(seconds=20)
"""X refuses to say what is newer than ten seconds."""


def list_window(account: ChannelAccount, since: datetime, until: datetime) -> Iterator[list[Listed]]:
    """Mentions (X keeps the newest 800) and direct messages (30 days) that were said to this account."""
    until = min(until, timezone.now() - LEAST_AGE)
    if since >= until:
        return
    yield from _mentions(account, since, until)
    if not account.scopes or "dm.read" in account.scopes:
        yield from _messages(account, since, until)


def _mentions(account: ChannelAccount, since: datetime, until: datetime) -> Iterator[list[Listed]]:
    walk, token = Walk(), ""
    params = {"max_results": PAGE, "start_time": _written(since), "end_time": _written(until)}
    with Client(account) as client:
        while True:
            more = {"pagination_token": token} if token else {}
            told = client.posts(f"users/{account.external_id}/mentions", {**params, **more})
            token = str(part(told, "meta").get("next_token") or "")
            walk.step(token, [str(one.get("id")) for one in parts(told, "data")])
            yield _listed(account, "post", told, since, until)
            if not token:
                return


def _messages(account: ChannelAccount, since: datetime, until: datetime) -> Iterator[list[Listed]]:
    walk, token = Walk(), ""
    with Client(account, bucket="dms") as client:
        while True:
            more = {"pagination_token": token} if token else {}
            told, _ = client.call("GET", "dm_events", params={**DM_FIELDS, "max_results": PAGE, **more})
            token = str(part(told, "meta").get("next_token") or "")
            walk.step(token, [str(one.get("id")) for one in parts(told, "data")])
            yield _listed(account, "dm_event", told, since, until)
            times = [str(one.get("created_at")) for one in parts(told, "data")]
            if not token or (times and min(times) < _written(since)):
                return


def _listed(
    account: ChannelAccount, name: str, told: Mapping[str, Any], since: datetime, until: datetime
) -> list[Listed]:
    """Those of a page that others said in the window; what cannot be understood was parked by the pull."""
    found = []
    for one in parts(told, "data"):
        try:
            items = pulled_items({name: one, "includes": told.get("includes") or {}}, account.external_id)
        except ValueError:
            continue
        found += [
            Listed(item.external_id, item.occurred_at, event=item)
            for item in items
            if isinstance(item, Event) and item.author is not None and since <= item.occurred_at < until
        ]
    return found


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def gone(account: ChannelAccount, external_ids: Sequence[str]) -> Sequence[str]:
    """Posts of these that X does not find; of direct messages and of protected posts it cannot tell."""
    posts = [one for one in external_ids if one.isdigit() and not one.startswith(DM)]
    found: list[str] = []
    with Client(account, bucket="posts") as client:
        for start in range(0, len(posts), ASKED_AT_ONCE):
            told, _ = client.call(
                "GET", "tweets", params={"ids": ",".join(posts[start : start + ASKED_AT_ONCE])}
            )
            for one in parts(told, "errors"):
                if str(one.get("type")).endswith("/resource-not-found") and one.get("value") in posts:
                    found.append(str(one["value"]))
    return found
