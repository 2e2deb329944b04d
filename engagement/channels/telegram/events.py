"""What Telegram tells in one update, understood. Pure functions over JSON.

Where a message is said decides whose conversation it is:

| chat | thread key | id |
|---|---|---|
| private, with the bot | `dm:<person>` | `<chat>:<message>` |
| private, of a business account that the bot is connected to | `business:<connection>:<person>` | `b:<connection>:<chat>:<message>` |
| direct messages of a channel | `topic:<chat>:<topic>` | `<chat>:<message>` |
| comment under a post of a channel | `post:<channel>:<post>:<person>` | `<chat>:<message>` |
| said to the bot in a group | `group:<chat>:<person>` | `<chat>:<message>` |

A conversation in a group is one person's, so that the order in which people talk changes nothing.
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.text import parse_epoch
from engagement.channels.base import Author, Change, Direction, Event, Kind, Parcel, PostRef
from engagement.channels.fields import (
    Json,
    mapping,
    maybe_mapping,
    maybe_objects,
    maybe_text,
    maybe_whole,
    text,
    whole,
)
from engagement.channels.telegram.contents import files_of, is_service, media_of, text_of

ASKED_FOR = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "callback_query",
)
"""Kinds of updates that we ask Telegram for; any other says nothing to us."""
_EDITED = {"edited_message": "message", "edited_business_message": "business_message"}
_GROUPS = ("group", "supergroup")


@dataclass(frozen=True)
class Us:
    """Our bot, as far as messages name it."""

    id: int
    username: str
    groups: bool = True
    connections: frozenset[str] = frozenset()
    """Ids of the business connections whose owners are ours."""


def parcel_of(update: Json, us: Us, *, received_at: datetime) -> Parcel:
    """What one update holds. Raises ValueError with a reason."""
    whole(update, "update_id")
    kind = next((name for name in ASKED_FOR if name in update), "")
    if kind in ("channel_post", "edited_channel_post"):
        post = _post(mapping(update, kind)) if us.groups else None
        return Parcel(posts=[post] if post else [])
    if kind == "callback_query":
        return Parcel([_pressed(mapping(update, kind), received_at)])
    if "business" in kind:
        _refuse_foreign(mapping(update, kind), kind, us)
    if kind == "deleted_business_messages":
        return Parcel(_deleted(mapping(update, kind), received_at))
    if kind in ("", "business_connection"):
        return Parcel()
    event = _said(mapping(update, kind), us)
    if event is None:
        return Parcel()
    return Parcel([event, _edit(mapping(update, kind), event)] if kind in _EDITED else [event])


def _refuse_foreign(told: Json, kind: str, us: Us) -> None:
    """Raises ValueError for a business account that nobody here named: its owner may be anybody, and what
    they write in their chats would stand here as our own words."""
    if kind != "business_connection":
        connection = text(told, "business_connection_id")
        if connection not in us.connections:
            raise ValueError(f"The business connection {connection} is not among those of this channel")
        return
    connection, owner = text(told, "id"), person_of(mapping(told, "user"))
    if connection not in us.connections and told.get("is_enabled") is True:
        raise ValueError(
            f"{owner.name} (@{owner.handle}, {owner.external_id}) connected this bot to their business "
            f"account. If that is yours, put {connection} into Business connections of this channel"
        )


# A message


def message_id(message: Json) -> str:
    """External id of a message: its number is only its chat's, and in a business chat its connection's."""
    place = f"{whole(message, 'chat.id')}:{whole(message, 'message_id')}"
    connection = maybe_text(message, "business_connection_id")
    return f"b:{connection}:{place}" if connection else place


def _said(message: Json, us: Us) -> Event | None:
    """The event of a message; None for what nobody said to us."""
    chat = mapping(message, "chat")
    kind = text(chat, "type")
    if is_service(message):
        return None
    if kind == "private":
        return _private(message, chat, us)
    if kind not in _GROUPS:
        return None
    if chat.get("is_direct_messages") is True:
        return _to_channel(message, chat)
    return _in_group(message, chat, us) if us.groups else None


def _private(message: Json, chat: Json, us: Us) -> Event | None:
    connection, person = maybe_text(message, "business_connection_id"), whole(chat, "id")
    sender = whole(message, "from.id")
    if not connection and sender == us.id:
        return None
    theirs = sender == person
    key = f"business:{connection}:{person}" if connection else f"dm:{person}"
    return Event(
        **_common(message),
        kind=Kind.MESSAGE,
        direction=Direction.INBOUND if theirs else Direction.OUTBOUND,
        thread_keys=(key,),
        author=person_of(mapping(message, "from")) if theirs else None,
    )


def _to_channel(message: Json, chat: Json) -> Event:
    """A message to a channel's own inbox, which Telegram keeps as a topic for each person."""
    topic = whole(message, "direct_messages_topic.topic_id")
    user = maybe_mapping(message, "direct_messages_topic.user")
    author = _author(message)
    theirs = not user or author.external_id == str(maybe_whole(user, "id"))
    return Event(
        **_common(message),
        kind=Kind.MESSAGE,
        direction=Direction.INBOUND if theirs else Direction.OUTBOUND,
        thread_keys=(f"topic:{whole(chat, 'id')}:{topic}",),
        author=author if theirs else None,
    )


def _in_group(message: Json, chat: Json, us: Us) -> Event | None:
    if maybe_whole(message, "from.id") == us.id or message.get("is_automatic_forward") is True:
        return None
    post = _commented(message)
    if not post and not is_addressed(message, us):
        return None
    author = _author(message)
    key = f"post:{post}:{author.external_id}" if post else f"group:{whole(chat, 'id')}:{author.external_id}"
    return Event(
        **_common(message),
        kind=Kind.COMMENT if post else Kind.MENTION,
        direction=Direction.INBOUND,
        thread_keys=(key,),
        author=author,
        public=True,
        object_key=f"telegram:{message_id(message)}",
        post=PostRef(post) if post else None,
    )


