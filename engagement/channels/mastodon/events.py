"""From Mastodon's notifications and statuses to what `ingest` takes.

A conversation in public is a root status and the first answer to it that is not ours: what somebody says
under a post of ours is a conversation by itself, and what follows from it belongs to it. The ancestors of a
status are asked for when it is pulled; where they are unknown, the status it answers stands in their place.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from core.text import parse_when
from engagement.channels.base import Author, Change, Direction, Event, File, Kind, Parcel, PostRef
from engagement.channels.email.plain import text_of
from engagement.channels.fields import (
    load,
    mapping,
    maybe_mapping,
    maybe_objects,
    maybe_text,
    maybe_whole,
    text,
)
from engagement.models import ChannelAccount

Json = Mapping[str, Any]
Ancestors = Sequence[tuple[str, str]]
"""(id, author's id) from the root down."""
OPEN = frozenset({"public", "unlisted"})
DEFAULT_TYPES = {"image": "image/jpeg", "gifv": "video/mp4", "video": "video/mp4", "audio": "audio/mpeg"}
MEDIA = {"image": "image", "gifv": "video", "video": "video", "audio": "audio"}


@dataclass(frozen=True)
class Us:
    """Our account as its server knows it."""

    id: str
    domain: str
    """What stands behind the @ of people of this server."""

    @classmethod
    def of(cls, account: ChannelAccount) -> Us:
        return cls(str(account.settings.get("account_id") or ""), str(account.settings.get("domain") or ""))


def status_items(us: Us, status: Json, ancestors: Ancestors = ()) -> list[Event | Change]:
    """What one status means: said to us, or by us as an answer; an edited one also changes what we hold.

    Raises ValueError with the field that is missing. Nothing for posts of ours that answer nobody.
    """
    if text(status, "account.id") == us.id and not answers_somebody(us, status):
        return []
    event = _event_of(us, status, ancestors)
    items: list[Event | Change] = [event]
    if maybe_text(status, "edited_at"):
        at = parse_when(text(status, "edited_at"))
        items.append(Change(event.external_id, "edit", at, text=event.text))
    return items


def answers_somebody(us: Us, status: Json) -> bool:
    """Whether a status of ours is meant for somebody: an answer, or a direct message."""
    to = maybe_text(status, "in_reply_to_account_id")
    return to not in ("", us.id) or (is_private(status) and bool(_mentioned(us, status)))


def is_private(status: Json) -> bool:
    """Direct messages, and what only followers see."""
    return maybe_text(status, "visibility") not in OPEN


def _event_of(us: Us, status: Json, ancestors: Ancestors) -> Event:
    own, author = text(status, "id"), text(status, "account.id")
    ours, private = author == us.id, is_private(status)
    return Event(
        external_id=own,
        kind=_kind(us, status, ours=ours),
        direction=Direction.OUTBOUND if ours else Direction.INBOUND,
        occurred_at=parse_when(text(status, "created_at")),
        text=words_of(status),
        thread_keys=(_thread_key(us, status, ancestors),),
        author=None if ours else author_of(us, mapping(status, "account")),
        public=not private,
        in_reply_to=maybe_text(status, "in_reply_to_id"),
        object_key=f"mastodon:{maybe_text(status, 'uri') or own}",
        post=None if private else _post_above(us, status, ancestors),
        files=_files(status),
        meta={"url": maybe_text(status, "url")} if maybe_text(status, "url") else {},
    )


def _kind(us: Us, status: Json, *, ours: bool) -> Kind:
    if is_private(status):
        return Kind.MESSAGE
    return Kind.COMMENT if ours or maybe_text(status, "in_reply_to_account_id") == us.id else Kind.MENTION


def author_of(us: Us, account: Json) -> Author:
    """A person; their number is this server's, their name is known everywhere."""
    return Author(
        external_id=text(account, "id"),
        handle=full_name(us, account),
        name=maybe_text(account, "display_name"),
    )


def full_name(us: Us, account: Json) -> str:
    """name@server; of people of our own server the API says only the name."""
    name = maybe_text(account, "acct") or maybe_text(account, "username")
    return name if "@" in name or not us.domain else f"{name}@{us.domain}"


def _mentioned(us: Us, status: Json) -> str:
    """The first person who is named in it and is not us."""
    people = [maybe_text(one, "id") for one in maybe_objects(status, "mentions")]
    return next((one for one in people if one not in ("", us.id)), "")


def _thread_key(us: Us, status: Json, ancestors: Ancestors) -> str:
    own, author = text(status, "id"), text(status, "account.id")
    if is_private(status):
        other = author if author != us.id else maybe_text(status, "in_reply_to_account_id")
        return f"dm:{other if other != us.id else _mentioned(us, status)}"
    answered = maybe_text(status, "in_reply_to_id")
    above = list(ancestors) or (
        [(answered, maybe_text(status, "in_reply_to_account_id"))] if answered else []
    )
    line = [*above, (own, author)]
    root, by = line[0]
    if by != us.id:
        return f"post:{root}:{root}"
    first = next((one for one, who in line if who != us.id), own)
    return f"post:{root}:{first}"


def _post_above(us: Us, status: Json, ancestors: Ancestors) -> PostRef | None:
    """The post of ours at the root of the discussion."""
    if ancestors and ancestors[0][1] == us.id and text(status, "account.id") != us.id:
        return PostRef(ancestors[0][0])
    return None


# Words and files


def words_of(status: Json) -> str:
    """The text as a person reads it: its warning first, its poll last."""
    content = status.get("content")
    if not isinstance(content, str):
        raise ValueError("status.content is missing")
    pieces = [maybe_text(status, "spoiler_text"), text_of(content)]
    options = [maybe_text(one, "title") for one in maybe_objects(maybe_mapping(status, "poll"), "options")]
    pieces += ["\n".join(f"- {one}" for one in options)]
    return "\n\n".join(one for one in pieces if one)


def _files(status: Json) -> tuple[File, ...]:
    return tuple(_file(one) for one in maybe_objects(status, "media_attachments"))


def _file(media: Json) -> File:
    """A file on the server that keeps it: ours, or where it came from."""
    url = maybe_text(media, "url") or maybe_text(media, "remote_url")
    kind = maybe_text(media, "type")
    name = url.partition("?")[0].rpartition("/")[2] or f"{kind or 'file'}-{maybe_text(media, 'id')}"
    guessed = mimetypes.guess_type(name)[0] or DEFAULT_TYPES.get(kind, "application/octet-stream")
    note = "" if url else _("The server has not fetched this file.")
    return File(name[:200], guessed, url=url, note=note)


def post_ref(status: Json) -> PostRef:
    """A post of ours with what people did with it."""
    counts = {"likes": "favourites_count", "comments": "replies_count", "shares": "reblogs_count"}
    files = maybe_objects(status, "media_attachments")
    kinds = {MEDIA.get(maybe_text(one, "type"), "image") for one in files}
    media = ("album" if len(files) > 1 else kinds.pop()) if files else "text"
    edited = maybe_text(status, "edited_at")
    return PostRef(
        text(status, "id"),
        text=words_of(status),
        url=maybe_text(status, "url"),
        media="link" if media == "text" and maybe_text(status, "card.url") else media,
        published_at=parse_when(text(status, "created_at")),
        metrics={name: maybe_whole(status, field) for name, field in counts.items()},
        as_of=parse_when(edited) if edited else None,
    )


# Bodies that were put aside


def parse_body(account: ChannelAccount, body: bytes) -> Sequence[Parcel]:
    """A notification or a status, alone or with its ancestors. Raises ValueError with the reason."""
    told = load(body)
    us = Us.of(account)
    if "own" in told:
        own = mapping(told, "own")
        return [Parcel(status_items(us, own), posts=() if answers_somebody(us, own) else (post_ref(own),))]
    found = told.get("ancestors")
    listed = found if isinstance(found, list) else []
    ancestors = [(str(one[0]), str(one[1])) for one in listed if isinstance(one, list) and len(one) == 2]
    notification = maybe_mapping(told, "notification") or told
    if maybe_text(notification, "type") not in ("", "mention"):
        return [Parcel()]
    status = notification if "content" in notification else mapping(notification, "status")
    return [Parcel(status_items(us, status, ancestors))]


def put_aside(name: str, told: Json, ancestors: Ancestors = ()) -> bytes:
    """What `parse_body` understands later."""
    return json.dumps({name: told, "ancestors": [list(one) for one in ancestors]}).encode()
