"""Logins at Google and Microsoft by OAuth 2 with PKCE, and new access tokens for old ones."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.translation import gettext as _

from core import http
from crm.identities import BadIdentity, normalize
from engagement.channels.base import (
    AuthFailure,
    Fresh,
    Login,
    Offer,
    PermanentFailure,
    SendFailed,
    TransientFailure,
    app_keys,
    from_http,
)
from engagement.channels.email.providers import PROVIDERS, Provider

ASKED = ("from_name", "folder", "only_new", "read_sent", "watch", "sent_folder", "plus_addressing")
"""What the form asked before the login and the account keeps."""
NEEDS_PERSON = frozenset({"invalid_grant", "invalid_client", "unauthorized_client", "interaction_required"})
DEFAULT_SECONDS = 3600


def begin(cleaned: Mapping[str, Any], *, state: str, back_to: str) -> Login:
    """Where the browser goes. Raises PermanentFailure where the operator has no app there."""
    provider = _provider(str(cleaned.get("sign_in", "")))
    verifier, nonce = token_urlsafe(48), token_urlsafe(16)
    address = str(cleaned.get("address") or "")
    asked = {
        "client_id": _app(provider)["id"],
        "response_type": "code",
        "redirect_uri": back_to,
        "scope": " ".join(provider.scopes),
        "state": state,
        "nonce": nonce,
        "code_challenge": urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **provider.extra,
        **({"login_hint": address} if address else {}),
    }
    remembered = {
        "provider": provider.name,
        "verifier": verifier,
        "nonce": nonce,
        "address": address,
        "settings": {name: cleaned[name] for name in ASKED if name in cleaned},
    }
    return Login(f"{provider.authorize_url}?{urlencode(asked)}", remembered)


def finish(query: Mapping[str, str], remembered: Mapping[str, Any], *, back_to: str) -> list[Offer]:
    """The mailbox that the login opens: the one asked for, else that of whoever logged in."""
    provider = _provider(str(remembered.get("provider", "")))
    if query.get("error"):
        raise PermanentFailure(_refusal(provider, query))
    if not query.get("code"):
        raise PermanentFailure(_("%(name)s gave no code.") % {"name": provider.label})
    answer = _ask(
        provider,
        {
            "grant_type": "authorization_code",
            "code": query["code"],
            "redirect_uri": back_to,
            "code_verifier": str(remembered.get("verifier", "")),
        },
    )
    who = _who(provider, answer, nonce=str(remembered.get("nonce", "")))
    address = str(remembered.get("address") or who)
    granted = tuple(str(answer.get("scope", "")).split())
    settings = {**provider.settings(address), **dict(remembered.get("settings", {}))}
    return [
        Offer(
            external_id=address,
            name=address,
            credentials=_credentials(answer, {}),
            # Somebody may open a mailbox that is shared with them by their own login.
            settings={**settings, "logged_in_as": who},
            scopes=granted,
            expires_at=_expires_at(answer),
            why_not=_why_not(provider, answer, granted) or _not_theirs(provider, who, address),
        )
    ]


def refresh(sign_in: str, credentials: Mapping[str, Any]) -> Fresh:
    """New credentials for old ones. Raises AuthFailure where somebody must log in anew."""
    provider = _provider(sign_in)
    token = str(credentials.get("refresh_token", ""))
    if not token:
        raise AuthFailure(
            _("There is no refresh token."), advice=_("Log in at %s once more.") % provider.label
        )
    answer = _ask(provider, {"grant_type": "refresh_token", "refresh_token": token})
    return Fresh(_credentials(answer, credentials), _expires_at(answer))


def _provider(name: str) -> Provider:
    if name not in PROVIDERS:
        raise PermanentFailure(_("There is no login for this kind of mailbox."))
    return PROVIDERS[name]


def _app(provider: Provider) -> Mapping[str, str]:
    keys = app_keys(provider.name)
    if not keys.get("id"):
        raise PermanentFailure(
            _("This installation has no app at %(name)s.") % {"name": provider.label},
            advice=_("The operator sets CHANNEL_APP_%(name)s_ID and CHANNEL_APP_%(name)s_SECRET.")
            % {"name": provider.name.upper()},
        )
    return keys


def _ask(provider: Provider, form: Mapping[str, str]) -> Mapping[str, Any]:
    """Ask for tokens. Raises a SendFailed by the error's code."""
    app = _app(provider)
    whole = {**form, "client_id": app["id"]}
    if app.get("secret"):
        whole["client_secret"] = app["secret"]
    secrets = [
        whole[name] for name in ("code", "refresh_token", "client_secret", "code_verifier") if name in whole
    ]
    try:
        with http.Client(secrets=secrets) as client:
            answer = client.post(provider.token_url, data=whole, expect=(400, 401))
            told = answer.json()
    except http.Uncertain as failure:
        raise TransientFailure(str(failure)) from None
    except http.HttpFailure as failure:
        raise from_http(failure) from None
    if not isinstance(told, dict):
        raise TransientFailure(_("%s answered without tokens.") % provider.label)
    if answer.status >= 400 or "error" in told:
        raise _failure(provider, told)
    if not isinstance(told.get("access_token"), str) or not told["access_token"]:
        raise TransientFailure(_("%s answered without tokens.") % provider.label)
    return told


