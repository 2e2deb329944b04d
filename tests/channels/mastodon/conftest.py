"""An account at a double of a Mastodon server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from engagement.channels.base import Author, Outgoing
from engagement.channels.mastodon.connector import MastodonConnector
from engagement.models import ChannelAccount
from tests.channels.machine import hand_over
from tests.channels.mastodon.mammoth import BOB, ME, Mammoth


@pytest.fixture
def there(settings: Any) -> Iterator[Mammoth]:
    """A server where nobody has said anything, and which may be asked although it is on loopback."""
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = ["127.0.0.1"]
    with Mammoth() as platform:
        yield platform


@pytest.fixture
def link() -> MastodonConnector:
    return MastodonConnector()


@pytest.fixture
def account(db: None, there: Mammoth) -> ChannelAccount:
    """Our account, connected an hour ago."""
    return ChannelAccount.objects.create(
        connector="mastodon",
        network="mastodon",
        external_id="shop@mammoth.example",
        issuer="127.0.0.1",
        name="@shop",
        team=Team.general(),
        settings={"instance": there.url, "account_id": ME, "domain": "mammoth.example"},
        credentials={"access_token": "our-token-0123456789"},
        created_at=timezone.now() - timedelta(hours=1),
    )


@pytest.fixture
def outgoing(account: ChannelAccount) -> Callable[..., Outgoing]:
    """Return a function that makes what the outbox hands over: `outgoing("Thanks!", answers=status)`."""
    return making(account)


def making(account: ChannelAccount) -> Callable[..., Outgoing]:
    """A function that makes what the outbox hands over for this account."""

    def make(text: str, *, answers: str = "", public: bool = True, **more: Any) -> Outgoing:
        bob = {"to": [Author(BOB, "bob@mammoth.example", "Bob")]}
        return hand_over(account, text, in_reply_to=answers, public=public, **{**bob, **more})

    return make
