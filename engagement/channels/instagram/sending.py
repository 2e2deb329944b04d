"""Answers on Instagram: below comments, to mentions, and by direct message."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from engagement.channels.failures import PermanentFailure, Uncertain
from engagement.channels.instagram.client import graph
from engagement.channels.instagram.events import NETWORK, ours_of
from engagement.channels.meta.answering import (
    READ_BACK,
    find_ours,
    is_by_human_agent,
    newest_messages,
    recipient,
    sent_id,
)
from engagement.channels.meta.client import Graph
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
    if len(outgoing.text.encode()) > MESSAGE_BYTES:
        raise PermanentFailure(
            _("Instagram takes 1,000 bytes in a message; letters beyond English count two to four."),
            advice=_("Split it into two messages."),
        )
    about: dict[str, Any] = {"recipient": {"id": recipient(outgoing)}}
    if is_by_human_agent(outgoing):
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
    """Whether a message that was cut off is there: ours, with these words, since it was written.

    Raises Uncertain for an answer to a mention: what stands under somebody else's post cannot be read.
    """
    if outgoing.thread_key.startswith("mention:"):
        raise Uncertain(_("Look under the post on Instagram whether the answer is there."))
    ids = ours_of(outgoing.account).ids
    with graph(outgoing.account) as client:
        if outgoing.public:
            found = _newest_answers(client, outgoing)
            return find_ours(outgoing, found, ids=ids, text="text", time="timestamp")
        found = newest_messages(client, "me/conversations", NETWORK, recipient(outgoing))
    return find_ours(outgoing, found, ids=ids, text="message", time="created_time")


def _newest_answers(client: Graph, outgoing: Outgoing) -> list[Json]:
    fields = "id,text,timestamp,from,username"
    return listed(client.get(f"{_comment(outgoing)}/replies", fields=fields, limit=READ_BACK), "replies")
