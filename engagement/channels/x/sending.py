"""Posts and direct messages that go out, what we do to others' posts, and whether one of ours is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from html import unescape
from typing import Any

from django.utils.translation import gettext as _

from core.text import parse_when
from engagement.channels.base import (
    Act,
    File,
    Outgoing,
    PermanentFailure,
    PermissionMissing,
    SendFailed,
    Sent,
    Target,
    TransientFailure,
    Uncertain,
)
from engagement.channels.x.client import DM_FIELDS, Client
from engagement.channels.x.events import DM, GROUP, text_of
from engagement.channels.x.failures import not_summoned
from engagement.channels.x.json_parts import part, parts
from engagement.models import ChannelAccount

CLOCKS_DIFFER = timedelta(seconds=5)
IMAGE, MOVING = "image", "gif"


def send(outgoing: Outgoing) -> Sent:
    """A post that answers another, or a direct message."""
    return _post(outgoing) if outgoing.public else _message(outgoing)


def _post(outgoing: Outgoing) -> Sent:
    answered = _answered(outgoing)
    body: dict[str, Any] = {"text": outgoing.text, "reply": {"in_reply_to_tweet_id": answered}}
    with Client(outgoing.account, bucket="send") as client:
        if outgoing.files:
            body["media"] = {"media_ids": _uploaded(client, outgoing.files, "tweet")}
        try:
            told, _answer = client.call("POST", "tweets", json=body)
        except PermissionMissing:
            raise
        except PermanentFailure as failure:
            if failure.advice:
                raise
            raise PermanentFailure(str(failure), advice=not_summoned()) from None
    return Sent(_made(told, "id"))


def _answered(outgoing: Outgoing) -> str:
    """The post to answer: the last thing heard, or what was said before where that was a direct message."""
    said = [outgoing.in_reply_to, *reversed(outgoing.references)]
    found = next((one for one in said if one.isascii() and one.isdigit()), "")
    if not found:
        raise PermanentFailure(_("There is no post here that could be answered."))
    return found


def _message(outgoing: Outgoing) -> Sent:
    body: dict[str, Any] = {"text": outgoing.text} if outgoing.text else {}
    with Client(outgoing.account, bucket="dm-send") as client:
        if outgoing.files:
            ids = _uploaded(client, outgoing.files[:1], "dm")
            body["attachments"] = [{"media_id": one} for one in ids]
        told, _answer = client.call("POST", f"{_conversation(outgoing)}/messages", json=body)
    return Sent(f"{DM}{_made(told, 'dm_event_id')}")


def _conversation(outgoing: Outgoing) -> str:
    if outgoing.thread_key.startswith(GROUP):
        return f"dm_conversations/{outgoing.thread_key.removeprefix(GROUP)}"
    if not outgoing.to:
        raise PermanentFailure(_("Nobody is known here whom a message could go to."))
    return f"dm_conversations/with/{outgoing.to[0].external_id}"


def _made(told: Mapping[str, Any], name: str) -> str:
    found = part(told, "data").get(name)
    if not isinstance(found, str) or not found:
        raise Uncertain(_("X took it and did not say under which id."))
    return found


def _uploaded(client: Client, files: Sequence[File], place: str) -> list[str]:
    """Ids of these pictures at X. Nothing is posted yet, so whatever happens here may be tried again."""
    try:
        return [
            client.upload(file.content, f"{place}_{MOVING if file.content_type == 'image/gif' else IMAGE}")
            for file in files
        ]
    except Uncertain as failure:
        raise TransientFailure(str(failure)) from None


# Read back


def find_sent(outgoing: Outgoing) -> Sent | None:
    """The same words of ours at the same place, not older than the delivery."""
    return _find_post(outgoing) if outgoing.public else _find_message(outgoing)


def _find_post(outgoing: Outgoing) -> Sent | None:
    since = outgoing.delivery.created_at - CLOCKS_DIFFER
    params = {"max_results": "100", "start_time": f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    with Client(outgoing.account, bucket="posts") as client:
        told = client.posts(f"users/{outgoing.account.external_id}/tweets", params)
    for one in parts(told, "data"):
        answered = [
            ref.get("id")
            for ref in parts(one, "referenced_posts", "referenced_tweets")
            if ref.get("type") == "replied_to"
        ]
        if answered == [_answered(outgoing)] and _says(one, outgoing.text):
            return Sent(str(one["id"]))
    return None


def _find_message(outgoing: Outgoing) -> Sent | None:
    since = outgoing.delivery.created_at - CLOCKS_DIFFER
    with Client(outgoing.account, bucket="dms") as client:
        path = f"{_conversation(outgoing)}/dm_events"
        told, _answer = client.call("GET", path, params={**DM_FIELDS, "max_results": "100"})
    for one in parts(told, "data"):
        ours = one.get("sender_id") == outgoing.account.external_id
        if ours and _says(one, outgoing.text) and parse_when(str(one.get("created_at"))) >= since:
            return Sent(f"{DM}{one['id']}")
    return None


def _says(told: Mapping[str, Any], text: str) -> bool:
    """Whether these are our words; X puts links of pictures behind them, and in a reply a name before."""
    if not isinstance(told.get("text"), str):
        return False
    found, ours = " ".join(text_of(told).split()), " ".join(unescape(text).split())
    return (
        found == ours or found.startswith(f"{ours} https://") or (bool(ours) and found.endswith(f" {ours}"))
    )


# Acts

POST_ACTS = frozenset({Act.LIKE, Act.UNLIKE, Act.HIDE, Act.UNHIDE})


def act(account: ChannelAccount, what: Act, target: Target) -> None:
    """Like, hide, delete what is ours, or keep somebody from writing direct messages."""
    if what in POST_ACTS and target.external_id.startswith(DM):
        raise PermanentFailure(_("X knows this for posts only, not for direct messages."))
    if what == Act.DELETE:
        return _delete(account, target)
    with Client(account, bucket="act") as client:
        if what in (Act.BLOCK, Act.UNBLOCK):
            client.call("POST", f"users/{_person(target)}/dm/{what.value}")
        elif what in (Act.HIDE, Act.UNHIDE):
            client.call("PUT", f"tweets/{target.external_id}/hidden", json={"hidden": what == Act.HIDE})
        elif what == Act.LIKE:
            client.call("POST", f"users/{client.me}/likes", json={"tweet_id": target.external_id})
        else:
            client.call("DELETE", f"users/{client.me}/likes/{target.external_id}")


def _delete(account: ChannelAccount, target: Target) -> None:
    """What is gone already counts as deleted."""
    if target.direction != "outbound":
        raise PermanentFailure(_("X lets nobody delete what others wrote."), advice=_("Hide it instead."))
    is_message = target.external_id.startswith(DM)
    path = (
        f"dm_events/{target.external_id.removeprefix(DM)}" if is_message else f"tweets/{target.external_id}"
    )
    with Client(account, bucket="act") as client:
        try:
            client.call("DELETE", path)
        except PermanentFailure as failure:
            if isinstance(failure, PermissionMissing) or not _is_gone(client, path):
                raise


def _is_gone(client: Client, path: str) -> bool:
    try:
        told, _answer = client.call("GET", path)
    except SendFailed:
        return True
    return not told.get("data")


def _person(target: Target) -> str:
    if target.author is None:
        raise PermanentFailure(_("It is not known who wrote this."))
    if target.public:
        raise PermanentFailure(
            _("X lets programs block direct messages only."), advice=_("Block this person at x.com.")
        )
    return target.author.external_id
