"""Answers as a Page: comments under comments, and messages by Messenger."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from engagement.channels.facebook.client import graph
from engagement.channels.failures import PermanentFailure, SendFailed, Uncertain
from engagement.channels.meta.client import Graph
from engagement.channels.meta.messaging import time_of
from engagement.channels.meta.reading import Json, maybe_ident
from engagement.channels.meta.walking import listed
from engagement.channels.shapes import File, Outgoing, Sent
from engagement.models import ChannelAccount

WINDOW = timedelta(hours=24)
HUMAN_WINDOW = timedelta(days=7)
CLOCKS = timedelta(seconds=10)
READ_BACK = 25
KINDS = ("image", "video", "audio")


def window(account: ChannelAccount) -> timedelta:
    """How long Messenger lets us answer: a day, or a week where a human agent may."""
    return HUMAN_WINDOW if account.settings.get("human_agent") else WINDOW


def send(outgoing: Outgoing) -> Sent:
    """Send one answer. Raises SendFailed."""
    with graph(outgoing.account, bucket="send") as client:
        return _comment(client, outgoing) if outgoing.public else _message(client, outgoing)


def _comment(client: Graph, outgoing: Outgoing) -> Sent:
    answer = client.post(f"{comment_target(outgoing)}/comments", {"message": outgoing.text})
    return Sent(sent_id(answer, "id"))


def comment_target(outgoing: Outgoing) -> str:
    """What is commented on: what was said last, else what the thread hangs on. Raises PermanentFailure."""
    found = outgoing.in_reply_to or outgoing.thread_key.rpartition(":")[2] or outgoing.post_external_id
    if not found:
        raise PermanentFailure(_("There is no comment to answer."))
    return found


def _message(client: Graph, outgoing: Outgoing) -> Sent:
    if not outgoing.to:
        raise PermanentFailure(_("Nobody wrote in this conversation yet, so there is no one to answer."))
    if len(outgoing.files) > 1:
        raise PermanentFailure(_("Messenger takes one file in a message."))
    path, about = f"{outgoing.account.external_id}/messages", _about(outgoing)
    if not outgoing.files:
        return Sent(sent_id(client.post(path, {**about, "message": _words(outgoing)}), "message_id"))
    sent = Sent(sent_id(_post_file(client, path, about, outgoing.files[0], outgoing.key), "message_id"))
    if outgoing.text:
        _post_words_after_file(client, path, about, outgoing)
    return sent


def _about(outgoing: Outgoing) -> dict[str, Any]:
    """To whom, and by which right."""
    recipient = {"recipient": {"id": outgoing.to[0].external_id}}
    heard = outgoing.delivery.conversation.last_inbound_at
    is_late = heard is not None and timezone.now() - heard > WINDOW
    if is_late and outgoing.account.settings.get("human_agent"):
        return {**recipient, "messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    return {**recipient, "messaging_type": "RESPONSE"}


def _words(outgoing: Outgoing) -> dict[str, Any]:
    return {"text": outgoing.text, "metadata": outgoing.key}


def _post_file(client: Graph, path: str, about: dict[str, Any], file: File, key: str) -> Json:
    kind = next((one for one in KINDS if file.content_type.startswith(f"{one}/")), "file")
    message = {"attachment": {"type": kind, "payload": {"is_reusable": False}}, "metadata": key}
    fields = {name: value if isinstance(value, str) else json.dumps(value) for name, value in about.items()}
    return client.post(
        path,
        data={**fields, "message": json.dumps(message)},
        files={"filedata": (file.name, file.content, file.content_type)},
    )


def _post_words_after_file(client: Graph, path: str, about: dict[str, Any], outgoing: Outgoing) -> None:
    """A file has no caption on Messenger, so its words follow as a message of their own.

    Once the file is there nothing may send it again, whatever becomes of the words.
    """
    try:
        client.post(path, {**about, "message": {"text": outgoing.text}})
    except SendFailed as failure:
        raise Uncertain(
            _("The file was sent, its text was not: %(why)s") % {"why": failure},
            advice=_("Send the text once more, without the file."),
        ) from None


def sent_id(answer: Json, key: str) -> str:
    """The id of what was sent; without one it was sent and is not known by name."""
    try:
        found = maybe_ident(answer, key)
    except ValueError:
        found = ""
    if not found:
        raise Uncertain(_("Meta took it and did not say under which id."))
    return found


# Reading back


def find_sent(outgoing: Outgoing) -> Sent | None:
    """Whether a message that was cut off is there: ours, with these words, since it was written.

    Raises Uncertain for a file with words: it went in two parts, and only a person sees which are there.
    """
    if outgoing.files and outgoing.text:
        raise Uncertain(_("Look into the conversation on Facebook whether the file and its text are there."))
    since = outgoing.delivery.created_at - CLOCKS
    with graph(outgoing.account) as client:
        found = _ours_in_public(client, outgoing) if outgoing.public else _ours_in_private(client, outgoing)
    for item, text in found:
        if _is_it(item, text, outgoing, since):
            return Sent(str(item["id"]))
    return None


def _ours_in_public(client: Graph, outgoing: Outgoing) -> list[tuple[Json, str]]:
    answer = client.get(
        f"{comment_target(outgoing)}/comments", filter="stream", order="reverse_chronological",
        fields="id,message,created_time,from{id}", limit=READ_BACK,
    )  # fmt: skip
    return [(one, str(one.get("message") or "")) for one in listed(answer, "comments")]


def _ours_in_private(client: Graph, outgoing: Outgoing) -> list[tuple[Json, str]]:
    person = outgoing.to[0].external_id if outgoing.to else ""
    answer = client.get(
        f"{outgoing.account.external_id}/conversations", platform="messenger", user_id=person,
        fields="messages.limit(20){id,message,created_time,from}",
    )  # fmt: skip
    found = []
    for conversation in listed(answer, "conversations"):
        inside = conversation.get("messages")
        told = listed(inside, "messages") if isinstance(inside, dict) else []
        found += [(one, str(one.get("message") or "")) for one in told]
    return found


def _is_it(item: Json, text: str, outgoing: Outgoing, since: datetime) -> bool:
    sender, at = item.get("from"), time_of(item, "created_time")
    is_ours = isinstance(sender, dict) and str(sender.get("id")) == outgoing.account.external_id
    return is_ours and at is not None and at >= since and text.strip() == outgoing.text.strip()
