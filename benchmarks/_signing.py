"""Webhooks as platforms send them: example bodies, signed with secrets that a measurement gave out."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

SECRET = "secret-of-a-measurement"  # noqa: S105
APPS = {
    "CHANNEL_APP_META_ID": "1",
    "CHANNEL_APP_META_SECRET": SECRET,
    "CHANNEL_APP_X_CONSUMER_SECRET": SECRET,
    "CHANNEL_APP_X_BEARER_TOKEN": "bearer",
    "CHANNEL_APP_SHOPIFY_ID": "1",
    "CHANNEL_APP_SHOPIFY_SECRET": SECRET,
}
"""Secrets of apps, as the environment of an installation."""
CREDENTIALS = {"hook_secret": SECRET, "auth_token": SECRET, "client_secret": SECRET}
"""Secrets of accounts, whatever a connector calls them."""


def _hex(url: str, body: bytes) -> dict[str, str]:
    return {"X-Hub-Signature-256": f"sha256={hmac.new(SECRET.encode(), body, 'sha256').hexdigest()}"}


def _base64(header: str, prefix: str = "") -> Callable[[str, bytes], dict[str, str]]:
    def sign(url: str, body: bytes) -> dict[str, str]:
        digest = hmac.new(SECRET.encode(), body, "sha256").digest()
        return {header: prefix + base64.b64encode(digest).decode()}

    return sign


def _by_form(url: str, body: bytes) -> dict[str, str]:
    from twilio.request_validator import RequestValidator

    form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    return {"X-Twilio-Signature": RequestValidator(SECRET).compute_signature(url, form)}


SIGN: Mapping[str, Callable[[str, bytes], dict[str, str]]] = {
    "facebook": _hex,
    "instagram": _hex,
    "whatsapp": _hex,
    "x": _base64("X-Twitter-Webhooks-Signature", "sha256="),
    "telegram": lambda url, body: {"X-Telegram-Bot-Api-Secret-Token": SECRET},
    "twilio": _by_form,
    "woocommerce": _base64("X-WC-Webhook-Signature"),
    "shopify": _base64("X-Shopify-Hmac-SHA256"),
}
"""How each platform signs: the headers that go with a body sent to an address."""


@dataclass
class Webhook:
    """One delivery, ready to be sent to an installation."""

    connector: str
    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def signed(self, public_url: str) -> dict[str, str]:
        """Return its headers with the signature over the address that the platform was told."""
        kind = "application/json" if self.body[:1] in (b"{", b"[") else "application/x-www-form-urlencoded"
        signature = SIGN[self.connector](public_url + self.path, self.body)
        return {"Content-Type": kind, **self.headers, **signature}


def with_values(value: Any, changes: Mapping[Any, Any]) -> Any:
    """Return the value with every leaf that stands in `changes` replaced."""
    if isinstance(value, dict):
        return {name: with_values(one, changes) for name, one in value.items()}
    if isinstance(value, list):
        return [with_values(one, changes) for one in value]
    return changes.get(value, value) if isinstance(value, str | int) else value


def private_message(number: int) -> bytes:
    """Return an update of Telegram: the numbered first message of one new person."""
    person = {"id": 777001, "is_bot": False, "first_name": "Eva"}
    message = {
        "message_id": 100 + number,
        "date": 1_772_450_000 + number,
        "from": person,
        "chat": {"id": 777001, "first_name": "Eva", "type": "private"},
        "text": f"Message {number}: where is my order?",
    }
    return json.dumps({"update_id": 500_000 + number, "message": message}).encode()


def picture_of_an_album(number: int) -> bytes:
    """Return an update of Telegram: one of several pictures that one new person sent together."""
    person = {"id": 777002, "is_bot": False, "first_name": "Ben"}
    message = {
        "message_id": 900 + number,
        "date": 1_772_450_000,
        "from": person,
        "chat": {"id": 777002, "first_name": "Ben", "type": "private"},
        "media_group_id": "13000000000000001",
        "photo": [
            {"file_id": f"f{number}", "file_unique_id": f"u{number}", "width": 9, "height": 9, "file_size": 9}
        ],
    }
    return json.dumps({"update_id": 600_000 + number, "message": message}).encode()
