"""The Facebook connector: one Page, its comments and its Messenger in one account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from engagement.channels.base import (
    Act,
    Connector,
    Event,
    Finding,
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
from engagement.channels.facebook import events, examining, login, sending
from engagement.channels.facebook.client import graph
from engagement.channels.facebook.pulling import FIRST, Reader
from engagement.channels.meta import app, hooks
from engagement.channels.meta.answering import window
from engagement.channels.meta.client import Graph
from engagement.channels.meta.errors import GoneFailure
from engagement.channels.meta.forms import WindowForm
from engagement.channels.meta.reading import body_of, ident, moment, words
from engagement.channels.meta.walking import Reach, found, heard, pages
from engagement.models import ChannelAccount, RawEvent

HOOK_FIELDS = (
    "feed", "mention", "messages", "message_edits", "message_echoes", "message_deliveries", "message_reads",
    "messaging_postbacks", "standby",
)  # fmt: skip
NAMED = "mention:"


class FacebookConnector(Connector):
    """One Page. People have ids of their own for each Page, so the issuer is the Page."""

    name = "facebook"
    label = "Facebook"
    icon = "ti-brand-facebook"
    hue = "facebook"
    networks = (events.NETWORK,)
    about = "Comments under the posts of a Page and messages to it by Messenger, answered as the Page."
    needs = (
        "A Facebook Page on which you may moderate and answer messages.",
        "The Meta app of your installation, approved for the permissions below.",
    )
    can_pull = True
    can_reply = True
    takes_hooks = True
    hook_scope = "app"
    subscribes = True
    reconciles = True
    reads_history = True
    logs_in = True
    reads_back = True
    has_metrics = True
    takes_files = True
    keys_of = app.NAME
    app_parts = ("id", "secret", "verify_token")
    acts = frozenset({Act.HIDE, Act.UNHIDE, Act.LIKE, Act.UNLIKE, Act.DELETE, Act.BLOCK, Act.UNBLOCK})
    rates = (Rate("send", 300, 1), Rate("pull", 100, 60))
    scopes: ClassVar[Mapping[str, str]] = {
        "pages_show_list": "list your Pages",
        "pages_read_engagement": "read posts and comments",
        "pages_read_user_content": "see who comments, and what visitors post",
        "pages_manage_engagement": "answer, hide, like and delete comments",
        "pages_messaging": "read and answer messages",
        "pages_manage_metadata": "let Meta send what is new at once",
    }
    max_length = 2000
    comment_length = 8000
    max_attachment_bytes = 25 * 1024 * 1024
    pull_every_seconds = 300
    reply_window_hours = 24
    settings_form = WindowForm

    # Webhooks

    def greet(self, hook: Hook, account: ChannelAccount | None) -> HookAnswer | None:
        return hooks.greet(hook)

    def verify(self, hook: Hook, account: ChannelAccount | None) -> None:
        hooks.verify(hook, [app.key("secret")])

    def parse(self, raw: RawEvent) -> Sequence[Parcel]:
        """A webhook, or an item of a pull that was parked. Raises ValueError."""
        body = body_of(bytes(raw.body))
        if not events.is_pulled(body):
            return list(events.parcels(body))
        if raw.account is None:
            raise ValueError("the item belongs to no Page")
        if words(body, "kind") == "named":
            return [Parcel(named=[ident(body, "named")])]
        return [events.pulled_parcel(body, raw.account.external_id)]

    def subscribe(self, account: ChannelAccount, address: str) -> Subscription:
        """The app sends to our address, and the Page lets the app send."""
        try:
            app.see_to_app_webhook("page", HOOK_FIELDS, address)
            with graph(account) as client:
                client.post(
                    f"{account.external_id}/subscribed_apps", {"subscribed_fields": ",".join(HOOK_FIELDS)}
                )
        except PermanentFailure as failure:
            return app.off(failure)
        return Subscription(active=True)

    def unsubscribe(self, account: ChannelAccount) -> None:
        with graph(account) as client:
            client.delete(f"{account.external_id}/subscribed_apps")

    # Connecting

    def begin_login(self, cleaned: Mapping[str, Any], *, state: str, back_to: str) -> Login:
        return login.begin(tuple(self.scopes), cleaned, state=state, back_to=back_to)

    def finish_login(
        self, query: Mapping[str, str], remembered: Mapping[str, Any], *, back_to: str
    ) -> Sequence[Offer]:
        return login.finish(query, remembered, back_to=back_to)

    def check(self, account: ChannelAccount) -> None:
        with graph(account) as client:
            client.get(account.external_id, fields="id,name")

    def examine(self, account: ChannelAccount) -> Sequence[Finding]:
        return examining.examine(account, dict(self.scopes))

    # Reading

    def pull(self, account: ChannelAccount) -> Iterator[Page]:
        """Posts, comments and messages since the last walk began."""
        with graph(account) as client:
            yield from pages(account, FIRST, Reader(client, account.external_id).step)

    def list_window(
        self, account: ChannelAccount, since: datetime, until: datetime
    ) -> Iterator[Sequence[Listed]]:
        with graph(account) as client:
            for taken in found(FIRST, Reader(client, account.external_id).step, Reach(since)):
                yield heard(taken, since, until)

    def fetch(self, account: ChannelAccount, external_ids: Sequence[str]) -> Page:
        """Mentions, of which a webhook tells only the ids. What was deleted meanwhile is left out."""
        named = [one.removeprefix(NAMED) for one in external_ids if one.startswith(NAMED)]
        with graph(account) as client:
            said = [event for one in named for event in _mention(client, *one.rpartition(":")[::2])]
        return Page(events=said, cursor={})

    def gone(self, account: ChannelAccount, external_ids: Sequence[str]) -> Sequence[str]:
        """Comments that cannot be read any more, by an account that can read its Page.

        Of messages Meta keeps no trace that could be asked for.
        """
        with graph(account) as client:
            client.get(account.external_id, fields="id")
            comments = [one for one in external_ids if "_" in one and not one.startswith("m_")]
            return [one for one in comments if not client.has(one)]

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        return sending.send(outgoing)

    def find_sent(self, outgoing: Outgoing) -> Sent | None:
        return sending.find_sent(outgoing)

    def limits(self, account: ChannelAccount, *, public: bool) -> Limits:
        if public:
            return Limits(length=self.comment_length, files=0)
        return Limits(
            length=self.max_length,
            files=1,
            file_bytes=self.max_attachment_bytes,
            window=window(account),
        )

    def act(self, account: ChannelAccount, act: Act, target: Target) -> None:
        with graph(account, bucket="send") as client:
            _act(client, account, act, target)


def _mention(client: Graph, post: str, thing: str) -> list[Event]:
    try:
        told = client.get(thing, fields="id,message,created_time,from{id,name}")
    except GoneFailure:
        return []
    try:
        author = events.messaging.author_of(events.inner(told, "from"))
        return [
            events.mention(thing, post or thing, words(told, "message"), moment(told, "created_time"), author)
        ]
    except ValueError as error:
        raise PermanentFailure(f"The mention {thing} cannot be read: {error}") from None


def _act(client: Graph, account: ChannelAccount, act: Act, target: Target) -> None:
    thing = target.external_id
    if act in (Act.HIDE, Act.UNHIDE):
        client.post(thing, {"is_hidden": act is Act.HIDE})
    elif act is Act.LIKE:
        client.post(f"{thing}/likes", {})
    elif act is Act.UNLIKE:
        client.delete(f"{thing}/likes")
    elif act is Act.DELETE:
        client.remove(thing)
    elif target.author is None:
        raise PermanentFailure("Nobody is known who could be blocked.")
    elif act is Act.BLOCK:
        client.post(f"{account.external_id}/blocked", {"psid": [target.author.external_id]})
    else:
        client.delete(f"{account.external_id}/blocked", json={"psid": target.author.external_id})
