"""An account at a double of X."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from engagement.channels.base import Author, Outgoing
from engagement.channels.x.connector import XConnector
from engagement.models import ChannelAccount
from tests.channels.machine import hand_over
from tests.channels.x.chirper import BOB, ME, Chirper

KEYS = {
    "id": "app-id-0123456789",
    "secret": "app-secret-0123456789",
    "consumer_secret": "consumer-secret-0123456789",
    "bearer_token": "app-bearer",
}


@pytest.fixture
def there(settings: Any) -> Iterator[Chirper]:
    """A platform with nobody's words in it, which the connector takes for X."""
    with Chirper() as platform:
        settings.CHANNEL_URLS = {"x": platform.url}
        settings.CHANNEL_APPS = {"x": dict(KEYS)}
        yield platform


@pytest.fixture
def link() -> XConnector:
    return XConnector()


@pytest.fixture
def account(db: None, there: Chirper) -> ChannelAccount:
    """Our account, connected an hour ago."""
    return ChannelAccount.objects.create(
        connector="x",
        network="x",
        external_id=ME,
        name="@ExampleUser",
        team=Team.general(),
        credentials={"access_token": there.grant.access, "refresh_token": there.grant.refresh},
        created_at=timezone.now() - timedelta(hours=1),
        token_expires_at=timezone.now() + timedelta(hours=1),
    )


@pytest.fixture
def outgoing(account: ChannelAccount) -> Callable[..., Outgoing]:
    """Return a function that makes what the outbox hands over: `outgoing("Thanks!", answers=post)`."""
    return making(account)


def making(account: ChannelAccount) -> Callable[..., Outgoing]:
    """A function that makes what the outbox hands over for this account."""

    def make(text: str, *, answers: str = "", public: bool = True, **more: Any) -> Outgoing:
        bob = {"to": [Author(BOB, "bob", "Bob")], "thread_key": f"dm:{BOB}"}
        return hand_over(account, text, in_reply_to=answers, public=public, **{**bob, **more})

    return make
