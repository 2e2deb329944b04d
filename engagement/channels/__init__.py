"""The registry of connectors: one line each, loaded when first asked for.

Others ship a connector as a package with the entry point group `rapport.channels`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from engagement.channels.base import Connector

BUILT_IN = {
    "facebook": "engagement.channels.facebook.connector:FacebookConnector",
    "instagram": "engagement.channels.instagram.connector:InstagramConnector",
    "whatsapp": "engagement.channels.whatsapp.connector:WhatsAppConnector",
    "email": "engagement.channels.email.connector:EmailConnector",
    "webchat": "engagement.channels.webchat.connector:WebchatConnector",
    "bluesky": "engagement.channels.bluesky.connector:BlueskyConnector",
    "telegram": "engagement.channels.telegram.connector:TelegramConnector",
    "review": "engagement.channels.review.connector:ReviewConnector",
    "api": "engagement.channels.api.connector:ApiConnector",
    "x": "engagement.channels.x.connector:XConnector",
    "mastodon": "engagement.channels.mastodon.connector:MastodonConnector",
    "twilio": "engagement.channels.twilio.connector:TwilioConnector",
    "woocommerce": "engagement.channels.woocommerce.connector:WooCommerceConnector",
    "shopify": "engagement.channels.shopify.connector:ShopifyConnector",
    "demo": "engagement.channels.demo.connector:DemoConnector",
}


def paths() -> dict[str, str]:
    """Connector name to "module:Class"."""
    shipped = {point.name: point.value for point in entry_points(group="rapport.channels")}
    return shipped | BUILT_IN


@cache
def connector(name: str) -> Connector:
    """The connector of this name. Raises KeyError for one that is not installed."""
    module, _, cls = paths()[name].partition(":")
    found = getattr(import_module(module), cls)()
    if not isinstance(found, Connector):
        raise TypeError(f"{paths()[name]} is not a Connector")
    return found


def connectors() -> list[Connector]:
    """Every connector that is installed."""
    return [connector(name) for name in paths()]
