"""Our own messages coming back, and changes that come in any order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from engagement.channels.base import Author, Change, Event, Parcel, PostRef, Sent
from engagement.ingest import Outcome, ingest
from engagement.intake import take_in
from engagement.models import (
    ChannelAccount,
    Conversation,
    Delivery,
    DeliveryState,
    Interaction,
    PendingChange,
    Post,
)
from engagement.outbox.results import record_sent
from engagement.replies import reply
from tests.engagement.events import account, inbound

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> ChannelAccount:
    made = account(network="demo")
    ChannelAccount.objects.filter(pk=made.pk).update(connector="demo")
    made.refresh_from_db()
    return made


@pytest.fixture
def sending(shop: ChannelAccount, amy: Any, monkeypatch: pytest.MonkeyPatch) -> Delivery:
    """An answer of Amy's that a worker is sending at this moment, on a network that takes no id of ours."""
    from engagement.channels.demo.connector import DemoConnector

    monkeypatch.setattr(DemoConnector, "takes_our_id", False)
    now = timezone.now()
    ingest(shop, [inbound("q", occurred_at=now - timedelta(minutes=3), thread_keys=("dm:eva",))])
    talk = Conversation.objects.get()
    answer = reply(conversation=talk, text="It left today: https://s.example/1", by=amy, client_key=uuid4())
    delivery = Delivery.objects.get(interaction=answer)
    Delivery.objects.update(state=DeliveryState.SENDING, updated_at=timezone.now())
    delivery.refresh_from_db()
    return delivery


def echo(
    key: str = "", name: str = "net-1", text: str = "It left today: https://t.co/x", **more: Any
) -> Event:
    return Event(
        **{
            "external_id": name,
            "kind": "message",
            "direction": "outbound",
            "occurred_at": timezone.now(),
            "text": text,
            "thread_keys": ("dm:eva",),
            "our_key": key,
            **more,
        }
    )


def ours(delivery: Delivery) -> tuple[str, str, int]:
    delivery.refresh_from_db()
    line = Interaction.objects.get(pk=delivery.interaction_id)
    return delivery.state, line.external_id, Interaction.objects.filter(direction="outbound").count()


def test_an_echo_that_names_our_key_before_the_send_returns_is_our_message(
    shop: ChannelAccount, sending: Delivery
) -> None:
    result = ingest(shop, [echo(str(sending.client_key), text="cut by the network")])
    assert result.outcomes == [Outcome.REPEATED]
    assert ours(sending) == ("sent", "net-1", 1)
    record_sent(sending, Sent("net-1"))
    assert ours(sending) == ("sent", "net-1", 1)
    assert Conversation.objects.get().count == 2
    assert ingest(shop, [echo(str(sending.client_key))]).outcomes == [Outcome.REPEATED]


def test_an_echo_without_a_key_is_known_by_thread_and_words(shop: ChannelAccount, sending: Delivery) -> None:
    assert ingest(shop, [echo(text="@eva  It left today: https://t.co/x")]).outcomes == [Outcome.REPEATED]
    assert ours(sending) == ("sent", "net-1", 1)


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Something else"},
        {"thread_keys": ("dm:ben",)},
        {"occurred_at": timezone.now() - timedelta(days=2)},
    ],
)
def test_what_staff_write_in_the_networks_own_app_is_a_message_of_its_own(
    shop: ChannelAccount, sending: Delivery, other: dict[str, Any]
) -> None:
    assert ingest(shop, [echo(**other)]).outcomes == [Outcome.STORED]
    assert ours(sending) == ("sending", f"out:{sending.client_key}", 2)


def test_two_equal_echoes_are_one_of_ours_and_one_of_the_app(shop: ChannelAccount, sending: Delivery) -> None:
    result = ingest(shop, [echo(), echo(name="net-2", occurred_at=timezone.now() + timedelta(seconds=5))])
    assert result.outcomes == [Outcome.REPEATED, Outcome.STORED]
    assert ours(sending) == ("sent", "net-1", 2)


def test_an_uncertain_message_that_comes_back_was_sent(shop: ChannelAccount, sending: Delivery) -> None:
    Delivery.objects.update(state=DeliveryState.UNCERTAIN)
    ingest(shop, [echo()])
    assert ours(sending) == ("sent", "net-1", 1)


def test_a_failed_message_that_comes_back_was_sent_and_nobody_waits(
    shop: ChannelAccount, sending: Delivery
) -> None:
    Delivery.objects.update(state=DeliveryState.FAILED, failure="transient")
    Conversation.objects.update(waiting_since=timezone.now())
    ingest(shop, [echo(str(sending.client_key))])
    assert ours(sending) == ("sent", "net-1", 1)
    assert Conversation.objects.get().waiting_since is None


