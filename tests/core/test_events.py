"""The change feed: every event once, in an order that late commits do not break."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, connections, transaction

from core import events
from core.events import emit, newest_number, read_feed


def numbers(feed: events.Feed) -> list[int]:
    return [int(event.ids["n"]) for event in feed.events]


@pytest.mark.django_db(transaction=True)
def test_an_event_that_commits_late_comes_late_and_is_not_passed_by() -> None:
    written, go = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            emit("thing.happened", n=1)
            written.set()
            go.wait(10)
        connections.close_all()

    thread = threading.Thread(target=slow)
    thread.start()
    written.wait(10)
    emit("thing.happened", n=2)
    first = read_feed(0)
    assert numbers(first) == [2]
    go.set()
    thread.join()
    assert numbers(read_feed(first.next_after)) == [1]


@pytest.mark.django_db(transaction=True)
def test_readers_at_once_number_nothing_twice() -> None:
    for n in range(200):
        emit("thing.happened", n=n)
    seen: list[list[int]] = []

    def read() -> None:
        seen.append(numbers(read_feed(0, limit=500)))
        connections.close_all()

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [list(range(200))] * 4


@pytest.mark.django_db
def test_pages_follow_each_other_and_a_filter_does_not_hold_the_cursor_back() -> None:
    for n in range(5):
        emit("odd.thing" if n % 2 else "even.thing", n=n)
    begin = read_feed(0, limit=1).next_after - 1
    page = read_feed(begin, limit=2)
    assert (numbers(page), page.more) == ([0, 1], True)
    rest = read_feed(page.next_after, limit=3)
    assert (numbers(rest), rest.more) == ([2, 3, 4], False)
    assert rest.next_after == newest_number()
    odd = read_feed(begin, types=["odd.thing"])
    assert (numbers(odd), odd.next_after) == ([1, 3], newest_number())


@pytest.mark.django_db
def test_a_long_backlog_is_numbered_in_pieces_and_says_that_there_is_more(monkeypatch: Any) -> None:
    monkeypatch.setattr(events, "NUMBERED_AT_ONCE", 3)
    for n in range(4):
        emit("thing.happened", n=n)
    first = read_feed(0)
    assert (numbers(first), first.more) == ([0, 1, 2], True)
    last = read_feed(first.next_after)
    assert (numbers(last), last.more) == ([3], False)


@pytest.mark.django_db
def test_reading_takes_the_same_number_of_statements_whatever_the_page(
    django_assert_num_queries: Any,
) -> None:
    for n in range(50):
        emit("thing.happened", n=n)
    assert connection.in_atomic_block
    for limit in (1, 50):
        with django_assert_num_queries(6):
            read_feed(0, limit=limit)