def _failure(provider: Provider, told: Mapping[str, Any]) -> SendFailed:
    code = str(told.get("error", ""))
    text = f"{provider.label}: {code} {str(told.get('error_description', ''))[:300]}".strip()
    if code == "invalid_client":
        return AuthFailure(text, advice=_("The operator's app there has another secret."))
    if code in NEEDS_PERSON:
        return AuthFailure(text, advice=_("Log in at %s once more.") % provider.label)
    if code in ("temporarily_unavailable", "server_error"):
        return TransientFailure(text)
    return PermanentFailure(text)


def _refusal(provider: Provider, query: Mapping[str, str]) -> str:
    if query["error"] == "access_denied":
        return _("The access was refused at %s.") % provider.label
    return f"{provider.label}: {query['error'][:100]} {query.get('error_description', '')[:300]}".strip()


def _who(provider: Provider, answer: Mapping[str, Any], *, nonce: str) -> str:
    """The address of whoever logged in, out of the ID token.

    It came from the provider itself over TLS, so its signature adds nothing (OpenID Connect Core, 3.1.3.7).
    """
    claims = _claims(str(answer.get("id_token", "")))
    if not nonce or not compare_digest(str(claims.get("nonce", "")), nonce):
        raise PermanentFailure(_("The answer of %s belongs to another login.") % provider.label)
    for name in ("email", "preferred_username", "upn"):
        try:
            return normalize("email", str(claims.get(name, "")))
        except BadIdentity:
            continue
    raise PermanentFailure(_("%s did not say whose mailbox this is.") % provider.label)


def _claims(token: str) -> Mapping[str, Any]:
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def _credentials(answer: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """Google keeps the refresh token, Microsoft gives another each time."""
    again = str(answer.get("refresh_token") or old.get("refresh_token", ""))
    return {**old, "access_token": answer["access_token"], "refresh_token": again}


def _expires_at(answer: Mapping[str, Any]) -> Any:
    try:
        seconds = float(answer.get("expires_in", DEFAULT_SECONDS))
    except (TypeError, ValueError):
        seconds = DEFAULT_SECONDS
    return timezone.now() + timedelta(seconds=max(seconds, 0))


def _why_not(provider: Provider, answer: Mapping[str, Any], granted: tuple[str, ...]) -> str:
    if not answer.get("refresh_token"):
        return _("%s gave access for an hour only. Log in once more.") % provider.label
    needed = [one for one in provider.scopes if one.startswith("https://")]
    missing = [one for one in needed if granted and one not in granted]
    if missing:
        return _("Not granted: %s. Log in once more and leave every box ticked.") % ", ".join(missing)
    return ""


def _not_theirs(provider: Provider, who: str, address: str) -> str:
    if who == address or provider.shares:
        return ""
    told = _("The login was of %(who)s, and %(name)s opens no other mailbox by it.")
    return told % {"who": who, "name": provider.label}
