"""Answers on WhatsApp: texts, and one file with its words.

https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from engagement.channels.failures import PermanentFailure, TransientFailure, Uncertain, WindowClosed
from engagement.channels.meta.answering import recipient, sent_id
from engagement.channels.meta.client import Graph
from engagement.channels.meta.reading import Json, maybe_ident
from engagement.channels.shapes import File, Outgoing, Sent
from engagement.channels.whatsapp.client import graph
from engagement.channels.whatsapp.people import USER_ID

CAPTION = 1024
KINDS = {
    "image/jpeg": "image", "image/png": "image", "video/mp4": "video", "video/3gpp": "video",
    "audio/aac": "audio", "audio/amr": "audio", "audio/mpeg": "audio", "audio/mp4": "audio",
    "audio/ogg": "audio",
}  # fmt: skip
"""What WhatsApp shows as such; everything else goes as a document."""


def send(outgoing: Outgoing) -> Sent:
    """Send one answer. Raises SendFailed."""
    if len(outgoing.files) > 1:
        raise PermanentFailure(_("WhatsApp takes one file in a message."))
    path = f"{outgoing.account.external_id}/messages"
    with graph(outgoing.account) as client:
        content = _file(client, outgoing) if outgoing.files else _text(outgoing)
        try:
            return Sent(_wamid(client.post(path, {**_about(outgoing), **content})))
        except WindowClosed as failure:
            raise WindowClosed(str(failure), advice=outside_window()) from None


def outside_window() -> str:
    """What to do once 24 hours have passed."""
    return _(
        "Send an approved template in WhatsApp Manager, or use another channel. Once they write again, you "
        "can answer here for 24 hours."
    )


def _about(outgoing: Outgoing) -> dict[str, Any]:
    """To whom, in answer to what, and our key, which comes back with every status."""
    about: dict[str, Any] = {"messaging_product": "whatsapp", **_recipient(outgoing)}
    if outgoing.in_reply_to.startswith("wamid."):
        about["context"] = {"message_id": outgoing.in_reply_to}
    if outgoing.key:
        about["biz_opaque_callback_data"] = outgoing.key
    return about


def _recipient(outgoing: Outgoing) -> dict[str, str]:
    """A user id in `to` is taken for a number and lost without an error: it has a field of its own."""
    group = outgoing.thread_key.removeprefix("group:")
    if group != outgoing.thread_key:
        return {"recipient_type": "group", "to": group}
    person = recipient(outgoing)
    return {"recipient_type": "individual", "recipient" if is_user_id(person) else "to": person}


def is_user_id(external_id: str) -> bool:
    """Whether this is an id that the business has for somebody, and no number."""
    return USER_ID.fullmatch(external_id) is not None


def _text(outgoing: Outgoing) -> dict[str, Any]:
    return {"type": "text", "text": {"body": outgoing.text, "preview_url": True}}


def _file(client: Graph, outgoing: Outgoing) -> dict[str, Any]:
    """Put the file there, which nobody sees yet, and name it in the message."""
    file = outgoing.files[0]
    if len(outgoing.text) > CAPTION:
        raise PermanentFailure(
            _("Beside a file WhatsApp takes 1,024 characters."),
            advice=_("Send the file and the text as two messages."),
        )
    kind = KINDS.get(file.content_type, "document")
    if kind == "audio" and outgoing.text:
        kind = "document"
    content: dict[str, str] = {"id": _upload(client, outgoing, file)}
    if outgoing.text:
        content["caption"] = outgoing.text
    if kind == "document":
        content["filename"] = file.name
    return {"type": kind, kind: content}


def _upload(client: Graph, outgoing: Outgoing, file: File) -> str:
    try:
        answer = client.post(
            f"{outgoing.account.external_id}/media",
            data={"messaging_product": "whatsapp", "type": file.content_type},
            files={"file": (file.name, file.content, file.content_type)},
        )
        return sent_id(answer, "id")
    except Uncertain as failure:
        # A file that is there twice is seen by nobody.
        raise TransientFailure(str(failure)) from None


def _wamid(answer: Json) -> str:
    told = answer.get("messages")
    first = told[0] if isinstance(told, list) and told and isinstance(told[0], dict) else {}
    try:
        found = maybe_ident(first, "id")
    except ValueError:
        found = ""
    if not found:
        raise Uncertain(_("WhatsApp took it and did not say under which id."))
    return found
