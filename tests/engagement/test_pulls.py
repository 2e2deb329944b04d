"""The machine that pulls accounts, and what arrived raw."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Team
from core.models import Event as Happened
from crm.models import Order
from crm.orders import OrderIn
from engagement import channels, pulls, rates, raw_events, tasks
from engagement.channels.base import (
    AuthFailure,
    Bad,
    Fresh,
    Page,
    Parcel,
    PostRef,
    Rate,
    RateReached,
    TokenExpired,
    TransientFailure,
)
from engagement.intake import known_conversations, take_in
from engagement.models import ChannelAccount, Health, Interaction, Post, RawEvent
from tests.engagement.double import Double, event


@pytest.fixture
def double(monkeypatch):
    """The far side: set `items`."""
    monkeypatch.setitem(channels.BUILT_IN, "double", "tests.engagement.double:Double")
    channels.connector.cache_clear()
    Double.items, Double.size = [], 2
    yield Double
    channels.connector.cache_clear()


@pytest.fixture
def account(double, db):
    return new_account()


def new_account(name="one", **more):
    team = Team.general()
    return ChannelAccount.objects.create(
        connector="double", network="email", external_id=name, name=name, team=team, **more
    )


def stored():
    return set(Interaction.objects.values_list("external_id", flat=True))


def again(account):
    return ChannelAccount.objects.get(pk=account.pk)


def test_pages_cursor_and_counters_go_on_together(double, account):
    double.items = [event("a"), event("b"), event("a"), event("c"), event("d")]
    pulled = pulls.pull_account(account.pk)
    assert (pulled.pages, pulled.received, pulled.stored) == (3, 5, 4)
    row = again(account)
    assert row.cursor == {"position": 5}
    assert (row.received, row.stored, row.repeated, row.parked) == (5, 4, 1, 0)
    assert row.last_in_at is not None


def test_a_crash_inside_a_page_leaves_neither_rows_nor_cursor(double, account, monkeypatch):
    double.items = [event("a"), event("b"), event("c")]
    real = pulls._move_cursor
    calls = []

    def fail_on_the_second(*args):
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError("killed")
        real(*args)

    monkeypatch.setattr(pulls, "_move_cursor", fail_on_the_second)
    pulled = pulls.pull_account(account.pk)
    assert pulled.failure == "RuntimeError: killed"
    assert stored() == {"a", "b"}
    assert again(account).cursor == {"position": 2}
    monkeypatch.undo()
    monkeypatch.setitem(channels.BUILT_IN, "double", "tests.engagement.double:Double")
    pulls.pull_account(account.pk)
    assert stored() == {"a", "b", "c"}
    assert again(account).received == 3


def test_what_ingest_refuses_and_what_the_connector_cannot_read_are_parked(double, account):
    double.items = [event("a"), Bad("key-1", "not readable", b"raw bytes"), event("x" * 400), event("b")]
    pulled = pulls.pull_account(account.pk)
    assert (pulled.stored, pulled.parked) == (2, 2)
    row = again(account)
    assert (row.received, row.stored, row.parked) == (4, 2, 2)
    first, second = RawEvent.objects.filter(state="parked").order_by("id")
    assert (first.delivery_key, bytes(first.body), first.error) == ("key-1", b"raw bytes", "not readable")
    assert "external_id" in second.error
    assert b"bob@example.org" in bytes(second.body)


def test_the_same_bad_item_is_parked_once(double, account):
    double.items = [Bad("key-1", "not readable")]
    pulls.pull_account(account.pk)
    ChannelAccount.objects.update(cursor={})
    pulls.pull_account(account.pk)
    assert RawEvent.objects.count() == 1


def test_a_pull_stops_after_its_time_and_is_due_at_once(double, account):
    double.items = [event(name) for name in "abcdef"]
    pulled = pulls.pull_account(account.pk, seconds=0)
    assert (pulled.pages, pulled.more) == (1, True)
    assert again(account).pk in pulls.due_accounts(timezone.now())


def test_an_account_that_somebody_holds_is_left_alone(double, account):
    double.items = [event("a")]
    assert pulls.take_lease(account.pk) is not None
    assert pulls.pull_account(account.pk).pages == 0
    assert pulls.due_accounts(timezone.now() + timedelta(seconds=20)) == []
    ChannelAccount.objects.update(pull_lease_until=timezone.now() - timedelta(seconds=1))
    assert pulls.pull_account(account.pk).stored == 1


def test_a_worker_whose_cursor_was_moved_stores_nothing(double, account):
    double.items = [event("a")]
    held = pulls.take_lease(account.pk)
    ChannelAccount.objects.update(cursor={"position": 1})
    (page,) = Double().pull(held)
    with pytest.raises(pulls.CursorMoved):
        pulls.store_page(held, page)
    assert stored() == set()


def test_the_sweep_takes_what_is_due_and_only_once(double, account):
    now = timezone.now()
    later = new_account("later", next_pull_at=now + timedelta(minutes=5))
    new_account("off", is_active=False)
    new_account("paused", health=Health.PAUSED)
    new_account("login", health=Health.NEEDS_LOGIN)
    assert pulls.due_accounts(now) == [account.pk]
    assert pulls.due_accounts(now) == []
    assert set(pulls.due_accounts(now + timedelta(minutes=6))) == {account.pk, later.pk}


def test_refused_credentials_stop_the_pull_and_tell_admins_once(double, account):
    double.items = [AuthFailure("The password is not accepted.")]
    pulls.pull_account(account.pk)
    row = again(account)
    assert (row.health, row.health_text) == (Health.NEEDS_LOGIN, "The password is not accepted.")
    assert pulls.pull_account(account.pk).pages == 0
    (told,) = Happened.objects.filter(type="channel.needs_login")
    assert "role:admin" in told.channels and told.ids == {"account": account.pk}


def test_failures_wait_longer_each_time_and_end_with_the_first_success(double, account, time_machine):
    double.items = [TransientFailure("The server is away.")]
    waits = []
    for _ in range(7):
        start = timezone.now()
        pulls.pull_account(account.pk)
        waits.append(round((again(account).next_pull_at - start).total_seconds()))
        time_machine.move_to(again(account).next_pull_at)
    assert waits == [60, 120, 180, 300, 300, 300, 300]
    assert again(account).health == Health.FAILING
    double.items = []
    pulls.pull_account(account.pk)
    row = again(account)
    assert (row.health, row.failures, row.health_text) == (Health.HEALTHY, 0, "")
    assert Happened.objects.filter(type="channel.recovered").count() == 1


def test_one_dead_account_delays_no_other(double, account):
    double.items = [TransientFailure("away")]
    pulls.pull_account(account.pk)
    double.items = [event("a")]
    other = new_account("other")
    tasks.pull_account(other.pk)
    assert stored() == {"a"}


def test_after_five_failures_the_platform_is_left_alone_and_one_worker_tries(double, account, time_machine):
    double.items = [TransientFailure("away")]
    for _ in range(5):
        pulls.pull_account(account.pk)
    closed = again(account)
    assert closed.failures == 5
    assert pulls.take_lease(account.pk) is None
    assert pulls.due_accounts(timezone.now() + timedelta(seconds=290)) == []
    time_machine.move_to(closed.closed_until + timedelta(seconds=1))
    assert pulls.due_accounts(timezone.now()) == [account.pk]
    assert pulls.take_lease(account.pk) is not None
    ChannelAccount.objects.update(pull_lease_until=None)
    assert pulls.take_lease(account.pk) is None, "the second waits for what comes of the first one's try"
    assert again(account).pull_lease_until is None
    time_machine.shift(61)
    double.items = [event("a")]
    pulls.pull_account(account.pk)
    assert (again(account).failures, again(account).closed_until) == (0, None)
    assert stored() == {"a"}


def test_a_page_that_comes_again_and_again_ends_the_pull_with_a_reason(account, monkeypatch):
    def circle(self, account):
        while True:
            yield Page([event("a"), event("b")], {"at": "same"}, more=True)

    monkeypatch.setattr(Double, "pull", circle)
    pulled = pulls.pull_account(account.pk)
    assert pulled.pages == 1
    assert "same page again" in pulled.failure
    assert "same page again" in again(account).health_text
    assert stored() == {"a", "b"}


def test_two_pages_in_turns_end_the_pull_too_and_empty_ones_in_time(account, monkeypatch):
    def turns(self, account):
        while True:
            yield Page([event("a")], {"at": 1}, more=True)
            yield Page([event("b")], {"at": 2}, more=True)

    monkeypatch.setattr(Double, "pull", turns)
    assert pulls.pull_account(account.pk).pages == 2
    resumed = again(account)
    pulls.resume(resumed)

    def nothing(self, account):
        while True:
            yield Page([], {"at": 1}, more=True)

    monkeypatch.setattr(Double, "pull", nothing)
    pulled = pulls.pull_account(account.pk)
    assert pulled.failure
    assert pulled.pages == pulls.EMPTY_PAGES


def test_a_page_after_the_last_one_of_a_stream_is_taken_in_too(account, monkeypatch):
    def two_streams(self, account):
        yield Page([event("comment")], {"comments": 1})
        yield Page([event("message")], {"comments": 1, "messages": 1})

    monkeypatch.setattr(Double, "pull", two_streams)
    pulls.pull_account(account.pk)
    assert stored() == {"comment", "message"}


def test_posts_and_orders_of_a_page_come_in_with_its_cursor(account, monkeypatch):
    def page_of_all(self, account):
        post = PostRef("p1", text="New in", media="album", metrics={"likes": 4})
        when = datetime(2026, 3, 2, tzinfo=UTC)
        order = OrderIn("o1", "bob@example.org", when, Decimal("19.90"), "EUR", network="email")
        yield Page([event("a")], {"at": 1}, posts=[post], orders=[order])

    monkeypatch.setattr(Double, "pull", page_of_all)
    pulled = pulls.pull_account(account.pk)
    assert (pulled.failure, pulled.received, again(account).cursor) == ("", 2, {"at": 1})
    assert Post.objects.get().media == "album"
    assert Order.objects.get().external_id == "o1"


def test_what_is_left_after_a_turn_is_queued_behind_the_others(double, account, monkeypatch):
    queued = []
    monkeypatch.setattr("engagement.tasks.pull_account.delay", queued.append)
    monkeypatch.setattr(pulls.pull_account, "__kwdefaults__", {"seconds": 0.0})
    double.items = [event(name) for name in "abcde"]
    tasks.pull_account(account.pk)
    assert (queued, stored()) == ([account.pk], {"a", "b"})


def test_a_used_up_allowance_makes_the_account_wait_and_is_no_failure(double, account, monkeypatch):
    monkeypatch.setattr(Double, "rates", (Rate("pull", 2, 60.0),))
    forget_rates("double")
    double.items = [event(name) for name in "abcdef"]
    pulled = pulls.pull_account(account.pk)
    assert (pulled.pages, stored()) == (2, {"a", "b", "c", "d"})
    assert 29 < pulled.wait <= 30
    row = again(account)
    assert 28 < (row.next_pull_at - timezone.now()).total_seconds() <= 30
    assert (row.health, row.failures, row.pull_lease_until) == (Health.HEALTHY, 0, None)


def test_a_platform_that_says_not_before_is_not_asked_before(double, account):
    forget_rates("double")
    double.items = [event("a"), event("b"), RateReached("slow down", retry_after=40)]
    assert pulls.pull_account(account.pk).wait == 40
    assert pulls.pull_account(account.pk).pages == 0
    row = again(account)
    assert 38 < (row.next_pull_at - timezone.now()).total_seconds() <= 40
    assert (row.health, stored()) == (Health.HEALTHY, {"a", "b"})
    forget_rates("double")


def test_a_token_that_ends_on_the_way_is_renewed_and_the_pull_goes_on(double, account, monkeypatch):
    monkeypatch.setattr(Double, "refreshes", True)
    monkeypatch.setattr(Double, "refresh", renew)
    double.items = [event("a"), event("b"), TokenExpired("190/463"), event("c")]
    pulled = pulls.pull_account(account.pk)
    assert (pulled.failure, stored()) == ("", {"a", "b", "c"})
    assert again(account).credentials == {"access_token": "new"}
    assert again(account).refresh_lease_until is None


def test_a_token_that_ends_again_after_its_refresh_asks_for_a_login(double, account, monkeypatch):
    monkeypatch.setattr(Double, "refreshes", True)
    monkeypatch.setattr(Double, "refresh", lambda self, account: Fresh({"access_token": "new"}))
    double.items = [TokenExpired("190")]
    pulls.pull_account(account.pk)
    assert again(account).health == Health.NEEDS_LOGIN


def renew(self, account):
    self.items[:] = [one for one in self.items if not isinstance(one, TokenExpired)]
    return Fresh({"access_token": "new"})


def forget_rates(name):
    for key in rates._redis().scan_iter(f"rapport-rate:{name}:*"):
        rates._redis().delete(key)


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_bring_each_item_once(double):
    account = new_account()
    double.items = [event(f"m{number}", author=f"p{number % 7}@example.org") for number in range(60)]

    def work():
        try:
            for _ in range(3):
                pulls.pull_account(account.pk)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    row = again(account)
    assert len(stored()) == row.stored == row.received == 60
    assert row.repeated == 0


# Raw events


def new_raw(account, body, **more):
    return RawEvent.objects.create(
        account=account,
        source="double",
        delivery_key=body,
        month=date(2026, 3, 1),
        body=body.encode(),
        **more,
    )


def test_a_stored_body_is_understood_by_the_sweep(account):
    new_raw(account, "m1")
    assert raw_events.sweep() == 1
    assert stored() == {"m1"}
    assert RawEvent.objects.get().state == "done"
    assert raw_events.sweep() == 0


@pytest.mark.parametrize(
    ("body", "reason"), [("bad one", "This body is bad."), ("crash", "KeyError: 'entry'")]
)
def test_a_body_that_cannot_be_understood_is_parked_and_the_next_one_is_not(account, body, reason):
    new_raw(account, body)
    new_raw(account, "m2")
    assert raw_events.sweep() == 2
    assert stored() == {"m2"}
    parked = RawEvent.objects.get(state="parked")
    assert (parked.error, parked.attempts, bytes(parked.body)) == (reason, 1, body.encode())
    assert again(account).parked == 1


def test_understood_bodies_are_forgotten_after_thirty_days_and_parked_ones_stay(account):
    long_ago = timezone.now() - timedelta(days=31)
    new_raw(account, "old", state="done", received_at=long_ago)
    new_raw(account, "parked", state="parked", received_at=long_ago)
    new_raw(account, "new", state="done")
    assert raw_events.forget_understood() == 1
    assert set(RawEvent.objects.values_list("delivery_key", flat=True)) == {"parked", "new"}


def test_known_conversations_names_everybody_in_them(account, double):
    with transaction.atomic():
        take_in(account, Parcel([event("a"), event("b", author="carl@example.org")]))
    found = known_conversations(account, ["thread:bob@example.org", "mail:b", "thread:nobody"])
    assert {key: set(one.people) for key, one in found.items()} == {
        "thread:bob@example.org": {"bob@example.org"},
        "mail:b": {"carl@example.org"},
    }
    assert found["mail:b"].thread_key == "thread:carl@example.org"


def test_changing_an_account_does_not_take_back_what_a_pull_brought_meanwhile(double, account, ada):
    from engagement import connecting

    stale = again(account)
    double.items = [event("a"), event("b")]
    pulls.pull_account(account.pk)
    pulls.take_lease(account.pk)
    stale.cursor = {"position": 1}
    connecting.resume_account(account=stale, by=ada)
    row = again(account)
    assert (row.cursor, row.stored) == ({"position": 2}, 2)
    assert row.pull_lease_until is not None
