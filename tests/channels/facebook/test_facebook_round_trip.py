"""From a customer's comment to our answer and back again, through the whole machine."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.utils import timezone

from engagement import outbox
from engagement.models import Conversation, Delivery, DeliveryState, Interaction
from engagement.replies import reply
from tests.channels.facebook.accounts import KEY, new_account
from tests.channels.facebook.graph import PAGE, MetaPlatform, error
from tests.channels.facebook.test_facebook_hooks import body, message, now_ms, post, understand_all

pytestmark = pytest.mark.django_db
COMMENT = {
    "item": "comment", "verb": "add", "comment_id": "900_1", "post_id": f"{PAGE}_900",
    "parent_id": f"{PAGE}_900", "message": "Do you ship to Chile?", "from": {"id": "7", "name": "Lucía"},
}  # fmt: skip


def comment(**more) -> bytes:
    created = round(timezone.now().timestamp())
    value = {**COMMENT, "created_time": created, **more}
    return body(changes=[{"field": "feed", "value": value}])


def answer(amy, text: str) -> Delivery:
    reply(conversation=Conversation.objects.get(), by=amy, text=text, client_key=UUID(KEY))
    delivery = Delivery.objects.get()
    outbox.send_delivery(delivery.pk)
    delivery.refresh_from_db()
    return delivery


def test_a_comment_is_answered_and_its_echo_is_no_second_answer(meta: MetaPlatform, amy) -> None:
    new_account("facebook")
    post(comment())
    understand_all()
    delivery = answer(amy, "We do!")
    assert delivery.state == DeliveryState.SENT
    assert meta.sent == [{"under": "900_1", "message": "We do!"}]
    ours = Interaction.objects.get(direction="outbound").external_id
    post(comment(comment_id=ours, parent_id="900_1", message="We do!", **{"from": {"id": PAGE}}))
    understand_all()
    assert Interaction.objects.count() == 2 and Conversation.objects.count() == 1


def test_an_echo_that_is_quicker_than_the_answer_is_the_same_message(meta: MetaPlatform, amy) -> None:
    new_account("facebook")
    post(body(message("m_in")))
    understand_all()
    reply(conversation=Conversation.objects.get(), by=amy, text="Hello!", client_key=UUID(KEY))
    echo = {"mid": "m_1", "text": "Hello!", "is_echo": True, "metadata": KEY}
    about = {"sender": {"id": PAGE}, "recipient": {"id": "7"}, "timestamp": now_ms()}
    post(body({**about, "message": echo}))
    understand_all()
    outbox.send_delivery(Delivery.objects.get().pk)
    assert Interaction.objects.filter(direction="outbound").count() == 1


def test_outside_the_window_the_agent_is_told_what_to_do(meta: MetaPlatform, amy) -> None:
    new_account("facebook")
    post(body(message("m_in")))
    understand_all()
    meta.fail(400, error(10, 2018278)[1], path="/messages")
    delivery = answer(amy, "Hello!")
    assert (delivery.state, delivery.failure) == (DeliveryState.FAILED, "window")
    assert "another channel" in delivery.advice


def test_an_answer_that_was_cut_off_is_found_and_not_sent_again(meta: MetaPlatform, amy) -> None:
    new_account("facebook")
    post(body(message("m_in")))
    understand_all()
    meta.fail(0, path="/messages", method="POST", after=True)
    delivery = answer(amy, "Hello!")
    Delivery.objects.update(next_try_at=timezone.now(), lease_until=None)
    outbox.send_delivery(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.SENT and len(meta.sent) == 1
