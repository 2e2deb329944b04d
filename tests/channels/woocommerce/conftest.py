"""One shop, connected to the double."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import Team
from engagement import channels
from engagement.models import ChannelAccount
from tests.channels.woocommerce.double import KEY, NOW, SECRET, Shop


@pytest.fixture
def there(settings: Any) -> Iterator[Shop]:
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = ["127.0.0.1"]
    with Shop() as shop:
        yield shop


@pytest.fixture
def account(db: None, there: Shop) -> ChannelAccount:
    return connected(there)


def connected(there: Shop, **more: Any) -> ChannelAccount:
    """An account as the form makes it."""
    link = channels.connector("woocommerce")
    account = ChannelAccount(connector="woocommerce", team=Team.general(), created_at=NOW)
    values = {"site": there.url, "consumer_key": KEY, "consumer_secret": SECRET, "read_notes": "on", **more}
    assert link.settings_form is not None
    form = link.settings_form(values)
    assert form.is_valid(), form.errors
    link.fill_account(account, form.cleaned_data)
    account.credentials |= {"hook_secret": "a-secret-of-the-webhooks"}
    account.hook_key = "a-key-in-the-address"
    account.save()
    return account
