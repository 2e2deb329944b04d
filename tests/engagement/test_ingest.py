"""The door in: once, in any order, by any number of workers."""

from __future__ import annotations

import random
import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.models import Workspace
from crm.merging import merge_customers
from crm.models import Customer, CustomerTouch, Identity
from engagement.channels.base import Author, Change, Event, File, PostRef
from engagement.ingest import Outcome, ingest
from engagement.models import (
    Attachment,
    Conversation,
    ConversationEvent,
    Delivery,
    DeliveryState,
    DirtyDay,
    Interaction,
    PendingChange,
)
from tests.engagement.events import START, account, inbound, outbound

pytestmark = pytest.mark.django_db


def state() -> dict[str, Any]:
    """What the database holds, without ids."""
    owners = dict(Identity.objects.values_list("pk", "external_id"))
    lines = Interaction.objects.values_list(
        "external_id", "text", "direction", "identity_id", "conversation__threads__thread_key"
    )
    talks = Conversation.objects.values_list(
        "threads__thread_key", "identity_id", "count", "waiting_since", "first_answered_at", "last_text"
    )
    return {
        "lines": sorted((a, b, c, owners.get(d), e) for a, b, c, d, e in lines),
        "talks": sorted((a, owners.get(b), *rest) for a, b, *rest in talks),
        "people": sorted(owners.values()),
        "customers": Customer.objects.count(),
    }


def test_a_repeated_page_changes_nothing() -> None:
    shop = account()
    page = [inbound("a"), outbound("b", minute=5), inbound("c", minute=9)]
    first = ingest(shop, page)
    before = state()
    again = ingest(shop, page)
    assert first.outcomes == [Outcome.STORED] * 3
    assert again.outcomes == [Outcome.REPEATED] * 3
    assert state() == before


def test_of_two_lines_with_one_id_the_first_is_kept() -> None:
    result = ingest(account(), [inbound("a", text="first"), inbound("a", text="second", thread="t2")])
    assert result.outcomes == [Outcome.STORED, Outcome.REPEATED]
    assert Interaction.objects.get().text == "first"
    assert Conversation.objects.count() == 1


def first_author(events: list[Event]) -> str | None:
    """Who wrote the first inbound line, as plain Python tells it."""
    in_order = sorted(events, key=lambda event: (event.occurred_at, event.external_id))
    return next((event.author.external_id for event in in_order if event.author), None)


lines = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from("ab"), st.integers(0, 3), st.booleans()), max_size=14
)


