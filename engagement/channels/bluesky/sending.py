"""Answers: a post under a record key of ours, so that a repeat is the same post, or a direct message."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from core.text import parse_when
from engagement.channels.base import Limits, Outgoing, PermanentFailure, SendFailed, Sent
from engagement.channels.bluesky import chat, identity, richtext
from engagement.channels.bluesky.client import NotThere, Xrpc
from engagement.channels.bluesky.events import message_id
from engagement.channels.bluesky.ids import POST, Address, did_of, record_key
from engagement.channels.bluesky.pulling import written
from engagement.channels.failures import TransientFailure
from engagement.channels.fields import Json, maybe_mapping, maybe_objects, maybe_text

PICTURES = 4
PICTURE_BYTES = 2_000_000
CLOCKS_APART = timedelta(seconds=30)
"""How far our clock may be ahead of the chat's when a message of ours is looked for there."""


def limits(*, public: bool) -> Limits:
    """What one answer may hold."""
    if public:
        return Limits(richtext.POST_GRAPHEMES, PICTURES, PICTURE_BYTES, ("image/*",))
    return Limits(richtext.CHAT_GRAPHEMES, files=0, file_bytes=0)


def send(outgoing: Outgoing) -> Sent:
    """Send one answer. Raises SendFailed."""
    _refuse_too_long(outgoing)
    with Xrpc(outgoing.account, bucket="send") as xrpc:
        return _post(xrpc, outgoing) if outgoing.public else _message(xrpc, outgoing)


def find_sent(outgoing: Outgoing) -> Sent | None:
    """Whether an answer that was cut off is there. Raises SendFailed."""
    with Xrpc(outgoing.account) as xrpc:
        if outgoing.public:
            return _find_post(xrpc, outgoing)
        return _find_message(xrpc, outgoing, _convo_of(xrpc, outgoing))


def _refuse_too_long(outgoing: Outgoing) -> None:
    letters, octets = (
        (richtext.POST_GRAPHEMES, richtext.POST_BYTES)
        if outgoing.public
        else (richtext.CHAT_GRAPHEMES, richtext.CHAT_BYTES)
    )
    if richtext.count_graphemes(outgoing.text) > letters or len(outgoing.text.encode()) > octets:
        raise PermanentFailure(
            _("Bluesky takes %(most)s characters here.") % {"most": letters},
            advice=_("Shorten it, or send it in two parts."),
        )


def address_of(outgoing: Outgoing) -> Address:
    """Where this answer will stand: the same at every try, for the delivery and its time are the same."""
    delivery = outgoing.delivery
    key = record_key(delivery.created_at, str(delivery.client_key))
    return Address(outgoing.account.external_id, POST, key)


# In public


def _post(xrpc: Xrpc, outgoing: Outgoing) -> Sent:
    if not outgoing.in_reply_to:
        raise PermanentFailure(_("It is not known which post this answers."))
    where = address_of(outgoing)
    record: dict[str, Any] = {
        "$type": POST,
        "text": outgoing.text,
        "createdAt": written(outgoing.delivery.created_at),
    }
    record["reply"] = reply_to(xrpc, outgoing.in_reply_to)
    facets = richtext.facets(outgoing.text, _did_or_none)
    if facets:
        record["facets"] = facets
    if outgoing.files:
        record["embed"] = _pictures(xrpc, outgoing)
    answer = xrpc.put_record(POST, where.rkey, record)
    return Sent(maybe_text(answer, "uri") or str(where))


def reply_to(xrpc: Xrpc, uri: str) -> Json:
    """Root and parent for an answer to this post, with the versions that they have at this moment."""
    found = maybe_objects(xrpc.get("app.bsky.feed.getPosts", {"uris": [uri]}), "posts")
    if not found:
        raise PermanentFailure(
            _("The post that this answers is no longer on Bluesky, or its author blocks us."),
            advice=_("Write them a direct message, or close the conversation."),
        )
    parent = {"uri": uri, "cid": maybe_text(found[0], "cid")}
    root = maybe_mapping(found[0], "record.reply.root")
    known = maybe_text(root, "uri") and maybe_text(root, "cid")
    return {"parent": parent, "root": {"uri": root["uri"], "cid": root["cid"]} if known else parent}


