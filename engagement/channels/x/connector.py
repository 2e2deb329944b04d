"""The X connector: mentions, replies and direct messages of one account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.utils.translation import gettext_noop

from engagement.channels.base import (
    Act,
    Connector,
    File,
    Finding,
    Fresh,
    Hook,
    HookAnswer,
    Limits,
    Listed,
    Login,
    Offer,
    Outgoing,
    Page,
    Parcel,
    Rate,
    Sent,
    Subscription,
    Target,
)
from engagement.channels.fetching import fetch_public
from engagement.channels.x import comparing, examining, hooks, login, pulling, sending
from engagement.channels.x.client import NAME, Client
from engagement.channels.x.counting import weighted_length
from engagement.models import ChannelAccount, RawEvent

MEGABYTE = 1024 * 1024
QUARTER, DAY = 15 * 60, 24 * 3600
PICTURES = ("image/jpeg", "image/png", "image/webp", "image/gif")
FILES_OF_MESSAGES = "ton.twitter.com"


class XConnector(Connector):
    """One account at X. Identities are X's numbers, which are world-wide, so the issuer is ''."""

    name = NAME
    label = "X"
    icon = "ti-brand-x"
    hue = "x"
    networks = (NAME,)
    can_pull = True
    can_reply = True
    reads_back = True
    takes_hooks = True
    hook_scope = "app"
    subscribes = True
    reconciles = True
    reads_history = True
    logs_in = True
    refreshes = True
    has_metrics = True
    takes_files = True
    acts = frozenset(Act)
    keys_of = NAME
    about = gettext_noop(
        "Mentions, replies and direct messages come in; answers go out as posts or direct messages."
    )
    needs = (
        gettext_noop("An app at developer.x.com with OAuth 2.0, and credit: X bills reading and posting."),
        gettext_noop("The app's keys in CHANNEL_APP_X_ID and CHANNEL_APP_X_SECRET."),
        gettext_noop("For webhooks also CHANNEL_APP_X_CONSUMER_SECRET and CHANNEL_APP_X_BEARER_TOKEN."),
    )
    scopes: ClassVar[Mapping[str, str]] = {
        "tweet.read": gettext_noop("read mentions and replies"),
        "users.read": gettext_noop("know who wrote"),
        "tweet.write": gettext_noop("answer in public"),
        "dm.read": gettext_noop("read direct messages"),
        "dm.write": gettext_noop("answer direct messages, block them"),
        "offline.access": gettext_noop("stay connected for more than two hours"),
        "like.write": gettext_noop("like what customers wrote"),
        "tweet.moderate.write": gettext_noop("hide replies to our posts"),
        "media.write": gettext_noop("answer with pictures"),
    }
    max_length = 280
    max_attachment_bytes = 5 * MEGABYTE
    pull_every_seconds = 60
    rates = (
        Rate("pull", 300, QUARTER),
        Rate("dms", 15, QUARTER),
        Rate("posts", 900, QUARTER),
        Rate("send", 100, QUARTER),
        Rate("send", 10_000, DAY, per="app"),
        Rate("dm-send", 15, QUARTER),
        Rate("act", 50, QUARTER),
    )

    def count_length(self, text: str) -> int:
        """Weighted: a link counts 23, emoji and CJK letters 2."""
        return weighted_length(text)

    def limits(self, account: ChannelAccount, *, public: bool) -> Limits:
        """280 in public, 10,000 in a direct message; four pictures in a post, one in a message."""
        return Limits(
            length=self.max_length if public else 10_000,
            files=4 if public else 1,
            file_bytes=self.max_attachment_bytes,
            file_types=PICTURES,
        )

    # In

    def pull(self, account: ChannelAccount) -> Iterator[Page]:
        return pulling.pages(account)

    def greet(self, hook: Hook, account: ChannelAccount | None) -> HookAnswer | None:
        return hooks.greet(hook)

    def verify(self, hook: Hook, account: ChannelAccount | None) -> None:
        hooks.verify(hook)

    def delivery_key(self, hook: Hook) -> str:
        return hooks.delivery_key(hook)

    def parse(self, raw: RawEvent) -> Sequence[Parcel]:
        """A webhook's body, or an item of a pull that was parked."""
        me = raw.account.external_id if raw.account else ""
        return hooks.parse_body(bytes(raw.body), me, received_at=raw.received_at)

    def subscribe(self, account: ChannelAccount, address: str) -> Subscription:
        return hooks.subscribe(account, address)

    def unsubscribe(self, account: ChannelAccount) -> None:
        hooks.unsubscribe(account)

    def fetch_file(self, account: ChannelAccount, file: File, *, most: int) -> File:
        """Pictures of direct messages are given only to their participants, by a call of the API."""
        parts = urlsplit(file.url)
        path = parts.path.rpartition("/dm/")[2].strip("/")
        if parts.hostname != FILES_OF_MESSAGES or path.count("/") != 2:
            return fetch_public(file, most=most)
        with Client(account, bucket="dms") as client:
            answer = client.download(f"dm_conversations/media/{path}", most=most)
        return replace(file, content=answer.body, size=len(answer.body))

    # Connecting

    def begin_login(self, cleaned: Mapping[str, Any], *, state: str, back_to: str) -> Login:
        return login.begin(state=state, back_to=back_to)

    def finish_login(
        self, query: Mapping[str, str], remembered: Mapping[str, Any], *, back_to: str
    ) -> Sequence[Offer]:
        return login.finish(query, remembered, back_to=back_to)

    def refresh(self, account: ChannelAccount) -> Fresh:
        return login.refresh(account)

    def check(self, account: ChannelAccount) -> None:
        examining.check(account)

    def examine(self, account: ChannelAccount) -> Sequence[Finding]:
        return examining.examine(account)

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
