"""What the machine around a connector does, for tests of one: it pulls, and hands over what goes out."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.utils import timezone

from crm.models import Order
from engagement import pulls
from engagement.channels.base import Outgoing, Page
from engagement.models import ChannelAccount, Delivery, Health

MOST_PULLS = 60


def pull_to_the_end(account: ChannelAccount) -> None:
    """Pull and store until nothing more waits."""
    for _ in range(MOST_PULLS):
        ChannelAccount.objects.filter(pk=account.pk).update(next_pull_at=None, health=Health.HEALTHY)
        pulled = pulls.pull_account(account.pk)
        assert pulled.failure == ""
        if not pulled.more:
            return
    raise AssertionError("the pull does not end")


def pages_of(link: Any, account: ChannelAccount) -> list[Page]:
    """Everything one pull brings, stored nowhere, with the cursor moved as the machine moves it."""
    pages = []
    for page in link.pull(account):
        account.cursor = dict(page.cursor)
        pages.append(page)
    return pages


def stored_orders() -> set[str]:
    """External ids of all orders."""
    return set(Order.objects.values_list("external_id", flat=True))


def hand_over(account: ChannelAccount, text: str, **more: Any) -> Outgoing:
    """What the outbox hands to a connector: a plain answer at its first attempt, but for what `more` says."""
    key = uuid4()
    values: dict[str, Any] = {
        "delivery": Delivery(account=account, client_key=key, created_at=timezone.now(), attempts=1),
        "html": "",
        "subject": "",
        "external_id": f"out:{key}",
        "in_reply_to": "",
        "references": (),
        "to": (),
        "cc": (),
        "bcc": (),
        "thread_key": "",
        "files": (),
        "sender_name": "Amy",
        "key": str(key),
    }
    return Outgoing(account=account, text=text, **{**values, **more})
