"""A Page's webhooks and pulled items, as events: pure functions.

Meta documents the fields of `feed` only as a list; how a comment looks is known from deliveries that others
recorded (see doc.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from engagement.channels.meta import messaging
from engagement.channels.meta.messaging import Ours, joined
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
from engagement.channels.shapes import Author, Change, Direction, Event, File, Kind, Parcel, PostRef

NETWORK = "facebook"
POSTS = frozenset({"status", "post", "photo", "video", "share", "link", "album", "reel", "event", "note"})
ADDED, EDITED = "add", frozenset({"edit", "edited"})
SHOWN = {"hide": "hide", "unhide": "unhide"}
MEDIA = {
    "photo": "image", "video": "video", "video_inline": "video", "share": "link", "link": "link",
    "album": "album", "status": "text", "post": "text", "reel": "video", "native_templates": "text",
}  # fmt: skip


def ours(page: str) -> Ours:
    """Who the Page is in its conversations."""
    return Ours(NETWORK, (page,))


@dataclass
class Entry:
    """What is found in one entry of a webhook."""

    page: str
    told_at: datetime
    events: list[Event | Change] = field(default_factory=list)
    posts: list[PostRef] = field(default_factory=list)
    named: list[str] = field(default_factory=list)


def parcels(body: Json) -> Iterator[Parcel]:
    """One parcel for each Page that a webhook is about. Raises ValueError."""
    if body.get("object") != "page":
        raise ValueError(f"object {str(body.get('object'))[:40]!r} is not page")
    for position, told in enumerate(items(body, "entry")):
        where = f"entry[{position}]"
        entry = Entry(ident(told, "id", where), moment(told, "time", where))
        for number, change in enumerate(items(told, "changes", where)):
            value, place = inner(change, "value", where), f"{where}.changes[{number}].value"
            kind = words(change, "field", where)
            if kind == "feed":
                _take_feed(entry, value, place)
            elif kind == "mention":
                _take_mention(entry, value, place)
        entry.events += messaging.from_entry(told, ours(entry.page))
        if entry.events or entry.posts or entry.named:
            yield Parcel(entry.events, account=entry.page, posts=entry.posts, named=entry.named)


def _take_feed(entry: Entry, value: Json, where: str) -> None:
    """Comments and posts; likes, reactions and shares say nothing."""
    item = words(value, "item", where)
    if item == "comment":
        found = _comment(value, entry, where)
        if found is not None:
            entry.events.append(found)
    elif item in POSTS and words(value, "verb", where) in (ADDED, *EDITED):
        _take_post(entry, value, where)


def _comment(value: Json, entry: Entry, where: str) -> Event | Change | None:
    comment, verb = ident(value, "comment_id", where), words(value, "verb", where)
    if verb == "remove":
        return Change(comment, "delete", entry.told_at)
    if verb in SHOWN:
        return Change(comment, SHOWN[verb], entry.told_at)
    if verb in EDITED:
        return Change(comment, "edit", entry.told_at, words(value, "message", where))
    if verb != ADDED:
        return None
    return _said(
        comment, words(value, "message", where), moment(value, "created_time", where),
        author=_sender(value, where), page=entry.page, post=ident(value, "post_id", where),
        parent=maybe_ident(value, "parent_id", where), files=_picture(value, where),
    )  # fmt: skip


def _take_post(entry: Entry, value: Json, where: str) -> None:
    """A post of ours is what people react to; a visitor's post on our Page is something said to us."""
    post, author, text = ident(value, "post_id", where), _sender(value, where), words(value, "message", where)
    at = moment(value, "created_time", where) if value.get("created_time") else entry.told_at
    if author.external_id == entry.page:
        media = _media_of(value, where)
        link = words(value, "link", where)
        entry.posts.append(PostRef(post, text, link, media=media, published_at=at, as_of=entry.told_at))
    elif words(value, "verb", where) == ADDED:
        entry.events.append(visitor_post(post, text, at, author))
    else:
        entry.events.append(Change(post, "edit", entry.told_at, text))


def _media_of(value: Json, where: str) -> str:
    """A status with photos is told as a status."""
    photos = value.get("photos")
    if isinstance(photos, list) and photos:
        return "album" if len(photos) > 1 else "image"
    return MEDIA.get(words(value, "item", where), "")


def visitor_post(post: str, text: str, at: datetime, author: Author) -> Event:
    """Somebody wrote on our Page."""
    return Event(
        post, Kind.MENTION, Direction.INBOUND, at, text, (thread_key(post, post),), author=author,
        public=True, object_key=f"{NETWORK}:{post}", post=PostRef(post),
    )  # fmt: skip


def _take_mention(entry: Entry, value: Json, where: str) -> None:
    """Our name in somebody's post or comment; mostly only ids are told, and a worker asks for the rest."""
    post, comment = ident(value, "post_id", where), maybe_ident(value, "comment_id", where)
    if words(value, "verb", where) != ADDED:
        return
    thing = comment or post
    if not (value.get("from") or value.get("sender_id")):
        entry.named.append(f"mention:{post}:{thing}")
        return
    at = moment(value, "created_time", where) if value.get("created_time") else entry.told_at
    entry.events.append(mention(thing, post, words(value, "message", where), at, _sender(value, where)))


