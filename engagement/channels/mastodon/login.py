"""Connecting: an app is registered at each server, then OAuth 2; or a token that somebody made there."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from core import http
from engagement.channels.base import AuthFailure, Login, Offer, PermanentFailure, SendFailed, TransientFailure
from engagement.channels.fields import maybe_mapping, maybe_text, maybe_whole
from engagement.channels.mastodon.client import Client, NotFound, ask, instance_of, told_by
from engagement.models import ChannelAccount

NAME = "mastodon"
SCOPES = (
    "read:accounts",
    "read:notifications",
    "read:statuses",
    "write:statuses",
    "write:media",
    "write:favourites",
    "write:blocks",
)
LETTERS, LETTERS_OF_A_LINK, FILES, MEGABYTES = 500, 23, 4, 16
Json = Mapping[str, Any]


def begin(instance: str, *, state: str, back_to: str) -> Login:
    """Register an app at this server and say where the browser goes."""
    with _client(instance) as client:
        app = _object(
            "POST",
            ask(
                client,
                "POST",
                "api/v1/apps",
                data={
                    "client_name": "Rapport",
                    "redirect_uris": back_to,
                    "scopes": " ".join(SCOPES),
                    "website": settings.PUBLIC_URL,
                },
            ),
        )
        knows_pkce = _knows_pkce(client)
    if not maybe_text(app, "client_id") or not maybe_text(app, "client_secret"):
        raise TransientFailure(_("The server registered no app for us."))
    verifier = token_urlsafe(48)
    asked = {
        "response_type": "code",
        "client_id": maybe_text(app, "client_id"),
        "redirect_uri": back_to,
        "scope": " ".join(SCOPES),
        "state": state,
    }
    if knows_pkce:
        digest = sha256(verifier.encode()).digest()
        asked["code_challenge"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        asked["code_challenge_method"] = "S256"
    remembered = {
        "instance": instance,
        "client_id": app["client_id"],
        "client_secret": app["client_secret"],
        "verifier": verifier if knows_pkce else "",
    }
    return Login(f"{instance}/oauth/authorize?{urlencode(asked)}", remembered)


def _knows_pkce(client: http.Client) -> bool:
    """Servers since 4.3 say so; elder ones know neither that page nor PKCE."""
    try:
        told = _object("GET", ask(client, "GET", ".well-known/oauth-authorization-server"))
    except SendFailed:
        return False
    return "S256" in (told.get("code_challenge_methods_supported") or ())


def finish(query: Mapping[str, str], remembered: Json, *, back_to: str) -> Sequence[Offer]:
    """The account that the person who came back is signed in with."""
    if query.get("error"):
        why = (query.get("error_description") or query["error"])[:200]
        raise PermanentFailure(_("The server says that access was not given: %(why)s") % {"why": why})
    instance = str(remembered.get("instance") or "")
    form = {
        "grant_type": "authorization_code",
        "code": query.get("code", ""),
        "client_id": str(remembered.get("client_id") or ""),
        "client_secret": str(remembered.get("client_secret") or ""),
        "redirect_uri": back_to,
        "scope": " ".join(SCOPES),
    }
    if remembered.get("verifier"):
        form["code_verifier"] = str(remembered["verifier"])
    with _client(instance, secrets=[form["code"], form["client_secret"]]) as client:
        told = _object("POST", ask(client, "POST", "oauth/token", data=form))
    token = maybe_text(told, "access_token")
    if not token:
        raise TransientFailure(_("The server answered without an access token."))
    account = ChannelAccount(
        connector=NAME, network=NAME, settings={"instance": instance}, credentials={"access_token": token}
    )
    learn(account)
    return [
        Offer(
            external_id=account.external_id,
            name=f"@{account.external_id}",
            network=NAME,
            issuer=account.issuer,
            credentials=account.credentials,
            settings=account.settings,
            scopes=tuple(maybe_text(told, "scope").split()),
        )
    ]


def learn(account: ChannelAccount) -> None:
    """Ask whose token it is and what the server allows, and write both into the account in hand.

    Raises SendFailed; AuthFailure where the token is another account's than before.
    """
    with Client(account) as client:
        person = client.one("GET", "api/v1/accounts/verify_credentials")
        server = _server(client)
    number = maybe_text(person, "id")
    if not number:
        raise TransientFailure(_("The server did not say whose account this is."))
    host = urlsplit(instance_of(account)).hostname or ""
    domain = maybe_text(server, "domain") or host
    known = account.settings.get("account_id")
    if known and known != number and account.pk is not None:
        name = maybe_text(person, "acct")
        raise AuthFailure(_("This token is of another account (@%(name)s).") % {"name": name})
    account.issuer = host
    account.external_id = f"{maybe_text(person, 'acct') or number}@{domain}"[:200]
    account.settings = {
        **account.settings,
        "account_id": number,
        "domain": domain,
        "limits": limits_of(server),
    }


def _server(client: Client) -> Json:
    """The server about itself; {} for one that does not speak version 2 of this."""
    try:
        return client.one("GET", "api/v2/instance")
    except NotFound:
        return {}


def limits_of(server: Json) -> dict[str, Any]:
    """What one status may hold there, with Mastodon's own numbers where the server is silent."""
    statuses = maybe_mapping(maybe_mapping(server, "configuration"), "statuses")
    media = maybe_mapping(maybe_mapping(server, "configuration"), "media_attachments")
    types = media.get("supported_mime_types")
    return {
        "letters": maybe_whole(statuses, "max_characters") or LETTERS,
        "letters_of_a_link": maybe_whole(statuses, "characters_reserved_per_url") or LETTERS_OF_A_LINK,
        "files": maybe_whole(statuses, "max_media_attachments") or FILES,
        "file_bytes": maybe_whole(media, "image_size_limit") or MEGABYTES * 1024 * 1024,
        "file_types": [str(one) for one in types] if isinstance(types, list) else [],
    }


def granted(account: ChannelAccount) -> tuple[str, ...]:
    """The permissions of a token that somebody pasted; () from a server that does not tell them.

    Some refuse the question for a token that they take otherwise, so a refusal here means nothing.
    """
    try:
        with Client(account) as client:
            told = client.one("GET", "api/v1/apps/verify_credentials")
    except (PermanentFailure, AuthFailure):
        return ()
    found = told.get("scopes")
    return tuple(str(one) for one in found) if isinstance(found, list) else ()


def _client(instance: str, secrets: Sequence[str] = ()) -> http.Client:
    return http.Client(f"{instance}/", user_given=True, secrets=secrets)


def _object(method: str, answer: http.Answer) -> Json:
    told = told_by(method, answer)
    if not isinstance(told, Mapping):
        raise TransientFailure(_("The server answered with something else than an object."))
    return told
