"""Connecting an account: OAuth 2 with PKCE, and tokens that are good for two hours."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.translation import gettext as _

from core import http
from engagement.channels.base import (
    AuthFailure,
    Fresh,
    Login,
    Offer,
    PermanentFailure,
    SendFailed,
    TransientFailure,
    app_keys,
    platform_url,
    translated,
)
from engagement.channels.x.client import API, NAME, REFUSED, SITE, api_url, ask, told_by
from engagement.channels.x.failures import problem_of
from engagement.models import ChannelAccount

SCOPES = (
    "tweet.read",
    "tweet.write",
    "users.read",
    "dm.read",
    "dm.write",
    "offline.access",
    "like.write",
    "tweet.moderate.write",
    "media.write",
)
TWO_HOURS = 7200


def begin(*, state: str, back_to: str) -> Login:
    """Where the browser goes. Raises SendFailed where the operator has no app at X."""
    verifier = token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": _client_id(),
        "redirect_uri": back_to,
        "scope": " ".join(SCOPES),
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    # the page for people has a host of its own; a stand-in has both
    there = platform_url(NAME, API)
    site = SITE if there == API else there
    return Login(f"{site}/i/oauth2/authorize?{urlencode(asked)}", {"verifier": verifier})


def finish(query: Mapping[str, str], remembered: Mapping[str, Any], *, back_to: str) -> Sequence[Offer]:
    """The account that the person who came back is signed in with."""
    if query.get("error"):
        raise PermanentFailure(
            _("X says that access was not given (%(why)s).") % {"why": query["error"][:80]}
        )
    told = _token(
        {
            "grant_type": "authorization_code",
            "code": query.get("code", ""),
            "redirect_uri": back_to,
            "code_verifier": str(remembered.get("verifier", "")),
        }
    )
    token = str(told["access_token"])
    with http.Client(api_url(), headers={"Authorization": f"Bearer {token}"}) as client:
        person = told_by("GET", ask(client, "GET", "users/me")).get("data")
    if not isinstance(person, dict) or not person.get("id"):
        raise TransientFailure(_("X did not say whose account this is."))
    handle = str(person.get("username") or "")
    return [
        Offer(
            external_id=str(person["id"]),
            name=f"@{handle}" if handle else str(person.get("name") or person["id"]),
            network=NAME,
            credentials=_credentials(told),
            settings={"handle": handle},
            scopes=tuple(str(told.get("scope") or "").split()),
            expires_at=_ends(told),
        )
    ]


def refresh(account: ChannelAccount) -> Fresh:
    """New tokens; the refresh token in hand is good for this once."""
    known = str(account.credentials.get("refresh_token") or "")
    if not known:
        raise AuthFailure(_("X gave no refresh token."), advice=_("Connect the account again."))
    told = _token({"grant_type": "refresh_token", "refresh_token": known})
    fresh = {**account.credentials, **_credentials(told)}
    return Fresh(fresh, _ends(told))


def _credentials(told: Mapping[str, Any]) -> dict[str, str]:
    names = ("access_token", "refresh_token")
    return {name: str(told[name]) for name in names if told.get(name)}


def _ends(told: Mapping[str, Any]) -> Any:
    seconds = told.get("expires_in")
    return timezone.now() + timedelta(seconds=seconds if isinstance(seconds, int) else TWO_HOURS)


def _client_id() -> str:
    found = app_keys(NAME).get("id", "")
    if not found:
        raise PermanentFailure(
            _("The operator of this installation has not entered an app at X."),
            advice=_("Set CHANNEL_APP_X_ID and CHANNEL_APP_X_SECRET."),
        )
    return found


def _token(form: Mapping[str, str]) -> Mapping[str, Any]:
    """Ask for tokens. After a refusal a person must connect again; all else may be tried later."""
    secret = app_keys(NAME).get("secret", "")
    app = _client_id()
    hidden = [value for name, value in form.items() if name != "grant_type"]
    auth = (app, secret) if secret else None
    with http.Client(api_url(), auth=auth, secrets=hidden) as client:
        try:
            with translated():
                answer = client.post("oauth2/token", data={**form, "client_id": app}, expect=REFUSED)
        except SendFailed as failure:
            raise TransientFailure(str(failure)) from None
    told = problem_of(answer)
    if answer.status == 429:
        raise TransientFailure(_("X wants no more requests just now."))
    if answer.status >= 400:
        why = str(told.get("error_description") or told.get("error") or answer.status)[:200]
        raise AuthFailure(
            _("X gave no new access: %(why)s") % {"why": why}, advice=_("Connect the account again.")
        )
    if not told.get("access_token"):
        raise TransientFailure(_("X answered without an access token."))
    return told
