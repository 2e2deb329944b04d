"""Meta's handshake and signature, the same for all its products.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256

from engagement.channels.base import app_keys
from engagement.channels.shapes import Forged, Hook, HookAnswer

APP = "meta"
MODE, TOKEN, CHALLENGE = "hub.mode", "hub.verify_token", "hub.challenge"
SIGNATURE = "x-hub-signature-256"
MAX_CHALLENGE = 200


def greet(hook: Hook) -> HookAnswer | None:
    """Give the challenge back to whoever knows our word. Raises Forged."""
    if hook.method != "GET":
        return None
    known, given = app_keys(APP).get("verify_token", ""), hook.query.get(TOKEN, "")
    if hook.query.get(MODE) != "subscribe" or not known or not _same(known, given):
        raise Forged("The verify token is not the one of CHANNEL_APP_META_VERIFY_TOKEN.")
    return HookAnswer(body=hook.query.get(CHALLENGE, "")[:MAX_CHALLENGE])


def verify(hook: Hook, secrets: Iterable[str]) -> None:
    """Check the signature against any of these secrets. Raises Forged, also where there is none."""
    kind, _, given = hook.headers.get(SIGNATURE, "").partition("=")
    usable = [secret for secret in secrets if secret]
    if not usable:
        raise Forged("The app's secret is not set.")
    matches = [_same(signature(secret, hook.body), given) for secret in usable]
    if kind != "sha256" or not any(matches):
        raise Forged("The signature is missing or wrong.")


def signature(secret: str, body: bytes) -> str:
    """The hex HMAC-SHA256 over the bytes as they came."""
    return hmac.new(secret.encode(), body, sha256).hexdigest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "replace"))
