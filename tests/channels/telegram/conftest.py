"""A Bot API to talk to, a bot there, and answers to send."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.utils import timezone

from engagement import channels
from engagement.channels.base import Author, Outgoing
from engagement.models import ChannelAccount, Delivery
from tests.channels.telegram.far import MARA, TOKEN, Telegram


@pytest.fixture
def far(settings):
    with Telegram() as platform:
        settings.CHANNEL_URLS = {"telegram": platform.url}
        yield platform


@pytest.fixture
def link():
    return channels.connector("telegram")


@pytest.fixture
def account(far, link):
    """Connected, not saved."""
    made = ChannelAccount(connector="telegram", network="telegram")
    link.fill_account(made, {"bot_token": TOKEN, "groups": True})
    far.calls.clear()
    return made


@pytest.fixture
def outgoing(account):
    def make(text="Yes, three left.", **more):
        delivery = Delivery(client_key=uuid4(), created_at=timezone.now(), attempts=1)
        filled = {
            "html": "", "subject": "", "external_id": "out:1", "in_reply_to": f"{MARA}:51", "references": (),
            "to": [Author(str(MARA), "maralind")], "cc": (), "bcc": (), "files": (),
            "thread_key": f"dm:{MARA}", "sender_name": "Amy",
        }  # fmt: skip
        return Outgoing(delivery=delivery, account=account, text=text, **{**filled, **more})

    return make
