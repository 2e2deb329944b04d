"""From X's posts and direct messages to what `ingest` takes.

X writes the same in two vocabularies: its guides and webhooks say tweet, its newest interface says post. Both
are read. One conversation is what one person says under one root post: X tells the root of a discussion
(`conversation_id`), and not the comment of it that a deep reply belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import unescape
from typing import Any

from django.utils.translation import gettext as _

from core.text import parse_epoch, parse_when
from engagement.channels.base import Author, Change, Direction, Event, File, Kind, PostRef
from engagement.channels.x.ids import moment_of
from engagement.channels.x.json_parts import ids, number, part, parts, words

DM = "dm:"
"""Begins the ids of direct messages, which X numbers like posts."""
GROUP = "dm:group:"
SITE = "https://x.com"
METRICS = {
    "likes": ("like_count",),
    "comments": ("reply_count",),
    "shares": ("repost_count", "retweet_count"),
    "quotes": ("quote_count",),
    "saves": ("bookmark_count",),
    "views": ("impression_count",),
}
ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "video/mp4": "mp4"}


@dataclass(frozen=True)
class Around:
    """What stands beside posts in an answer, by id."""

    people: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    media: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    posts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, includes: Mapping[str, Any]) -> Around:
        """From `includes`; its users may be wrapped once more in `data`."""
        users = [part(one, "data") or one for one in parts(includes, "users")]
        return cls(
            {str(one["id"]): one for one in users if one.get("id")},
            {str(one["media_key"]): one for one in parts(includes, "media") if one.get("media_key")},
            {str(one["id"]): one for one in parts(includes, "posts", "tweets") if one.get("id")},
        )

    def author(self, person: str) -> Author:
        """The person of this id, with as much as we were told."""
        known = self.people.get(person, {})
        return Author(
            external_id=person,
            handle=str(known.get("username") or ""),
            name=unescape(str(known.get("name") or "")),
        )


# Posts


def versions(post: Mapping[str, Any]) -> list[str]:
    """The ids of all its versions, the first one first: an edit makes a new post with a new id."""
    return ids(post, "edit_history_post_ids", "edit_history_tweet_ids") or [words(post, "id")]


def first_id(post: Mapping[str, Any]) -> str:
    """The id of its first version, by which it is known here whatever becomes of it."""
    return versions(post)[0]


def root_of(post: Mapping[str, Any]) -> str:
    """The post that began the discussion: itself, in whatever version, where it answers nothing."""
    told = str(post.get("conversation_id") or "")
    return first_id(post) if not told or told in versions(post) else told


def said_at(post: Mapping[str, Any]) -> datetime:
    """When its first version was written; of a later one X tells only its own time."""
    own, written = first_id(post), parse_when(words(post, "created_at"))
    if own == words(post, "id") or not own.isdigit():
        return written
    return min(written, moment_of(own).replace(microsecond=0))


def answers_somebody(me: str, post: Mapping[str, Any], around: Around) -> bool:
    """Whether a post of ours is an answer to somebody else, and not one more of our own thread."""
    return _answered_person(post, around) not in ("", me)


def post_items(me: str, post: Mapping[str, Any], around: Around) -> list[Event | Change]:
    """What one post means for our account: said by somebody to us, or by us as an answer.

    Raises ValueError with the field that is missing.
    """
    if post.get("author_id") == me and not answers_somebody(me, post, around):
        return []
    event = _event_of(me, post, around)
    items: list[Event | Change] = [event]
    if words(post, "id") != event.external_id:
        at = parse_when(words(post, "created_at"))
        items.append(Change(event.external_id, "edit", at, text=event.text))
    return items


def _event_of(me: str, post: Mapping[str, Any], around: Around) -> Event:
    author, own = words(post, "author_id"), first_id(post)
    root = root_of(post)
    answered, to = _referenced(post, "replied_to"), _answered_person(post, around)
    ours = author == me
    return Event(
        external_id=own,
        kind=Kind.COMMENT if ours or to == me else Kind.MENTION,
        direction=Direction.OUTBOUND if ours else Direction.INBOUND,
        occurred_at=said_at(post),
        text=text_of(post),
        thread_keys=(thread_key(root, to if ours else author),),
        author=None if ours else around.author(author),
        public=True,
        in_reply_to=answered,
        object_key=f"x:{own}",
        post=PostRef(root, url=link_to(root)) if to == me and answered == root else None,
        files=_files(post, around),
        meta={"url": link_to(own)},
    )


def _answered_person(post: Mapping[str, Any], around: Around) -> str:
    """Whom it answers; webhooks leave the field out where the answered post stands beside it."""
    answered = _referenced(post, "replied_to")
    beside = around.posts.get(answered, {})
    return str(post.get("in_reply_to_user_id") or beside.get("author_id") or "") if answered else ""


def thread_key(root: str, person: str) -> str:
    """The conversation with one person under one post."""
    return f"post:{root}:{person}"


def link_to(post_id: str) -> str:
    """Its page at X, whoever wrote it."""
    return f"{SITE}/i/status/{post_id}"


def _referenced(post: Mapping[str, Any], kind: str) -> str:
    found = parts(post, "referenced_posts", "referenced_tweets")
    return next((str(one["id"]) for one in found if one.get("type") == kind and one.get("id")), "")


def text_of(post: Mapping[str, Any]) -> str:
    """The whole text with its links as they were written; X shortens links and escapes three characters."""
    long = part(post, "note_post") or part(post, "note_tweet")
    source = long if isinstance(long.get("text"), str) else post
    text = source.get("text")
    if not isinstance(text, str):
        raise ValueError("text is missing")
    for link in parts(part(source, "entities"), "urls"):
        short, whole = link.get("url"), link.get("expanded_url")
        if isinstance(short, str) and isinstance(whole, str) and short:
            text = text.replace(short, whole)
    return unescape(text)


def _files(post: Mapping[str, Any], around: Around) -> tuple[File, ...]:
    keys = ids(part(post, "attachments"), "media_keys")
    return tuple(_file(around.media[key]) for key in keys if key in around.media)


def _file(media: Mapping[str, Any]) -> File:
    """A picture, or the best of a video's files that is no playlist."""
    key = str(media["media_key"])
    movies = [one for one in parts(media, "variants") if one.get("content_type") == "video/mp4"]
    if movies:
        best = max(movies, key=lambda one: number(one, "bit_rate") or 0)
        return File(f"{key}.mp4", "video/mp4", url=str(best.get("url") or ""))
    url = str(media.get("url") or media.get("preview_image_url") or "")
    ending = url.partition("?")[0].rpartition(".")[2].lower()
    kind = next(
        (kind for kind, short in ENDINGS.items() if short == ending.replace("jpeg", "jpg")), "image/jpeg"
    )
    note = "" if url else _("X gives programs no file for this.")
    return File(f"{key}.{ENDINGS[kind]}", kind, url=url, note=note)


