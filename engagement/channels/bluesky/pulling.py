"""Reading Bluesky: our own feed, what was said to us in public, and the log of direct messages.

The cursor of an account (all times as Bluesky writes them):

- `top`: the newest notification of the last walk that reached its end; absent before the first.
- `walk`: a walk that is under way: `next` (Bluesky's cursor), `floor` (how far back it goes; '' for as far as
  `left` pages reach), `top` (what `top` becomes at its end), `left` (pages it may still take), `seen` (a
  digest of the page before), `same` (how often that very page came).
- `recent`: digests of the newest notifications that were stored, so that an idle pull stores nothing again.
- `deep_at`: when the last deep walk began.
- `feed_at`: when the metrics of our posts were last told; `fed`: digests of the answers of ours already told.
- `chat`: the place in the log of direct messages; `chat_old`: true while its beginning is read.

A page of notifications is cut at a moment, and the next begins strictly before it: of those that share the
moment some would never be seen. So a walk goes on a millisecond later than Bluesky says and sees the edge
twice. A post may claim any time in the past and then stands deep in the list; `DEEP_EVERY` a walk goes back
`DEEP_PAGES` whatever is known already.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import structlog
from django.utils import timezone

from core.text import parse_when
from engagement.channels.base import Bad, Change, Event, Page, PermanentFailure, PostRef, TransientFailure
from engagement.channels.bluesky.chat import log_items
from engagement.channels.bluesky.client import Params, Xrpc
from engagement.channels.bluesky.events import REASONS, understand
from engagement.channels.fields import Json, maybe_text, objects

if TYPE_CHECKING:
    from engagement.models import ChannelAccount

log = structlog.get_logger(__name__)

PAGE = 100
OVERLAP = timedelta(minutes=10)
"""So far behind the newest one known a walk goes on: notifications appear up to minutes late."""
DEEP_EVERY = timedelta(hours=6)
DEEP_PAGES = 30
MOST_PAGES = 500
"""A list of more pages than this has no end."""
FEED_EVERY = timedelta(minutes=10)
FEED_LIMIT = 50
RECENT = 150
CHAT_PAGES = 200


@dataclass
class Batch:
    """What a list of items gives, the bad ones apart."""

    events: list[Event | Change]
    posts: list[PostRef]
    bad: list[Bad]


def pages(account: ChannelAccount) -> Iterator[Page]:
    """Everything since the cursor: our own words first, so that an answer finds what it answers."""
    with Xrpc(account) as xrpc:
        cursor = dict(account.cursor)
        for part in (_feed_pages, _notification_pages, _chat_pages):
            for page in part(xrpc, account, cursor):
                cursor = dict(page.cursor)
                yield page


def read_items(items: Sequence[Json], did: str) -> Batch:
    """Understand each item alone: a bad one is put aside with its bytes."""
    batch = Batch([], [], [])
    for item in items:
        try:
            events, posts = understand(item, did)
        except ValueError as error:
            body = json.dumps(item, ensure_ascii=True).encode()
            batch.bad.append(Bad(sha256(body).hexdigest(), str(error), body))
        else:
            batch.events += events
            batch.posts += posts
    return batch


# Our own feed


def _feed_pages(xrpc: Xrpc, account: ChannelAccount, cursor: Mapping[str, Any]) -> Iterator[Page]:
    """Answers given in the app at every pull, our posts with their metrics every ten minutes."""
    params: Params = {"actor": xrpc.did, "limit": FEED_LIMIT, "filter": "posts_with_replies"}
    items = objects_of(xrpc.get("app.bsky.feed.getAuthorFeed", params), "feed")
    now = timezone.now()
    first = "feed_at" not in cursor
    due = first or parse_when(str(cursor["feed_at"])) <= now - FEED_EVERY
    batch = read_items(items, xrpc.did)
    told = set(cursor.get("fed", []))
    events = [event for event in batch.events if digest(event.external_id) not in told]
    bad = [one for one in batch.bad if digest(one.delivery_key) not in told]
    if not due and not events and not bad:
        return
    ids = [event.external_id for event in batch.events] + [one.delivery_key for one in batch.bad]
    yield Page(
        events,
        {
            **cursor,
            "fed": [digest(one) for one in ids],
            "feed_at": written(now) if due else cursor["feed_at"],
        },
        bad=bad,
        posts=batch.posts if due else (),
        history=first,
    )


# Notifications


def _notification_pages(xrpc: Xrpc, account: ChannelAccount, cursor: Mapping[str, Any]) -> Iterator[Page]:
    """A walk that was cut off to its end, then one from the newest, and a deep one when it is time."""
    state = dict(cursor)
    if "walk" in state:
        state["walk"] = {**state["walk"], "left": max(int(state["walk"]["left"]), DEEP_PAGES)}
        try:
            for page in _walk(xrpc, state):
                state = dict(page.cursor)
                yield page
        except PermanentFailure as failure:
            # Bluesky no longer knows the place: from the newest again, for `top` did not move.
            log.warning("walk begun anew", account=account.pk, reason=str(failure)[:200])
    state["walk"] = _new_walk(state)
    if not state["walk"]["floor"]:
        state["deep_at"] = written(timezone.now())
    yield from _walk(xrpc, state)


def _new_walk(state: Mapping[str, Any]) -> dict[str, Any]:
    top = str(state.get("top", ""))
    deep_at = str(state.get("deep_at", ""))
    deep = not top or not deep_at or parse_when(deep_at) <= timezone.now() - DEEP_EVERY
    floor = "" if deep else written(parse_when(top) - OVERLAP)
    return {"next": "", "floor": floor, "top": top, "left": DEEP_PAGES if deep else MOST_PAGES,
            "seen": "", "same": 0}  # fmt: skip


def _walk(xrpc: Xrpc, state: Mapping[str, Any]) -> Iterator[Page]:
    """From the newest to the floor; `top` moves only at the end, so that a walk cut off leaves no gap."""
    walk, state = dict(state["walk"]), dict(state)
    history = "top" not in state
    before: set[str] = set()
    while True:
        found = notifications(xrpc, str(walk["next"]))
        items = objects_of(found, "notifications")
        walk = _stepped(walk, items, maybe_text(found, "cursor"))
        deep = not walk["floor"]
        known = before if deep else before | set(state.get("recent", []))
        fresh = [item for item in items if digest_of(item) not in known]
        before = {digest_of(item) for item in items}
        batch = read_items(fresh, xrpc.did)
        state = {**state, "recent": _remembered(items, state.get("recent", []), first=not walk["went_on"])}
        state.pop("walk", None)
        if walk["next"]:
            state["walk"] = {name: value for name, value in walk.items() if name != "went_on"}
        else:
            state["top"] = walk["top"]
        if batch.events or batch.bad or not deep or not walk["next"]:
            yield Page(batch.events, state, bad=batch.bad, more=bool(walk["next"]), history=history)
        if not walk["next"]:
            return


def notifications(xrpc: Xrpc, cursor: str, limit: int = 0) -> Json:
    """One page of what was said to us."""
    params: dict[str, Any] = {"limit": limit or PAGE, "reasons": list(REASONS)}
    if cursor:
        params["cursor"] = cursor
    return xrpc.get("app.bsky.notification.listNotifications", params)


def _stepped(walk: Mapping[str, Any], items: Sequence[Json], cursor: str) -> dict[str, Any]:
    """The walk after this page; `next` is '' where it has come to its end. Raises TransientFailure."""
    times = sorted(times_of(items))
    seen = digest("".join(digest_of(item) for item in items))
    same = int(walk["same"]) + 1 if items and seen == walk["seen"] else 0
    at_end = not items or not cursor or bool(walk["floor"] and times and times[0] <= str(walk["floor"]))
    left = int(walk["left"]) - 1
    if not at_end and (same > 1 or (left <= 0 and walk["floor"])):
        raise TransientFailure("Bluesky's list of notifications does not come to an end.")
    following = "" if at_end or left <= 0 else edge(cursor)
    if following and following == walk["next"]:
        # A whole page of one moment: beyond it there is only Bluesky's own way on.
        following = cursor
    went_on = bool(walk["next"])
    top = str(walk["top"]) if went_on else max([str(walk["top"]), *times[-1:]])
    return {
        **walk,
        "next": following,
        "left": left,
        "seen": seen,
        "same": same,
        "top": top,
        "went_on": went_on,
    }


def times_of(items: Sequence[Json]) -> Iterator[str]:
    """Their moments, none of them later than now."""
    now = timezone.now()
    for item in items:
        try:
            yield written(min(parse_when(maybe_text(item, "indexedAt")), now))
        except ValueError:
            continue


def edge(cursor: str) -> str:
    """A place a millisecond later than this cursor, where it is a moment; else the cursor itself."""
    try:
        return written(parse_when(cursor) + timedelta(milliseconds=1))
    except ValueError:
        return cursor


def _remembered(items: Sequence[Json], recent: Sequence[str], *, first: bool) -> list[str]:
    """Digests of the newest notifications, in the order of the list."""
    page = [digest_of(item) for item in items]
    both = [*page, *recent] if first else [*recent, *page]
    return list(dict.fromkeys(both))[:RECENT]


def digest_of(item: Json) -> str:
    """A notification as this very version of its post."""
    return digest(f"{maybe_text(item, 'uri')} {maybe_text(item, 'cid')}")


def digest(value: str) -> str:
    """A short stand-in for a long id."""
    return sha256(value.encode("utf-8", "replace")).hexdigest()[:12]


def written(when: datetime) -> str:
    """A moment as Bluesky writes it, to the millisecond, so that texts sort as moments do."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"


