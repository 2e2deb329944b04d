"""HTTP with Twilio's REST API: who we are, what an error code means, and lists that end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from core import http
from engagement.channels import calling
from engagement.channels.base import (
    AuthFailure,
    PermanentFailure,
    PermissionMissing,
    RateReached,
    SendFailed,
    TransientFailure,
    from_http,
    platform_url,
    translated,
)

if TYPE_CHECKING:
    from engagement.models import ChannelAccount

API = "https://api.twilio.com"
VERSION = "2010-04-01"
ROOT = f"/{VERSION}/Accounts/"
PAGE_SIZE = 100
BUSY_SECONDS = 5.0

STOPPED = 21610
NO_ACCESS = frozenset({20003, 20005, 20006, 20008})
BUSY = frozenset({20429, 21611, 14107, 63017})
NOT_ALLOWED = {21408: "geo permission", 20010: "calls", 21608: "verified number", 21660: "number"}
ADVICE = {
    STOPPED: "This person answered STOP. They must text START to your number before you can write to them; "
    "do not write from another number. Their refusal is kept with their consents.",
    21211: "Check the number: it is not one that can be written to.",
    21214: "Check the number: it cannot be reached.",
    21408: "Allow messages to this country in the Twilio console under Messaging, Settings, Geo permissions.",
    21606: "The number of this channel cannot send messages. Choose another in the channel's settings.",
    21608: "A trial account writes to verified numbers only: verify this one at Twilio, or upgrade.",
    21612: "Twilio finds no way from your number to this one. Answer by e-mail or call.",
    21614: "This is no mobile number. Call, or answer by e-mail.",
    21617: "Make the message shorter.",
    21659: "The number of this channel is not in your Twilio account any more.",
    21660: "The number of this channel belongs to another Twilio account.",
    30034: "Register the number for A2P 10DLC in the Twilio console: carriers refuse unregistered numbers.",
}


def client(account: ChannelAccount, *, bucket: str = "pull") -> http.Client:
    """A client for one job; an API key signs in where there is one, else the auth token."""
    sid, given = str(account.settings.get("account_sid", "")), account.credentials
    key = str(account.settings.get("api_key") or "")
    user, secret = (key, given.get("api_secret")) if key else (sid, given.get("auth_token"))
    if not sid or not secret:
        raise AuthFailure("Give the secret of the API key, or the auth token.")
    base = f"{platform_url('twilio', API)}{ROOT}{sid}/"
    return calling.client(account, base, bucket=bucket, auth=(user, str(secret)))


def explain(failure: http.HttpFailure) -> SendFailed:
    """What a refused request means; Twilio's own code decides, not the words."""
    code, text = _told(failure)
    if code in NO_ACCESS:
        return AuthFailure(text)
    if code in BUSY:
        wait = failure.retry_after if isinstance(failure, http.RateLimited) else BUSY_SECONDS
        return RateReached(text, retry_after=wait)
    if code in NOT_ALLOWED:
        return PermissionMissing(text, scope=NOT_ALLOWED[code], advice=ADVICE.get(code, ""))
    if code and isinstance(failure, http.Permanent):
        return PermanentFailure(text, advice=ADVICE.get(code, ""))
    return from_http(failure)


def _told(failure: http.HttpFailure) -> tuple[int, str]:
    try:
        told = json.loads(failure.body)
        return int(told["code"]), f"{told['message']} (Twilio {told['code']})"
    except (ValueError, TypeError, KeyError):
        return 0, str(failure)


def get(link: http.Client, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One JSON object. Raises SendFailed."""
    with translated(explain):
        found = link.get(path, params=params).json()
    if not isinstance(found, dict):
        raise TransientFailure("Twilio answered with something that is no object.")
    return found


def path_of(url: str) -> str:
    """The path of an address of Twilio's own; anything else as it is."""
    return url.removeprefix(platform_url("twilio", API)).removeprefix(API)


def post(link: http.Client, path: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Send a form. Raises SendFailed; an answer that cannot be read leaves it uncertain."""
    with translated(explain):
        answer = link.post(path, data=dict(data))
    try:
        found = json.loads(answer.body)
        if isinstance(found, dict):
            return found
    except ValueError:
        pass
    raise SendFailed("Twilio took the request and answered with something that is no object.")


def pages(
    link: http.Client, path: str, name: str, params: Mapping[str, Any], *, begin: str = ""
) -> Iterator[tuple[list[dict[str, Any]], str]]:
    """Pages of a list, each with the address of the next ('' for the last).

    `begin` is such an address, to go on from. Raises TransientFailure where the list repeats itself.
    """
    uri, seen, met = begin, set[str](), set[str]()
    while True:
        answer = get(link, uri) if uri else get(link, path, {**params, "PageSize": PAGE_SIZE})
        items = [item for item in answer.get(name) or () if isinstance(item, dict)]
        fresh = {str(item.get("sid")) for item in items} - met
        uri = path_of(str(answer.get("next_page_uri") or ""))
        if uri and (uri in seen or not fresh):
            raise TransientFailure(f"Twilio's list of {name} repeats itself and does not end.")
        if uri and not uri.startswith(ROOT):
            raise TransientFailure("Twilio named a next page that is not its own.")
        seen.add(uri)
        met |= fresh
        yield items, uri
        if not uri:
            return
