"""The operator's own app on Meta for Developers, and the webhooks that it is set up for.

One app serves all three networks: `CHANNEL_APP_META_ID`, `_SECRET` and `_VERIFY_TOKEN`; Instagram Login has
an id and a secret of its own inside the same app, `_INSTAGRAM_ID` and `_INSTAGRAM_SECRET`. A configuration of
"Facebook Login for Business" is `_CONFIG_ID`.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from engagement.channels.base import app_keys, platform_url
from engagement.channels.failures import PermanentFailure, SendFailed
from engagement.channels.meta.client import Graph
from engagement.channels.shapes import Subscription

NAME = "meta"
GRAPH, DIALOG = "meta", "facebook_login"
DEFAULTS = {
    GRAPH: "https://graph.facebook.com",
    DIALOG: "https://www.facebook.com",
    "instagram": "https://graph.instagram.com",
    "instagram_api": "https://api.instagram.com",
    "instagram_login": "https://www.instagram.com",
}


def place(name: str) -> str:
    """Where one of Meta's hosts is; CHANNEL_URLS may name another place by the same name."""
    return platform_url(name, DEFAULTS[name])


def key(part: str) -> str:
    """One part of the operator's app, '' where it is not set."""
    return app_keys(NAME).get(part, "")


def needed(part: str) -> str:
    """One part of the operator's app. Raises PermanentFailure where it is not set."""
    value = key(part)
    if not value:
        raise PermanentFailure(
            _("The Meta app is not set up: CHANNEL_APP_META_%(part)s is missing.") % {"part": part.upper()},
            advice=_("Set it in the environment and restart."),
        )
    return value


def as_app(*secrets: str) -> Graph:
    """The Graph API in the app's own name. Raises PermanentFailure where the app is not set up."""
    token = f"{needed('id')}|{needed('secret')}"
    return Graph(place(GRAPH), token, secrets=(needed("secret"), *secrets))


def see_to_app_webhook(kind: str, fields: Sequence[str], address: str) -> None:
    """Let the app send this kind of webhook to our address; Meta tries the address at once.

    Done once for all accounts, and again where somebody changed it. Raises SendFailed.
    """
    with as_app(needed("verify_token")) as graph:
        known = graph.get(f"{needed('id')}/subscriptions").get("data")
        if isinstance(known, list) and any(_is_set(one, kind, fields, address) for one in known):
            return
        graph.post(
            f"{needed('id')}/subscriptions",
            {
                "object": kind,
                "callback_url": address,
                "fields": ",".join(fields),
                "verify_token": needed("verify_token"),
                "include_values": True,
            },
        )


def _is_set(one: object, kind: str, fields: Sequence[str], address: str) -> bool:
    if not isinstance(one, dict) or one.get("object") != kind or one.get("callback_url") != address:
        return False
    known = one.get("fields")
    listed = known if isinstance(known, list) else []
    names = {field.get("name") for field in listed if isinstance(field, dict)}
    return bool(one.get("active")) and set(fields) <= names


def off(failure: SendFailed) -> Subscription:
    """Webhooks that are not there, with the platform's reason."""
    return Subscription(active=False, text=" ".join(part for part in (str(failure), failure.advice) if part))
