"""Tries every permission of an account, each alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from engagement.channels.base import Finding, SendFailed
from engagement.channels.mastodon.client import Client
from engagement.channels.mastodon.events import Us
from engagement.channels.mastodon.login import learn
from engagement.models import ChannelAccount

WRITES = {
    "write:statuses": gettext_noop("answer"),
    "write:media": gettext_noop("send files"),
    "write:favourites": gettext_noop("like"),
    "write:blocks": gettext_noop("block"),
}
"""What cannot be tried without doing it: judged by what was granted."""


def examine(account: ChannelAccount) -> Sequence[Finding]:
    """Reading is tried; writing is judged by the permissions that were granted."""
    found = [
        _tried(_("sign-in"), "read:accounts", lambda: learn(account)),
        _tried(_("read mentions"), "read:notifications", lambda: _mentions(account)),
        _tried(_("read posts"), "read:statuses", lambda: _posts(account)),
    ]
    for scope, name in WRITES.items():
        works = not account.scopes or bool({scope, scope.partition(":")[0]} & set(account.scopes))
        remedy = "" if works else _("Connect the account again and allow it.")
        found.append(Finding(_(name), works=works, remedy=remedy, scope=scope))
    return found


def _mentions(account: ChannelAccount) -> None:
    with Client(account) as client:
        client.many("api/v1/notifications", [("types[]", "mention"), ("limit", "1")])


def _posts(account: ChannelAccount) -> None:
    with Client(account) as client:
        client.many(f"api/v1/accounts/{Us.of(account).id}/statuses", [("limit", "1")])


def _tried(name: str, scope: str, attempt: Callable[[], None]) -> Finding:
    try:
        attempt()
    except SendFailed as failure:
        return Finding(name, works=False, text=str(failure), remedy=failure.advice, scope=scope)
    return Finding(name, works=True, scope=scope)
