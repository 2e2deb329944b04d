"""Answers on Instagram: below comments, to mentions, and by direct message."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from engagement.channels.facebook.sending import CLOCKS, READ_BACK, WINDOW, sent_id
from engagement.channels.failures import PermanentFailure
from engagement.channels.instagram.client import graph
from engagement.channels.instagram.events import ours_of
from engagement.channels.meta.client import Graph
from engagement.channels.meta.messaging import time_of
from engagement.channels.meta.reading import Json
from engagement.channels.meta.walking import listed
from engagement.channels.shapes import Outgoing, Sent

MESSAGE_BYTES = 1000


def send(outgoing: Outgoing) -> Sent:
    """Send one answer. Raises SendFailed."""
    with graph(outgoing.account, bucket="send") as client:
        if not outgoing.public:
            return _message(client, outgoing)
        if outgoing.thread_key.startswith("mention:"):
            return _to_mention(client, outgoing)
        return Sent(sent_id(client.post(f"{_comment(outgoing)}/replies", {"message": outgoing.text}), "id"))


def _message(client: Graph, outgoing: Outgoing) -> Sent:
    if not outgoing.to:
        raise PermanentFailure(_("Nobody wrote in this conversation yet, so there is no one to answer."))
    if len(outgoing.text.encode()) > MESSAGE_BYTES:
        raise PermanentFailure(
            _("Instagram takes 1,000 bytes in a message; letters beyond English count two to four."),
            advice=_("Split it into two messages."),
        )
    about: dict[str, Any] = {"recipient": {"id": outgoing.to[0].external_id}}
    heard = outgoing.delivery.conversation.last_inbound_at
    is_late = heard is not None and timezone.now() - heard > WINDOW
    if is_late and outgoing.account.settings.get("human_agent"):
        about |= {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    answer = client.post("me/messages", {**about, "message": {"text": outgoing.text}})
    return Sent(sent_id(answer, "message_id"))


def _comment(outgoing: Outgoing) -> str:
    """The top comment of the thread: Instagram knows no answers to answers. Raises PermanentFailure."""
    root = outgoing.thread_key.rpartition(":")[2] or outgoing.in_reply_to
    if not root:
        raise PermanentFailure(_("There is no comment to answer."))
    return root


def _to_mention(client: Graph, outgoing: Outgoing) -> Sent:
    _kind, media, comment = outgoing.thread_key.split(":", 2)
    about = {"media_id": media, **({"comment_id": comment} if comment else {})}
    answer = client.post("me/mentions", {**about, "message": outgoing.text})
    return Sent(sent_id(answer, "id"))


def find_sent(outgoing: Outgoing) -> Sent | None:
    """Whether a message that was cut off is there: ours, with these words, since it was written."""
    since, us = outgoing.delivery.created_at - CLOCKS, ours_of(outgoing.account)
    with graph(outgoing.account) as client:
        found = _in_public(client, outgoing) if outgoing.public else _in_private(client, outgoing)
    for item, text, time in found:
        sender, at = item.get("from"), time_of(item, time)
        number = str(sender.get("id")) if isinstance(sender, dict) else ""
        is_ours = number in us.ids or item.get("username") == outgoing.account.settings.get("username")
        if is_ours and at is not None and at >= since and text.strip() == outgoing.text.strip():
            return Sent(str(item["id"]))
    return None


def _in_public(client: Graph, outgoing: Outgoing) -> list[tuple[Json, str, str]]:
    under = outgoing.in_reply_to if outgoing.thread_key.startswith("mention:") else _comment(outgoing)
    answer = client.get(f"{under}/replies", fields="id,text,timestamp,from,username", limit=READ_BACK)
    return [(one, str(one.get("text") or ""), "timestamp") for one in listed(answer, "replies")]


def _in_private(client: Graph, outgoing: Outgoing) -> list[tuple[Json, str, str]]:
    person = outgoing.to[0].external_id if outgoing.to else ""
    answer = client.get(
        "me/conversations", platform="instagram", user_id=person,
        fields="messages.limit(20){id,message,created_time,from}",
    )  # fmt: skip
    found = []
    for conversation in listed(answer, "conversations"):
        inside = conversation.get("messages")
        told = listed(inside, "messages") if isinstance(inside, dict) else []
        found += [(one, str(one.get("message") or ""), "created_time") for one in told]
    return found
