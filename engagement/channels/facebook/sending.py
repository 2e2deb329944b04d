"""Answers as a Page: comments under comments, and messages by Messenger."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _

from engagement.channels.facebook.client import graph
from engagement.channels.failures import PermanentFailure, SendFailed, Uncertain
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
from engagement.channels.shapes import File, Outgoing, Sent

KINDS = ("image", "video", "audio")


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
    about = {"recipient": {"id": recipient(outgoing)}}
    if is_by_human_agent(outgoing):
        return {**about, "messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    return {**about, "messaging_type": "RESPONSE"}


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


# Reading back


def find_sent(outgoing: Outgoing) -> Sent | None:
    """Whether a message that was cut off is there: ours, with these words, since it was written.

    Raises Uncertain for a file with words: it went in two parts, and only a person sees which are there.
    """
    if outgoing.files and outgoing.text:
        raise Uncertain(_("Look into the conversation on Facebook whether the file and its text are there."))
    page = outgoing.account.external_id
    with graph(outgoing.account) as client:
        if outgoing.public:
            found = _newest_comments(client, comment_target(outgoing))
        else:
            found = newest_messages(client, f"{page}/conversations", "messenger", recipient(outgoing))
    return find_ours(outgoing, found, ids=[page], text="message", time="created_time")


def _newest_comments(client: Graph, under: str) -> list[Json]:
    answer = client.get(
        f"{under}/comments", filter="stream", order="reverse_chronological",
        fields="id,message,created_time,from{id}", limit=READ_BACK,
    )  # fmt: skip
    return listed(answer, "comments")
