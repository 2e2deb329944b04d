"""Sending: in order, by failure class, once; and what a killed worker leaves behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Team, User
from core.models import Event
from engagement import connecting, outbox, replies
from engagement.channels.base import (
    AuthFailure,
    PermanentFailure,
    Sent,
    TransientFailure,
    Uncertain,
    WindowClosed,
)
from engagement.ingest import ingest
from engagement.models import ChannelAccount, Conversation, Delivery, Health, Interaction
from tests.engagement.desk import DoubleConnector, double, general, hear, make_account

__all__ = ["double", "general"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent but by the sweeps of these tests."""
    monkeypatch.setattr("engagement.tasks.send_delivery.delay", lambda pk: None)


@pytest.fixture
def account(double: type[DoubleConnector], general: Team) -> ChannelAccount:
    return make_account(general)


@pytest.fixture
def say(account: ChannelAccount, amy: User) -> Callable[..., Delivery]:
    """Amy answers; the delivery of that."""

    def write(conversation: Conversation, text: str = "Tomorrow.") -> Delivery:
        message = replies.reply(conversation=conversation, by=amy, text=text, client_key=uuid4())
        return message.deliveries.get()

    return write


def state_of(delivery: Delivery) -> str:
    delivery.refresh_from_db()
    return delivery.state


