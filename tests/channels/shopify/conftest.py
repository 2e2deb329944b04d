"""One shop, connected to the double."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import Team
from engagement.models import ChannelAccount
from tests.channels.shopify.double import NOW, SECRET, SHOP, TOKEN, Shop


@pytest.fixture
def there(settings: Any) -> Iterator[Shop]:
    with Shop() as shop:
        settings.CHANNEL_URLS = {"shopify": shop.url}
        yield shop


@pytest.fixture
def account(db: None, there: Shop) -> ChannelAccount:
    return new_account()


def new_account(**settings: Any) -> ChannelAccount:
    made: ChannelAccount = ChannelAccount.objects.create(
        connector="shopify",
        network="shopify",
        external_id=SHOP,
        issuer=SHOP,
        name="Snowdevil",
        team=Team.general(),
        settings={"shop": SHOP, "way": "token", "api_version": "2026-10", **settings},
        credentials={"access_token": TOKEN, "client_secret": SECRET},
        created_at=NOW,
        hook_key="a-key-in-the-address",
    )
    return made
