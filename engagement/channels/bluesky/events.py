"""What Bluesky says, understood: notifications, our own posts, and the log of direct messages.

Pure functions over JSON. A conversation in public is one person under one root post: its key is
`post:<root>:<person>`, known from every reply alone, so that the order in which they come changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.text import parse_when
from engagement.channels.base import Author, Change, Direction, Event, File, Kind, PostRef
from engagement.channels.bluesky.ids import POST, address_of, did_of, web_url
from engagement.channels.fields import (
    Json,
    mapping,
    maybe_mapping,
    maybe_objects,
    maybe_text,
    maybe_whole,
    objects,
    text,
)

REASONS = ("mention", "reply", "quote")
MAX_POST_ID = 200
_DEFS = "chat.bsky.convo.defs#"
_METRICS = {
    "likeCount": "likes",
    "replyCount": "comments",
    "repostCount": "shares",
    "quoteCount": "quotes",
    "bookmarkCount": "saves",
}


# Public


def event_of_notification(item: Json, did: str) -> Event | None:
    """Somebody mentioned, answered or quoted us; None for what is said to nobody (a like, a follow)."""
    reason, uri = text(item, "reason"), text(item, "uri")
    if reason not in REASONS or address_of(uri).collection != POST:
        return None
    author = text(item, "author.did")
    if author == did:
        return None
    record = mapping(item, "record")
    root, parent = _thread_of(record, uri)
    ours = _our_post(root, record, did)
    # One post may come as a reply and as a mention too: what it is follows from itself.
    return Event(
        external_id=uri,
        kind=Kind.COMMENT if did in (did_of(root), did_of(parent)) else Kind.MENTION,
        direction=Direction.INBOUND,
        occurred_at=parse_when(text(item, "indexedAt")),
        text=text_of(record),
        thread_keys=(thread_key(root, author),),
        author=author_of(mapping(item, "author")),
        public=True,
        in_reply_to=parent if parent != root else "",
        object_key=f"bluesky:{uri}",
        post=PostRef(ours) if ours else None,
        files=files_of(record, author),
    )


def thread_key(root: str, person: str) -> str:
    """The conversation of one person under one root post."""
    return f"post:{root}:{person}"


def _thread_of(record: Json, uri: str) -> tuple[str, str]:
    """Root and parent of a post; both are itself where it answers nothing."""
    if not isinstance(record.get("reply"), Mapping):
        return uri, uri
    return text(record, "reply.root.uri"), text(record, "reply.parent.uri")


def _our_post(root: str, record: Json, did: str) -> str:
    """Which post of ours this quotes or answers, '' for none."""
    for uri in (maybe_text(record, "embed.record.uri"), maybe_text(record, "embed.record.record.uri"), root):
        if did_of(uri) == did and len(uri) <= MAX_POST_ID:
            return uri
    return ""


def author_of(person: Json) -> Author:
    """Somebody as a profile shows them."""
    return Author(
        external_id=text(person, "did"),
        handle=maybe_text(person, "handle"),
        name=maybe_text(person, "displayName"),
    )


def text_of(record: Json) -> str:
    """The words of a post or message, and the links that its text shortens or does not show."""
    said = text(record, "text")
    links = [maybe_text(feature, "uri") for facet in maybe_objects(record, "facets")
             for feature in maybe_objects(facet, "features")]  # fmt: skip
    links.append(maybe_text(record, "embed.external.uri"))
    links.append(maybe_text(record, "embed.media.external.uri"))
    extra = [link for link in dict.fromkeys(links) if link and link not in said]
    return "\n".join([said, *extra]).strip()


# Files


def files_of(record: Json, did: str) -> tuple[File, ...]:
    """Pictures and films of a post; a worker fetches them from the server that keeps its author."""
    embed = maybe_mapping(record, "embed")
    media = maybe_mapping(embed, "media") or embed
    found = [
        _file(maybe_mapping(one, "image"), did, f"picture-{number}", maybe_text(one, "alt"))
        for number, one in enumerate([*maybe_objects(media, "images"), *maybe_objects(media, "items")], 1)
    ]
    found.append(_file(maybe_mapping(media, "video"), did, "film", maybe_text(media, "alt")))
    return tuple(file for file in found if file)


def _file(blob: Json, did: str, name: str, alt: str) -> File | None:
    cid = maybe_text(blob, "ref.$link")
    if not cid:
        return None
    kind = maybe_text(blob, "mimeType")
    ending = kind.partition("/")[2].partition("+")[0] or "bin"
    return File(
        name=f"{alt[:80] or name}.{ending}".replace("/", "_"),
        content_type=kind,
        url=f"{did}/{cid}",
        size=maybe_whole(blob, "size"),
    )


# What we wrote


def of_our_feed(item: Json, did: str) -> PostRef | Event | None:
    """One line of our own feed: a post of ours, an answer that we gave, or (None) something reposted."""
    post = mapping(item, "post")
    uri, record = text(post, "uri"), mapping(post, "record")
    if did_of(uri) != did or maybe_mapping(item, "reason"):
        return None
    root, parent = _thread_of(record, uri)
    if did_of(root) == did and did_of(parent) == did:
        return post_of(post, record)
    return _answer_of(post, record, root, parent)


def post_of(post: Json, record: Json) -> PostRef:
    """A post of ours with how people reacted to it."""
    uri = text(post, "uri")
    return PostRef(
        external_id=uri,
        text=text_of(record),
        url=web_url(maybe_text(post, "author.handle"), uri),
        media=media_of(record),
        published_at=parse_when(text(post, "indexedAt")),
        metrics={ours: maybe_whole(post, theirs) for theirs, ours in _METRICS.items() if theirs in post},
    )


def media_of(record: Json) -> str:
    """The kind of media of a post."""
    embed = maybe_mapping(record, "embed")
    media = maybe_mapping(embed, "media") or embed
    pictures = len([*maybe_objects(media, "images"), *maybe_objects(media, "items")])
    if pictures:
        return "album" if pictures > 1 else "image"
    if "video" in media:
        return "video"
    return "link" if "external" in media else "text"


def _answer_of(post: Json, record: Json, root: str, parent: str) -> Event:
    """An answer that was perhaps given in the app: by its id it is known where it was given here."""
    uri, us = text(post, "uri"), text(post, "author.did")
    to = did_of(parent)
    return Event(
        external_id=uri,
        kind=Kind.COMMENT,
        direction=Direction.OUTBOUND,
        occurred_at=parse_when(text(post, "indexedAt")),
        text=text_of(record),
        thread_keys=(thread_key(root, to if to != us else did_of(root)),),
        public=True,
        in_reply_to=parent,
        object_key=f"bluesky:{uri}",
        post=PostRef(root) if did_of(root) == us and len(root) <= MAX_POST_ID else None,
        files=files_of(record, us),
    )


# Direct messages


def of_log(item: Json, did: str) -> Sequence[Event | Change]:
    """One line of the log of direct messages, with the conversation it is about beside it.

    `{"log": {…}, "convo": {…}, "people": [{…}]}`, where convo and people may be absent. What is neither a
    message nor its deletion (read, muted, a reaction) says nothing.
    """
    log = mapping(item, "log")
    kind = text(log, "$type").removeprefix(_DEFS)
    if kind not in ("logCreateMessage", "logDeleteMessage"):
        return ()
    convo, message = text(log, "convoId"), mapping(log, "message")
    if kind == "logDeleteMessage":
        at = parse_when(text(message, "sentAt"))
        return (Change(message_id(convo, text(message, "id")), "delete", at),)
    people = _people(item, log)
    return (event_of_message(message, convo, people, maybe_mapping(item, "convo"), did),)


def message_id(convo: str, message: str) -> str:
    """External id of a direct message: its own is only surely unique in its conversation."""
    return f"{convo}/{message}"


def event_of_message(
    message: Json, convo_id: str, people: Mapping[str, Author], convo: Json, did: str
) -> Event:
    """A direct message, theirs or ours. Raises ValueError where nobody says to whom ours went."""
    sender, key = text(message, "sender.did"), text(message, "id")
    inbound = sender != did
    gone = maybe_text(message, "$type") == f"{_DEFS}deletedMessageView"
    return Event(
        external_id=message_id(convo_id, key),
        kind=Kind.MESSAGE,
        direction=Direction.INBOUND if inbound else Direction.OUTBOUND,
        occurred_at=parse_when(text(message, "sentAt")),
        text="[deleted before it was read]" if gone else text_of(message),
        thread_keys=(_chat_key(convo_id, convo, people, sender, did),),
        author=people.get(sender, Author(sender)) if inbound else None,
    )


def _chat_key(convo_id: str, convo: Json, people: Mapping[str, Author], sender: str, did: str) -> str:
    if is_group(convo):
        return f"convo:{convo_id}"
    others = [text(one, "did") for one in maybe_objects(convo, "members")] or [sender, *people]
    other = next((one for one in others if one != did), "")
    if not other:
        raise ValueError("convo.members does not say to whom our message went")
    return f"dm:{other}"


def is_group(convo: Json) -> bool:
    """Whether more than two talk there."""
    group = maybe_text(convo, "kind.$type") == f"{_DEFS}groupConvo"
    return group or len(maybe_objects(convo, "members")) > 2


def _people(item: Json, log: Json) -> dict[str, Author]:
    told = [
        *maybe_objects(item, "people"),
        *maybe_objects(item, "convo.members"),
        *maybe_objects(log, "relatedProfiles"),
    ]
    return {maybe_text(one, "did"): author_of(one) for one in told if maybe_text(one, "did")}


# Whatever it is


def understand(item: Json, did: str) -> tuple[list[Event | Change], list[PostRef]]:
    """Any item or page of a pull, told apart by its shape. Raises ValueError with a reason."""
    if "log" in item:
        return list(of_log(item, did)), []
    if "$type" in item and "convoId" in item:
        return list(of_log({"log": item}, did)), []
    if "post" in item:
        found = of_our_feed(item, did)
        return ([found], []) if isinstance(found, Event) else ([], [found] if found else [])
    for page in ("notifications", "feed", "logs"):
        if page in item:
            return _together([understand(one, did) for one in objects(item, page)])
    event = event_of_notification(item, did)
    return ([event] if event else []), []


def _together(
    parts: Sequence[tuple[list[Event | Change], list[PostRef]]],
) -> tuple[list[Event | Change], list[PostRef]]:
    events = [event for found, _posts in parts for event in found]
    return events, [post for _events, found in parts for post in found]


def known_people(profiles: Sequence[Json]) -> list[dict[str, Any]]:
    """Of profiles, what names a person: as it goes along with an item that may have to be parked."""
    kept = ("did", "handle", "displayName")
    return [{name: one[name] for name in kept if name in one} for one in profiles]
