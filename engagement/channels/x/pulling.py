"""Reads mentions and direct messages, newest page first, and keeps where it is between the pages.

The cursor is {since, newest, token; dm_since, dm_newest, dm_token, dm_after; posts_after}. `since` moves only
once a walk has come to its last page; `token` and `newest` are of a walk that is under way, so that after a
crash it goes on where it was. Every walk reads the last minutes before `since` once more, as X lists some
posts late.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from hashlib import sha256
from typing import Any

from django.utils.translation import gettext as _

from engagement.channels.base import (
    Bad,
    Change,
    Event,
    Page,
    PermanentFailure,
    RateReached,
    TransientFailure,
)
from engagement.channels.x.client import DM_FIELDS, Client
from engagement.channels.x.events import Around, post_ref
from engagement.channels.x.hooks import pulled_items
from engagement.channels.x.ids import newest_of, with_overlap
from engagement.channels.x.json_parts import part, parts
from engagement.models import ChannelAccount

PAGE = "100"
MOST_PAGES = 60
"""X gives the newest 800 mentions, and 30 days of direct messages."""
DM_SECONDS = 62
"""Between two looks at the direct messages, of which X allows 15 in 15 minutes."""
DM_REFUSED_SECONDS = 6 * 3600
POSTS_SECONDS = 6 * 3600
POSTS_KEPT = "20"
Cursor = dict[str, Any]


def pages(account: ChannelAccount) -> Iterator[Page]:
    """Mentions, then direct messages, then now and then our own posts with what people did with them."""
    cursor: Cursor = dict(account.cursor)
    yield from _mentions(account, cursor)
    if cursor.get("dm_after", 0) <= time.time() and _may_read_messages(account):
        yield from _messages(account, cursor)
    if cursor.get("posts_after", 0) <= time.time():
        yield _our_posts(account, cursor)


def _may_read_messages(account: ChannelAccount) -> bool:
    return not account.scopes or "dm.read" in account.scopes


# A walk from the newest page to the oldest


class Walk:
    """Remembers what a walk has seen, so that one which goes in circles ends."""

    def __init__(self) -> None:
        self.tokens: set[str] = set()
        self.last: list[str] = []
        self.pages = 0

    def step(self, token: str, found: list[str]) -> None:
        """Raises TransientFailure where a page or a token comes again, or there is no end."""
        self.pages += 1
        if token and token in self.tokens:
            raise TransientFailure(_("X repeats a page: the same token came twice."))
        if found and found == self.last:
            raise TransientFailure(_("X repeats a page: the same items came twice."))
        if self.pages > MOST_PAGES:
            raise TransientFailure(_("X gives more than %(n)s pages: there is no end.") % {"n": MOST_PAGES})
        self.tokens.add(token)
        self.last = found


def _items(
    account: ChannelAccount, name: str, found: Sequence[Mapping[str, Any]], told: Mapping[str, Any]
) -> tuple[list[Event | Change], list[Bad]]:
    """Events of a page, and beside them what could not be understood, written down to be parsed again."""
    events: list[Event | Change] = []
    bad: list[Bad] = []
    for one in found:
        item = {name: one, "includes": told.get("includes") or {}}
        try:
            events += pulled_items(item, account.external_id)
        except ValueError as error:
            body = json.dumps({name: one, "includes": _beside(one, told)}).encode()
            bad.append(Bad(f"{name}:{one.get('id') or sha256(body).hexdigest()}", str(error), body))
    return events, bad


def _beside(one: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """The people that this item names, from all that stood beside the page."""
    people = {str(one.get(name)) for name in ("author_id", "sender_id", "in_reply_to_user_id")}
    includes = told.get("includes")
    users = parts(includes, "users") if isinstance(includes, Mapping) else []
    return {"users": [user for user in users if user.get("id") in people]}


# Mentions


def _mentions(account: ChannelAccount, cursor: Cursor) -> Iterator[Page]:
    walk = Walk()
    with Client(account) as client:
        while True:
            told = _mentions_page(account, client, cursor)
            found = parts(told, "data")
            ids = [str(one.get("id")) for one in found]
            token = str(part(told, "meta").get("next_token") or "")
            walk.step(token, ids)
            events, bad = _items(account, "post", found, told)
            cursor["newest"] = newest_of([*ids, cursor.get("newest", "")])
            cursor["token"] = token
            if not token:
                _arrive(cursor, "since", "newest")
            history = _is_history(account, events)
            yield Page(events, dict(cursor), bad, more=bool(token), history=history)
            if not token:
                return


def _mentions_page(account: ChannelAccount, client: Client, cursor: Cursor) -> dict[str, Any]:
    """The next page; a token that X has forgotten begins the walk anew."""
    params = {"max_results": PAGE}
    if cursor.get("since"):
        params["since_id"] = with_overlap(str(cursor["since"]))
    elif account.settings.get("only_new"):
        params["start_time"] = f"{account.created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    path = f"users/{account.external_id}/mentions"
    token = str(cursor.get("token") or "")
    if token:
        try:
            return client.posts(path, {**params, "pagination_token": token})
        except PermanentFailure:
            cursor["token"] = ""
    return client.posts(path, params)


def _arrive(cursor: Cursor, since: str, newest: str) -> None:
    """The walk is at its end: the next one reads from its newest item on."""
    cursor[since] = newest_of([str(cursor.get(since, "")), str(cursor.get(newest, ""))])
    cursor[newest] = ""


def _is_history(account: ChannelAccount, events: Sequence[Event | Change]) -> bool:
    times = [one.occurred_at for one in events if isinstance(one, Event)]
    return bool(times) and max(times) < account.created_at


# Direct messages


def _messages(account: ChannelAccount, cursor: Cursor) -> Iterator[Page]:
    """X has no "since" here: the walk ends at what the last one began with."""
    walk = Walk()
    with Client(account, bucket="dms") as client:
        while True:
            try:
                told, left = _messages_page(client, cursor)
            except RateReached as failure:
                yield _later(cursor, failure.retry_after)
                return
            except PermanentFailure:
                # the app or its plan does not give them; the self-test says so
                yield _later(cursor, DM_REFUSED_SECONDS)
                return
            found = parts(told, "data")
            ids = [str(one.get("id")) for one in found]
            token = str(part(told, "meta").get("next_token") or "")
            walk.step(token, ids)
            page = _messages_of(account, cursor, found, told, token)
            yield page
            if not cursor["dm_token"] or left == 0:
                return


def _messages_page(client: Client, cursor: Cursor) -> tuple[dict[str, Any], int | None]:
    """The next page, and how many more of them X allows just now."""
    params = {**DM_FIELDS, "max_results": PAGE}
    token = str(cursor.get("dm_token") or "")
    if token:
        try:
            told, answer = client.call("GET", "dm_events", params={**params, "pagination_token": token})
            return told, answer.rate_limit.remaining
        except PermanentFailure:
            cursor["dm_token"] = ""
    told, answer = client.call("GET", "dm_events", params=params)
    return told, answer.rate_limit.remaining


def _messages_of(
    account: ChannelAccount,
    cursor: Cursor,
    found: Sequence[Mapping[str, Any]],
    told: Mapping[str, Any],
    token: str,
) -> Page:
    ids = [str(one.get("id")) for one in found]
    since = str(cursor.get("dm_since") or "")
    reached = bool(since) and any(one.isdigit() and int(one) <= int(with_overlap(since)) for one in ids)
    events, bad = _items(account, "dm_event", found, told)
    if account.settings.get("only_new") and not since:
        # X hands out thirty days
        reached = reached or any(_before(account, one) for one in events)
        events = [one for one in events if not _before(account, one)]
    cursor["dm_newest"] = newest_of([*ids, str(cursor.get("dm_newest", ""))])
    cursor["dm_token"] = "" if reached else token
    cursor["dm_after"] = int(time.time()) + DM_SECONDS
    if not cursor["dm_token"]:
        _arrive(cursor, "dm_since", "dm_newest")
    more = bool(cursor["dm_token"])
    return Page(events, dict(cursor), bad, more=more, history=_is_history(account, events))


def _before(account: ChannelAccount, one: Event | Change) -> bool:
    return isinstance(one, Event) and one.occurred_at < account.created_at


def _later(cursor: Cursor, seconds: float) -> Page:
    cursor["dm_after"] = int(time.time() + max(seconds, DM_SECONDS))
    return Page((), dict(cursor))


# Our posts


def _our_posts(account: ChannelAccount, cursor: Cursor) -> Page:
    """The newest posts of ours, with how people reacted; X bills each, so they are read a few times a day."""
    cursor["posts_after"] = int(time.time()) + POSTS_SECONDS
    params = {"max_results": POSTS_KEPT, "exclude": "replies,retweets"}
    try:
        with Client(account, bucket="posts") as client:
            told = client.posts(f"users/{account.external_id}/tweets", params)
    except (PermanentFailure, RateReached):
        # what customers say is in; figures can wait
        return Page((), dict(cursor))
    around = Around.of(part(told, "includes"))
    posts, bad = [], []
    for one in parts(told, "data"):
        try:
            posts.append(post_ref(one, around))
        except ValueError as error:
            bad.append(Bad(f"own post:{one.get('id')}", str(error), json.dumps({"own_post": one}).encode()))
    return Page((), dict(cursor), bad, posts=posts)