@given(lines, st.randoms(use_true_random=False), st.integers(1, 5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_any_paging_leave_the_same_rows(
    drawn: list[tuple[int, str, int, bool]], random_source: random.Random, size: int
) -> None:
    """One line an id, so that which of two is first cannot matter; the oracle is a dict by id."""
    events = {
        f"{minute}-{who}": inbound(f"{minute}-{who}", who=who, minute=minute, thread=f"t{thread}")
        if is_inbound
        else outbound(f"{minute}-{who}", minute=minute, thread=f"t{thread}")
        for minute, who, thread, is_inbound in drawn
    }
    seen = []
    for _ in range(2):
        with transaction.atomic():
            shop = account()
            shuffled = [*events.values(), *events.values()]
            random_source.shuffle(shuffled)
            for begin in range(0, len(shuffled), size):
                ingest(shop, shuffled[begin : begin + size], read_text=False)
            seen.append(state())
            transaction.set_rollback(True)
    assert seen[0] == seen[1]
    assert [line[0] for line in seen[0]["lines"]] == sorted(events)
    by_thread: dict[str, list[Event]] = {}
    for event in events.values():
        by_thread.setdefault(event.thread_keys[0], []).append(event)
    expected = {thread: first_author(found) for thread, found in by_thread.items()}
    assert {talk[0]: talk[1] for talk in seen[0]["talks"]} == expected
    assert {talk[0]: talk[2] for talk in seen[0]["talks"]} == {t: len(f) for t, f in by_thread.items()}


def test_the_owner_is_the_author_of_the_first_line_even_when_it_comes_last() -> None:
    shop = account()
    ingest(shop, [inbound("b", who="ben", minute=10)])
    assert Conversation.objects.get().identity.external_id == "ben"
    ingest(shop, [inbound("a", who="eva", minute=5)])
    assert Conversation.objects.get().identity.external_id == "eva"


@pytest.mark.parametrize("answer_first", [True, False])
def test_an_answer_to_a_line_filed_elsewhere_belongs_to_that_lines_author(answer_first: bool) -> None:
    shop = account()
    question, answer = inbound("q", thread="t1"), outbound("r", minute=3, thread="t2", in_reply_to="q")
    for event in [answer, question] if answer_first else [question, answer]:
        ingest(shop, [event])
    assert [talk.identity.external_id for talk in Conversation.objects.all()] == ["eva", "eva"]


def test_a_stranger_who_answers_somebodys_private_line_owns_his_own_conversation() -> None:
    shop = account()
    ingest(shop, [inbound("q"), inbound("s", who="stranger", minute=4, thread="t2", in_reply_to="q")])
    theirs = Conversation.objects.get(threads__thread_key="t2")
    assert theirs.identity.external_id == "stranger"


def test_what_waits_and_until_when_follows_the_newest_answer() -> None:
    shop = account(reply_goal_minutes=60)
    ingest(shop, [inbound("a"), inbound("b", minute=7)])
    talk = Conversation.objects.get()
    assert talk.waiting_since == START
    assert talk.due_at == START + timedelta(hours=1)
    ingest(shop, [outbound("c", minute=9)])
    talk.refresh_from_db()
    assert (talk.waiting_since, talk.due_at) == (None, None)
    assert talk.first_answered_at == START + timedelta(minutes=9)
    ingest(shop, [inbound("d", minute=20)])
    talk.refresh_from_db()
    assert talk.waiting_since == START + timedelta(minutes=20)


def test_an_answer_that_did_not_get_through_answers_nobody() -> None:
    shop = account()
    ingest(shop, [inbound("a"), outbound("b", minute=5)])
    talk, answer = Conversation.objects.get(), Interaction.objects.get(external_id="b")
    Delivery.objects.create(
        interaction=answer, account=shop, conversation=talk, client_key=uuid4(), state=DeliveryState.FAILED
    )
    ingest(shop, [inbound("c", minute=9)])
    talk.refresh_from_db()
    assert (talk.waiting_since, talk.first_answered_at) == (START, None)
    Delivery.objects.create(
        interaction=answer, account=shop, conversation=talk, client_key=uuid4(), state=DeliveryState.SENT
    )
    ingest(shop, [inbound("d", minute=10)])
    talk.refresh_from_db()
    assert talk.waiting_since == START + timedelta(minutes=9)
    assert talk.first_answered_at == START + timedelta(minutes=5)


def test_a_new_message_opens_a_resolved_conversation_and_says_so() -> None:
    shop = account()
    ingest(shop, [inbound("a")])
    Conversation.objects.update(status="resolved")
    ingest(shop, [inbound("auto", minute=2, is_automatic=True)])
    assert Conversation.objects.get().status == "resolved"
    ingest(shop, [inbound("b", minute=3)])
    assert Conversation.objects.get().status == "open"
    assert list(ConversationEvent.objects.values_list("type", flat=True)) == ["reopened"]


def test_old_history_arrives_resolved_and_recent_history_open() -> None:
    shop = account()
    recent = inbound("b", thread="t2", occurred_at=timezone.now() - timedelta(days=1))
    ingest(shop, [inbound("a", occurred_at=timezone.now() - timedelta(days=90)), recent], live=False)
    found = dict(Conversation.objects.values_list("threads__thread_key", "status"))
    assert found == {"t1": "resolved", "t2": "open"}


def test_later_thread_keys_lead_to_the_same_conversation() -> None:
    shop = account()
    ingest(shop, [inbound("m1", thread_keys=("m1",))])
    ingest(shop, [inbound("m2", minute=1, thread_keys=("m1", "m2"))])
    ingest(shop, [inbound("m3", minute=2, thread_keys=("m2", "m3"))])
    assert Conversation.objects.get().count == 3


def test_edits_deletions_and_statuses_wait_for_their_line() -> None:
    shop = account()
    edit = Change("a", "edit", START + timedelta(minutes=2), text="better")
    older = Change("a", "edit", START + timedelta(minutes=1), text="good")
    assert ingest(shop, [edit, older]).outcomes == [Outcome.PENDING] * 2
    ingest(shop, [inbound("a")])
    assert Interaction.objects.get().text == "better"
    assert not PendingChange.objects.exists()
    assert ingest(shop, [older]).outcomes == [Outcome.CHANGED]
    assert Interaction.objects.get().text == "better"
    ingest(shop, [Change("a", "delete", START + timedelta(minutes=3))])
    gone = Interaction.objects.get()
    assert (gone.text, gone.deleted_at) == ("", START + timedelta(minutes=3))
    assert Conversation.objects.get().last_text == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"occurred_at": START.replace(year=9000)}, "future"),
        ({"occurred_at": START.replace(tzinfo=None)}, "time zone"),
        ({"kind": "telegram"}, "kind"),
        ({"direction": "sideways"}, "direction"),
        ({"author": None}, "author"),
        ({"external_id": ""}, "external_id"),
        ({"external_id": "x" * 321}, "external_id"),
        ({"external_id": "a\x00"}, "NUL"),
        ({"rating": 11}, "rating"),
        ({"author": Author("   ")}, "author"),
        ({"author": Author("not an address", network="email")}, "e-mail"),
    ],
)
def test_a_bad_event_is_answered_by_itself(change: dict[str, Any], reason: str) -> None:
    result = ingest(account(), [inbound("a"), inbound("bad", **{**change}), inbound("c", minute=2)])
    assert result.outcomes == [Outcome.STORED, Outcome.REJECTED, Outcome.STORED]
    assert reason in result.reasons[1]
    assert Interaction.objects.count() == 2


