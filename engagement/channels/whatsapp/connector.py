"""The WhatsApp connector: one number of the business, heard by webhook, answered by the Cloud API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from engagement.channels.base import (
    Act,
    Connector,
    File,
    Finding,
    Hook,
    HookAnswer,
    Outgoing,
    Parcel,
    PermanentFailure,
    Rate,
    Sent,
    Subscription,
    Target,
    TransientFailure,
)
from engagement.channels.meta import app, hooks
from engagement.channels.meta.examining import tried
from engagement.channels.meta.reading import body_of
from engagement.channels.shapes import Limits
from engagement.channels.whatsapp import events, sending
from engagement.channels.whatsapp.client import download, graph, token_of
from engagement.channels.whatsapp.forms import NumberForm
from engagement.models import ChannelAccount, RawEvent

MEGABYTE = 1024 * 1024


class WhatsAppConnector(Connector):
    """One number. Numbers are world-wide and user ids are given once, so the issuer is ''."""

    name = "whatsapp"
    label = "WhatsApp"
    icon = "ti-brand-whatsapp"
    hue = "whatsapp"
    networks = (events.NETWORK,)
    about = "Messages and catalogue orders that come to a WhatsApp Business number, answered from it."
    needs = (
        "A WhatsApp Business number on Meta's Cloud API, and the token of a system user.",
        "A public https address: WhatsApp has no other way to tell what was said.",
    )
    can_reply = True
    takes_hooks = True
    hook_scope = "app"
    subscribes = True
    why_not_compared = (
        "WhatsApp has no list of what customers wrote: its message history tells only what became of our own "
        "messages."
    )
    takes_files = True
    keys_of = app.NAME
    app_parts = ("id", "secret", "verify_token")
    acts = frozenset({Act.BLOCK, Act.UNBLOCK})
    rates = (Rate("send", 80, 1), Rate("send", 10, 60, per="person"))
    scopes: ClassVar[Mapping[str, str]] = {
        "whatsapp_business_messaging": "send answers and fetch files",
        "whatsapp_business_management": "let Meta send what is new at once",
    }
    max_length = 4096
    max_attachment_bytes = 16 * MEGABYTE
    reply_window_hours = 24
    settings_form = NumberForm
    secret_fields: ClassVar[tuple[str, ...]] = ("access_token",)

    def fill_account(self, account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
        """Also the id by which webhooks name the number."""
        super().fill_account(account, cleaned)
        account.network = events.NETWORK
        account.external_id = cleaned["phone_number_id"]

    # Webhooks

    def greet(self, hook: Hook, account: ChannelAccount | None) -> HookAnswer | None:
        return hooks.greet(hook)

    def verify(self, hook: Hook, account: ChannelAccount | None) -> None:
        hooks.verify(hook, [app.key("secret")])

    def parse(self, raw: RawEvent) -> Sequence[Parcel]:
        """What customers wrote, and what became of our messages. Raises ValueError."""
        return list(events.parcels(body_of(bytes(raw.body))))

    def subscribe(self, account: ChannelAccount, address: str) -> Subscription:
        """The app sends to our address, and the business account lets the app send."""
        try:
            app.see_to_app_webhook("whatsapp_business_account", ("messages",), address)
            with graph(account, bucket="pull") as client:
                client.post(f"{_business(account)}/subscribed_apps", {})
        except PermanentFailure as failure:
            return app.off(failure)
        return Subscription(active=True)

    def unsubscribe(self, account: ChannelAccount) -> None:
        """Where this is the business account's only number: it is subscribed as a whole, and what the others
        hear could not be had later."""
        with graph(account, bucket="pull") as client:
            numbers = client.get(f"{_business(account)}/phone_numbers", fields="id").get("data")
            if isinstance(numbers, list) and len(numbers) <= 1:
                client.delete(f"{_business(account)}/subscribed_apps")

    # Connecting

    def check(self, account: ChannelAccount) -> None:
        with graph(account, bucket="pull") as client:
            client.get(account.external_id, fields="display_phone_number,verified_name")

    def examine(self, account: ChannelAccount) -> Sequence[Finding]:
        """The number and the business account, each alone."""
        messaging, management = self.scopes
        number, business = account.external_id, _business(account)
        with graph(account, bucket="pull") as client:
            return [
                tried("Number", messaging, lambda one: one.get(number, fields="verified_name"), client),
                tried("Webhooks", management, lambda one: one.get(f"{business}/subscribed_apps"), client),
            ]

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        return sending.send(outgoing)

    def limits(self, account: ChannelAccount, *, public: bool) -> Limits:
        return replace(super().limits(account, public=public), files=1)

    def act(self, account: ChannelAccount, act: Act, target: Target) -> None:
        """Block or unblock somebody who wrote within the last 24 hours."""
        if target.author is None:
            raise PermanentFailure("Nobody is known who could be blocked.")
        person = target.author.external_id
        about = {"user_id": person} if sending.is_user_id(person) else {"user": person}
        body = {"messaging_product": "whatsapp", "block_users": [about]}
        with graph(account) as client:
            if act is Act.BLOCK:
                client.post(f"{account.external_id}/block_users", body)
            else:
                client.delete(f"{account.external_id}/block_users", json=body)

    def fetch_file(self, account: ChannelAccount, file: File, *, most: int) -> File:
        """Ask for the address, which lives five minutes, and take the file from there with the token."""
        if not file.url.isascii() or not file.url.isdigit():
            raise PermanentFailure("WhatsApp names this file by no number.")
        with graph(account, bucket="pull") as client:
            told = client.get(file.url, phone_number_id=account.external_id)
        url = told.get("url")
        if not isinstance(url, str) or not url:
            raise TransientFailure("WhatsApp gave no address for this file.")
        answer = download(url, token_of(account), most=most)
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        content_type = kind or file.content_type
        return replace(file, content=answer.body, content_type=content_type, size=len(answer.body))

    def order_source(self, account: ChannelAccount) -> str:
        return f"whatsapp:{account.external_id}"


def _business(account: ChannelAccount) -> str:
    return str(account.settings.get("waba_id") or "")
