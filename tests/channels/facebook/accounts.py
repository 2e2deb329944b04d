"""Accounts on Meta's networks for tests, and what the outbox would hand to their connectors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from django.utils import timezone

from accounts.models import Team
from engagement.channels import connector
from engagement.channels.base import Author, File, Hook, Outgoing
from engagement.channels.meta.hooks import signature
from engagement.models import ChannelAccount
from tests.channels.facebook.graph import APP, IG, NUMBER, PAGE, TOKEN, WABA

EXTERNAL = {"facebook": PAGE, "instagram": IG, "whatsapp": NUMBER}
KEY = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"


def new_account(name: str, **more: Any) -> ChannelAccount:
    """A connected account, saved."""
    settings = {"facebook": {}, "instagram": {"username": "shop"}, "whatsapp": {"waba_id": WABA}}[name]
    return ChannelAccount.objects.create(
        connector=name,
        network=name,
        external_id=EXTERNAL[name],
        issuer="" if name == "whatsapp" else EXTERNAL[name],
        name="Shop",
        team=Team.general(),
        credentials={"access_token": TOKEN},
        settings={**settings, **more.pop("settings", {})},
        created_at=more.pop("created_at", timezone.now() - timedelta(days=60)),
        **more,
    )


def outgoing(account: ChannelAccount, text: str = "Hello", **more: Any) -> Outgoing:
    """What the outbox hands over, without a row of its own."""
    heard: datetime | None = more.pop("heard", timezone.now())
    created = more.pop("created_at", timezone.now())
    to: Sequence[Author] = more.pop("to", (Author("7"),))
    files: Sequence[File] = more.pop("files", ())
    delivery: Any = SimpleNamespace(
        created_at=created, conversation=SimpleNamespace(last_inbound_at=heard), client_key=KEY
    )
    given = {
        "html": "", "subject": "", "external_id": "out:1", "in_reply_to": "", "references": (), "cc": (),
        "bcc": (), "thread_key": "dm:7", "sender_name": "Amy", "key": KEY, **more,
    }  # fmt: skip
    return Outgoing(delivery=delivery, account=account, text=text, to=to, files=files, **given)


def hook(body: bytes, *, secret: str = APP["secret"], name: str = "facebook", **more: Any) -> Hook:
    """A signed delivery."""
    headers = {"x-hub-signature-256": f"sha256={signature(secret, body)}", **more}
    return Hook("POST", f"https://shop.example/hooks/{name}/", headers, {}, body)


def link(name: str) -> Any:
    """The connector, with any type."""
    return connector(name)
