"""Direct messages: who talks in a conversation, and finding or making the one with somebody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engagement.channels.bluesky.client import Xrpc
from engagement.channels.bluesky.events import known_people
from engagement.channels.failures import PermanentFailure
from engagement.channels.fields import (
    Json,
    maybe_mapping,
    maybe_objects,
    maybe_text,
)

PROFILES_AT_ONCE = 25


def log_items(xrpc: Xrpc, logs: Sequence[Json]) -> list[Json]:
    """Lines of the log, each with its conversation and the people whose names it does not tell."""
    convos: dict[str, Json] = {}
    found: list[Json] = []
    for log in logs:
        item: dict[str, Any] = {"log": log}
        if maybe_text(log, "$type").endswith("#logCreateMessage"):
            convo = maybe_text(log, "convoId")
            if convo not in convos:
                convos[convo] = _convo(xrpc, convo)
            item["convo"] = convos[convo]
        found.append(item)
    return _with_people(xrpc, found)


def _convo(xrpc: Xrpc, convo_id: str) -> Json:
    """What an item needs to know of its conversation; nothing of one that we left."""
    try:
        found = xrpc.get("chat.bsky.convo.getConvo", {"convoId": convo_id}, chat=True)
    except PermanentFailure:
        return {}
    convo = maybe_mapping(found, "convo")
    return {"kind": maybe_mapping(convo, "kind"), "members": known_people(maybe_objects(convo, "members"))}


def _with_people(xrpc: Xrpc, items: list[Json]) -> list[Json]:
    """The items, with the profiles of senders whom neither the conversation nor the log names."""
    missing = sorted({did for item in items for did in [_unnamed(item)] if did})
    profiles: dict[str, Json] = {}
    for start in range(0, len(missing), PROFILES_AT_ONCE):
        actors = missing[start : start + PROFILES_AT_ONCE]
        found = xrpc.get("app.bsky.actor.getProfiles", {"actors": actors})
        profiles |= {maybe_text(one, "did"): one for one in known_people(maybe_objects(found, "profiles"))}
    return [
        {**item, "people": [profiles[_unnamed(item)]]} if _unnamed(item) in profiles else item
        for item in items
    ]


def _unnamed(item: Json) -> str:
    """The sender of a line whom nothing in it names, '' where somebody does."""
    sender = maybe_text(item, "log.message.sender.did")
    told = [*maybe_objects(item, "convo.members"), *maybe_objects(item, "log.relatedProfiles")]
    return "" if any(maybe_text(one, "did") == sender for one in told) else sender


def convo_with(xrpc: Xrpc, did: str) -> str:
    """The conversation of two with this person, made where there is none. Raises SendFailed."""
    found = xrpc.get("chat.bsky.convo.getConvoForMembers", {"members": [did]}, chat=True)
    convo = maybe_text(found, "convo.id")
    if not convo:
        raise PermanentFailure("Bluesky gave no conversation with this person.")
    return convo


def conversations(xrpc: Xrpc) -> Iterator[Json]:
    """Every conversation, the one with the newest message first."""
    cursor, seen = "", set()
    while cursor not in seen:
        seen.add(cursor)
        params: dict[str, Any] = {"limit": 100, **({"cursor": cursor} if cursor else {})}
        found = xrpc.get("chat.bsky.convo.listConvos", params, chat=True)
        yield from maybe_objects(found, "convos")
        cursor = maybe_text(found, "cursor")
        if not cursor:
            return


def messages(xrpc: Xrpc, convo_id: str, *, limit: int = 100) -> Iterator[Sequence[Json]]:
    """The messages of a conversation, newest first, page by page."""
    cursor, seen = "", set()
    while cursor not in seen:
        seen.add(cursor)
        params: dict[str, Any] = {
            "convoId": convo_id,
            "limit": limit,
            **({"cursor": cursor} if cursor else {}),
        }
        found = xrpc.get("chat.bsky.convo.getMessages", params, chat=True)
        yield maybe_objects(found, "messages")
        cursor = maybe_text(found, "cursor")
        if not cursor:
            return
