"""The WooCommerce connector: a shop's orders and customers in, notes to customers out."""

from __future__ import annotations

import base64
import hmac
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_hex
from typing import Any, ClassVar

from engagement.channels.base import (
    Connector,
    Finding,
    Forged,
    Hook,
    HookAnswer,
    Limits,
    Listed,
    Outgoing,
    Page,
    Parcel,
    PermanentFailure,
    Rate,
    SendFailed,
    Sent,
    Subscription,
)
from engagement.channels.shops import source_of
from engagement.channels.woocommerce import events, pulling
from engagement.channels.woocommerce.client import client, get, items, write
from engagement.channels.woocommerce.forms import ShopForm
from engagement.models import ChannelAccount, RawEvent

SIGNATURE = "x-wc-webhook-signature"
TOPIC = "x-wc-webhook-topic"
DELIVERY = ("x-wc-webhook-delivery-id", "x-wc-delivery-id")
"""Two names: what WooCommerce sends, and what its documentation says."""
TOPICS = ("order.created", "order.updated", "customer.created", "customer.updated")
CLOCKS = timedelta(minutes=1)
_PING = re.compile(rb"webhook_id=[0-9]{1,12}")
_ORDER = re.compile(r"order:([0-9]{1,18})")


class WooCommerceConnector(Connector):
    """One shop. Its customers' ids are its own; guests are known by their e-mail address or number."""

    name = "woocommerce"
    label = "WooCommerce"
    icon = "ti-basket"
    hue = "shop"
    networks = ("woocommerce",)
    can_pull = True
    can_reply = True
    reads_back = True
    takes_hooks = True
    hook_headers = (TOPIC, "x-wc-webhook-source", "x-wc-webhook-id")
    subscribes = True
    reconciles = True
    lists_orders = True
    reads_history = True
    max_length = 5_000
    max_attachment_bytes = 0
    pull_every_seconds = 300
    rates = (Rate("send", 60, 60.0), Rate("pull", 120, 60.0))
    settings_form = ShopForm
    secret_fields: ClassVar[tuple[str, ...]] = ("consumer_key", "consumer_secret")
    sent_to: ClassVar[Mapping[str, tuple[str, ...]]] = {"site": ("consumer_key", "consumer_secret")}
    about = "Orders, refunds and customers of a shop come in, with what they wrote; answers go as notes."
    needs = (
        "A shop on WooCommerce 5.8 or newer that is reached by https.",
        "A key of its REST API with the permission to read and write.",
    )

    def limits(self, account: ChannelAccount, *, public: bool) -> Limits:
        return Limits(length=self.max_length, files=0, file_bytes=0)

    def fill_account(self, account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
        """Also the shop's address, by which the account is known; another shop is read from its beginning."""
        if account.settings.get("site") not in (None, cleaned["site"]):
            account.cursor = {}
        super().fill_account(account, cleaned)
        account.network = "woocommerce"
        account.external_id = cleaned["site"].partition("://")[2]
        account.issuer = self.order_source(account)
        account.name = account.name or account.external_id

    def order_source(self, account: ChannelAccount) -> str:
        return source_of(account.external_id)

    # In

    def pull(self, account: ChannelAccount) -> Iterator[Page]:
        return pulling.read(account)

    def list_window(
        self, account: ChannelAccount, since: datetime, until: datetime
    ) -> Iterator[Sequence[Listed]]:
        return pulling.listed(account, since, until)

    def fetch(self, account: ChannelAccount, external_ids: Sequence[str]) -> Page:
        return pulling.fetched(account, external_ids)

    def greet(self, hook: Hook, account: ChannelAccount | None) -> HookAnswer | None:
        """The ping that WooCommerce sends when a webhook is made; it carries no signature."""
        if SIGNATURE not in hook.headers and _PING.fullmatch(hook.body.strip()):
            return HookAnswer()
        return None

    def verify(self, hook: Hook, account: ChannelAccount | None) -> None:
        secret = str(account.credentials.get("hook_secret") or "") if account else ""
        given = hook.headers.get(SIGNATURE, "")
        wanted = base64.b64encode(hmac.new(secret.encode(), hook.body, sha256).digest())
        if not secret or not hmac.compare_digest(wanted, given.encode("utf-8", "replace")):
            raise Forged

    def delivery_key(self, hook: Hook) -> str:
        return next((hook.headers[name] for name in DELIVERY if hook.headers.get(name)), "")

    def parse(self, raw: RawEvent) -> Sequence[Parcel]:
        return events.parcels(bytes(raw.body), str(raw.headers.get(TOPIC, "")))

    # Out

    def send(self, outgoing: Outgoing) -> Sent:
        """A note to the customer, which the shop mails; there is no key of ours, so it is read back."""
        order = _order_of(outgoing)
        with client(outgoing.account, bucket="send") as link:
            found, _answer = get(link, f"orders/{order}")
            address = found.get("billing", {}).get("email") if isinstance(found, dict) else ""
            if not address:
                raise PermanentFailure(
                    "The order has no e-mail address, so the shop could not send the note.",
                    advice="Call, or write to them on another channel.",
                )
            text = html.escape(outgoing.text, quote=False)
            note = {"note": text, "customer_note": True, "added_by_user": True}
            told = write(link, "POST", f"orders/{order}/notes", note)
        if not isinstance(told.get("id"), int):
            raise SendFailed("The shop took the note and gave no id for it.")
        return Sent(events.note_id(order, told["id"]))

    def find_sent(self, outgoing: Outgoing) -> Sent | None:
        """The newest note of the order with the same words since this one was written."""
        order, since = _order_of(outgoing), outgoing.delivery.created_at - CLOCKS
        with client(outgoing.account, bucket="send") as link:
            notes = items(link, f"orders/{order}/notes", {"type": "customer"})
        for note in sorted(notes, key=lambda one: str(one.get("date_created_gmt")), reverse=True):
            same = events.plain(str(note.get("note") or "")).split() == outgoing.text.split()
            if same and events.moment(note, "date_created_gmt") >= since:
                return Sent(events.note_id(order, int(note["id"])))
        return None

    # Connecting

    def check(self, account: ChannelAccount) -> None:
        """Read one order."""
        pulling.tried(account, "orders")

    def examine(self, account: ChannelAccount) -> Sequence[Finding]:
        """Each list, each alone; that the key may write shows when webhooks are made."""
        return [_tried(account, path) for path in ("orders", "customers", "webhooks")]

    def subscribe(self, account: ChannelAccount, address: str) -> Subscription:
        """Make the webhooks that are missing, and wake those that WooCommerce switched off after failures."""
        secret = str(account.credentials.get("hook_secret") or token_hex(32))
        woken = 0
        with client(account) as link:
            ours = {
                str(hook.get("topic")): hook
                for hook in items(link, "webhooks", {"per_page": 100, "status": "all"})
                if hook.get("delivery_url") == address
            }
            for topic in TOPICS:
                wanted = {"status": "active", "secret": secret, "delivery_url": address}
                hook = ours.get(topic)
                if hook is None:
                    write(link, "POST", "webhooks", {**wanted, "name": f"Rapport: {topic}", "topic": topic})
                elif hook.get("status") != "active" or not account.credentials.get("hook_secret"):
                    write(link, "PUT", f"webhooks/{hook['id']}", wanted)
                    woken += hook.get("status") == "disabled"
        text = "WooCommerce had switched webhooks off after failures; they are on again." if woken else ""
        return Subscription(
            active=True, text=text, secrets={"hook_secret": secret}, settings={"hook_address": address}
        )

    def unsubscribe(self, account: ChannelAccount) -> None:
        address = account.settings.get("hook_address")
        with client(account) as link:
            for hook in items(link, "webhooks", {"per_page": 100, "status": "all"}):
                if address and hook.get("delivery_url") == address:
                    write(link, "DELETE", f"webhooks/{hook['id']}?force=true", {})


def _order_of(outgoing: Outgoing) -> int:
    found = _ORDER.fullmatch(outgoing.thread_key)
    if found is None:
        raise PermanentFailure("This conversation is about no order, so there is nothing to add a note to.")
    return int(found[1])


def _tried(account: ChannelAccount, path: str) -> Finding:
    try:
        pulling.tried(account, path)
    except SendFailed as failure:
        return Finding(path, works=False, text=str(failure), remedy=failure.advice, scope="read")
    return Finding(path, works=True, scope="read")
