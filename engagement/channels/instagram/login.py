"""Instagram Login: the owner of a professional account signs in on Instagram; no Facebook Page is needed.

A code gives a token for an hour, that one a token for sixty days, and this renews itself while it lives.
https://developers.facebook.com/documentation/instagram-platform/instagram-api-with-instagram-login/business-login
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.translation import gettext as _

from engagement.channels.failures import AuthFailure, PermanentFailure
from engagement.channels.meta import app
from engagement.channels.meta.client import Graph
from engagement.channels.meta.logins import refuse_refusal, token_in
from engagement.channels.meta.reading import Json, maybe_ident, whole, words
from engagement.channels.shapes import Fresh, Login, Offer
from engagement.models import ChannelAccount

NETWORK = "instagram"
LIFE = timedelta(days=60)


def begin(scopes: Sequence[str], cleaned: Mapping[str, Any], *, state: str, back_to: str) -> Login:
    """The address of the dialog. Raises PermanentFailure where the app is not set up."""
    query = {
        "client_id": app.needed("instagram_id"),
        "redirect_uri": back_to,
        "response_type": "code",
        "scope": ",".join(scopes),
        "state": state,
    }
    return Login(
        f"{app.place('instagram_login')}/oauth/authorize?{urlencode(query)}", {"settings": dict(cleaned)}
    )


def finish(query: Mapping[str, str], remembered: Mapping[str, Any], *, back_to: str) -> list[Offer]:
    """The one account behind this login. Raises SendFailed in plain words."""
    refuse_refusal(query)
    # Instagram appends "#_" to the address, which is no part of the code.
    short = _short_lived(query["code"].removesuffix("#_"), back_to)
    token, expires_at = _long_lived(token_in(short))
    with Graph(app.place("instagram"), token) as graph:
        me = graph.get("me", fields="id,user_id,username,name,account_type")
    return [_offer(me, token, expires_at, _granted(short), dict(remembered.get("settings") or {}))]


def _short_lived(code: str, back_to: str) -> Json:
    """The answer to the code: told straight, or as the one item of a list."""
    secret = app.needed("instagram_secret")
    with Graph(app.place("instagram_api"), secrets=(secret, code), versioned=False) as graph:
        answer = graph.post(
            "oauth/access_token",
            data={
                "client_id": app.needed("instagram_id"),
                "client_secret": secret,
                "grant_type": "authorization_code",
                "redirect_uri": back_to,
                "code": code,
            },
        )
    told = answer.get("data")
    return told[0] if isinstance(told, list) and told and isinstance(told[0], dict) else answer


def _long_lived(short: str) -> tuple[str, datetime]:
    secret = app.needed("instagram_secret")
    with Graph(app.place("instagram"), secrets=(secret, short), versioned=False) as graph:
        answer = graph.get(
            "access_token", grant_type="ig_exchange_token", client_secret=secret, access_token=short
        )
    return token_in(answer), _ends(answer)


def _ends(answer: Json) -> datetime:
    seconds = whole(answer, "expires_in")
    return timezone.now() + (timedelta(seconds=seconds) if seconds else LIFE)


def _granted(short: Json) -> tuple[str, ...]:
    told = short.get("permissions")
    found = told.split(",") if isinstance(told, str) else told if isinstance(told, list) else []
    return tuple(str(one).strip() for one in found if one)


def _offer(
    me: Json, token: str, expires_at: datetime, scopes: tuple[str, ...], settings: dict[str, Any]
) -> Offer:
    """`user_id` is the id that webhooks name; `id` is the same account's id for this app alone."""
    try:
        number = maybe_ident(me, "user_id") or maybe_ident(me, "id")
        handle = words(me, "username")
    except ValueError as error:
        raise PermanentFailure(str(error)) from None
    if not number:
        raise PermanentFailure(_("Instagram did not say whose login this is. Begin again."))
    return Offer(
        external_id=number,
        name=f"@{handle}" if handle else number,
        network=NETWORK,
        issuer=number,
        credentials={"access_token": token},
        settings={**settings, "app_scoped_id": str(me.get("id") or ""), "username": handle},
        scopes=scopes,
        expires_at=expires_at,
    )


def refresh(account: ChannelAccount) -> Fresh:
    """Sixty more days for a token that still lives. Raises AuthFailure where it does not."""
    token = str(account.credentials.get("access_token") or "")
    if account.token_expires_at is not None and account.token_expires_at <= timezone.now():
        raise AuthFailure(
            _("The access of sixty days has ended, and Instagram renews only what still lives."),
            advice=_("Connect the account again in Settings, Channels."),
        )
    with Graph(app.place("instagram"), secrets=(token,), versioned=False) as graph:
        answer = graph.get("refresh_access_token", grant_type="ig_refresh_token", access_token=token)
    return Fresh({**account.credentials, "access_token": token_in(answer)}, _ends(answer))