def due_now(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(next_try_at=timezone.now())


def test_a_sweep_sends_what_is_queued(account, say, double) -> None:
    delivery = say(hear(account))
    outbox.sweep()
    assert state_of(delivery) == "sent"
    assert delivery.sent_at is not None
    assert [one.text for one in double.sent] == ["Tomorrow."]
    account.refresh_from_db()
    assert account.last_out_at is not None


def test_messages_of_a_conversation_leave_in_order(account, say, double) -> None:
    conversation = hear(account)
    for n in range(5):
        say(conversation, f"line {n}")
    outbox.sweep()
    assert [one.text for one in double.sent] == [f"line {n}" for n in range(5)]


def test_a_later_message_waits_behind_one_that_is_tried_again(account, say, double) -> None:
    conversation = hear(account)
    first, second = say(conversation, "one"), say(conversation, "two")
    double.outcomes.append(TransientFailure("421 try later"))
    outbox.sweep()
    assert (state_of(first), state_of(second)) == ("queued", "queued")
    assert first.next_try_at > timezone.now()
    assert outbox.send_delivery(second.pk) is None
    due_now(first)
    outbox.sweep()
    assert [one.text for one in double.sent] == ["one", "one", "two"]


def test_another_conversation_does_not_wait(account, general, say, double) -> None:
    other = make_account(general, name="Other")
    stuck, free = say(hear(account), "stuck"), say(hear(other, who="tomasz"), "free")
    double.outcomes.append(TransientFailure("down"))
    outbox.sweep()
    assert (state_of(stuck), state_of(free)) == ("queued", "sent")


def test_after_a_quarter_of_an_hour_the_agent_is_asked(account, say, double, amy) -> None:
    delivery = say(hear(account))
    Delivery.objects.filter(pk=delivery.pk).update(created_at=timezone.now() - timedelta(minutes=16))
    double.outcomes.append(TransientFailure("down"))
    outbox.sweep()
    assert state_of(delivery) == "queued"
    assert delivery.asked_at is not None
    assert f"user:{amy.pk}" in Event.objects.filter(type="delivery.changed").latest("id").channels


def test_stopping_one_lets_the_later_ones_go(account, say, double, amy) -> None:
    conversation = hear(account)
    first, second = say(conversation, "one"), say(conversation, "two")
    double.outcomes.append(TransientFailure("down"))
    outbox.sweep()
    outbox.give_up(delivery=first, by=amy)
    outbox.sweep()
    assert (state_of(first), state_of(second)) == ("failed", "sent")


def test_wrong_credentials_pause_the_account_and_tell_once(account, say, double, ada) -> None:
    one, two = say(hear(account), "one"), say(hear(account, who="tomasz"), "two")
    double.outcomes.extend([AuthFailure("535 authentication failed")] * 2)
    outbox.sweep()
    outbox.sweep()
    account.refresh_from_db()
    assert account.health == Health.NEEDS_LOGIN
    assert account.health_text == "535 authentication failed"
    assert (state_of(one), state_of(two)) == ("queued", "queued")
    assert len(double.sent) == 1
    assert Event.objects.filter(type="channel.needs_login").count() == 1
    double.outcomes.clear()
    connecting.resume_account(account=account, by=ada)
    outbox.sweep()
    assert (state_of(one), state_of(two)) == ("sent", "sent")


def test_a_refused_message_tells_the_agent_and_the_later_ones_go(account, say, double, amy) -> None:
    conversation = hear(account)
    first, second = say(conversation, "one"), say(conversation, "two")
    double.outcomes.append(PermanentFailure("550 no such user"))
    outbox.sweep()
    assert (state_of(first), state_of(second)) == ("failed", "sent")
    assert (first.failure, first.failure_text) == ("permanent", "550 no such user")
    told = Event.objects.filter(type="delivery.changed", ids__delivery=first.pk).latest("id")
    assert f"user:{amy.pk}" in told.channels


def test_an_answer_that_never_left_is_no_answer(account, say, double) -> None:
    conversation = hear(account)
    waiting = conversation.waiting_since
    say(conversation)
    conversation.refresh_from_db()
    assert conversation.waiting_since is None
    assert conversation.first_answered_at is not None
    double.outcomes.append(WindowClosed("24 hours are over"))
    outbox.sweep()
    conversation.refresh_from_db()
    assert conversation.waiting_since == waiting
    assert conversation.due_at is not None
    assert conversation.first_answered_at is None
    assert conversation.deliveries.get().failure == "window"


def test_one_that_may_have_been_sent_is_never_sent_again_by_itself(account, say, double) -> None:
    delivery = say(hear(account))
    double.outcomes.append(Uncertain("connection reset after DATA"))
    outbox.sweep()
    due_now(delivery)
    outbox.sweep()
    assert state_of(delivery) == "uncertain"
    assert len(double.sent) == 1


def test_an_error_nobody_foresaw_counts_as_uncertain(account, say, double) -> None:
    delivery = say(hear(account))
    double.outcomes.append(RuntimeError("boom"))
    outbox.sweep()
    assert state_of(delivery) == "uncertain"
    assert "boom" in delivery.failure_text


def test_staff_decide_what_may_have_been_sent(account, say, double, amy) -> None:
    conversation = hear(account)
    there, lost = say(conversation, "one"), say(conversation, "two")
    double.outcomes.extend([Uncertain("?"), Uncertain("?")])
    outbox.sweep()
    outbox.confirm_arrived(delivery=there, by=amy)
    again = outbox.send_again(delivery=lost, by=amy)
    assert outbox.send_again(delivery=lost, by=amy) == again
    outbox.sweep()
    assert (state_of(there), state_of(lost), state_of(again)) == ("sent", "uncertain", "sent")
    assert [one.text for one in double.sent] == ["one", "two", "two"]


def kill_worker_while_sending(delivery: Delivery) -> None:
    """What a worker leaves that was killed between its claim and the result."""
    claimed = outbox.claim(outbox.due_heads().filter(pk=delivery.pk))
    assert claimed is not None
    Delivery.objects.filter(pk=delivery.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_claimed_message_is_nobody_elses_until_its_lease_ends(account, say, double) -> None:
    delivery = say(hear(account))
    assert outbox.claim(outbox.due_heads()) is not None
    outbox.sweep()
    assert state_of(delivery) == "sending"
    assert double.sent == []


def test_after_a_killed_worker_it_is_said_that_it_may_have_been_sent(account, say, double) -> None:
    delivery = say(hear(account))
    kill_worker_while_sending(delivery)
    outbox.sweep()
    assert state_of(delivery) == "uncertain"
    assert double.sent == []


def test_after_a_killed_worker_it_is_repeated_where_that_is_harmless(general, double, amy) -> None:
    account = make_account(general, connector="repeatable")
    message = replies.reply(conversation=hear(account), by=amy, text="Tomorrow.", client_key=uuid4())
    kill_worker_while_sending(message.deliveries.get())
    outbox.sweep()
    assert state_of(message.deliveries.get()) == "sent"
    assert [one.external_id for one in double.sent] == [message.external_id]


def test_a_message_that_kills_every_worker_is_not_tried_for_ever(general, double, amy) -> None:
    account = make_account(general, connector="repeatable")
    message = replies.reply(conversation=hear(account), by=amy, text="Tomorrow.", client_key=uuid4())
    delivery = message.deliveries.get()
    for _death in range(outbox.MAX_DEATHS):
        kill_worker_while_sending(delivery)
    outbox.sweep()
    assert state_of(delivery) == "uncertain"


def test_a_late_failure_of_a_worker_that_lost_its_lease_changes_nothing(general, double, amy) -> None:
    account = make_account(general, connector="repeatable")
    message = replies.reply(conversation=hear(account), by=amy, text="Tomorrow.", client_key=uuid4())
    slow = outbox.claim(outbox.due_heads())
    assert slow is not None
    Delivery.objects.filter(pk=slow.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    outbox.sweep()
    outbox.record_failure(slow, PermanentFailure("too late"))
    assert state_of(message.deliveries.get()) == "sent"


def test_a_state_never_goes_back(account, say, double) -> None:
    delivery = say(hear(account))
    claimed = outbox.claim(outbox.due_heads())
    assert claimed is not None
    Delivery.objects.filter(pk=delivery.pk).update(state="read")
    outbox.record_sent(claimed, Sent(delivery.interaction.external_id))
    assert state_of(delivery) == "read"


def test_the_echo_of_our_own_message_is_the_same_message(account, say, double) -> None:
    conversation = hear(account)
    delivery = say(conversation)
    from engagement.channels.base import Event as Came

    echo = Came(
        external_id="platform-7",
        kind="message",
        direction="outbound",
        occurred_at=timezone.now(),
        text="Tomorrow.",
        thread_keys=("dm:marisol",),
    )
    ingest(account, [echo])
    double.outcomes.append(Sent("platform-7"))
    outbox.sweep()
    delivery.interaction.refresh_from_db()
    assert delivery.interaction.external_id == "platform-7"
    assert Interaction.objects.filter(conversation=conversation, direction="outbound").count() == 1
    conversation.refresh_from_db()
    assert conversation.count == 2
    assert ingest(account, [echo]).outcomes == ["repeated"]


def test_what_is_sent_names_whom_and_what_it_answers(account, double, amy) -> None:
    conversation = hear(account)
    heard = conversation.interactions.get()
    replies.reply(conversation=conversation, by=amy, text="Hi", client_key=uuid4(), cc=["max@rapport.test"])
    outbox.sweep()
    out = double.sent[0]
    assert [one.external_id for one in out.to] == ["marisol"]
    assert (out.in_reply_to, out.references) == (heard.external_id, (heard.external_id,))
    assert (out.cc, out.thread_key, out.sender_name) == (("max@rapport.test",), "dm:marisol", "Amy")


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_each_message_once_and_in_order(double, general, amy) -> None:
    account = make_account(general)
    conversations = [hear(account, who=f"c{n}") for n in range(6)]
    for n in range(4):
        for conversation in conversations:
            replies.reply(conversation=conversation, by=amy, text=f"{n}", client_key=uuid4())

    def work() -> None:
        outbox.sweep(seconds=20)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    outbox.sweep()
    assert Delivery.objects.exclude(state="sent").count() == 0
    assert len(double.sent) == 24
    for conversation in conversations:
        own = [one.text for one in double.sent if one.delivery.conversation_id == conversation.pk]
        assert own == ["0", "1", "2", "3"]


@pytest.mark.django_db(transaction=True)
def test_with_redis_away_a_reply_is_kept_and_sent_later(double, general, amy, monkeypatch) -> None:
    from kombu.exceptions import OperationalError

    def refuse(pk: int) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("engagement.tasks.send_delivery.delay", refuse)
    conversation = hear(make_account(general))
    message = replies.reply(conversation=conversation, by=amy, text="Hi", client_key=uuid4())
    assert state_of(message.deliveries.get()) == "queued"
    outbox.sweep()
    assert state_of(message.deliveries.get()) == "sent"
