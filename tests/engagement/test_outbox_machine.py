"""The outbox as a machine: second tries, allowances, breakers, windows, and what staff are told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team, User
from engagement import channels, leases, outbox, pulls, rates, replies
from engagement.breaker import FAILURES
from engagement.channels.base import (
    Limits,
    Outgoing,
    PermanentFailure,
    PermissionMissing,
    Rate,
    RateReached,
    Sent,
    TransientFailure,
    Uncertain,
    WindowClosed,
)
from engagement.ingest import ingest
from engagement.models import ChannelAccount, Conversation, Delivery, Health
from tests.engagement.desk import DoubleConnector, double, general, hear, make_account, plugged

__all__ = ["double", "general"]
pytestmark = pytest.mark.django_db


class ReadableConnector(DoubleConnector):
    """A network without a key on which one can look: what was sent stands in `there`, by the text."""

    name = "readable"
    reads_back = True
    there: ClassVar[list[str]] = []
    looks: ClassVar[list[Exception]] = []

    def send(self, outgoing: Outgoing) -> Sent:
        outcome = self.outcomes[0] if self.outcomes else None
        if not isinstance(outcome, TransientFailure):
            self.there.append(outgoing.text)
        return super().send(outgoing)

    def find_sent(self, outgoing: Outgoing) -> Sent | None:
        if self.looks:
            raise self.looks.pop(0)
        return Sent(f"found:{outgoing.text}") if outgoing.text in self.there else None


@pytest.fixture(autouse=True)
def _machine(double: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with plugged("readable", "tests.engagement.test_outbox_machine:ReadableConnector", monkeypatch) as found:
        found.there.clear()
        found.looks.clear()
        yield


@pytest.fixture
def write(general: Team, amy: User) -> Callable[..., Delivery]:
    """Amy answers somebody on a network; the delivery of that."""
    accounts: dict[str, ChannelAccount] = {}

    def say(text: str = "Tomorrow.", *, on: str = "double", who: str = "", to: Any = None) -> Delivery:
        account = accounts.setdefault(on, make_account(general, connector=on))
        conversation = to or hear(account, who=who or f"somebody {text}")
        message = replies.reply(conversation=conversation, by=amy, text=text, client_key=uuid4())
        return message.deliveries.get()

    return say


def again(delivery: Delivery) -> Delivery:
    return Delivery.objects.select_related("account", "interaction").get(pk=delivery.pk)


def due_now() -> None:
    Delivery.objects.filter(state="queued").update(next_try_at=timezone.now())


def kill_worker_while_sending(delivery: Delivery) -> None:
    assert outbox.claim(outbox.due_heads().filter(pk=delivery.pk)) is not None
    Delivery.objects.filter(pk=delivery.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


# Second tries


def test_what_may_be_there_is_looked_for_before_a_second_try(write, double) -> None:
    delivery = write(on="readable")
    double.outcomes.append(Uncertain("connection reset"))
    outbox.sweep()
    waiting = again(delivery)
    assert (waiting.state, waiting.failure) == ("queued", "uncertain")
    due_now()
    outbox.sweep()
    assert again(delivery).state == "sent"
    assert again(delivery).interaction.external_id == "found:Tomorrow."
    assert len(double.sent) == 1


def test_what_surely_is_not_there_is_sent_again(write, double) -> None:
    delivery = write(on="readable")
    kill_worker_while_sending(delivery)
    outbox.sweep()
    assert (again(delivery).state, again(delivery).deaths) == ("sent", 1)
    assert [one.text for one in double.sent] == ["Tomorrow."]


def test_while_one_cannot_look_nothing_is_sent(write, double) -> None:
    delivery = write(on="readable")
    readable: Any = channels.connector("readable")
    kill_worker_while_sending(delivery)
    readable.looks.extend([TransientFailure("503"), RateReached("429", retry_after=1)])
    for _turn in range(2):
        outbox.sweep()
        due_now()
        rates._redis().flushdb()
    assert (again(delivery).failure, double.sent) == ("uncertain", [])
    outbox.sweep()
    assert again(delivery).state == "sent"


def test_after_a_day_of_not_knowing_staff_are_asked_and_it_does_not_count_as_failed(write, double) -> None:
    delivery = write(on="readable")
    kill_worker_while_sending(delivery)
    Delivery.objects.update(created_at=timezone.now() - timedelta(hours=25))
    channels.connector("readable").looks.append(TransientFailure("503"))  # type: ignore[attr-defined]
    outbox.sweep()
    assert (again(delivery).state, double.sent) == ("uncertain", [])


def test_an_uncertain_end_is_repeated_where_our_id_makes_that_harmless(write, double) -> None:
    delivery = write(on="repeatable")
    double.outcomes.append(Uncertain("timed out"))
    outbox.sweep()
    due_now()
    outbox.sweep()
    assert again(delivery).state == "sent"
    assert {one.external_id for one in double.sent} == {again(delivery).interaction.external_id}
    assert not again(delivery).may_be_twice


def test_transient_failures_are_no_deaths(write, double) -> None:
    delivery = write(on="repeatable")
    double.outcomes.extend([TransientFailure("503")] * 4)
    for _turn in range(4):
        outbox.sweep()
        due_now()
    kill_worker_while_sending(delivery)
    outbox.sweep()
    assert again(delivery).state == "sent"


def test_one_that_staff_send_again_though_it_may_have_arrived_says_so(write, double, amy) -> None:
    delivery = write()
    double.outcomes.append(Uncertain("reset"))
    outbox.sweep()
    assert again(delivery).state == "uncertain"
    second = outbox.send_again(delivery=again(delivery), by=amy)
    assert second.may_be_twice
    outbox.sweep()
    assert again(second).state == "sent"
    client = Client()
    client.force_login(amy)
    line = client.get(reverse("engagement:message", args=[delivery.interaction_id])).content.decode()
    assert "may have been sent twice" in line


def test_sent_again_where_one_can_look_it_is_looked_for(write, double, amy) -> None:
    delivery = write(on="readable")
    double.outcomes.append(Uncertain("reset"))
    outbox.sweep()
    outbox.give_up(delivery=again(delivery), by=amy)
    assert again(delivery).state == "uncertain"
    second = outbox.send_again(delivery=again(delivery), by=amy)
    outbox.sweep()
    assert (again(second).state, second.may_be_twice, len(double.sent)) == ("sent", False, 1)


def test_a_failed_one_sent_again_is_not_twice(write, double, amy) -> None:
    delivery = write()
    double.outcomes.append(PermanentFailure("550"))
    outbox.sweep()
    assert not outbox.send_again(delivery=again(delivery), by=amy).may_be_twice


# Leases


def test_a_slow_send_keeps_its_lease(write, double, monkeypatch) -> None:
    delivery = write()
    claimed = outbox.claim(outbox.due_heads())
    assert claimed is not None
    assert claimed.lease_until is not None
    held = Delivery.objects.filter(pk=delivery.pk, state="sending")
    lease = leases.Lease(held, "lease_until", claimed.lease_until)
    assert lease.renew()
    assert again(delivery).lease_until > claimed.lease_until
    Delivery.objects.update(lease_until=timezone.now())
    assert not lease.renew(), "somebody else holds it"


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_renewed_from_a_thread_for_as_long_as_the_work_goes_on(write, monkeypatch) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.05)
    delivery = write()
    claimed = outbox.claim(outbox.due_heads())
    assert claimed is not None
    first = claimed.lease_until
    assert first is not None
    with leases.kept(leases.Lease(Delivery.objects.filter(pk=delivery.pk), "lease_until", first)):
        end = time.monotonic() + 5
        while again(delivery).lease_until == first and time.monotonic() < end:
            time.sleep(0.02)
    assert again(delivery).lease_until > first


# Allowances


def test_a_used_up_allowance_makes_a_message_wait_and_says_until_when(write, double, monkeypatch) -> None:
    monkeypatch.setattr(DoubleConnector, "rates", (Rate("send", 2, 60.0),))
    written = [write(f"line {n}") for n in range(4)]
    outbox.sweep()
    assert [one.text for one in double.sent] == ["line 0", "line 1"]
    late = again(written[2])
    assert (late.state, late.failure, late.attempts) == ("queued", "rate", 0)
    assert 28 < (late.next_try_at - timezone.now()).total_seconds() <= 30
    assert again(written[3]).next_try_at > timezone.now(), "the others of the account need not try"
    assert "Next try at" in outbox.why_waiting(late, late.account)


def test_the_allowance_of_one_person_holds_up_nobody_else(write, double, monkeypatch) -> None:
    monkeypatch.setattr(DoubleConnector, "rates", (Rate("send", 1, 60.0, per="person"),))
    first = write("one", who="eva")
    second = write("two", to=first.conversation)
    other = write("three", who="bob")
    outbox.send_account(first.account_id)
    assert {one.text for one in double.sent} == {"one"}
    outbox.send_account(first.account_id)
    assert (again(second).state, again(other).state) == ("queued", "sent")


def test_a_platform_that_says_not_before_is_believed(write, double) -> None:
    first, other = write("one"), write("two")
    double.outcomes.append(RateReached("slow down", retry_after=120))
    outbox.sweep()
    outbox.sweep()
    assert len(double.sent) == 1
    assert 115 < (again(first).next_try_at - timezone.now()).total_seconds() <= 120
    assert (again(other).state, again(other).failure) == ("queued", "rate")
    assert again(first).account.send_failures == 0


# Breakers


def test_after_failures_in_a_row_a_platform_is_left_alone_and_one_tries(write, double, time_machine) -> None:
    delivery, other = write("one"), write("two", who="bob")
    double.outcomes.extend([TransientFailure("503 away")] * FAILURES)
    for _turn in range(FAILURES):
        due_now()
        outbox.sweep()
    account = again(delivery).account
    assert account.send_closed_until is not None
    assert (account.health, account.health_text) == (Health.FAILING, "503 away")
    due_now()
    outbox.sweep()
    assert len(double.sent) == FAILURES
    assert "does not answer" in outbox.why_waiting(again(other), account)
    time_machine.move_to(account.send_closed_until + timedelta(seconds=1))
    due_now()
    tried = outbox.claim(outbox.due_heads())
    assert tried is not None
    assert outbox.claim(outbox.due_heads()) is None, "the others wait for what comes of it"
    outbox.send_claimed(tried)
    outbox.sweep()
    assert (again(delivery).state, again(other).state) == ("sent", "sent")
    account.refresh_from_db()
    assert (account.send_failures, account.send_closed_until, account.health) == (0, None, Health.HEALTHY)


def test_a_refusal_is_an_answer_and_closes_nothing(write, double) -> None:
    for n in range(FAILURES + 1):
        delivery = write(f"line {n}")
        double.outcomes.append(PermanentFailure("550 no such user"))
        outbox.sweep()
    assert again(delivery).account.send_closed_until is None


def test_a_send_that_works_does_not_whitewash_a_pull_that_fails(write, double) -> None:
    delivery = write()
    pulls.note_failure(delivery.account, "IMAP is away")
    outbox.sweep()
    account = again(delivery).account
    assert (account.health, account.failures) == (Health.FAILING, 1)


# Accounts beside each other


@pytest.mark.django_db(transaction=True)
def test_a_slow_account_takes_no_more_than_its_share_and_delays_no_other(general, amy, monkeypatch) -> None:
    slow, quick = make_account(general, name="Slow"), make_account(general, name="Quick")
    started, gate, left = [], threading.Event(), {}

    def send(self: Any, outgoing: Outgoing) -> Sent:
        if outgoing.account.pk == slow.pk:
            started.append(outgoing.text)
            gate.wait(20)
        else:
            left[outgoing.text] = time.monotonic()
        return Sent(outgoing.external_id)

    monkeypatch.setattr(DoubleConnector, "send", send)
    for n in range(8):
        to = hear(slow, who=f"s{n}")
        replies.reply(conversation=to, by=amy, text=f"slow {n}", client_key=uuid4())

    def work(delivery: int) -> None:
        outbox.send_delivery(delivery)
        connection.close()

    ids = list(Delivery.objects.values_list("pk", flat=True))
    workers = [threading.Thread(target=work, args=(pk,)) for pk in ids]
    for worker in workers:
        worker.start()
    try:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if len(started) >= outbox.AT_ONCE >= sum(worker.is_alive() for worker in workers):
                break
            time.sleep(0.05)
        assert len(started) == outbox.AT_ONCE
        began = time.monotonic()
        message = replies.reply(conversation=hear(quick), by=amy, text="quick", client_key=uuid4())
        outbox.send_delivery(message.deliveries.get().pk)
        assert left["quick"] - began < 1
    finally:
        gate.set()
        for worker in workers:
            worker.join()
    while outbox.send_account(slow.pk):
        pass
    assert Delivery.objects.exclude(state="sent").count() == 0


# Windows, files and words


def test_a_window_that_ended_while_it_waited_is_not_tried(write, double) -> None:
    delivery = write()
    Conversation.objects.update(reply_until=timezone.now() - timedelta(seconds=1))
    outbox.sweep()
    ended = again(delivery)
    assert (ended.state, ended.failure, double.sent) == ("failed", "window", [])
    assert "another channel" in ended.advice


def test_private_and_public_windows_are_kept_apart(general, double, monkeypatch) -> None:
    def limits(self: Any, account: ChannelAccount, *, public: bool) -> Limits:
        return Limits(length=100, window=None if public else timedelta(hours=24))

    monkeypatch.setattr(DoubleConnector, "limits", limits)
    account = make_account(general)
    private = hear(account, who="eva")
    public = hear(account, who="bob", public=True, thread="post:1")
    assert private.reply_until == private.last_inbound_at + timedelta(hours=24)
    assert public.reply_until is None
    assert ingest(account, []).outcomes == []


def test_length_and_files_are_held_against_what_this_place_takes(general, double, amy, monkeypatch) -> None:
    from django.core.exceptions import ValidationError
    from django.core.files.uploadedfile import SimpleUploadedFile

    def limits(self: Any, account: ChannelAccount, *, public: bool) -> Limits:
        kinds = ("image/*",)
        return Limits(length=10 if public else 20, files=0 if public else 1, file_bytes=10, file_types=kinds)

    monkeypatch.setattr(DoubleConnector, "limits", limits)
    account = make_account(general)
    private, public = hear(account, who="eva"), hear(account, who="bob", public=True, thread="post:1")
    picture = SimpleUploadedFile("cat.png", b"123", "image/png")

    def reason(conversation: Conversation, text: str, *files: SimpleUploadedFile) -> str:
        with pytest.raises(ValidationError) as caught:
            replies.reply(conversation=conversation, by=amy, text=text, client_key=uuid4(), files=files)
        return caught.value.messages[0]

    assert "15 characters long; Double takes 10" in reason(public, "fifteen letters")
    assert reason(public, "hello", picture) == "Double takes no files here."
    assert "at most 1 files" in reason(private, "hello", picture, picture)
    assert "too large" in reason(private, "hello", SimpleUploadedFile("big.png", b"1" * 11, "image/png"))
    assert "of a kind" in reason(private, "hello", SimpleUploadedFile("a.pdf", b"1", "application/pdf"))
    replies.reply(conversation=private, by=amy, text="fifteen letters", client_key=uuid4(), files=[picture])


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        (WindowClosed("24 h are over"), "another channel"),
        (PermissionMissing("(#200)", scope="pages_messaging"), "pages_messaging"),
        (PermanentFailure("blocked"), "refused again"),
        (PermanentFailure("blocked", advice="Ask them to follow you."), "Ask them to follow you."),
        (TransientFailure("503"), "by itself"),
        (Uncertain("reset"), "Look whether it arrived"),
    ],
)
def test_each_failure_says_what_can_be_done(write, double, amy, failure, advice) -> None:
    delivery = write()
    double.outcomes.append(failure)
    outbox.sweep()
    assert advice in again(delivery).advice
    if again(delivery).state != "queued":
        client = Client()
        client.force_login(amy)
        line = client.get(reverse("engagement:message", args=[delivery.interaction_id])).content.decode()
        assert advice in line


def test_a_paused_account_says_so_in_the_thread_and_in_the_composer(write, amy) -> None:
    delivery = write()
    ChannelAccount.objects.update(health=Health.PAUSED)
    outbox.sweep()
    assert again(delivery).state == "queued"
    client = Client()
    client.force_login(amy)
    page = client.get(reverse("engagement:conversation", args=[delivery.conversation_id])).content.decode()
    assert page.count("is paused; what is written waits") == 2


def test_the_counter_asks_how_the_network_counts(general, double, amy, monkeypatch) -> None:
    monkeypatch.setattr(DoubleConnector, "count_length", lambda self, text: len(text.encode()))
    monkeypatch.setattr(DoubleConnector, "length_note", lambda self, text: "2 messages")
    conversation = hear(make_account(general))
    client = Client()
    client.force_login(amy)
    page = client.get(reverse("engagement:conversation", args=[conversation.pk])).content.decode()
    address = reverse("engagement:length-count", args=[conversation.pk])
    assert f'data-length-url="{address}"' in page
    assert client.post(address, {"text": "Zoë "}).json() == {"length": 4, "note": "2 messages"}
