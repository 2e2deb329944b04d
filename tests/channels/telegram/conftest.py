"""A Bot API to talk to, a bot there, and answers to send."""

from __future__ import annotations

import pytest

from engagement import channels
from engagement.channels.base import Author
from engagement.models import ChannelAccount
from tests.channels.machine import hand_over
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
        chat = {"in_reply_to": f"{MARA}:51", "thread_key": f"dm:{MARA}"}
        given = {"to": [Author(str(MARA), "maralind")], **chat, **more}
        return hand_over(account, text, **given)

    return make
