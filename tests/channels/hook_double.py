"""A connector with webhooks, whose bodies are `[{"account": …, "says": [[id, who, text, when], …]}, …]`."""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from engagement.channels.base import Author, Connector, Event, Forged, Hook, HookAnswer, Parcel

SECRET = b"a secret of the app"


def signed(body: bytes) -> str:
    return hmac.new(SECRET, body, "sha256").hexdigest()


def body_of(*accounts: tuple[str, list[tuple[str, str, str]]]) -> bytes:
    return json.dumps([{"account": name, "says": says} for name, says in accounts]).encode()


class HookDouble(Connector):
    """One address for all accounts of an app."""

    name = "hookdouble"
    label = "Hook double"
    takes_hooks = True
    hook_scope = "app"
    hook_headers = ("x-topic",)

    def greet(self, hook: Hook, account: Any) -> HookAnswer | None:
        return HookAnswer(hook.query["challenge"]) if "challenge" in hook.query else None

    def verify(self, hook: Hook, account: Any) -> None:
        if not hmac.compare_digest(hook.headers.get("x-signature", ""), signed(hook.body)):
            raise Forged

    def delivery_key(self, hook: Hook) -> str:
        return hook.headers.get("x-delivery", "")

    def parse(self, raw: Any) -> Sequence[Parcel]:
        found = json.loads(bytes(raw.body))
        if not isinstance(found, list):
            raise ValueError("entry: a list was expected")
        return [Parcel([event(*line) for line in one["says"]], account=one["account"]) for one in found]


class OwnHookDouble(HookDouble):
    """An address for each account."""

    name = "ownhookdouble"
    hook_scope = "account"


def event(name: str, who: str, text: str, when: str = "2026-03-02T12:00:00+00:00") -> Event:
    return Event(
        external_id=name,
        kind="message",
        direction="inbound",
        occurred_at=datetime.fromisoformat(when),
        text=text,
        thread_keys=(f"dm:{who}",),
        author=Author(who),
    )
