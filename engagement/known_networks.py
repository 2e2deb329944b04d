"""How the networks that people speak on are called and drawn, whichever connector carries them."""

from __future__ import annotations

from core.networks import register

KNOWN = (
    ("email", "E-mail", "mail", "email", "mail"),
    ("chat", "Web chat", "message-chatbot", "chat", "message"),
    ("phone", "Phone", "phone", "phone", "call"),
    ("caller", "Caller without a number", "phone-off", "phone", "call"),
    ("shopify", "Shopify", "shopping-bag", "shop", "shop"),
    ("woocommerce", "WooCommerce", "basket", "shop", "shop"),
    ("sms", "Text message", "message", "phone", "message"),
    ("whatsapp", "WhatsApp", "brand-whatsapp", "whatsapp", "message"),
    ("telegram", "Telegram", "brand-telegram", "telegram", "message"),
    ("instagram", "Instagram", "brand-instagram", "instagram", "comment"),
    ("facebook", "Facebook", "brand-facebook", "facebook", "comment"),
    ("x", "X", "brand-x", "x", "comment"),
    ("tiktok", "TikTok", "brand-tiktok", "tiktok", "comment"),
    ("youtube", "YouTube", "brand-youtube", "youtube", "comment"),
    ("bluesky", "Bluesky", "brand-bluesky", "telegram", "comment"),
    ("mastodon", "Mastodon", "brand-mastodon", "chat", "comment"),
    ("review", "Reviews", "star", "review", "review"),
    ("google", "Google reviews", "star", "review", "review"),
    ("trustpilot", "Trustpilot", "star", "review", "review"),
    ("app_store", "App Store", "brand-apple", "review", "review"),
    ("google_play", "Google Play", "brand-google-play", "review", "review"),
    ("tripadvisor", "Tripadvisor", "star", "review", "review"),
    ("yelp", "Yelp", "star", "review", "review"),
    ("shop", "Shop", "shopping-bag", "shop", "shop"),
    ("store", "In the shop", "building-store", "shop", "shop"),
)


def register_networks() -> None:
    """Make them known; a connector that is loaded later may say it better."""
    for name, label, icon, hue, kind in KNOWN:
        register(name, label, icon, hue, kind)
