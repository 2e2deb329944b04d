"""What the connector asks of X and what our double answers, before X's published contract.

Left out is the exchange of tokens, which that contract does not describe, and answers of 400 and more: prism
holds a problem (`application/problem+json`) against the schema of the other kind of error beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import Team
from engagement import channels, outbox, pulls
from engagement.channels.base import Act, Author, File, Target
from engagement.models import ChannelAccount, Conversation, Delivery, DeliveryState, Interaction
from engagement.replies import reply
from tests.channels.x.chirper import BOB, ME, Chirper
from tests.channels.x.conftest import KEYS, making
from tests.peers.contract import Proxy, prism

pytestmark = pytest.mark.peer
LINK = channels.connector("x")


@pytest.fixture(scope="module")
def far() -> Iterator[tuple[Chirper, Proxy]]:
    """The double behind its contract, started once."""
    with Chirper() as platform:
        with prism("x-openapi.json", platform.url) as proxy:
            yield platform, proxy
        assert proxy.violations == [], "\n".join(proxy.violations)


@pytest.fixture
def there(far: tuple[Chirper, Proxy], settings: Any) -> Chirper:
    platform, proxy = far
    settings.CHANNEL_URLS = {"x": proxy.url}
    settings.CHANNEL_APPS = {"x": dict(KEYS)}
    return platform


@pytest.fixture
def account(db: None, there: Chirper) -> ChannelAccount:
    return ChannelAccount.objects.create(
        connector="x",
        network="x",
        external_id=ME,
        name="@ExampleUser",
        team=Team.general(),
        credentials={"access_token": there.grant.access},
        created_at=timezone.now() - timedelta(hours=1),
    )


def answered(conversation: Conversation, by: Any, text: str) -> Delivery:
    reply(conversation=conversation, by=by, text=text, client_key=uuid4())
    delivery = Delivery.objects.get(conversation=conversation)
    outbox.send_delivery(delivery.pk)
    delivery.refresh_from_db()
    return delivery


def test_reading_and_answering_keep_to_the_contract(
    there: Chirper, account: ChannelAccount, amy: Any
) -> None:
    there.size = 5
    metrics = {"like_count": 3, "reply_count": 2, "repost_count": 1, "quote_count": 0, "bookmark_count": 5,
               "impression_count": 99}  # fmt: skip
    post = there.write(ME, "We open on Sunday", public_metrics=metrics)
    for number in range(12):
        there.write(BOB, f"@ExampleUser {number}", answers=post)
        there.message(BOB, f"Hello {number}")
    assert not pulls.pull_account(account.pk).failure
    assert Interaction.objects.filter(account=account).count() == 24
    for conversation in Conversation.objects.all():
        delivery = answered(conversation, amy, f"Thanks {conversation.pk}!")
        assert delivery.state == DeliveryState.SENT, delivery.failure_text
        assert LINK.find_sent(outbox.gather(delivery)) is not None
    until = timezone.now() + timedelta(minutes=1)
    assert list(LINK.list_window(account, until - timedelta(hours=2), until))
    assert list(LINK.gone(account, [post, "1234567890"])) == ["1234567890"]


def test_acts_files_and_webhooks_keep_to_the_contract(there: Chirper, account: ChannelAccount) -> None:
    assert all(one.works for one in LINK.examine(account)), LINK.examine(account)
    post = there.write(BOB, "@ExampleUser hello")
    theirs = Target(post, Author(BOB), True, "mention", "inbound")
    for act in (Act.LIKE, Act.UNLIKE, Act.HIDE, Act.UNHIDE):
        LINK.act(account, act, theirs)
    message = Target("dm:5", Author(BOB), False, "message", "inbound")
    LINK.act(account, Act.BLOCK, message)
    LINK.act(account, Act.UNBLOCK, message)
    ours = there.write(ME, "Hi")
    sent = there.message(ME, "Hi", to=BOB)
    for external_id in (ours, f"dm:{sent}"):
        LINK.act(account, Act.DELETE, Target(external_id, None, True, "comment", "outbound"))
    file = File("a.jpg", "image/jpeg", url="https://ton.twitter.com/1.1/ton/data/dm/5/6/abc.jpg")
    assert LINK.fetch_file(account, file, most=100).content
    state = LINK.subscribe(account, "https://crm.example.com/hooks/x/")
    assert state.active and not state.text
    LINK.unsubscribe(account)
    assert not there.subscriptions


def test_pictures_keep_to_the_contract(there: Chirper, account: ChannelAccount) -> None:
    outgoing = making(account)
    post = there.write(BOB, "@ExampleUser look")
    picture = File("a.png", "image/png", content=b"\x89PNG")
    LINK.send(outgoing("Here", answers=post, files=[picture]))
    LINK.send(outgoing("Here", public=False, files=[picture]))
