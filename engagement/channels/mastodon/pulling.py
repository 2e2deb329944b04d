"""Reads mentions by `min_id`, which walks forward without gaps, and looks again at what was said of late.

The cursor is {min_id; newest, back, backs; watch, watch_turn, watch_after; own, posts_after}. `min_id`
stays two minutes behind, because a server numbers notifications before it stores them. A first pull walks
backwards (`back` is where it is) and then goes forward from what was newest when it began.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from core.text import parse_when
from engagement.channels.base import (
    Bad,
    Change,
    Event,
    Page,
    PermanentFailure,
    PostRef,
    TransientFailure,
)
from engagement.channels.fields import maybe_mapping, maybe_objects, maybe_text, text
from engagement.channels.mastodon.client import Client, Json, NotFound, Params
from engagement.channels.mastodon.events import (
    Ancestors,
    Us,
    answers_somebody,
    post_ref,
    put_aside,
    status_items,
    words_of,
)
from engagement.models import ChannelAccount

LIMIT = "80"
"""Servers before 4.1 give fewer."""
FULL = 30
"""A page of fewer is surely the last one: what is asked for after it can wait for the next pull."""
BEHIND = timedelta(minutes=2)
MOST_PAGES = 300
HISTORY_PAGES = 10
WATCHED = 60
"""So many of the newest are read again, because nobody tells of an edit or a deletion."""
WATCH_SECONDS = 300
ALONE = 20
POSTS_SECONDS = 3600
Cursor = dict[str, Any]
Item = tuple[Json, Ancestors]


def pages(account: ChannelAccount) -> Iterator[Page]:
    """Mentions, then what we said elsewhere, then what was edited or deleted."""
    cursor: Cursor = dict(account.cursor)
    with Client(account) as client:
        if "min_id" not in cursor:
            yield from _backward(account, client, cursor)
        yield from _forward(account, client, cursor)
        yield from _our_own(account, client, cursor)
        if cursor.get("watch") and cursor.get("watch_after", 0) <= time.time():
            yield _look_again(client, cursor)


# Mentions


def mentions(client: Client, *more: tuple[str, str]) -> tuple[list[Json], str]:
    """A page of notifications, and the `min_id` of what is newer."""
    asked: Params = [("types[]", "mention"), ("include_filtered", "true"), ("limit", LIMIT), *more]
    return client.many("api/v1/notifications", asked)


def _backward(account: ChannelAccount, client: Client, cursor: Cursor) -> Iterator[Page]:
    """What was said before we came, as history; only what came since where nobody wants that."""
    only_new = bool(account.settings.get("only_new"))
    while True:
        back = str(cursor.get("back") or "")
        found, _newer = mentions(client, *([("max_id", back)] if back else []))
        if not back:
            cursor["newest"] = _id(found[0]) if found else "0"
        kept = [one for one in found if not only_new or _said_at(one) >= account.created_at]
        cursor["backs"] = int(cursor.get("backs", 0)) + 1
        done = not found or len(kept) < len(found) or cursor["backs"] >= HISTORY_PAGES
        if not done and _id(found[-1]) == back:
            raise TransientFailure(_("The server repeats a page: the same notifications came twice."))
        events, bad = _understood(account, client, kept, cursor)
        if done:
            cursor["min_id"] = cursor.pop("newest")
            cursor.pop("back", None)
            cursor.pop("backs")
        else:
            cursor["back"] = _id(found[-1])
        yield Page(events, dict(cursor), bad, more=not done, history=_is_history(account, events))
        if done:
            return


def _forward(account: ChannelAccount, client: Client, cursor: Cursor) -> Iterator[Page]:
    at = str(cursor["min_id"])
    for _number in range(MOST_PAGES):
        found, newer = mentions(client, ("min_id", at))
        if not found:
            return
        following = newer or _id(found[0])
        if following == at:
            raise TransientFailure(_("The server repeats a page: the same notifications came twice."))
        settled = [one for one in found if arrived_at(one) <= timezone.now() - BEHIND]
        if settled:
            cursor["min_id"] = following if len(settled) == len(found) else _id(settled[0])
        events, bad = _understood(account, client, found, cursor)
        more = len(found) >= FULL
        yield Page(events, dict(cursor), bad, more=more, history=_is_history(account, events))
        at = following
    raise TransientFailure(_("The server gives more than %(n)s pages: there is no end.") % {"n": MOST_PAGES})


def _id(notification: Json) -> str:
    return maybe_text(notification, "id")


def arrived_at(notification: Json) -> datetime:
    """When it came to the server; a moment long ago where that is not said."""
    try:
        return parse_when(text(notification, "created_at"))
    except ValueError:
        return timezone.now() - timedelta(days=1)


def _said_at(notification: Json) -> datetime:
    try:
        return parse_when(text(notification, "status.created_at"))
    except ValueError:
        return timezone.now()


def _is_history(account: ChannelAccount, events: Sequence[Event | Change]) -> bool:
    times = [one.occurred_at for one in events if isinstance(one, Event)]
    return bool(times) and max(times) < account.created_at


def _understood(
    account: ChannelAccount, client: Client, found: Sequence[Json], cursor: Cursor
) -> tuple[list[Event | Change], list[Bad]]:
    """Events of a page in order of time; what cannot be understood is written down."""
    us, events, bad = Us.of(account), list[Event | Change](), list[Bad]()
    for one in reversed(found):
        status = maybe_mapping(one, "status")
        ancestors: Ancestors = ()
        try:
            ancestors = ancestors_of(client, status)
            events += status_items(us, status, ancestors)
            _watch(cursor, text(status, "id"), maybe_text(status, "edited_at"))
        except ValueError as error:
            bad.append(Bad(f"notification:{_id(one)}", str(error), put_aside("notification", one, ancestors)))
    return events, bad


def ancestors_of(client: Client, status: Json) -> Ancestors:
    """What stands above an answer in public, from the root down; nothing where it is gone meanwhile."""
    if not maybe_text(status, "in_reply_to_id") or maybe_text(status, "visibility") == "direct":
        return ()
    try:
        told = client.context(text(status, "id"))
    except NotFound:
        return ()
    return [(text(one, "id"), text(one, "account.id")) for one in maybe_objects(told, "ancestors")]


# What we said, here or in the server's own pages


def _our_own(account: ChannelAccount, client: Client, cursor: Cursor) -> Iterator[Page]:
    """Answers that staff wrote at the server itself, and our posts; now and then all figures anew."""
    us = Us.of(account)
    path = f"api/v1/accounts/{us.id}/statuses"
    renew = cursor.get("posts_after", 0) <= time.time()
    asked = [("exclude_reblogs", "true"), ("limit", "40")]
    own = str(cursor.get("own") or "")
    found, _newer = client.many(path, [*asked, ("min_id", own)] if own and not renew else asked)
    if not found and not renew:
        return
    events, posts, bad = list[Event | Change](), list[PostRef](), list[Bad]()
    unknown = {_id(one) for one in takewhile(lambda one: _id(one) != own, found)}
    for one in reversed(found):
        try:
            if not answers_somebody(us, one):
                posts.append(post_ref(one))
            elif own and _id(one) in unknown:
                events += status_items(us, one, ancestors_of(client, one))
        except ValueError as error:
            bad.append(Bad(f"own:{_id(one)}", str(error), put_aside("own", one)))
    if found:
        cursor["own"] = _id(found[0])
    elif not own:
        cursor["own"] = "0"
    if renew:
        cursor["posts_after"] = int(time.time()) + POSTS_SECONDS
    yield Page(events, dict(cursor), bad, posts=posts)


# Edits and deletions


def _watch(cursor: Cursor, status_id: str, edited_at: str) -> None:
    """Remember it with the edit we know, the newest last; the eldest gives way."""
    others = [one for one in cursor.get("watch") or () if one[0] != status_id]
    cursor["watch"] = [*others, [status_id, edited_at]][-WATCHED:]


def _look_again(client: Client, cursor: Cursor) -> Page:
    """Read the newest statuses again: what was edited changes, what is gone is deleted."""
    known: dict[str, str] = dict(cursor["watch"])
    changes: list[Event | Change] = []
    turn = int(cursor.get("watch_turn", 0))
    for status_id, status in read_again(client, list(known), turn=turn):
        if status is None:
            changes.append(Change(status_id, "delete", timezone.now()))
            del known[status_id]
            continue
        edited = maybe_text(status, "edited_at")
        if edited and edited != known[status_id]:
            changes.append(Change(status_id, "edit", parse_when(edited), text=words_of(status)))
            known[status_id] = edited
    cursor["watch"] = [[one, known[one]] for one, _edited in cursor["watch"] if one in known]
    cursor["watch_turn"] = turn + 1
    cursor["watch_after"] = int(time.time()) + WATCH_SECONDS
    return Page(changes, dict(cursor))


def read_again(client: Client, ids: Sequence[str], *, turn: int = 0) -> Iterator[tuple[str, Json | None]]:
    """These statuses as they are; None for one that is gone.

    Elder servers give only one at a time, so there a few are asked for at each turn.
    """
    together = _together(client, ids)
    yield from together.items()
    alone = [one for one in ids if one not in together]
    start = turn * ALONE % max(len(alone), 1)
    for status_id in [*alone[start:], *alone[:start]][:ALONE]:
        try:
            yield status_id, client.status(status_id)
        except NotFound:
            yield status_id, None


def _together(client: Client, ids: Sequence[str]) -> dict[str, Json]:
    """Those of these statuses that a server since 4.3 gives at once; twenty is what it takes."""
    found: dict[str, Json] = {}
    for start in range(0, len(ids), 20):
        try:
            told, _newer = client.many("api/v1/statuses", [("id[]", one) for one in ids[start : start + 20]])
        except PermanentFailure:
            return found
        found |= {_id(one): one for one in told if _id(one) in ids}
    return found
