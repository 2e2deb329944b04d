"""A Bluesky to talk to, an account there, and answers to send."""

from __future__ import annotations

import pytest

from engagement import channels
from engagement.channels.base import Author
from engagement.models import ChannelAccount
from tests.channels.bluesky.far import HANDLES, MARA, PASSWORD, Bluesky
from tests.channels.machine import hand_over


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
        mara = {"to": [Author(MARA, HANDLES[MARA])], "thread_key": f"dm:{MARA}"}
        return hand_over(account, text, **{**mara, **more})

    return make
