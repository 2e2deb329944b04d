"""What Bluesky has of a span of time, and what of ours it has no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from core import http
from core.text import parse_when
from engagement.channels.base import Event, Listed, TransientFailure
from engagement.channels.bluesky import chat, identity
from engagement.channels.bluesky.client import Xrpc, told
from engagement.channels.bluesky.events import understand
from engagement.channels.bluesky.ids import address_of, did_of
from engagement.channels.bluesky.pulling import (
    DEEP_PAGES,
    digest_of,
    edge,
    notifications,
    objects_of,
    times_of,
)
from engagement.channels.fields import Json, maybe_objects, maybe_text

if TYPE_CHECKING:
    from engagement.models import ChannelAccount

POSTS_AT_ONCE = 25
GONE_CODES = frozenset({"RecordNotFound", "RepoNotFound", "RepoDeactivated"})


def list_window(account: ChannelAccount, since: datetime, until: datetime) -> Iterator[Sequence[Listed]]:
    """What was said to us in public and in private in [since, until)."""
    with Xrpc(account) as xrpc:
        yield from _public(xrpc, since, until)
        if account.settings.get("direct_messages"):
            yield from _private(xrpc, since, until)


def _public(xrpc: Xrpc, since: datetime, until: datetime) -> Iterator[Sequence[Listed]]:
    cursor, seen = "", ""
    for _number in range(DEEP_PAGES):
        found = notifications(xrpc, cursor)
        items = objects_of(found, "notifications")
        yield _listed(items, xrpc.did, since, until)
        place, page = maybe_text(found, "cursor"), "".join(digest_of(item) for item in items)
        if not items or not place or _earliest(items) < since:
            return
        if page == seen:
            raise TransientFailure("Bluesky's list of notifications does not come to an end.")
        following = edge(place)
        cursor, seen = place if following == cursor else following, page


def _earliest(items: Sequence[Json]) -> datetime:
    return min((parse_when(moment) for moment in times_of(items)), default=timezone.now())


def _listed(items: Sequence[Json], did: str, since: datetime, until: datetime) -> list[Listed]:
    """Those of the items that were said to us in this span; what is not understood, pulls park."""
    found = []
    for item in items:
        try:
            events, _posts = understand(item, did)
        except ValueError:
            continue
        found += [
            Listed(event.external_id, event.occurred_at, event)
            for event in events
            if isinstance(event, Event)
            and event.direction == "inbound"
            and since <= event.occurred_at < until
        ]
    return found


def _private(xrpc: Xrpc, since: datetime, until: datetime) -> Iterator[Sequence[Listed]]:
    for convo in chat.conversations(xrpc):
        last = maybe_text(convo, "lastMessage.sentAt")
        if last and parse_when(last) < since:
            return
        for page in chat.messages(xrpc, maybe_text(convo, "id")):
            yield _listed([_as_log(one, convo) for one in page if "sender" in one], xrpc.did, since, until)
            if any(parse_when(maybe_text(one, "sentAt")) < since for one in page if "sentAt" in one):
                break


def _as_log(message: Json, convo: Json) -> dict[str, Any]:
    log = {
        "$type": "chat.bsky.convo.defs#logCreateMessage",
        "convoId": maybe_text(convo, "id"),
        "message": message,
    }
    return {"log": log, "convo": convo}


# What is gone


def gone(account: ChannelAccount, external_ids: Sequence[str]) -> list[str]:
    """Posts that are surely deleted: not shown to us, and not in their author's repository either.

    A post that is only not shown may be one of somebody who blocks us.
    """
    posts = [uri for uri in external_ids if did_of(uri)]
    hidden: list[str] = []
    with Xrpc(account) as xrpc:
        for start in range(0, len(posts), POSTS_AT_ONCE):
            some = posts[start : start + POSTS_AT_ONCE]
            shown = maybe_objects(xrpc.get("app.bsky.feed.getPosts", {"uris": some}), "posts")
            there = {maybe_text(post, "uri") for post in shown}
            hidden += [uri for uri in some if uri not in there]
    servers: dict[str, str] = {}
    return [uri for uri in hidden if _is_gone(uri, servers)]


def _is_gone(uri: str, servers: dict[str, str]) -> bool:
    where = address_of(uri)
    if where.did not in servers:
        servers[where.did] = identity.service_or_none(where.did)
    if not servers[where.did]:
        return False
    params = {"repo": where.did, "collection": where.collection, "rkey": where.rkey}
    try:
        with http.Client(servers[where.did], user_given=True) as client:
            client.get("xrpc/com.atproto.repo.getRecord", params=params)
    except http.HttpFailure as failure:
        return told(failure)[0] in GONE_CODES
    return False
