"""Direct messages of Messenger and Instagram, which arrive in one form: as webhooks and out of pulls.

https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from engagement.channels.meta.reading import Json, ident, inner, items, maybe, maybe_ident, moment, words
from engagement.channels.shapes import Author, Change, Direction, Event, File, Kind

FILES = {
    "image": "image/jpeg", "sticker": "image/png", "video": "video/mp4", "audio": "audio/mpeg",
    "file": "application/octet-stream", "story_mention": "application/octet-stream",
    "share": "application/octet-stream", "reel": "video/mp4", "ig_reel": "video/mp4",
}  # fmt: skip
"""Kinds of attachments whose URL is a file, and what it mostly is; the file itself decides later."""
LINKS = frozenset({"fallback", "post", "ig_post", "ig_story", "ephemeral"})


@dataclass(frozen=True)
class Ours:
    """Who we are in a conversation: the account's ids, the page or profile first."""

    network: str
    ids: tuple[str, ...]

    @property
    def id(self) -> str:
        return self.ids[0]


def thread_key(person: str) -> str:
    """The one private thread with this person."""
    return f"dm:{person}"


def from_entry(entry: Json, ours: Ours) -> Iterator[Event | Change]:
    """Everything that was said in one entry of a webhook.

    In `standby` stands what another app of the business answers: the customer said it all the same.
    """
    for place in ("messaging", "standby"):
        for position, one in enumerate(items(entry, place, "entry")):
            yield from from_item(one, ours, f"{place}[{position}]")


def from_item(one: Json, ours: Ours, where: str) -> Iterator[Event | Change]:
    """One item of `messaging`. Reactions, opt-ins, referrals and what we do not know mean nothing here."""
    if "message" in one:
        yield _message(one, ours, where)
    elif "message_edit" in one:
        edit = inner(one, "message_edit", where)
        mid = ident(edit, "mid", f"{where}.message_edit")
        yield Change(mid, "edit", moment(one, "timestamp", where), words(edit, "text", where))
    elif "postback" in one:
        yield _postback(one, ours, where)
    elif "delivery" in one:
        yield from _receipts(inner(one, "delivery", where), "delivered", _person(one, "sender", where), where)
    elif "read" in one:
        yield from _seen(one, where)


def _message(one: Json, ours: Ours, where: str) -> Event | Change:
    told, at = inner(one, "message", where), moment(one, "timestamp", where)
    mid = ident(told, "mid", f"{where}.message")
    if told.get("is_deleted") is True:
        return Change(mid, "delete", at)
    sender = _person(one, "sender", where)
    is_ours = told.get("is_echo") is True or sender in ours.ids
    person = _person(one, "recipient", where) if is_ours else sender
    files, notes = attachments(told, f"{where}.message")
    if told.get("is_unsupported") is True:
        notes = [*notes, "[unsupported: message]"]
    return Event(
        external_id=mid,
        kind=Kind.MESSAGE,
        direction=Direction.OUTBOUND if is_ours else Direction.INBOUND,
        occurred_at=at,
        text=joined(words(told, "text", f"{where}.message"), notes),
        thread_keys=(thread_key(person),),
        author=None if is_ours else Author(person),
        in_reply_to=maybe_ident(maybe(told, "reply_to", where), "mid", f"{where}.reply_to"),
        files=tuple(files),
        our_key=our_key(words(told, "metadata", where)) if is_ours else "",
    )


def _postback(one: Json, ours: Ours, where: str) -> Event:
    """A press on a button of ours: its title is what the person said."""
    told, at = inner(one, "postback", where), moment(one, "timestamp", where)
    sender = _person(one, "sender", where)
    mid = maybe_ident(told, "mid", f"{where}.postback") or f"postback:{sender}:{round(at.timestamp() * 1000)}"
    said = words(told, "title", where) or words(told, "payload", where)
    return Event(
        mid, Kind.MESSAGE, Direction.INBOUND, at, said, (thread_key(sender),), author=Author(sender)
    )  # fmt: skip


def _seen(one: Json, where: str) -> Iterator[Change]:
    read = inner(one, "read", where)
    mid = maybe_ident(read, "mid", f"{where}.read")
    if mid:
        yield Change(mid, "status", moment(one, "timestamp", where), status="read")
    else:
        yield from _receipts(read, "read", _person(one, "sender", where), where)


