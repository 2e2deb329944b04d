"""X's Activity webhook: signatures, what its bodies hold, and what we ask it to send.

One address serves the whole app. A body is one event, and its filter names the account that it is for.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from core import http
from engagement.channels.base import (
    Change,
    Event,
    Forged,
    Hook,
    HookAnswer,
    Parcel,
    PermanentFailure,
    PermissionMissing,
    Subscription,
    TokenExpired,
    app_keys,
)
from engagement.channels.x.client import NAME, Client, app_client, ask, told_by
from engagement.channels.x.events import (
    Around,
    answers_somebody,
    dm_event,
    hooked_dms,
    post_items,
    post_ref,
)
from engagement.channels.x.json_parts import part, parts, words
from engagement.models import ChannelAccount

SIGNATURE = "x-twitter-webhooks-signature"
_CRC_TOKEN = re.compile(r"[A-Za-z0-9_.~+/=-]{1,200}")
SAID = frozenset({"post.mention.create", "post.reply.create", "post.quote.create"})
MESSAGES = frozenset({"dm.received", "dm.sent"})
ENCRYPTED = frozenset({"chat.received", "chat.sent"})
WANTED = (
    "post.mention.create", "post.reply.create", "post.quote.create", "post.create", "post.delete",
    "dm.received", "dm.sent",
)  # fmt: skip
"""What each account is subscribed to. Revoked access (oauth.revoke) is told without being asked for."""


# Signatures


def _signed(text: bytes) -> str:
    secret = app_keys(NAME).get("consumer_secret", "")
    if not secret:
        raise Forged("no consumer secret is set")
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), text, sha256).digest()).decode()


def greet(hook: Hook) -> HookAnswer | None:
    """The answer to X's hourly question whether we hold the consumer secret.

    Anybody may ask, and a body is signed in the same way: so nothing is signed that could be a body.
    """
    token = hook.query.get("crc_token")
    if hook.method != "GET" or not token:
        return None
    if not _CRC_TOKEN.fullmatch(token):
        raise Forged("crc_token is none that X makes")
    return HookAnswer(json.dumps({"response_token": _signed(token.encode())}), "application/json")


def verify(hook: Hook) -> None:
    """Raises Forged unless the body carries its signature; base64, where others write hexadecimal."""
    if not hook.body.startswith(b"{"):
        raise Forged("the body is no object")
    told = hook.headers.get(SIGNATURE, "")
    if not hmac.compare_digest(told.encode(), _signed(hook.body).encode()):
        raise Forged("the signature does not fit")


def delivery_key(hook: Hook) -> str:
    """X's id of the event, the same on every repetition."""
    try:
        return str(json.loads(hook.body)["data"].get("event_uuid") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


# Bodies


def parse_body(body: bytes, me: str, *, received_at: datetime) -> Sequence[Parcel]:
    """What a webhook's body or a parked item of a pull holds. Raises ValueError with the reason."""
    told = json.loads(body)
    if not isinstance(told, Mapping):
        raise ValueError("The body is no object")
    if "own_post" in told:
        return [Parcel(posts=[post_ref(part(told, "own_post"), Around())])]
    if "post" in told or "dm_event" in told:
        return [Parcel(pulled_items(told, me))]
    data = part(told, "data")
    if not data:
        raise ValueError("data is missing")
    return _happened(words(data, "event_type"), data, received_at)


def pulled_items(told: Mapping[str, Any], me: str) -> list[Event | Change]:
    """An item of a pull with what stood beside it: {"post" or "dm_event", "includes"}."""
    around = Around.of(part(told, "includes"))
    if "post" in told:
        return post_items(me, part(told, "post"), around)
    found = dm_event(me, part(told, "dm_event"), around)
    return [found] if found else []


def _happened(kind: str, data: Mapping[str, Any], received_at: datetime) -> Sequence[Parcel]:
    payload = part(data, "payload")
    if kind == "oauth.revoke":
        why = _("This account took its access from the app at X.")
        return [Parcel(account=words(payload, "user_id"), revoked=why)]
    if kind not in SAID | MESSAGES | ENCRYPTED | {"post.create", "post.delete"}:
        return []
    me = words(part(data, "filter"), "user_id")
    if kind in MESSAGES:
        return [Parcel(hooked_dms(me, payload), account=me)]
    if kind == "post.delete":
        return [Parcel([_deleted(payload, received_at)], account=me)]
    if kind in ENCRYPTED:
        raise ValueError("X Chat messages are encrypted, and programs like this one cannot read them")
    around = Around.of(part(data, "includes"))
    if kind == "post.create" and not answers_somebody(me, payload, around):
        return [Parcel(account=me, posts=[post_ref(payload, around)])]
    return [Parcel(post_items(me, payload, around), account=me)]


def _deleted(payload: Mapping[str, Any], received_at: datetime) -> Change:
    """X does not say when it was deleted: its word of it reaches us within a second."""
    return Change(words(payload, "id"), "delete", received_at)


# What X is asked to send


def subscribe(account: ChannelAccount, address: str) -> Subscription:
    """Register the app's address where it is not, and subscribe this account to everything wanted."""
    if not app_keys(NAME).get("bearer_token") or not app_keys(NAME).get("consumer_secret"):
        return Subscription(
            active=False,
            text=_("Set CHANNEL_APP_X_BEARER_TOKEN and CHANNEL_APP_X_CONSUMER_SECRET for webhooks."),
        )
    parts_of_it = urlsplit(address)
    if parts_of_it.scheme != "https" or parts_of_it.port:
        return Subscription(active=False, text=_("X wants an https address without a port."))
    webhook = _webhook(address)
    missing = [kind for kind in WANTED if kind not in _subscribed(account)]
    refused = [why for kind in missing if (why := _ask_for(account, kind, webhook))]
    if len(refused) == len(WANTED):
        raise PermanentFailure(refused[0])
    return Subscription(
        active=True,
        text=refused[0] if refused else "",
        settings={"webhook_id": webhook},
    )


def _app(client: http.Client, method: str, path: str, **options: Any) -> dict[str, Any]:
    """A call in the app's name; its token is the operator's and is refreshed by nobody."""
    try:
        return told_by(method, ask(client, method, path, **options))
    except TokenExpired as failure:
        advice = _("Check CHANNEL_APP_X_BEARER_TOKEN.")
        raise PermissionMissing(str(failure), advice=advice) from None


def _webhook(address: str) -> str:
    """The id of the webhook at this address; X is asked to try one again that it holds for invalid."""
    with app_client() as client:
        known = parts(_app(client, "GET", "webhooks"), "data")
        found = next((one for one in known if one.get("url") == address), None)
        if found is None:
            made = _app(client, "POST", "webhooks", json={"url": address})
            return words(part(made, "data"), "id")
        webhook = words(found, "id")
        if not found.get("valid"):
            _app(client, "PUT", f"webhooks/{webhook}")
        return webhook


def _subscriptions(account: ChannelAccount) -> list[Mapping[str, Any]]:
    with app_client() as client:
        told = _app(client, "GET", "activity/subscriptions", params={"max_results": 1000})
    found = parts(told, "data")
    return [one for one in found if part(one, "filter").get("user_id") == account.external_id]


def _subscribed(account: ChannelAccount) -> set[str]:
    return {str(one.get("event_type")) for one in _subscriptions(account)}


def _ask_for(account: ChannelAccount, kind: str, webhook: str) -> str:
    """Subscribe to one kind in the name of the account, as private events want it; why not, '' where done."""
    body = {"event_type": kind, "filter": {"user_id": account.external_id}, "webhook_id": webhook}
    try:
        with Client(account, bucket="hooks") as client:
            client.call("POST", "activity/subscriptions", json=body)
    except PermanentFailure as failure:
        return f"{kind}: {failure}"
    return ""


def unsubscribe(account: ChannelAccount) -> None:
    """Take this account's subscriptions off; the app's webhook stays for the others."""
    if not app_keys(NAME).get("bearer_token"):
        return
    for one in _subscriptions(account):
        try:
            with app_client() as client:
                _app(client, "DELETE", f"activity/subscriptions/{words(one, 'subscription_id')}")
        except PermanentFailure:
            # gone already
            continue
