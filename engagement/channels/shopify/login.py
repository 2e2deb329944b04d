"""Ways to an access token: a login with the operator's app, or an app of the shop's own organization.

An offline token of a login ends after an hour and comes with a refresh token that is replaced by each use;
one that an app asks for by its own secret ends after a day and is simply asked for again.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.utils import timezone

from core import http
from engagement.channels.base import (
    AuthFailure,
    Fresh,
    Login,
    Offer,
    PermanentFailure,
    TransientFailure,
    Uncertain,
    app_keys,
    from_http,
)
from engagement.channels.shopify.client import shop_url
from engagement.channels.shopify.forms import DOMAIN, NEWEST

if TYPE_CHECKING:
    from engagement.models import ChannelAccount

APP = "shopify"
SCOPES = ("read_orders", "read_customers")
SOON = timedelta(minutes=2)


def begin(cleaned: Mapping[str, Any], *, state: str, back_to: str) -> Login:
    """The page at Shopify where the shop's owner lets the app in."""
    keys = app_keys(APP)
    if not keys.get("id") or not keys.get("secret"):
        raise AuthFailure(
            "This installation has no app at Shopify.",
            advice="Set CHANNEL_APP_SHOPIFY_ID and CHANNEL_APP_SHOPIFY_SECRET, or choose another way in.",
        )
    asked = {"client_id": keys["id"], "scope": ",".join(SCOPES), "redirect_uri": back_to, "state": state}
    remembered = {name: cleaned.get(name) for name in ("shop", "way", "api_version", "only_new")}
    remembered["notes_by_customers"] = cleaned.get("notes_by_customers", True)
    return Login(f"{shop_url(str(cleaned['shop']))}/admin/oauth/authorize?{urlencode(asked)}", remembered)


def finish(query: Mapping[str, str], remembered: Mapping[str, Any]) -> Sequence[Offer]:
    """The shop that let us in. The state was checked by the caller; here the signature and the shop are."""
    if query.get("error"):
        raise AuthFailure(query.get("error_description") or "The shop did not let the app in.")
    keys, shop = app_keys(APP), query.get("shop", "")
    if not is_signed(query, keys.get("secret", "")):
        raise PermanentFailure("The answer was not signed by Shopify.")
    if shop != remembered.get("shop") or not DOMAIN.fullmatch(shop):
        raise PermanentFailure(f"You signed in to {shop}, and asked for {remembered.get('shop')}.")
    ours = {"client_id": keys.get("id", ""), "client_secret": keys.get("secret", "")}
    told = grant(shop, {**ours, "code": query.get("code", ""), "expiring": "1"})
    return [
        Offer(
            external_id=shop,
            name=shop.partition(".")[0],
            network="shopify",
            issuer=shop,
            credentials=tokens_of(told),
            settings={
                "api_version": NEWEST,
                **{key: value for key, value in remembered.items() if value is not None},
            },
            scopes=scopes_of(told),
            expires_at=ends_at(told),
        )
    ]


def is_signed(query: Mapping[str, str], secret: str) -> bool:
    """Whether the address that the browser came back with is Shopify's: hmac over its other parts, sorted."""
    given = query.get("hmac", "")
    told = "&".join(f"{name}={query[name]}" for name in sorted(query) if name not in ("hmac", "signature"))
    wanted = hmac.new(secret.encode(), told.encode(), sha256).hexdigest()
    return bool(secret) and hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace"))


def own_token(account: ChannelAccount) -> Fresh:
    """A token for an app of the shop's own organization, by the app's secret alone."""
    client_id, secret = account.settings.get("client_id"), account.credentials.get("client_secret")
    if not client_id or not secret:
        raise AuthFailure("Give the app's client ID and secret, or an access token.")
    asked = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    told = grant(str(account.settings.get("shop")), asked)
    return Fresh({**account.credentials, **tokens_of(told)}, ends_at(told))


def renew(account: ChannelAccount) -> Fresh:
    """New credentials for old ones. Raises AuthFailure where somebody must sign in again."""
    token = account.credentials.get("refresh_token")
    if not token:
        if account.settings.get("way") == "token":
            raise AuthFailure("Shopify does not accept the access token.", advice="Give a new one.")
        return own_token(account)
    keys = app_keys(APP)
    ours = {"client_id": keys.get("id", ""), "client_secret": keys.get("secret", "")}
    asked = {"grant_type": "refresh_token", "refresh_token": token, **ours}
    told = grant(str(account.settings.get("shop")), asked)
    return Fresh({**account.credentials, **tokens_of(told)}, ends_at(told))


def grant(shop: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Ask a shop for a token. Raises AuthFailure for a refusal, TransientFailure where it did not answer."""
    secrets = [str(asked[name]) for name in ("client_secret", "refresh_token", "code") if asked.get(name)]
    try:
        with http.Client(shop_url(shop), secrets=secrets) as link:
            told = link.post("/admin/oauth/access_token", json=dict(asked)).json()
    except http.HttpFailure as failure:
        if (
            failure.status is not None
            and 400 <= failure.status < 429
            and not isinstance(failure, http.Transient)
        ):
            raise AuthFailure(
                f"Shopify gave no access ({failure.status}).",
                advice="Is the app installed in this shop, and are client ID and secret its own?",
            ) from None
        found = from_http(failure)
        raise (TransientFailure(str(found)) if isinstance(found, Uncertain) else found) from None
    if not isinstance(told, dict) or not told.get("access_token"):
        raise AuthFailure("Shopify gave no access.")
    return told


def tokens_of(told: Mapping[str, Any]) -> dict[str, str]:
    """The tokens of an answer, by the names that credentials have."""
    return {name: str(told[name]) for name in ("access_token", "refresh_token") if told.get(name)}


def scopes_of(told: Mapping[str, Any]) -> tuple[str, ...]:
    """What was granted."""
    return tuple(one for one in str(told.get("scope") or "").split(",") if one)


def ends_at(told: Mapping[str, Any]) -> datetime | None:
    """When the access token ends; None for one that does not."""
    try:
        return timezone.now() + timedelta(seconds=float(told["expires_in"])) - SOON
    except (KeyError, TypeError, ValueError):
        return None