def _receipts(told: Json, status: str, person: str, where: str) -> Iterator[Change]:
    """What the receipt names, and everything that we sent to this person up to its watermark."""
    until = moment(told, "watermark", where)
    named = told.get("mids")
    if named is not None and not (isinstance(named, list) and all(isinstance(one, str) for one in named)):
        raise ValueError(f"{where}.mids is not a list of texts")
    for mid in named or ():
        yield Change(mid, "status", until, status=status)
    yield Change("", "status", until, status=status, thread_key=thread_key(person))


def _person(one: Json, role: str, where: str) -> str:
    return ident(inner(one, role, where), "id", f"{where}.{role}")


def our_key(text: str) -> str:
    """The delivery's key, where this is one: another program's metadata means nothing to us."""
    try:
        return str(UUID(text)) if len(text) == 36 else ""
    except ValueError:
        return ""


def joined(text: str, notes: Sequence[str]) -> str:
    """The words and, below them, what could not be shown otherwise."""
    return "\n".join(part for part in (text, *notes) if part)


# Attachments


def attachments(message: Json, where: str) -> tuple[list[File], list[str]]:
    """Files to be fetched, and a line for everything that is none."""
    files, notes = [], []
    for position, one in enumerate(items(message, "attachments", where)):
        kind = words(one, "type", where) or "file"
        payload = maybe(one, "payload", where)
        url = words(payload, "url", where) or words(one, "url", where)
        if kind in FILES and url.startswith("http"):
            files.append(File(f"{kind}-{position + 1}", FILES[kind], url=url))
        else:
            notes.append(_note(kind, one, payload, url))
    return files, notes


def _note(kind: str, one: Json, payload: Json, url: str) -> str:
    title = words(one, "title") or words(payload, "title")
    place = payload.get("coordinates")
    if kind == "location" and isinstance(place, dict):
        return f"[location] {place.get('lat')}, {place.get('long')}"
    if kind in LINKS and (title or url):
        return " ".join(part for part in (title, url) if part)
    return f"[unsupported: {kind}]"


# What a pull of conversations gives


def pulled(item: Json, ours: Ours) -> Event:
    """One message of a conversation as the Conversations API tells it. Raises ValueError."""
    mid, at = ident(item, "id", "message"), moment(item, "created_time", "message")
    sender = inner(item, "from", "message")
    person = ident(sender, "id", "message.from")
    is_ours = person in ours.ids
    if is_ours:
        others = items(maybe(item, "to", "message"), "data", "message.to")
        person = ident(others[0] if others else {}, "id", "message.to")
    files, notes = _pulled_attachments(item)
    if item.get("is_unsupported") is True:
        notes = [*notes, "[unsupported: message]"]
    return Event(
        external_id=mid,
        kind=Kind.MESSAGE,
        direction=Direction.OUTBOUND if is_ours else Direction.INBOUND,
        occurred_at=at,
        text=joined(words(item, "message", "message"), notes),
        thread_keys=(thread_key(person),),
        author=None if is_ours else author_of(sender),
        files=tuple(files),
    )


def author_of(told: Json, where: str = "from") -> Author:
    """A person as the Graph API names one: Facebook by name, Instagram by user name."""
    return Author(
        ident(told, "id", where), handle=words(told, "username", where), name=words(told, "name", where)
    )


def _pulled_attachments(item: Json) -> tuple[list[File], list[str]]:
    files, notes = [], []
    for position, one in enumerate(items(maybe(item, "attachments"), "data", "attachments")):
        url = (
            words(maybe(one, "image_data"), "url")
            or words(maybe(one, "video_data"), "url")
            or words(one, "file_url")
        )
        kind = words(one, "mime_type") or ("video/mp4" if one.get("video_data") else "image/jpeg")
        if url.startswith("http"):
            name = words(one, "name") or f"file-{position + 1}"
            size = one.get("size")
            files.append(File(name, kind, url=url, size=size if isinstance(size, int) else 0))
        else:
            notes.append("[unsupported: attachment]")
    for one in items(maybe(item, "shares"), "data", "shares"):
        notes.append(words(one, "link") or "[unsupported: share]")
    return files, notes


def time_of(item: Json, key: str) -> datetime | None:
    """When a conversation or message was touched, None where that cannot be read."""
    try:
        return moment(item, key)
    except ValueError:
        return None
