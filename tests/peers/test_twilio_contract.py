"""What the connector asks of Twilio and what our double answers, before Twilio's published contract.

Left out is what that contract does not describe: answers of 400 and more, the files themselves, and taking an
address off a number, which Twilio wants as an empty text where the contract wants an address.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from engagement import channels, outbox, pulls
from engagement.models import Attachment, Conversation, Delivery, DeliveryState, Interaction
from engagement.replies import reply
from tests.channels.twilio.conftest import new_account
from tests.channels.twilio.double import NOW, Twilio
from tests.peers.contract import Proxy, prism

pytestmark = pytest.mark.peer
LINK = channels.connector("twilio")


@pytest.fixture(scope="module")
def far() -> Iterator[tuple[Twilio, Proxy]]:
    """The double behind its contract, started once."""
    with Twilio() as platform:
        with prism("twilio.json", platform.url) as proxy:
            yield platform, proxy
        assert proxy.violations == [], "\n".join(proxy.violations)


@pytest.fixture
def there(far: tuple[Twilio, Proxy], settings: Any) -> Twilio:
    platform, proxy = far
    settings.CHANNEL_URLS = {"twilio": proxy.url}
    platform.base = proxy.url
    return platform


def test_reading_answering_and_connecting_keep_to_the_contract(there: Twilio, db: None, amy: Any) -> None:
    account = new_account()
    there.most = 2
    for number in range(5):
        there.hear(f"line {number}", at=NOW + timedelta(minutes=number), media=number % 2)
    there.ring(recorded=True)
    LINK.check(account)
    assert all(one.works for one in LINK.examine(account)), LINK.examine(account)
    while pulls.pull_account(account.pk).more:
        account.refresh_from_db()
    account.refresh_from_db()
    assert account.health == "healthy", account.health_text
    assert Interaction.objects.count() == 6 and Attachment.objects.count() == 3
    list(LINK.list_window(account, NOW, NOW + timedelta(hours=1)))
    account.settings |= dict(LINK.subscribe(account, "https://crm.example.com/hooks/twilio/key/").settings)
    account.save()

    reply(conversation=Conversation.objects.get(), by=amy, text="On its way.", client_key=uuid4())
    delivery = Delivery.objects.get()
    outbox.send_delivery(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.SENT, delivery.failure_text
    there.messages[-1] |= {"date_created": there.messages[-1]["date_updated"]}
    LINK.find_sent(outbox.gather(delivery))
