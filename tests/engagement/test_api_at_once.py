"""Many pushes about one new person at the same moment, over HTTP."""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from crm.models import Customer, Identity, Order
from engagement.models import ChannelAccount, Conversation, Interaction
from tests.api import Caller
from tests.engagement.events import account
from tests.engagement.test_api import said

pytestmark = pytest.mark.django_db(transaction=True)


def push_all(url: str, token: str, path: str, items: list[Any]) -> list[tuple[int, str]]:
    def one(item: Any) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}/api/v1/{path}", json.dumps(item).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)["status"]

    with ThreadPoolExecutor(10) as pool:
        return list(pool.map(one, items))


def test_fifty_first_messages_are_one_customer_and_one_conversation(ada: Any, live_server: Any) -> None:
    account("acme_shop")
    items = [said(f"m-{number}", text=f"Hello {number}") for number in range(50)]
    answers = push_all(live_server.url, Caller(ada).token, "interactions/", items)
    assert answers == [(201, "stored")] * 50
    assert (Customer.objects.count(), Identity.objects.count()) == (1, 1)
    assert (Conversation.objects.count(), Interaction.objects.count()) == (1, 50)
    assert Conversation.objects.get().count == ChannelAccount.objects.get().stored == 50


def test_one_message_pushed_by_many_is_stored_once(ada: Any, live_server: Any) -> None:
    account("acme_shop")
    answers = push_all(live_server.url, Caller(ada).token, "interactions/", [said()] * 20)
    assert sorted(answers) == [(200, "repeated")] * 19 + [(201, "stored")]
    assert Interaction.objects.count() == 1


def test_one_order_pushed_by_many_is_stored_once(ada: Any, live_server: Any) -> None:
    order = {
        "source": "shop",
        "external_id": "1",
        "customer": {"network": "email", "external_id": "eva@example.org"},
        "placed_at": "2026-03-02T09:00:00Z",
        "total": "9.90",
        "currency": "USD",
    }
    answers = push_all(live_server.url, Caller(ada).token, "orders/", [order] * 20)
    assert sorted(status for _, status in answers) == ["repeated"] * 19 + ["stored"]
    assert (Order.objects.count(), Customer.objects.count()) == (1, 1)