def test_an_echo_that_was_stored_first_goes_when_the_send_returns(
    shop: ChannelAccount, sending: Delivery
) -> None:
    ingest(shop, [echo(text="not to be known again", thread_keys=("post:9",))])
    assert Conversation.objects.count() == 2
    record_sent(sending, Sent("net-1"))
    assert ours(sending) == ("sent", "net-1", 1)
    (talk,) = Conversation.objects.all()
    assert set(talk.threads.values_list("thread_key", flat=True)) == {"dm:eva", "post:9"}


def test_a_status_that_names_our_key_gives_the_networks_id(shop: ChannelAccount, sending: Delivery) -> None:
    status = Change("net-1", "status", timezone.now(), status="delivered", our_key=str(sending.client_key))
    assert ingest(shop, [status]).outcomes == [Outcome.CHANGED]
    record_sent(sending, Sent("net-1"))
    assert ours(sending) == ("delivered", "net-1", 1)


def test_a_status_by_the_networks_id_waits_until_the_send_returns(
    shop: ChannelAccount, sending: Delivery
) -> None:
    read = Change("net-1", "status", timezone.now(), status="read")
    sent = Change("net-1", "status", timezone.now(), status="sent")
    assert ingest(shop, [read, sent]).outcomes == [Outcome.PENDING, Outcome.PENDING]
    record_sent(sending, Sent("net-1"))
    assert ours(sending) == ("read", "net-1", 1)
    assert not PendingChange.objects.exists()


@pytest.mark.parametrize("order", [("sent", "delivered", "read"), ("read", "delivered", "sent")])
def test_statuses_only_move_forward(shop: ChannelAccount, sending: Delivery, order: tuple[str, ...]) -> None:
    for status in order:
        key = str(sending.client_key)
        ingest(shop, [Change("net-1", "status", timezone.now(), status=status, our_key=key)])
    assert ours(sending)[0] == "read"


def test_a_late_sent_never_covers_a_failure(shop: ChannelAccount, sending: Delivery) -> None:
    key = str(sending.client_key)
    for status, error in (("failed", "131047 outside the window"), ("sent", "")):
        ingest(shop, [Change("net-1", "status", timezone.now(), status=status, error=error, our_key=key)])
    sending.refresh_from_db()
    assert (sending.state, sending.failure_text) == ("failed", "131047 outside the window")


def test_a_receipt_is_about_everything_sent_in_the_thread_until_then(
    shop: ChannelAccount, sending: Delivery
) -> None:
    record_sent(sending, Sent("net-1"))
    early = Change("", "status", sending.interaction.occurred_at - timedelta(minutes=1), status="read")
    for change, expected in ((early, "sent"), (Change("", "status", timezone.now(), status="read"), "read")):
        told = Change("", "status", change.at, status="read", thread_key="dm:eva")
        assert ingest(shop, [told]).outcomes == [Outcome.CHANGED]
        assert ours(sending)[0] == expected


def test_hidden_shown_and_hidden_again_in_any_order(shop: ChannelAccount) -> None:
    at = timezone.now() - timedelta(hours=1)
    told = [
        Change("c", "hide", at),
        Change("c", "unhide", at + timedelta(minutes=1)),
        Change("c", "hide", at + timedelta(minutes=2)),
    ]
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]):
        with transaction.atomic():
            ingest(shop, [told[order[0]]])
            ingest(shop, [inbound("c", occurred_at=at)])
            for number in (*order[1:], *order):
                ingest(shop, [told[number]])
            assert Interaction.objects.get(external_id="c").hidden_at == at + timedelta(minutes=2), order
            transaction.set_rollback(True)
    ingest(shop, [inbound("c", occurred_at=at), *told[:2]])
    assert Interaction.objects.get(external_id="c").hidden_at is None


