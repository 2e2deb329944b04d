"""The Shopify connector: a shop's orders and customers."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar

from django.utils import timezone

from core.text import parse_when
from engagement.channels.base import (
    Connector,
    Finding,
    Forged,
    Fresh,
    Hook,
    Listed,
    Login,
    Offer,
    Page,
    Parcel,
    Rate,
    SendFailed,
    Subscription,
    app_keys,
)
from engagement.channels.shopify import events, login, pulling, queries
from engagement.channels.shopify.client import ask, client, done, pages
from engagement.channels.shopify.forms import ShopForm
from engagement.channels.shops import source_of
from engagement.models import ChannelAccount, RawEvent

SIGNATURE = "x-shopify-hmac-sha256"
TOPIC, SENDER, DELIVERY = "x-shopify-topic", "x-shopify-shop-domain", "x-shopify-webhook-id"
TOPICS = ("ORDERS_CREATE", "ORDERS_UPDATED", "CUSTOMERS_CREATE", "CUSTOMERS_UPDATE", "APP_UNINSTALLED")
OLD_SECRET_LIVES = timedelta(days=1)
"""Shopify signs with the old secret for up to an hour after it was changed."""
TRIED = (
    ("orders", queries.PLACED, "read_orders"),
    ("customers", queries.CUSTOMERS, "read_customers"),
)


class ShopifyConnector(Connector):
    """One shop. It cannot be answered: a note of an order is read by staff of the shop, and Shopify has no
    other way to its customers."""

    name = "shopify"
    label = "Shopify"
    icon = "ti-shopping-bag"
    hue = "shop"
    networks = ("shopify",)
    can_pull = True
    takes_hooks = True
    hook_headers = (TOPIC, SENDER, "x-shopify-triggered-at", "x-shopify-event-id", "x-shopify-api-version")
    subscribes = True
    reconciles = True
    lists_orders = True
    reads_history = True
    logs_in = True
    refreshes = True
    keys_of = login.APP
    scopes: ClassVar[Mapping[str, str]] = {
        "read_orders": "Orders of the last 60 days, their refunds and notes",
        "read_all_orders": "Orders older than 60 days; Shopify gives it on request",
        "read_customers": "Customers, and whether their e-mail address is verified",
    }
    max_attachment_bytes = 0
    pull_every_seconds = 300
    rates = (Rate("pull", 20, 20.0),)
    settings_form = ShopForm
    secret_fields: ClassVar[tuple[str, ...]] = ("client_secret", "access_token")
    about = "Orders, refunds and customers of a shop come in, with the note that a customer wrote."
    needs = (
        "The shop's name at Shopify, and somebody who may install apps in it.",
        "An app of yours in Shopify's Dev Dashboard, or a login with the app of this installation.",
        "“Protected customer data access” for that app: without it Shopify names no customer.",
    )

    def fill_account(self, account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
        """Also the shop, by which the account is known; a changed secret leaves the old one good a day."""
        if account.settings.get("shop") not in (None, cleaned["shop"]):
            account.cursor = {}
        before = account.credentials.get("client_secret")
        super().fill_account(account, cleaned)
        if before and account.credentials.get("client_secret") != before:
            until = (timezone.now() + OLD_SECRET_LIVES).isoformat()
            account.credentials = {**account.credentials, "old_secret": before, "old_secret_until": until}
        account.network = "shopify"
        account.external_id = account.issuer = cleaned["shop"]
        account.name = account.name or cleaned["shop"].partition(".")[0]

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

    def verify(self, hook: Hook, account: ChannelAccount | None) -> None:
        given = hook.headers.get(SIGNATURE, "").encode("utf-8", "replace")
        for secret in _secrets(account):
            wanted = base64.b64encode(hmac.new(secret.encode(), hook.body, sha256).digest())
            if hmac.compare_digest(wanted, given):
                return
        raise Forged

    def delivery_key(self, hook: Hook) -> str:
        return hook.headers.get(DELIVERY, "")

    def parse(self, raw: RawEvent) -> Sequence[Parcel]:
        account, headers = raw.account, raw.headers
        return events.parcels(
            bytes(raw.body),
            str(headers.get(TOPIC) or ""),
            shop=account.external_id if account else "",
            sender=str(headers.get(SENDER) or ""),
            settings=account.settings if account else {},
        )

    def speaks_for(self, account: ChannelAccount, other: ChannelAccount) -> bool:
        """What the law asks comes to one address for all shops of an app."""
        return bool(set(_secrets(account)) & set(_secrets(other)))

    # Connecting

    def wants_login(self, cleaned: Mapping[str, Any]) -> bool:
        return cleaned.get("way") == "login"

    def begin_login(self, cleaned: Mapping[str, Any], *, state: str, back_to: str) -> Login:
        return login.begin(cleaned, state=state, back_to=back_to)

    def finish_login(
        self, query: Mapping[str, str], remembered: Mapping[str, Any], *, back_to: str
    ) -> Sequence[Offer]:
        return login.finish(query, remembered)

    def refresh(self, account: ChannelAccount) -> Fresh:
        return login.renew(account)

    def check(self, account: ChannelAccount) -> None:
        """Ask the shop for its name; an app of its own asks for a token first."""
        if account.settings.get("way") == "app":
            fresh = login.own_token(account)
            account.credentials, account.token_expires_at = dict(fresh.credentials), fresh.expires_at
        with client(account) as link:
            ask(link, queries.SHOP)

    def examine(self, account: ChannelAccount) -> Sequence[Finding]:
        """The shop, then each list alone, then how far back orders are given."""
        try:
            with client(account) as link:
                told = ask(link, queries.SHOP)
        except SendFailed as failure:
            return [Finding("shop", works=False, text=str(failure), remedy=failure.advice)]
        found = [_tried(account, *one) for one in TRIED]
        granted = (told.get("currentAppInstallation") or {}).get("accessScopes") or ()
        everything = any(one.get("handle") == "read_all_orders" for one in granted if isinstance(one, dict))
        text = (
            "" if everything else "Only orders of the last 60 days are given: read_all_orders is not granted."
        )
        signed = bool(_secrets(account))
        return [
            Finding("shop", works=True),
            *found,
            Finding("older orders", works=True, text=text, scope="read_all_orders"),
            Finding(
                "webhook signature",
                works=signed,
                remedy="" if signed else "Give the app's client secret: without it no webhook is believed.",
            ),
        ]

    def subscribe(self, account: ChannelAccount, address: str) -> Subscription:
        """Make the webhooks that are missing: Shopify deletes those that failed for four hours."""
        if not _secrets(account):
            text = "Give the app's client secret, or webhooks cannot be checked. Changes are read meanwhile."
            return Subscription(active=False, text=text)
        with client(account) as link:
            there = {str(hook.get("topic")) for hook in _hooks(link) if hook.get("uri") == address}
            for topic in TOPICS:
                if topic not in there:
                    told = ask(link, queries.ADD_HOOK, {"topic": topic, "uri": address})
                    done(told, "webhookSubscriptionCreate")
        return Subscription(active=True, settings={"hook_address": address})

    def hook_copied(self, account: ChannelAccount) -> Sequence[tuple[str, str]]:
        """The three addresses that the law asks for; Shopify lets nobody set them by its API."""
        address = str(account.settings.get("hook_address") or "")
        topics = ", ".join(events.COMPLIANCE)
        return [(f"Compliance webhooks of the app ({topics})", address)] if address else []

    def unsubscribe(self, account: ChannelAccount) -> None:
        address = account.settings.get("hook_address")
        with client(account) as link:
            for hook in list(_hooks(link)):
                if address and hook.get("uri") == address:
                    ask(link, queries.DROP_HOOK, {"id": hook.get("id")})


def _secrets(account: ChannelAccount | None) -> list[str]:
    """What webhooks may be signed with: the account's own app, else the operator's; old ones for a while."""
    given = account.credentials if account else {}
    found = [str(given.get("client_secret") or "")]
    until = str(given.get("old_secret_until") or "")
    if until and parse_when(until) > timezone.now():
        found.append(str(given.get("old_secret") or ""))
    if account is not None and account.settings.get("way") == "login":
        keys = app_keys(login.APP)
        found = [keys.get("secret", ""), keys.get("old_secret", "")]
    return [secret for secret in found if secret]


def _hooks(link: Any) -> Iterator[dict[str, Any]]:
    for nodes, _more in pages(link, queries.HOOKS, "webhookSubscriptions", {}):
        yield from nodes


def _tried(account: ChannelAccount, name: str, query: str, scope: str) -> Finding:
    try:
        with client(account) as link:
            ask(link, query, {"first": 1, "after": None, "query": None})
    except SendFailed as failure:
        return Finding(name, works=False, text=str(failure), remedy=failure.advice, scope=scope)
    return Finding(name, works=True, scope=scope)
