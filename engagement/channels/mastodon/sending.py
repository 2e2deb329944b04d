"""Statuses that go out, with a key that lets a repeat be no second one; what we do to others'; read back."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from django.utils.translation import gettext as _

from core.text import parse_when
from engagement.channels.base import (
    Act,
    File,
    Outgoing,
    PermanentFailure,
    Sent,
    Target,
    TransientFailure,
    Uncertain,
)
from engagement.channels.fields import maybe_objects, maybe_text, text
from engagement.channels.mastodon.client import Client, Json, NotFound, ask, told_by
from engagement.channels.mastodon.events import OPEN, Us, words_of
from engagement.models import ChannelAccount

CLOCKS_DIFFER = timedelta(seconds=5)
PROCESSING_SECONDS = 20.0
_NAMES_BEFORE = re.compile(r"^(?:@\S+\s*)+")


def send(outgoing: Outgoing) -> Sent:
    """Answer with the visibility of what is answered, and name its author, who else would not see it."""
    account = outgoing.account
    with Client(account, bucket="send") as client:
        answered = _answered(client, outgoing)
        body: dict[str, object] = {
            "status": addressed(outgoing, answered),
            "visibility": visibility_of(outgoing, answered),
        }
        if answered is not None:
            body["in_reply_to_id"] = outgoing.in_reply_to
        if outgoing.files:
            body["media_ids"] = _uploaded(account, outgoing.files)
        key = {"Idempotency-Key": outgoing.key or outgoing.external_id}
        told = client.one("POST", "api/v1/statuses", json=body, headers=key)
    if not maybe_text(told, "id"):
        raise Uncertain(_("The server took it and did not say under which id."))
    return Sent(maybe_text(told, "id"))


def _answered(client: Client, outgoing: Outgoing) -> Json | None:
    if not outgoing.in_reply_to:
        return None
    try:
        return client.status(outgoing.in_reply_to)
    except NotFound:
        raise PermanentFailure(
            _("What this answers does not exist any more."), advice=_("Write to the person directly.")
        ) from None


def visibility_of(outgoing: Outgoing, answered: Json | None) -> str:
    """The visibility of what is answered. In private it is a direct message: what only our followers see
    would show the answer to them."""
    told = maybe_text(answered, "visibility") if answered is not None else ""
    if not outgoing.public or told not in OPEN:
        return "direct" if not outgoing.public or told else "public"
    return told


def addressed(outgoing: Outgoing, answered: Json | None) -> str:
    """The text with the name of whom it is for before it, unless it is named there already."""
    us, said = Us.of(outgoing.account), outgoing.text
    if answered is not None:
        name = maybe_text(answered, "account.acct")
    else:
        name = outgoing.to[0].handle if outgoing.to else ""
    if not name or not _is_somebody_else(us, answered) or _names(said, name, us.domain):
        return said
    return f"@{name} {said}"


def _names(said: str, name: str, domain: str) -> bool:
    """Whether somebody is named in a text; people of our own server with it or without."""
    whole = re.escape(name) if "@" in name else rf"{re.escape(name)}(?:@{re.escape(domain)})?"
    return re.search(rf"(?<![\w/@])@{whole}(?![\w@-]|\.\w)", said, re.IGNORECASE) is not None


def _is_somebody_else(us: Us, answered: Json | None) -> bool:
    return answered is None or maybe_text(answered, "account.id") != us.id


# Files


def _uploaded(account: ChannelAccount, files: Sequence[File]) -> list[str]:
    """Ids of these files at the server. Nothing is said yet, so whatever happens here may be tried again."""
    try:
        with Client(account, bucket="media") as client:
            return [_upload(client, file) for file in files]
    except Uncertain as failure:
        raise TransientFailure(str(failure)) from None


def _upload(client: Client, file: File) -> str:
    part = {"file": (file.name, file.content, file.content_type or "application/octet-stream")}
    told = client.one("POST", "api/v2/media", files=part)
    found = maybe_text(told, "id")
    if not found:
        raise TransientFailure(_("The server took the file and gave no id for it."))
    until = time.monotonic() + PROCESSING_SECONDS
    while not maybe_text(told, "url"):
        if time.monotonic() > until:
            raise TransientFailure(_("The server is still at work on the file."))
        time.sleep(0.5)
        told = _media(client, found)
    return found


def _media(client: Client, media_id: str) -> Json:
    """How far it is: 206 while it is worked on."""
    told = told_by("GET", ask(client.http, "GET", f"api/v1/media/{media_id}"))
    return told if isinstance(told, dict) else {}


# Read back


def find_sent(outgoing: Outgoing) -> Sent | None:
    """Our words below what they answer; a server may ignore the key, and all forget it after an hour."""
    us = Us.of(outgoing.account)
    since = outgoing.delivery.created_at - CLOCKS_DIFFER
    with Client(outgoing.account) as client:
        found = _below(client, us, outgoing.in_reply_to)
    ours = _plain(outgoing.text)
    for one in found:
        by_us = maybe_text(one, "account.id") == us.id
        said = _plain(words_of(one))
        here = maybe_text(one, "in_reply_to_id") in (outgoing.in_reply_to, "")
        if by_us and here and said == ours and parse_when(text(one, "created_at")) >= since:
            return Sent(maybe_text(one, "id"))
    return None


def _below(client: Client, us: Us, answered: str) -> Sequence[Json]:
    """What stands below a status; what we said last where it is gone."""
    if answered:
        with suppress(NotFound):
            return maybe_objects(client.context(answered), "descendants")
    return client.many(f"api/v1/accounts/{us.id}/statuses", [("limit", "40")])[0]


def _plain(said: str) -> str:
    """Words alone, without the names before them: servers shorten names, and set spaces as they like."""
    return _NAMES_BEFORE.sub("", " ".join(said.split()))


# Acts


def act(account: ChannelAccount, what: Act, target: Target) -> None:
    """Favourite, delete what is ours, block; done twice it is as done once."""
    with Client(account, bucket="act") as client:
        if what == Act.DELETE:
            return _delete(client, target)
        if what in (Act.BLOCK, Act.UNBLOCK):
            if target.author is None:
                raise PermanentFailure(_("It is not known who wrote this."))
            client.one("POST", f"api/v1/accounts/{target.author.external_id}/{what.value}")
            return None
        verb = "favourite" if what == Act.LIKE else "unfavourite"
        client.one("POST", f"api/v1/statuses/{target.external_id}/{verb}")
        return None


def _delete(client: Client, target: Target) -> None:
    if target.direction != "outbound":
        raise PermanentFailure(
            _("Only what this account wrote can be deleted."),
            advice=_("Block the person or report it there."),
        )
    try:
        client.one("DELETE", f"api/v1/statuses/{target.external_id}")
    except NotFound:
        return
