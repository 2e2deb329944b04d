"""The Mastodon connector: mentions and direct messages of one account on any server that speaks its API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.utils.translation import gettext_noop

from engagement.channels.base import (
    Act,
    Connector,
    Finding,
    Limits,
    Listed,
    Login,
    Offer,
    Outgoing,
    Page,
    Parcel,
    Rate,
    Sent,
    Target,
)
from engagement.channels.mastodon import comparing, events, examining, login, pulling, sending
from engagement.channels.mastodon.counting import count_letters
from engagement.channels.mastodon.forms import ServerForm
from engagement.models import ChannelAccount, RawEvent

ROOM_FOR_A_NAME = 32
"""Kept of the length for the name that stands before every answer."""
FIVE_MINUTES, HALF_AN_HOUR = 300, 1800


class MastodonConnector(Connector):
    """One account. People's ids are their server's copy of them, so the issuer is the account's server."""

    name = login.NAME
    label = "Mastodon"
    icon = "ti-brand-mastodon"
    hue = "mastodon"
    networks = (login.NAME,)
    can_pull = True
    can_reply = True
    reads_back = True
    reconciles = True
    reads_history = True
    logs_in = True
    has_metrics = True
    takes_files = True
    acts = frozenset({Act.LIKE, Act.UNLIKE, Act.DELETE, Act.BLOCK, Act.UNBLOCK})
    about = gettext_noop(
        "Mentions, replies and direct messages come in; answers go out with the same visibility."
    )
    needs = (gettext_noop("The address of the server, and somebody who can sign in there with the account."),)
    scopes: ClassVar[Mapping[str, str]] = {
        "read:accounts": gettext_noop("know which account it is"),
        "read:notifications": gettext_noop("read mentions and direct messages"),
        "read:statuses": gettext_noop("read what an answer belongs to, and our posts"),
        "write:statuses": gettext_noop("answer, delete answers"),
        "write:media": gettext_noop("answer with files"),
        "write:favourites": gettext_noop("like what customers wrote"),
        "write:blocks": gettext_noop("block somebody"),
    }
    max_length = login.LETTERS
    max_attachment_bytes = login.MEGABYTES * 1024 * 1024
    pull_every_seconds = 60
    settings_form = ServerForm
    secret_fields = ("access_token",)
    sent_to: ClassVar[Mapping[str, tuple[str, ...]]] = {"instance": ("access_token",)}
    rates = (
        Rate("pull", 300, FIVE_MINUTES),
        Rate("send", 300, FIVE_MINUTES),
        Rate("act", 300, FIVE_MINUTES),
        Rate("media", 30, HALF_AN_HOUR),
    )

    def count_length(self, text: str) -> int:
        """A link counts 23, a name only what stands before its server, an emoji one."""
        return count_letters(text)

    def limits(self, account: ChannelAccount, *, public: bool) -> Limits:
        """What the account's own server allows, less the name of whom it goes to."""
        known = account.settings.get("limits") or login.limits_of({})
        return Limits(
            length=max(1, int(known["letters"]) - ROOM_FOR_A_NAME),
            files=int(known["files"]),
            file_bytes=int(known["file_bytes"]),
            file_types=tuple(known["file_types"]),
        )

    # Connecting

    def fill_account(self, account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
        """Also whose token it is, and what its server allows. Raises SendFailed."""
        super().fill_account(account, cleaned)
        account.network = self.name
        if account.credentials.get("access_token"):
            login.learn(account)
            account.scopes = list(login.granted(account)) or account.scopes

    def wants_login(self, cleaned: Mapping[str, Any]) -> bool:
        return not cleaned.get("access_token")

    def begin_login(self, cleaned: Mapping[str, Any], *, state: str, back_to: str) -> Login:
        return login.begin(str(cleaned["instance"]), state=state, back_to=back_to)

    def finish_login(
        self, query: Mapping[str, str], remembered: Mapping[str, Any], *, back_to: str
    ) -> Sequence[Offer]:
        return login.finish(query, remembered, back_to=back_to)

    def check(self, account: ChannelAccount) -> None:
        """Ask whose token it is; what the server allows is learned with it."""
        login.learn(account)

    def examine(self, account: ChannelAccount) -> Sequence[Finding]:
        return examining.examine(account)

    # In

    def pull(self, account: ChannelAccount) -> Iterator[Page]:
        return pulling.pages(account)

    def parse(self, raw: RawEvent) -> Sequence[Parcel]:
        """A notification or a status that was parked, once more."""
        if raw.account is None:
            raise ValueError("It belongs to no account.")
        return events.parse_body(raw.account, bytes(raw.body))

    # Comparing

    def list_window(
        self, account: ChannelAccount, since: datetime, until: datetime
    ) -> Iterator[Sequence[Listed]]:
        return comparing.list_window(account, since, until)

    def gone(self, account: ChannelAccount, external_ids: Sequence[str]) -> Sequence[str]:
        return comparing.gone(account, external_ids)

    # Out

    def send(self, outgoing: Outgoing) -> Sent:
        return sending.send(outgoing)

    def find_sent(self, outgoing: Outgoing) -> Sent | None:
        return sending.find_sent(outgoing)

    def act(self, account: ChannelAccount, act: Act, target: Target) -> None:
        sending.act(account, act, target)
