"""The Instagram connector: one professional account, its comments, mentions and direct messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from engagement.channels.base import (
    Act,
    Connector,
    Event,
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
    PermanentFailure,
    Rate,
    Sent,
    Subscription,
    Target,
)
from engagement.channels.instagram import events, login, sending
from engagement.channels.instagram.client import graph
from engagement.channels.instagram.pulling import FIRST, Reader
from engagement.channels.meta import app, hooks
from engagement.channels.meta.answering import window
from engagement.channels.meta.client import Graph
from engagement.channels.meta.errors import GoneFailure
from engagement.channels.meta.examining import tried
from engagement.channels.meta.forms import WindowForm
from engagement.channels.meta.reading import body_of, maybe
from engagement.channels.meta.walking import Reach, found, heard, pages
from engagement.models import ChannelAccount, RawEvent

HOOK_FIELDS = ("comments", "live_comments", "mentions", "messages", "messaging_postbacks", "messaging_seen")
ACCOUNT_FIELDS = ("comments", "live_comments", "messages", "messaging_postbacks", "messaging_seen")
COMMENT_OF = "mentioned_comment.comment_id({}){{id,text,timestamp,username}}"
CAPTION_OF = "mentioned_media.media_id({}){{id,caption,timestamp,username}}"


class InstagramConnector(Connector):
    """One professional account. It has ids of its own for people, so the issuer is the account."""

    name = "instagram"
    label = "Instagram"
    icon = "ti-brand-instagram"
    hue = "instagram"
    networks = (events.NETWORK,)
    about = "Comments, mentions and direct messages of a professional account, answered in its name."
    needs = (
        "A professional (business or creator) Instagram account and its login.",
        "The Instagram id and secret of the Meta app of your installation.",
    )
    can_pull = True
    can_reply = True
    takes_hooks = True
    hook_scope = "app"
    subscribes = True
    reconciles = True
    reads_history = True
    logs_in = True
    refreshes = True
    reads_back = True
    has_metrics = True
    keys_of = app.NAME
    app_parts = ("id", "secret", "verify_token", "instagram_id", "instagram_secret")
    acts = frozenset({Act.HIDE, Act.UNHIDE, Act.DELETE})
    rates = (Rate("send", 300, 1), Rate("pull", 100, 60))
    scopes: ClassVar[Mapping[str, str]] = {
        "instagram_business_basic": "read posts",
        "instagram_business_manage_comments": "read, answer, hide and delete comments",
        "instagram_business_manage_messages": "read and answer direct messages",
    }
    max_length = 1000
    comment_length = 300
    pull_every_seconds = 300
    reply_window_hours = 24
    settings_form = WindowForm

    # Webhooks

    def greet(self, hook: Hook, account: ChannelAccount | None) -> HookAnswer | None:
        return hooks.greet(hook)

    def verify(self, hook: Hook, account: ChannelAccount | None) -> None:
        """Signed with the secret of Instagram Login or with that of the app, as the webhook was set up."""
        hooks.verify(hook, [app.key("instagram_secret"), app.key("secret")])

    def parse(self, raw: RawEvent) -> Sequence[Parcel]:
        """A webhook, or an item of a pull that was parked. Raises ValueError."""
        body = body_of(bytes(raw.body))
        if not events.is_pulled(body):
            return list(events.parcels(body))
        if raw.account is None:
            raise ValueError("the item belongs to no account")
        return [events.pulled_parcel(body, events.ours_of(raw.account))]

    def subscribe(self, account: ChannelAccount, address: str) -> Subscription:
        """The app sends to our address, and the account lets the app send."""
        try:
            app.see_to_app_webhook("instagram", HOOK_FIELDS, address)
            with graph(account) as client:
                client.post("me/subscribed_apps", {"subscribed_fields": ",".join(ACCOUNT_FIELDS)})
        except PermanentFailure as failure:
            return app.off(failure)
        return Subscription(active=True)

    def unsubscribe(self, account: ChannelAccount) -> None:
        with graph(account) as client:
            client.delete("me/subscribed_apps")

    # Connecting

    def begin_login(self, cleaned: Mapping[str, Any], *, state: str, back_to: str) -> Login:
        return login.begin(tuple(self.scopes), cleaned, state=state, back_to=back_to)

    def finish_login(
        self, query: Mapping[str, str], remembered: Mapping[str, Any], *, back_to: str
    ) -> Sequence[Offer]:
        return login.finish(query, remembered, back_to=back_to)

    def refresh(self, account: ChannelAccount) -> Fresh:
        return login.refresh(account)

    def check(self, account: ChannelAccount) -> None:
        with graph(account) as client:
            client.get("me", fields="id,username")

    def examine(self, account: ChannelAccount) -> Sequence[Finding]:
        """Each list that is read, alone."""
        basic, comments, messages = self.scopes
        with graph(account) as client:
            return [
                tried("Profile", basic, lambda one: one.get("me", fields="id,username"), client),
                tried("Posts", basic, lambda one: one.get("me/media", limit=1), client),
                tried("Comments", comments, _first_comments, client),
                tried(
                    "Messages",
                    messages,
                    lambda one: one.get("me/conversations", platform="instagram", limit=1),
                    client,
                ),
                tried("Webhooks", messages, lambda one: one.get("me/subscribed_apps"), client),
            ]

    # Reading

    def pull(self, account: ChannelAccount) -> Iterator[Page]:
        """Posts, comments where their number changed, and messages since the last walk began."""
        with graph(account) as client:
            yield from pages(account, FIRST, Reader(client, events.ours_of(account)).step)

    def list_window(
        self, account: ChannelAccount, since: datetime, until: datetime
    ) -> Iterator[Sequence[Listed]]:
        with graph(account) as client:
            for taken in found(FIRST, Reader(client, events.ours_of(account)).step, Reach(since)):
                yield heard(taken, since, until)

    def fetch(self, account: ChannelAccount, external_ids: Sequence[str]) -> Page:
        """Mentions, of which a webhook tells only the ids. What was deleted meanwhile is left out."""
        named = [one.removeprefix(events.NAMED) for one in external_ids if one.startswith(events.NAMED)]
        with graph(account) as client:
            said = [event for one in named for event in _mention(client, account, one)]
        return Page(events=said, cursor={})

    def gone(self, account: ChannelAccount, external_ids: Sequence[str]) -> Sequence[str]:
        """Comments that cannot be read any more, by an account that can read itself."""
        with graph(account) as client:
            client.get("me", fields="id")
            return [one for one in external_ids if one.isdigit() and not client.has(one)]

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        return sending.send(outgoing)

    def find_sent(self, outgoing: Outgoing) -> Sent | None:
        return sending.find_sent(outgoing)

    def limits(self, account: ChannelAccount, *, public: bool) -> Limits:
        if public:
            return Limits(length=self.comment_length, files=0)
        return Limits(length=self.max_length, files=0, window=window(account))

    def act(self, account: ChannelAccount, act: Act, target: Target) -> None:
        with graph(account, bucket="send") as client:
            if act is Act.DELETE:
                client.remove(target.external_id)
            else:
                client.post(target.external_id, {"hide": act is Act.HIDE})


def _first_comments(client: Graph) -> None:
    media = client.get("me/media", fields="id", limit=1).get("data")
    if isinstance(media, list) and media and isinstance(media[0], dict):
        client.get(f"{media[0].get('id')}/comments", limit=1)


def _mention(client: Graph, account: ChannelAccount, named: str) -> list[Event]:
    media, _colon, comment = named.partition(":")
    asked, key = (COMMENT_OF, "mentioned_comment") if comment else (CAPTION_OF, "mentioned_media")
    try:
        told = maybe(client.get(account.external_id, fields=asked.format(comment or media)), key)
    except GoneFailure:
        return []
    try:
        return [events.mentioned(told, media, comment)]
    except ValueError as error:
        raise PermanentFailure(f"The mention {named} cannot be read: {error}") from None
