"""Answers of a bot: always one call, because Telegram has neither a key of ours nor a way to look back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from engagement.channels.base import File, Limits, Outgoing, PermanentFailure, Sent, Uncertain
from engagement.channels.fields import maybe_whole, whole
from engagement.channels.telegram.client import Bot, Moved

LENGTH, CAPTION = 4096, 1024
FILES, FILE_BYTES, PHOTO_BYTES = 10, 50 * 1024 * 1024, 10 * 1024 * 1024
PHOTOS = ("image/jpeg", "image/png")


def limits() -> Limits:
    """What one answer may hold."""
    return Limits(LENGTH, files=FILES, file_bytes=FILE_BYTES)


def count_utf16(text: str) -> int:
    """Length as Telegram counts it: an emoji outside the basic plane is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass
class Place:
    """Where an answer goes."""

    chat: int
    connection: str = ""
    topic: int = 0
    reply_to: int = 0

    def parameters(self) -> dict[str, Any]:
        found: dict[str, Any] = {"chat_id": self.chat}
        if self.connection:
            found["business_connection_id"] = self.connection
        if self.topic:
            found["direct_messages_topic_id"] = self.topic
        if self.reply_to:
            # A message that was deleted meanwhile is answered all the same.
            found["reply_parameters"] = {"message_id": self.reply_to, "allow_sending_without_reply": True}
        return found


@dataclass
class Call:
    """The one call that carries the whole answer."""

    method: str
    parameters: dict[str, Any]
    files: Mapping[str, tuple[str, bytes, str]] = field(default_factory=dict)


def send(outgoing: Outgoing) -> Sent:
    """Send one answer. Raises SendFailed."""
    place = place_of(outgoing)
    with Bot(outgoing.account, bucket="send") as bot:
        try:
            found = _send(bot, outgoing, place)
        except Moved as moved:
            # The group has another id now; under the old one nothing was sent.
            place = Place(moved.chat_id)
            found = _send(bot, outgoing, place)
    first = found[0] if isinstance(found, list) and found else found
    if not isinstance(first, dict) or "message_id" not in first:
        raise Uncertain(_("Telegram's answer does not name the message: it may have been sent."))
    chat = maybe_whole(first, "chat.id") or place.chat
    base = f"{chat}:{whole(first, 'message_id')}"
    return Sent(f"b:{place.connection}:{base}" if place.connection else base)


def _send(bot: Bot, outgoing: Outgoing, place: Place) -> Any:
    call = call_for(outgoing)
    return bot.do(call.method, files=call.files, **place.parameters(), **call.parameters)


def place_of(outgoing: Outgoing) -> Place:
    """Chat, business connection and message to answer, from what was heard last. Raises PermanentFailure."""
    place = place_of_message(outgoing.in_reply_to)
    kind, _colon, rest = outgoing.thread_key.partition(":")
    parts = rest.split(":")
    if place is None and kind == "business" and len(parts) == 2:
        place = Place(_number(parts[1]), connection=parts[0])
    if place is None and kind in ("group", "topic"):
        place = Place(_number(parts[0]))
    if place is None and kind == "post":
        raise PermanentFailure(_("The comment that this answers is not known."))
    if place is None:
        if not outgoing.to:
            raise PermanentFailure(_("There is nobody to write to."))
        place = Place(_number(outgoing.to[0].external_id))
    if kind == "topic":
        place.topic = _number(parts[-1])
    return place


def place_of_message(external_id: str) -> Place | None:
    """Where a message of this id was said; None for what is no message."""
    parts = external_id.split(":")
    connection = parts[1] if parts[0] == "b" and len(parts) == 4 else ""
    if connection:
        parts = parts[2:]
    if len(parts) != 2:
        return None
    try:
        return Place(int(parts[0]), connection=connection, reply_to=int(parts[1]))
    except ValueError:
        return None


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise PermanentFailure(_("“%(id)s” is no chat of Telegram.") % {"id": text[:40]}) from None


# What is sent


def call_for(outgoing: Outgoing) -> Call:
    """The method and parameters for words, one file or several. Raises PermanentFailure."""
    most = CAPTION if outgoing.files else LENGTH
    if count_utf16(outgoing.text) > most:
        with_files = _("With files, Telegram takes %(most)s characters.")
        words = with_files if outgoing.files else _("Telegram takes %(most)s characters.")
        advice = _("Send the files with a short text, and the rest as a message of its own.")
        raise PermanentFailure(words % {"most": most}, advice=advice if outgoing.files else "")
    if not outgoing.files:
        return Call("sendMessage", {"text": outgoing.text})
    if len(outgoing.files) > FILES or any(len(file.content) > FILE_BYTES for file in outgoing.files):
        raise PermanentFailure(_("Telegram takes ten files of 50 MB at most."))
    return _one(outgoing) if len(outgoing.files) == 1 else _several(outgoing)


def _is_photo(file: File) -> bool:
    return file.content_type in PHOTOS and len(file.content) <= PHOTO_BYTES


def _caption(outgoing: Outgoing) -> dict[str, str]:
    return {"caption": outgoing.text} if outgoing.text else {}


def _one(outgoing: Outgoing) -> Call:
    file = outgoing.files[0]
    name, method = ("photo", "sendPhoto") if _is_photo(file) else ("document", "sendDocument")
    return Call(method, dict(_caption(outgoing)), {name: (file.name, file.content, file.content_type)})


def _several(outgoing: Outgoing) -> Call:
    """An album: of photos, or else of documents, for Telegram mixes them not."""
    kind = "photo" if all(_is_photo(file) for file in outgoing.files) else "document"
    media: list[dict[str, str]] = [
        {"type": kind, "media": f"attach://file{number}"} for number in range(len(outgoing.files))
    ]
    media[0] |= _caption(outgoing)
    files = {
        f"file{number}": (file.name, file.content, file.content_type)
        for number, file in enumerate(outgoing.files)
    }
    return Call("sendMediaGroup", {"media": json.dumps(media)}, files)