def test_an_edit_of_a_post_and_older_words_of_it_in_any_order(shop: ChannelAccount) -> None:
    at = timezone.now() - timedelta(hours=1)
    old = Parcel(posts=[PostRef("p", "First words", url="https://n.example/p", as_of=at)])
    new = Change("p", "edit", at + timedelta(minutes=5), text="Better words")
    named = inbound("c", post=PostRef("p", text="First wo…"), occurred_at=at)
    for order in ((old, named, new), (named, new, old), (named, old, new)):
        with transaction.atomic():
            for step in order:
                if isinstance(step, Parcel):
                    take_in(shop, step)
                else:
                    ingest(shop, [step])
            post = Post.objects.get()
            assert (post.text, post.url) == ("Better words", "https://n.example/p")
            transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Change("c", "shout", timezone.now()), "kind 'shout'"),
        (Change("c", "edit", timezone.now().replace(tzinfo=None)), "no time zone"),
        (Change("c", "edit", timezone.now() + timedelta(days=9)), "in the future"),
        (Change("", "edit", timezone.now()), "1 to 320 characters"),
        (Change("c\x00", "delete", timezone.now()), "NUL"),
        (Change("c\ud800", "delete", timezone.now()), "no id has"),
    ],
)
def test_a_change_that_cannot_be_is_refused_and_the_others_count(
    shop: ChannelAccount, change: Change, reason: str
) -> None:
    ingest(shop, [inbound("c")])
    result = ingest(shop, [change, Change("c", "edit", timezone.now(), "Better"), inbound("d", minute=1)])
    assert result.outcomes == [Outcome.REJECTED, Outcome.CHANGED, Outcome.STORED]
    assert reason in result.reasons[0]
    assert Interaction.objects.get(external_id="c").text == "Better"


def test_five_hundred_changes_take_as_many_statements_as_five(shop: ChannelAccount) -> None:
    counts = []
    for size in (5, 500):
        names = [f"{size}-{number}" for number in range(size)]
        ingest(shop, [inbound(name, minute=n % 50, thread=name) for n, name in enumerate(names)])
        at = timezone.now()
        edits = [Change(name, ("edit", "delete", "hide")[n % 3], at, "new") for n, name in enumerate(names)]
        late = [Change(f"late-{name}", "edit", at, "new") for name in names]
        with CaptureQueriesContext(connection) as seen:
            ingest(shop, [*edits, *late])
        counts.append(len(seen))
    assert counts[1] <= counts[0] + 2, counts


def test_five_hundred_posts_people_and_links_take_as_many_statements_as_five(shop: ChannelAccount) -> None:
    counts = []
    for size in (5, 500):
        people = [Author(f"{size}-{n}", name=f"N{n}") for n in range(size)]
        links = [(person, Author(f"u{person.external_id}")) for person in people]
        posts = [PostRef(f"{size}-{n}", text="words", metrics={"likes": n}) for n in range(size)]
        parcel = Parcel(people=people, posts=posts, links=links[:3])
        take_in(shop, parcel)
        with CaptureQueriesContext(connection) as seen:
            take_in(shop, parcel)
        counts.append(len(seen))
    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
def test_the_echo_and_the_answer_to_the_send_at_the_same_moment_leave_one_row(
    shop: ChannelAccount, sending: Delivery
) -> None:
    _together(
        lambda: ingest(shop, [echo(str(sending.client_key))]), lambda: record_sent(sending, Sent("net-1"))
    )
    assert ours(sending) == ("sent", "net-1", 1)


@pytest.mark.django_db(transaction=True)
def test_fifty_first_messages_of_one_person_and_an_album_at_once_are_one_conversation() -> None:
    shop = account()
    album = [inbound(f"album{n}", thread="dm:eva", text="") for n in range(10)]
    first = [inbound(f"m{n}", thread="dm:eva", minute=n) for n in range(50)]
    _together(*((lambda event=event: ingest(shop, [event])) for event in (*album, *first)))
    assert Conversation.objects.get().count == 60
    assert Interaction.objects.values("customer").distinct().count() == 1


@pytest.mark.django_db(transaction=True)
def test_whoever_meets_the_same_new_person_waits_for_the_commit_and_not_less() -> None:
    """The lock on a person ends with the transaction that stored them, so nobody makes the person twice."""
    shop, held, moments = account(), threading.Event(), {}

    def first() -> None:
        with transaction.atomic():
            ingest(shop, [inbound("a", thread="dm:eva")])
            held.set()
            time.sleep(0.5)
            moments["before the commit"] = time.monotonic()

    def second() -> None:
        held.wait(20)
        ingest(shop, [inbound("b", thread="dm:eva", minute=1)])
        moments["second is through"] = time.monotonic()

    _together(first, second)
    assert moments["second is through"] > moments["before the commit"]
    assert Conversation.objects.get().count == 2
    assert Interaction.objects.values("customer").distinct().count() == 1


def _together(*calls: Callable[[], Any]) -> None:
    barrier, errors = threading.Barrier(len(calls)), []

    def run(call: Callable[[], Any]) -> None:
        try:
            barrier.wait(20)
            call()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=run, args=(call,)) for call in calls]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