def objects_of(found: Json, name: str) -> Sequence[Json]:
    """A list of an answer; an answer without it is none. Raises TransientFailure."""
    try:
        return objects(found, name)
    except ValueError as error:
        raise TransientFailure(f"Bluesky's answer cannot be read: {error}.") from None


# Direct messages


def _chat_pages(xrpc: Xrpc, account: ChannelAccount, cursor: Mapping[str, Any]) -> Iterator[Page]:
    """The log of direct messages from where we are; its beginning is history."""
    if not account.settings.get("direct_messages"):
        return
    state = dict(cursor)
    old = bool(state.get("chat_old", "chat" not in state))
    for _number in range(CHAT_PAGES):
        place = str(state.get("chat", ""))
        found = xrpc.get("chat.bsky.convo.getLog", {"cursor": place} if place else None, chat=True)
        logs, following = objects_of(found, "logs"), maybe_text(found, "cursor")
        if not logs:
            if old or (following and following != place):
                state = {**state, "chat": following or place, "chat_old": False}
                yield Page((), state)
            return
        if following == place:
            raise TransientFailure("Bluesky's log of direct messages does not go on from its own cursor.")
        batch = read_items(log_items(xrpc, logs), xrpc.did)
        state = {**state, "chat": following or place, "chat_old": old}
        yield Page(batch.events, state, bad=batch.bad, more=bool(following), history=old)
        if not following:
            return
    raise TransientFailure("Bluesky's log of direct messages has no end.")