def post_ref(post: Mapping[str, Any], around: Around) -> PostRef:
    """A post of ours with what people did with it."""
    own = first_id(post)
    counted = part(post, "public_metrics")
    found = {name: number(counted, *keys) for name, keys in METRICS.items()}
    keys = ids(part(post, "attachments"), "media_keys")
    kinds = {str(around.media.get(key, {}).get("type")) for key in keys}
    return PostRef(
        own,
        text=text_of(post),
        url=link_to(own),
        media=_media_kind(kinds, len(keys)),
        published_at=parse_when(words(post, "created_at")),
        metrics={name: value for name, value in found.items() if value is not None},
    )


def _media_kind(kinds: set[str], count: int) -> str:
    if kinds & {"video", "animated_gif"}:
        return "video"
    return ("album" if count > 1 else "image") if count else "text"


# Direct messages, as they are pulled


def dm_event(me: str, told: Mapping[str, Any], around: Around) -> Event | None:
    """One pulled direct message; None for who joined or left. Raises ValueError with what is missing."""
    kind = told.get("event_type") or "MessageCreate"
    if kind in ("ParticipantsJoin", "ParticipantsLeave"):
        return None
    sender, own = words(told, "sender_id"), words(told, "id")
    text = unescape(told["text"]) if isinstance(told.get("text"), str) else ""
    if kind != "MessageCreate":
        text = f"[unsupported: {kind}]"
    conversation = str(told.get("dm_conversation_id") or "")
    return _dm(
        me,
        own,
        sender,
        key=dm_key(me, conversation, sender, ids(told, "participant_ids")),
        text=text,
        at=parse_when(words(told, "created_at")),
        around=around,
        files=_files(told, around),
    )


def dm_key(me: str, conversation: str, sender: str, people: Sequence[str] = ()) -> str:
    """dm:<the other person>, or dm:group:<id> where there are more than two.

    A conversation of two is called by both their ids, "1-2".
    """
    both = conversation.split("-")
    others = [one for one in (both if len(both) == 2 else people) if one != me]
    if len(both) == 2 and others:
        return f"{DM}{others[0]}"
    if len(people) > 2 or (conversation and not others):
        return f"{GROUP}{conversation}"
    return f"{DM}{others[0] if others else sender}"


def _dm(
    me: str,
    own: str,
    sender: str,
    *,
    key: str,
    text: str,
    at: Any,
    around: Around,
    files: tuple[File, ...] = (),
) -> Event:
    ours = sender == me
    return Event(
        external_id=f"{DM}{own}",
        kind=Kind.MESSAGE,
        direction=Direction.OUTBOUND if ours else Direction.INBOUND,
        occurred_at=at,
        text=text,
        thread_keys=(key,),
        author=None if ours else around.author(sender),
        files=files,
        object_key=f"x:{DM}{own}",
    )


# Direct messages, as webhooks tell them


def hooked_dms(me: str, payload: Mapping[str, Any]) -> list[Event]:
    """The messages of a dm.received or dm.sent."""
    people = {
        str(number): part(one, "data") or one
        for number, one in part(payload, "users").items()
        if isinstance(one, Mapping)
    }
    around = Around(people)
    return [_hooked_dm(me, one, around) for one in parts(payload, "direct_message_events")]


def _hooked_dm(me: str, told: Mapping[str, Any], around: Around) -> Event:
    made = part(told, "message_create")
    sender, own = words(made, "sender_id"), words(told, "id")
    target = part(made, "target")
    conversation = str(target.get("conversation_id") or told.get("conversation_id") or "")
    to = str(target.get("recipient_id") or "")
    data = part(made, "message_data")
    text = text_of(data) if isinstance(data.get("text"), str) else ""
    if told.get("type") != "message_create":
        text = f"[unsupported: {str(told.get('type'))[:60]}]"
    other = to if sender == me else sender
    key = dm_key(me, conversation, other) if conversation else f"{DM}{other}"
    return _dm(
        me,
        own,
        sender,
        key=key,
        text=text,
        at=parse_epoch(float(words(told, "created_timestamp")) / 1000),
        around=around,
        files=_hooked_files(data),
    )


def _hooked_files(data: Mapping[str, Any]) -> tuple[File, ...]:
    media = part(part(data, "attachment"), "media")
    url = str(media.get("media_url_https") or "")
    return (File(url.rpartition("/")[2] or "picture", "image/jpeg", url=url),) if url else ()