def _did_or_none(handle: str) -> str:
    """Whom a mention means. Nobody where that cannot be told; only a passing fault stops the answer."""
    try:
        return identity.resolve_handle(handle)
    except TransientFailure:
        raise
    except SendFailed:
        return ""


def _pictures(xrpc: Xrpc, outgoing: Outgoing) -> Json:
    refused = [file for file in outgoing.files if not file.content_type.startswith("image/")]
    if refused or len(outgoing.files) > PICTURES:
        raise PermanentFailure(
            _("Bluesky takes up to %(most)s pictures with a post, and no other files.") % {"most": PICTURES},
            advice=_("Take off the other files, or put them where a link leads."),
        )
    if any(len(file.content) > PICTURE_BYTES for file in outgoing.files):
        raise PermanentFailure(_("A picture is larger than Bluesky takes (2 MB)."))
    blobs = [xrpc.upload(file.content, file.content_type) for file in outgoing.files]
    images = [{"image": maybe_mapping(blob, "blob"), "alt": ""} for blob in blobs]
    return {"$type": "app.bsky.embed.images", "images": images}


def _find_post(xrpc: Xrpc, outgoing: Outgoing) -> Sent | None:
    where = address_of(outgoing)
    found = record_or_none(xrpc, where)
    return Sent(str(where)) if found else None


def record_or_none(xrpc: Xrpc, where: Address) -> Json | None:
    """A record of our own, None where there is none. Raises SendFailed where that cannot be told."""
    params = {"repo": where.did, "collection": where.collection, "rkey": where.rkey}
    try:
        return xrpc.get("com.atproto.repo.getRecord", params)
    except NotThere:
        return None


# In private


def _message(xrpc: Xrpc, outgoing: Outgoing) -> Sent:
    """A direct message has no key of ours: a second try first looks whether the first one arrived."""
    if outgoing.files:
        raise PermanentFailure(
            _("Bluesky's direct messages carry no files."), advice=_("Put them where a link leads.")
        )
    convo = _convo_of(xrpc, outgoing)
    if outgoing.delivery.attempts > 1:
        found = _find_message(xrpc, outgoing, convo)
        if found is not None:
            return found
    message: dict[str, Any] = {"text": outgoing.text}
    facets = richtext.facets(outgoing.text, _did_or_none)
    if facets:
        message["facets"] = facets
    answer = xrpc.post("chat.bsky.convo.sendMessage", {"convoId": convo, "message": message}, chat=True)
    return Sent(message_id(convo, maybe_text(answer, "id")))


def _convo_of(xrpc: Xrpc, outgoing: Outgoing) -> str:
    """The conversation to write to: the one of the last message heard, else that of two with the person."""
    convo, slash, _rest = outgoing.in_reply_to.partition("/")
    if slash and not did_of(outgoing.in_reply_to):
        return convo
    if outgoing.thread_key.startswith("convo:"):
        return outgoing.thread_key.removeprefix("convo:")
    if not outgoing.to:
        raise PermanentFailure(_("There is nobody to write to."))
    return chat.convo_with(xrpc, outgoing.to[0].external_id)


def _find_message(xrpc: Xrpc, outgoing: Outgoing, convo: str) -> Sent | None:
    """Our message with these words, written since the delivery was made and not known as an earlier one."""
    earliest = outgoing.delivery.created_at - CLOCKS_APART
    known = set(outgoing.references)
    for page in chat.messages(xrpc, convo):
        for message in page:
            try:
                at = parse_when(maybe_text(message, "sentAt"))
            except ValueError:
                continue
            if at < earliest:
                return None
            key = message_id(convo, maybe_text(message, "id"))
            ours = maybe_text(message, "sender.did") == xrpc.did
            if ours and maybe_text(message, "text") == outgoing.text and key not in known:
                return Sent(key)
    return None