def mention(thing: str, post: str, text: str, at: datetime, author: Author) -> Event:
    """Somebody named our Page; answered as a comment under it."""
    return Event(
        thing, Kind.MENTION, Direction.INBOUND, at, text, (thread_key(post, thing),), author=author,
        public=True, object_key=f"{NETWORK}:{thing}",
    )  # fmt: skip


def _sender(value: Json, where: str) -> Author:
    """Who did it; deliveries before 2018 named them by sender_id and sender_name."""
    if value.get("from") is None and value.get("sender_id") is None:
        raise ValueError(
            f"{where}.from is missing: the app may not see who comments (pages_read_user_content)"
        )
    if value.get("from") is None:
        return Author(ident(value, "sender_id", where), name=words(value, "sender_name", where))
    return messaging.author_of(inner(value, "from", where), f"{where}.from")


def _picture(value: Json, where: str) -> tuple[File, ...]:
    """The photo or the video in a comment."""
    for key, kind in (("photo", "image/jpeg"), ("video", "video/mp4")):
        url = words(value, key, where)
        if url.startswith("http"):
            return (File(key, kind, url=url),)
    return ()


def thread_key(post: str, root: str) -> str:
    """The thread of a top comment and what is said below it."""
    return f"post:{post}:{root}"


def _said(
    comment: str, text: str, at: datetime, *, author: Author, page: str, post: str, parent: str,
    files: tuple[File, ...] = (), notes: tuple[str, ...] = (),
) -> Event:  # fmt: skip
    """A comment. Answers may be nested deeper than one level, so each comment begins a key of its own, by
    which answers to it find the thread that it is in."""
    is_ours = author.external_id == page
    above = "" if _same_thing(parent, post) else parent
    keys = (thread_key(post, above), thread_key(post, comment)) if above else (thread_key(post, comment),)
    return Event(
        external_id=comment, kind=Kind.COMMENT,
        direction=Direction.OUTBOUND if is_ours else Direction.INBOUND,
        occurred_at=at, text=joined(text, notes), thread_keys=keys, author=None if is_ours else author,
        public=True, in_reply_to=above, object_key=f"{NETWORK}:{comment}", post=PostRef(post), files=files,
    )  # fmt: skip


def _same_thing(parent: str, post: str) -> bool:
    """Whether a comment stands directly under the post: its parent is then the post, with or without the
    Page's id before it."""
    return parent in ("", post) or parent == post.rpartition("_")[2]


# What is pulled


def pulled_comment(item: Json, page: str, post: str) -> Event:
    """A comment as the Graph API tells it. Raises ValueError."""
    told = item.get("from")
    if told is None:
        raise ValueError("from is missing: the Page's token may not see who comments")
    files, notes = _pulled_media(maybe(item, "attachment"))
    return _said(
        ident(item, "id"), words(item, "message"), moment(item, "created_time"),
        author=messaging.author_of(inner(item, "from")), page=page, post=post,
        parent=maybe_ident(maybe(item, "parent"), "id", "parent"), files=files, notes=notes,
    )  # fmt: skip


def _pulled_media(attachment: Json) -> tuple[tuple[File, ...], tuple[str, ...]]:
    if not attachment:
        return (), ()
    kind, media = words(attachment, "type"), maybe(attachment, "media")
    url = words(media, "source") or words(maybe(media, "image"), "src")
    if url.startswith("http"):
        is_video = bool(words(media, "source"))
        return (
            File("video" if is_video else "photo", "video/mp4" if is_video else "image/jpeg", url=url),
        ), ()
    return (), (words(attachment, "url") or f"[unsupported: {kind or 'attachment'}]",)


def post_of(item: Json, as_of: datetime | None = None) -> PostRef:
    """A post of ours with how people reacted. Raises ValueError."""
    counts = {
        "likes": _count(maybe(item, "reactions")),
        "comments": _count(maybe(item, "comments")),
        "shares": whole(maybe(item, "shares"), "count"),
    }
    kinds = [words(one, "media_type") for one in items(maybe(item, "attachments"), "data", "attachments")]
    return PostRef(
        ident(item, "id"),
        words(item, "message") or words(item, "story"),
        words(item, "permalink_url"),
        media=MEDIA.get(kinds[0], kinds[0]) if kinds else "text",
        published_at=moment(item, "created_time"),
        metrics={name: n for name, n in counts.items() if n is not None},
        as_of=as_of,
    )


def _count(edge: Json) -> int | None:
    return whole(maybe(edge, "summary"), "total_count")


def pulled_parcel(body: Json, page: str) -> Parcel:
    """An item of a pull that was parked, tried again. Raises ValueError."""
    kind, item = words(body, "kind"), inner(body, "item")
    if kind == "comment":
        return Parcel([pulled_comment(item, page, ident(body, "post"))])
    if kind == "message":
        return Parcel([messaging.pulled(item, ours(page))])
    if kind == "post":
        return parcel_of_post(item, page)
    raise ValueError(f"kind {kind!r} is not comment, message or post")


def parcel_of_post(item: Json, page: str, as_of: datetime | None = None) -> Parcel:
    """A post on the Page: one of ours, or what a visitor wrote there."""
    told = maybe(item, "from")
    if told and ident(told, "id", "from") != page:
        author = messaging.author_of(told)
        said = visitor_post(ident(item, "id"), words(item, "message"), moment(item, "created_time"), author)
        return Parcel([said])
    return Parcel(posts=[post_of(item, as_of)])


def is_pulled(body: Json) -> bool:
    """Whether this is a parked item and no webhook."""
    return body.get("object") == PULLED
