"""Instagram's webhooks and pulled items, as events: pure functions.

https://developers.facebook.com/documentation/instagram-platform/webhooks/examples
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from engagement.channels.meta import messaging
from engagement.channels.meta.messaging import Ours
from engagement.channels.meta.reading import (
    Json,
    ident,
    inner,
    items,
    maybe,
    maybe_ident,
    moment,
    whole,
    words,
)
from engagement.channels.meta.walking import PULLED
from engagement.channels.shapes import Author, Change, Direction, Event, Kind, Parcel, PostRef
from engagement.models import ChannelAccount

NETWORK = "instagram"
COMMENTS = frozenset({"comments", "live_comments"})
MESSAGES = frozenset({"messages", "message_edit", "messaging_postbacks", "messaging_seen", "standby"})
MEDIA = {"IMAGE": "image", "VIDEO": "video", "CAROUSEL_ALBUM": "album"}
NAMED = "mention:"


def ours(account_id: str, *others: str) -> Ours:
    """Who the account is: its own id, and those by which it is known elsewhere."""
    return Ours(NETWORK, (account_id, *(one for one in others if one)))


def ours_of(account: ChannelAccount) -> Ours:
    """The same for an account that is connected."""
    return ours(account.external_id, str(account.settings.get("app_scoped_id") or ""))


def parcels(body: Json) -> Iterator[Parcel]:
    """One parcel for each account that a webhook is about. Raises ValueError."""
    if body.get("object") != "instagram":
        raise ValueError(f"object {str(body.get('object'))[:40]!r} is not instagram")
    for position, entry in enumerate(items(body, "entry")):
        where = f"entry[{position}]"
        account = ident(entry, "id", where)
        events: list[Event | Change] = []
        named: list[str] = []
        for kind, value, place in _values(entry, where):
            if kind in COMMENTS:
                events.append(_comment(value, ours(account), moment(entry, "time", where), place))
            elif kind == "mentions":
                named.append(_named(value, place))
            elif kind in MESSAGES:
                events += messaging.from_item(value, ours(account), place)
        events += messaging.from_entry(entry, ours(account))
        if events or named:
            yield Parcel(events, account=account, named=named)


def _values(entry: Json, where: str) -> Iterator[tuple[str, Json, str]]:
    """The field and the value of each change: they stand in `changes`, or straight in the entry as the
    documentation of Instagram Login shows them."""
    for number, change in enumerate(items(entry, "changes", where)):
        place = f"{where}.changes[{number}]"
        yield words(change, "field", place), inner(change, "value", place), f"{place}.value"
    if "field" in entry:
        yield words(entry, "field", where), inner(entry, "value", where), f"{where}.value"


def _comment(value: Json, us: Ours, told_at: datetime, where: str) -> Event:
    """A comment; its own time is not told, so that of the delivery stands for it."""
    media, place = inner(value, "media", where), f"{where}.media"
    # On an ad the comment hangs on a copy of the post.
    post = maybe_ident(media, "original_media_id", place) or ident(media, "id", place)
    return said(
        ident(value, "id", where), words(value, "text", where), told_at,
        author=_author(maybe(value, "from", where), f"{where}.from"), us=us, post=post,
        parent=maybe_ident(value, "parent_id", where),
    )  # fmt: skip


def _author(told: Json, where: str) -> Author:
    """Somebody by the id that the account has for them, and by name alone where none is told."""
    number, handle = maybe_ident(told, "id", where), words(told, "username", where)
    if not number and not handle:
        raise ValueError(f"{where}.id is missing")
    return Author(number or f"@{handle}", handle=handle)


def said(
    comment: str, text: str, at: datetime, *, author: Author, us: Ours, post: str, parent: str
) -> Event:  # fmt: skip
    """A comment under a post of ours; Instagram knows one level of answers."""
    is_ours = author.external_id in us.ids
    return Event(
        external_id=comment, kind=Kind.COMMENT,
        direction=Direction.OUTBOUND if is_ours else Direction.INBOUND,
        occurred_at=at, text=text, thread_keys=(thread_key(post, parent or comment),),
        author=None if is_ours else author, public=True, in_reply_to=parent,
        object_key=f"{NETWORK}:{comment}", post=PostRef(post),
    )  # fmt: skip


def thread_key(post: str, root: str) -> str:
    """The thread of a top comment and its answers."""
    return f"post:{post}:{root}"


def mention_key(media: str, comment: str) -> str:
    """The thread under somebody else's post in which we were named; answered by another call."""
    return f"mention:{media}:{comment}"


def _named(value: Json, where: str) -> str:
    """What a mention tells: two ids, and for a caption only one."""
    return f"{NAMED}{ident(value, 'media_id', where)}:{maybe_ident(value, 'comment_id', where)}"


def mentioned(told: Json, media: str, comment: str) -> Event:
    """A mention as it was asked for. Its author is told by name alone. Raises ValueError."""
    thing = comment or media
    text = words(told, "text") or words(told, "caption")
    handle = words(told, "username")
    if not handle:
        raise ValueError("username is missing")
    return Event(
        thing, Kind.MENTION, Direction.INBOUND, moment(told, "timestamp"), text,
        (mention_key(media, comment),), author=Author(f"@{handle}", handle=handle), public=True,
        object_key=f"{NETWORK}:{thing}",
    )  # fmt: skip


# What is pulled


def pulled_comment(item: Json, us: Ours, post: str, parent: str = "") -> Event:
    """A comment or an answer below one, as the Graph API tells it. Raises ValueError."""
    told = maybe(item, "from") or {"username": item.get("username")}
    return said(
        ident(item, "id"), words(item, "text"), moment(item, "timestamp"), author=_author(told, "from"),
        us=us, post=post, parent=parent or maybe_ident(item, "parent_id"),
    )  # fmt: skip


def post_of(item: Json, as_of: datetime | None = None) -> PostRef:
    """A post of ours with how people reacted. Raises ValueError."""
    counts = {"likes": whole(item, "like_count"), "comments": whole(item, "comments_count")}
    kind = words(item, "media_type")
    return PostRef(
        ident(item, "id"),
        words(item, "caption"),
        words(item, "permalink"),
        media="story" if words(item, "media_product_type") == "STORY" else MEDIA.get(kind, kind.lower()),
        published_at=moment(item, "timestamp"),
        metrics={name: n for name, n in counts.items() if n is not None},
        as_of=as_of,
    )


def pulled_parcel(body: Json, us: Ours) -> Parcel:
    """An item of a pull that was parked, tried again. Raises ValueError."""
    kind = words(body, "kind")
    if kind == "named":
        return Parcel(named=[ident(body, "named")])
    item = inner(body, "item")
    if kind == "comment":
        return Parcel([pulled_comment(item, us, ident(body, "post"), maybe_ident(body, "parent"))])
    if kind == "message":
        return Parcel([messaging.pulled(item, us)])
    if kind == "post":
        return Parcel(posts=[post_of(item)])
    raise ValueError(f"kind {kind!r} is not comment, message, post or named")


def is_pulled(body: Json) -> bool:
    """Whether this is a parked item and no webhook."""
    return body.get("object") == PULLED
