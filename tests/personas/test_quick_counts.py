"""Counting while somebody types: an interval that holds, and a cancellation that meets nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

from core.models import Workspace
from crm.models import Customer
from personas import quick_counts
from personas.models import CustomerDay, Traits
from personas.quick_counts import (
    Count,
    RuleTooSlow,
    Superseded,
    TooManyAtOnce,
    cancel,
    cancellable,
    exact_count,
    first_count,
    projected,
)

MANY = {"field": "traits.orders_total", "op": "gte", "value": 5}
COMPLAINED = {
    "event": {"what": "complaint", "network": "instagram"},
    "op": "at_least",
    "count": 1,
    "days": 90,
}


@pytest.fixture
def crowd(db: None) -> int:
    """Six thousand customers; a third of them bought five times, and every ninth complained."""
    from django.utils import timezone

    today, now = Workspace.current().today(), timezone.now()
    people = Customer.objects.bulk_create([Customer(name=f"P {n}") for n in range(6000)])
    Traits.objects.bulk_create(
        [
            Traits(customer_id=one.pk, computed_at=now, orders_total=6 if n % 3 == 0 else 1)
            for n, one in enumerate(people)
        ]
    )
    CustomerDay.objects.bulk_create(
        [
            CustomerDay(
                customer_id=one.pk, day=today, network="instagram", kind="comment", direction="inbound", n=2,
                complaint_n=1,
            )
            for one in people[::9]
        ]
    )  # fmt: skip
    return len(people)


def test_few_customers_are_counted_exactly_at_once(crowd: int) -> None:
    found = first_count({"all": [MANY, COMPLAINED]})
    assert found.is_exact
    assert (found.count, found.total, found.base) == (Count(667), crowd, crowd)
    assert [one.customers for one in found.leaves] == [2000, 667]


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let six thousand be many."""
    monkeypatch.setattr(quick_counts, "SMALL", 100)
    yield


def test_a_rule_with_events_is_answered_by_the_sample_first(crowd: int, many: None) -> None:
    found = first_count({"all": [COMPLAINED]})
    sample = [pk for (pk,) in ids_of("SELECT c.id FROM " + quick_counts.SAMPLE)]
    assert not found.is_exact
    assert found.base == len(sample) and 20 < found.base < 120
    complained = CustomerDay.objects.filter(customer_id__in=sample).count()
    assert found.count == projected(complained, len(sample), crowd)
    assert abs(found.count.customers - 667) <= 2.5 * found.count.margin
    exact = exact_count({"all": [COMPLAINED]})
    assert (exact.count, exact.total, exact.is_exact, list(exact.leaves)) == (Count(667), crowd, True, [])


def test_a_rule_without_events_is_exact_until_there_are_very_many(
    crowd: int, many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert first_count({"all": [MANY]}).is_exact
    monkeypatch.setattr(quick_counts, "LARGE", 200)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE crm_customer")
    found = first_count({"all": [MANY]})
    assert not found.is_exact
    assert abs(found.count.customers - 2000) <= 2.5 * found.count.margin
    assert exact_count({"all": [MANY]}).count == Count(2000)


def ids_of(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_the_sample_is_read_by_its_own_index(crowd: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE crm_customer")
        cursor.execute("EXPLAIN SELECT c.id FROM " + quick_counts.SAMPLE)
        assert "crm_customer_sample" in str(cursor.fetchall())


@pytest.mark.parametrize("share", [0.0, 0.002, 0.03, 0.3, 0.97])
def test_the_interval_holds_about_95_times_of_100(share: float) -> None:
    chance, total, base = Random(11), 20_000, 1_000
    true = round(share * total)
    population = [1] * true + [0] * (total - true)
    inside = 0
    for _each in range(300):
        count = projected(sum(chance.sample(population, base)), base, total)
        inside += abs(count.customers - true) <= count.margin
    assert inside >= 0.92 * 300


def test_a_census_has_no_margin_and_a_margin_rounds_what_is_shown() -> None:
    assert projected(7, 100, 100) == Count(7)
    rough = Count(12_437, 871)
    assert (rough.shown, rough.shown_margin) == (12_400, 900)
    assert (Count(12_437).shown, Count(12_437).shown_margin) == (12_437, 0)


# Cancelling, over connections of its own

SLEEP = "SELECT pg_sleep(20)"


class Other(threading.Thread):
    """Runs a statement on another connection and keeps how it ended."""

    def __init__(self, token: str | None) -> None:
        super().__init__()
        self.token, self.error, self.pid = token, None, 0
        self.ready = threading.Event()

    def run(self) -> None:
        """Sleep under the token, or as a stranger."""
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                self.pid = cursor.fetchone()[0]
            self._sleep()
        except Exception as error:
            self.error = error
        finally:
            connections.close_all()

    def _sleep(self) -> None:
        if self.token is None:
            self._run("SELECT pg_sleep(1.2)")
            return
        with cancellable(self.token):
            self._run(SLEEP)

    def _run(self, sql: str) -> None:
        self.ready.set()
        with connection.cursor() as cursor:
            cursor.execute(sql)


@pytest.mark.django_db(transaction=True)
def test_the_next_keystroke_ends_the_count_and_nothing_else() -> None:
    mine, another, stranger = Other("1 aaaaaaaa"), Other("2 bbbbbbbb"), Other(None)
    for thread in (mine, another, stranger):
        thread.start()
        thread.ready.wait(5)
    time.sleep(0.3)
    assert cancel("1 aaaaaaaa") == 1
    mine.join(5)
    assert isinstance(mine.error, Superseded)
    stranger.join(5)
    assert stranger.error is None
    assert another.is_alive()
    assert cancel("1 aaaaaaaa") == 0
    assert cancel("2 bbbbbbbb") == 1
    another.join(5)
    assert isinstance(another.error, Superseded)


@pytest.mark.django_db(transaction=True)
def test_one_person_cannot_hold_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_counts, "MOST_AT_ONCE", 2)
    running = [Other("1 aaaaaaaa"), Other("1 -")]
    for thread in running:
        thread.start()
        thread.ready.wait(5)
    with pytest.raises(TooManyAtOnce), cancellable("1 bbbbbbbb"):
        pass
    for other in ("11 bbbbbbbb", "2 bbbbbbbb"):
        with cancellable(other):
            pass
    assert cancel("1 aaaaaaaa") + cancel("1 -") == 2
    for thread in running:
        thread.join(5)
    with cancellable("1 bbbbbbbb"):
        pass


@pytest.mark.django_db(transaction=True)
def test_a_connection_is_nobodys_once_its_count_is_over() -> None:
    with cancellable("3 cccccccc"):
        assert ids_of("SHOW application_name") == [("rapport count 3 cccccccc",)]
    assert "cccccccc" not in str(ids_of("SHOW application_name"))
    assert ids_of("SHOW statement_timeout") == [("0",)]
    assert cancel("3 cccccccc") == 0


def test_a_count_ends_by_itself_and_says_so(db: None) -> None:
    with pytest.raises(RuleTooSlow, match="Save the segment"), cancellable("", 0.2):
        ids_of(SLEEP)


def test_other_failures_are_not_hidden(db: None) -> None:
    with pytest.raises(OperationalError), cancellable(""):
        raise OperationalError("the server went away")
