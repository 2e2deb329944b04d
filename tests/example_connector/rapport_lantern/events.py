"""From Lantern's JSON to what `ingest` takes. Pure functions: no network, no database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from core.text import parse_when
from engagement.channels import fields
from engagement.channels.base import Author, Bad, Direction, Event, Kind

NETWORK = "lantern"


def of_body(body: bytes) -> list[Event]:
    """The messages of a webhook's body, or the one that a parked item is. Raises ValueError."""
    told = fields.load(body)
    if "messages" not in told:
        return [event_of(told)]
    return [event_of(one) for one in fields.objects(told, "messages")]


def understood(items: Sequence[Any]) -> tuple[list[Event], list[Bad]]:
    """A page's events; an item that is none is parked with its bytes, and the next one is read."""
    events, bad = [], []
    for item in items:
        try:
            if not isinstance(item, dict):
                raise ValueError("a message is not an object")
            events.append(event_of(item))
        except ValueError as error:
            raw = json.dumps(item).encode()
            bad.append(Bad(sha256(raw).hexdigest(), str(error), raw))
    return events, bad


def event_of(item: Mapping[str, Any]) -> Event:
    """One message. What a person wrote is inbound; ours come back with the key we sent along."""
    is_ours = item.get("from_us") is True
    person = fields.text(item, "person.id")
    return Event(
        external_id=fields.text(item, "id"),
        kind=Kind.MESSAGE,
        direction=Direction.OUTBOUND if is_ours else Direction.INBOUND,
        occurred_at=parse_when(fields.text(item, "sent_at")),
        text=_text(item),
        thread_keys=(f"dm:{person}",),
        author=None if is_ours else Author(person, name=fields.maybe_text(item, "person.name")),
        in_reply_to=fields.maybe_text(item, "reply_to"),
        our_key=fields.maybe_text(item, "key") if is_ours else "",
    )


def _text(item: Mapping[str, Any]) -> str:
    """The words; a kind of message that is not known is named, so that nobody overlooks it."""
    kind = fields.maybe_text(item, "type") or "text"
    return fields.text(item, "text") if kind == "text" else f"[unsupported: {kind[:40]}]"
