"""Tries every permission of an account, each alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from engagement.channels.base import AuthFailure, Finding, SendFailed, TransientFailure, app_keys
from engagement.channels.x.client import NAME, Client
from engagement.channels.x.json_parts import part
from engagement.models import ChannelAccount

BY_GRANT = {
    "tweet.write": gettext_noop("post"),
    "dm.write": gettext_noop("send direct messages"),
    "like.write": gettext_noop("like"),
    "tweet.moderate.write": gettext_noop("hide replies"),
    "media.write": gettext_noop("send pictures"),
    "offline.access": gettext_noop("stay connected"),
}
"""What cannot be tried without doing it: judged by what was granted."""


def check(account: ChannelAccount) -> None:
    """Ask who we are. Raises SendFailed; also where the token is another account's."""
    with Client(account) as client:
        told, _answer = client.call("GET", "users/me")
    person = part(told, "data")
    if not person.get("id"):
        raise TransientFailure(_("X did not say whose account this is."))
    if person["id"] != account.external_id:
        raise AuthFailure(
            _("This login is of another account (@%(name)s).") % {"name": person.get("username", "")}
        )


def examine(account: ChannelAccount) -> Sequence[Finding]:
    """Reading is tried; writing is judged by the permissions that were granted."""
    found = [
        _tried(_("sign-in"), "users.read", lambda: check(account)),
        _tried(
            "read mentions",
            "tweet.read",
            lambda: _read(account, f"users/{account.external_id}/mentions", "5"),
        ),
        _tried(_("read direct messages"), "dm.read", lambda: _read(account, "dm_events", "1")),
    ]
    for scope, name in BY_GRANT.items():
        granted = not account.scopes or scope in account.scopes
        remedy = "" if granted else _("Connect the account again and allow it.")
        found.append(Finding(_(name), works=granted, remedy=remedy, scope=scope))
    return [*found, _webhook()]


def _read(account: ChannelAccount, path: str, most: str) -> None:
    with Client(account) as client:
        client.call("GET", path, params={"max_results": most})


def _tried(name: str, scope: str, attempt: Callable[[], None]) -> Finding:
    try:
        attempt()
    except SendFailed as failure:
        return Finding(name, works=False, text=str(failure), remedy=failure.advice, scope=scope)
    return Finding(name, works=True, scope=scope)


def _webhook() -> Finding:
    keys = app_keys(NAME)
    works = bool(keys.get("consumer_secret") and keys.get("bearer_token"))
    text = "" if works else _("Without them mentions come by asking once a minute, which loses nothing.")
    remedy = "" if works else _("Set CHANNEL_APP_X_CONSUMER_SECRET and CHANNEL_APP_X_BEARER_TOKEN.")
    return Finding(_("webhook"), works=works, text=text, remedy=remedy)