def test_hostile_text_is_stored_clean_and_whole() -> None:
    long = "wort " * 1_000_000
    ingest(account(), [inbound("a", text="nul\x00 lone \ud800 end"), inbound("b", minute=1, text=long)])
    assert Interaction.objects.get(external_id="a").text == "nul lone  end"
    assert len(Interaction.objects.get(external_id="b").text) == 50_000
    kept = Attachment.objects.get()
    assert kept.file.size == len(long)


def test_files_and_posts_hang_on_their_line() -> None:
    post = PostRef("p1", text="New kettle")
    file = File("photo.jpg", "image/jpeg", content=b"\xff\xd8")
    ingest(account(), [inbound("a", public=True, kind="comment", post=post, files=(file,))])
    line = Interaction.objects.get()
    assert (line.post.text, line.attachments.get().file.read()) == ("New kettle", b"\xff\xd8")
    assert Conversation.objects.get().post == line.post


def test_every_item_is_accounted_for() -> None:
    shop = account()
    ingest(shop, [inbound("a"), inbound("a"), inbound("b", author=None)])
    shop.refresh_from_db()
    assert (shop.received, shop.stored, shop.repeated, shop.parked) == (3, 1, 1, 1)
    assert CustomerTouch.objects.exists()
    assert DirtyDay.objects.get().day == START.date()


def test_the_number_of_statements_does_not_depend_on_the_page() -> None:
    shop = account()
    Workspace.current()
    counts = []
    for size in (1, 50, 500):
        keys = [f"{size}-{n}" for n in range(size)]
        page = [inbound(key, who=key, minute=n, thread=key) for n, key in enumerate(keys)]
        with CaptureQueriesContext(connection) as seen:
            ingest(shop, page)
        counts.append(len(seen))
    assert len(set(counts)) == 1


@pytest.mark.django_db(transaction=True)
def test_fifty_first_messages_at_once_are_one_customer_and_one_conversation() -> None:
    shop = account()
    failed: list[BaseException] = []

    def work(n: int) -> None:
        try:
            ingest(shop, [inbound(f"m{n}", minute=n, thread="dm:eva")])
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    for start in range(0, 50, 10):
        threads = [threading.Thread(target=work, args=(n,)) for n in range(start, start + 10)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    assert not failed
    assert (Customer.objects.count(), Conversation.objects.count(), Interaction.objects.count()) == (1, 1, 50)
    assert Conversation.objects.get().count == 50


@pytest.mark.django_db(transaction=True)
def test_a_merge_during_ingests_leaves_no_row_on_the_merged_customer() -> None:
    shop = account()
    ingest(shop, [inbound("e", who="eva", thread="e"), inbound("b", who="ben", thread="b")])
    eva, ben = (Identity.objects.get(external_id=who).customer for who in ("eva", "ben"))
    stop, failed = threading.Event(), []

    def write(worker: int) -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                ingest(shop, [inbound(f"{worker}-{number}", who="ben", minute=number, thread=f"{worker}")])
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
    [thread.start() for thread in threads]
    merge_customers(keep=eva, drop=ben)
    stop.set()
    [thread.join() for thread in threads]
    assert not failed
    assert not Interaction.objects.filter(customer=ben).exists()
    assert not Conversation.objects.filter(customer=ben).exists()
