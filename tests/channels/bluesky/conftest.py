"""A Bluesky to talk to, an account there, and answers to send."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.utils import timezone

from engagement import channels
from engagement.channels.base import Author, Outgoing
from engagement.models import ChannelAccount, Delivery
from tests.channels.bluesky.far import HANDLES, MARA, PASSWORD, Bluesky


@pytest.fixture
def far(settings):
    with Bluesky() as platform:
        settings.CHANNEL_URLS = {"bluesky": platform.url, "bluesky-plc": platform.url}
        settings.RAPPORT_ALLOW_PRIVATE_HOSTS = ["127.0.0.1"]
        yield platform


@pytest.fixture
def link():
    return channels.connector("bluesky")


@pytest.fixture
def account(far, link):
    """Signed in, not saved."""
    made = ChannelAccount(connector="bluesky", network="bluesky")
    link.fill_account(made, {"handle": "shop.test", "app_password": PASSWORD, "direct_messages": True})
    far.calls.clear()
    return made


@pytest.fixture
def outgoing(account):
    def make(text="Yes, three left.", **more):
        delivery = more.pop("delivery", None) or Delivery(
            client_key=uuid4(), created_at=timezone.now(), attempts=1
        )
        filled = {
            "html": "", "subject": "", "external_id": "out:1", "in_reply_to": "", "references": (),
            "to": [Author(MARA, HANDLES[MARA])], "cc": (), "bcc": (), "thread_key": f"dm:{MARA}", "files": (),
            "sender_name": "Amy",
        }  # fmt: skip
        return Outgoing(delivery=delivery, account=account, text=text, **{**filled, **more})

    return make
