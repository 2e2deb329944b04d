"""One number, connected to the double."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import Team
from engagement.models import ChannelAccount
from tests.channels.twilio.double import NOW, NUMBER, SID, Twilio

TOKEN = "an-auth-token-of-thirty-two-char"


@pytest.fixture
def there(settings: Any) -> Iterator[Twilio]:
    with Twilio() as platform:
        settings.CHANNEL_URLS = {"twilio": platform.url}
        yield platform


@pytest.fixture
def account(db: None, there: Twilio) -> ChannelAccount:
    return new_account()


def new_account(**settings: Any) -> ChannelAccount:
    made: ChannelAccount = ChannelAccount.objects.create(
        connector="twilio",
        network="phone",
        external_id=NUMBER,
        name="Shop",
        team=Team.general(),
        settings={"account_sid": SID, "api_key": "SK" + "b" * 32, "phone_number": NUMBER, **settings},
        credentials={"api_secret": "a-secret-of-the-key", "auth_token": TOKEN},
        created_at=NOW,
        hook_key="a-key-in-the-address",
    )
    return made