def _common(message: Json) -> dict[str, Any]:
    answered = maybe_mapping(message, "reply_to_message")
    known = "message_id" in answered and answered.get("is_automatic_forward") is not True
    number = {"chat": message["chat"], "message_id": answered.get("message_id")}
    connection = {"business_connection_id": maybe_text(message, "business_connection_id")}
    return {
        "external_id": message_id(message),
        "occurred_at": parse_epoch(whole(message, "date")),
        "text": text_of(message),
        "files": files_of(message),
        "in_reply_to": message_id({**number, **connection}) if known else "",
    }


def _edit(message: Json, event: Event) -> Change:
    """The words as they are after an edit. The event goes along, for its first words may never come."""
    at = maybe_whole(message, "edit_date") or whole(message, "date")
    return Change(event.external_id, "edit", parse_epoch(at), text=event.text)


# Who


def person_of(user: Json) -> Author:
    """A user of Telegram."""
    name = f"{maybe_text(user, 'first_name')} {maybe_text(user, 'last_name')}".strip()
    language = maybe_text(user, "language_code")
    return Author(
        external_id=str(whole(user, "id")),
        handle=maybe_text(user, "username"),
        name=name,
        facts={"language": language} if language else {},
    )


def _author(message: Json) -> Author:
    """Who speaks in a group: a person, or a channel or the group itself where it hides the person."""
    chat = maybe_mapping(message, "sender_chat")
    if chat:
        title = maybe_text(chat, "title")
        return Author(str(whole(chat, "id")), handle=maybe_text(chat, "username"), name=title)
    return person_of(mapping(message, "from"))


# To whom


def is_addressed(message: Json, us: Us) -> bool:
    """Whether a message in a group is said to us: an answer, a mention, a command."""
    if maybe_whole(message, "reply_to_message.from.id") == us.id:
        return True
    words = maybe_text(message, "text") or maybe_text(message, "caption")
    entities = [*maybe_objects(message, "entities"), *maybe_objects(message, "caption_entities")]
    return any(_means_us(entity, words, us) for entity in entities)


def _means_us(entity: Json, words: str, us: Us) -> bool:
    kind, name = maybe_text(entity, "type"), f"@{us.username}".lower()
    if kind == "text_mention":
        return maybe_whole(entity, "user.id") == us.id
    part = _part(words, maybe_whole(entity, "offset"), maybe_whole(entity, "length")).lower()
    if kind == "mention":
        return part == name
    return kind == "bot_command" and ("@" not in part or part.endswith(name))


def _part(words: str, offset: int, length: int) -> str:
    """A part of a text; Telegram counts in UTF-16."""
    raw = words.encode("utf-16-le", "surrogatepass")[2 * offset : 2 * (offset + length)]
    return raw.decode("utf-16-le", "ignore")


def _commented(message: Json) -> str:
    """The post of a channel that this comments on, '' for none: the group holds a copy of it."""
    answered = maybe_mapping(message, "reply_to_message")
    origin = maybe_mapping(answered, "forward_origin")
    if answered.get("is_automatic_forward") is not True or maybe_text(origin, "type") != "channel":
        return ""
    return f"{whole(origin, 'chat.id')}:{whole(origin, 'message_id')}"


# Other updates


def _post(message: Json) -> PostRef | None:
    """A post of a channel of ours, new or changed."""
    if is_service(message):
        return None
    name, number = maybe_text(message, "chat.username"), whole(message, "message_id")
    return PostRef(
        external_id=f"{whole(message, 'chat.id')}:{number}",
        text=text_of(message),
        url=f"https://t.me/{name}/{number}" if name else "",
        media=media_of(message),
        published_at=parse_epoch(whole(message, "date")),
        as_of=parse_epoch(maybe_whole(message, "edit_date") or whole(message, "date")),
    )


def _pressed(query: Json, received_at: datetime) -> Event:
    """A button that somebody pressed under a message of the bot, told by its label. It brings no time."""
    message, author = maybe_mapping(query, "message"), person_of(mapping(query, "from"))
    place, private = maybe_whole(message, "chat.id"), maybe_text(message, "chat.type") in ("private", "")
    data = maybe_text(query, "data")
    return Event(
        external_id=f"callback:{text(query, 'id')}",
        kind=Kind.MESSAGE if private else Kind.MENTION,
        direction=Direction.INBOUND,
        occurred_at=received_at,
        text=_label(message, data) or data or "[button]",
        thread_keys=(f"dm:{author.external_id}" if private else f"group:{place}:{author.external_id}",),
        author=author,
        public=not private,
        in_reply_to=message_id(message) if place and "message_id" in message else "",
    )


def _label(message: Json, data: str) -> str:
    rows = maybe_mapping(message, "reply_markup").get("inline_keyboard")
    buttons = [one for row in rows if isinstance(row, list) for one in row] if isinstance(rows, list) else []
    return next(
        (
            maybe_text(one, "text")
            for one in buttons
            if isinstance(one, dict) and one.get("callback_data") == data
        ),
        "",
    )


def _deleted(told: Json, received_at: datetime) -> list[Event | Change]:
    """Messages that the owner or the customer of a business chat deleted."""
    connection, chat = text(told, "business_connection_id"), mapping(told, "chat")
    numbers = told.get("message_ids")
    if not isinstance(numbers, list):
        raise ValueError("deleted_business_messages.message_ids is not a list")
    base = {"business_connection_id": connection, "chat": chat}
    return [Change(message_id({**base, "message_id": one}), "delete", received_at) for one in numbers]
