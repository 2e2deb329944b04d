"""Work and interests from what people wrote: by the rules of who said what, and gone with the words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from crm import facts
from crm.merging import merge_customers, undo_merge
from crm.models import Customer, CustomerTouch
from crm.profile import saying
from crm.profiling import refuse_profiling
from crm.services import update_customer
from engagement.models import Interaction
from personas.models import ChangedCustomer, Traits
from personas.traits.compute import Moment, list_changed, refresh_next
from personas.words import hear
from tests.personas.world import ZONE, World

pytestmark = pytest.mark.django_db
AT = datetime(2026, 9, 1, 12, tzinfo=UTC)
TODAY = AT.date()


@pytest.fixture
def world() -> World:
    return World(1, today=TODAY, customers=0)


def write(world: World, customer: Customer, text: str, *, days: int = 0, **more: Any) -> Interaction:
    """A message of theirs, some days after the first of September."""
    world.say(customer)
    line = Interaction.objects.filter(external_id__startswith="in", customer=customer).latest("pk")
    values = {
        "text": text, "kind": "message", "occurred_at": AT + timedelta(days=days), "deleted_at": None,
        "object_key": "",
    } | more  # fmt: skip
    Interaction.objects.filter(pk=line.pk).update(**values)
    CustomerTouch.objects.create(customer=customer)
    return line


def somebody(world: World) -> Customer:
    customer = world.add_customer()
    Interaction.objects.all().delete()
    Customer.objects.filter(pk=customer.pk).update(profession="", interests=[])
    return customer


def rebuild() -> None:
    list_changed(since=TODAY, today=TODAY, zone=ZONE)
    refresh_next(0, Moment(today=TODAY, zone=ZONE, now=AT))
    ChangedCustomer.objects.all().delete()


def known(customer: Customer) -> tuple[str, list[str]]:
    customer.refresh_from_db()
    return customer.profession, customer.interests


def test_what_somebody_wrote_of_themselves_is_kept_with_its_origin(world: World) -> None:
    customer = somebody(world)
    write(world, customer, "Hello, I'm a nurse. I love climbing!")
    rebuild()
    assert known(customer) == ("nursing", ["climbing"])
    assert customer.origins["profession"] == {"source": "words", "at": AT.isoformat(), "by": None}
    assert saying(customer.origins["profession"], {}) == "from what they wrote, 1 Sep"
    row = Traits.objects.get(customer=customer)
    assert (row.profession, row.interests) == ("nursing", "climbing")
    assert not CustomerTouch.objects.exists()


def test_the_newest_word_on_work_counts_and_interests_add_up(world: World) -> None:
    customer = somebody(world)
    write(world, customer, "I'm a teacher. I love hiking.", days=5)
    write(world, customer, "I'm a student. I love climbing.", days=1)
    rebuild()
    assert known(customer) == ("teaching", ["climbing", "hiking"])
    assert customer.origins["profession"]["at"] == (AT + timedelta(days=5)).isoformat()


@pytest.mark.parametrize("source", [facts.STAFF, facts.CUSTOMER])
def test_a_persons_word_always_wins(world: World, source: str) -> None:
    customer = somebody(world)
    facts.take(customer, {"profession": "music", "interests": []}, source=source, at=AT - timedelta(days=900))
    customer.origins["interests"] = facts.origin(source)
    customer.save()
    write(world, customer, "I'm a nurse. I love climbing!")
    rebuild()
    assert known(customer) == ("music", [])


def test_among_machines_the_later_word_counts_and_lists_stay(world: World) -> None:
    customer = somebody(world)
    told = {"profession": "music", "interests": ["wine"]}
    facts.take(customer, told, source="import:crm", at=AT + timedelta(days=2))
    customer.save()
    write(world, customer, "I'm a nurse. I love climbing!", days=1)
    rebuild()
    assert known(customer) == ("music", ["wine"])
    write(world, customer, "I'm a teacher.", days=3)
    rebuild()
    assert known(customer) == ("teaching", ["wine"])


def test_words_that_are_gone_are_gone_from_the_record(world: World) -> None:
    customer = somebody(world)
    line = write(world, customer, "I'm a nurse. I love climbing!")
    rebuild()
    Interaction.objects.filter(pk=line.pk).update(deleted_at=AT)
    CustomerTouch.objects.create(customer=customer)
    rebuild()
    assert known(customer) == ("", [])
    assert "profession" not in customer.origins
    assert Traits.objects.get(customer=customer).profession is None


def test_a_member_of_staff_who_clears_it_keeps_it_clear(world: World, max: Any) -> None:
    customer = somebody(world)
    write(world, customer, "I'm a nurse.")
    rebuild()
    update_customer(customer=customer, values={"profession": ""}, by=max)
    rebuild()
    assert known(customer)[0] == ""


def test_who_refused_profiling_is_not_read_and_forgotten_at_once(world: World) -> None:
    customer = somebody(world)
    write(world, customer, "I'm a nurse. I love climbing!")
    rebuild()
    refuse_profiling(customer=customer, source=facts.CUSTOMER)
    assert known(customer) == ("", [])
    rebuild()
    assert known(customer) == ("", [])


@pytest.mark.parametrize(
    "more",
    [
        {"kind": "call"},
        {"kind": "note"},
        {"is_automatic": True},
        {"direction": "outbound", "customer_id": None},
    ],
)
def test_only_what_they_wrote_themselves_is_read(world: World, more: dict[str, Any]) -> None:
    customer = somebody(world)
    write(world, customer, "I'm a nurse.", **more)
    rebuild()
    assert known(customer)[0] == ""


def test_an_organization_has_no_profession(world: World) -> None:
    customer = somebody(world)
    Customer.objects.filter(pk=customer.pk).update(kind="organization")
    write(world, customer, "I'm a nurse.")
    rebuild()
    assert known(customer)[0] == ""


def test_an_answer_to_a_survey_is_read_by_what_was_asked(world: World) -> None:
    customer = somebody(world)
    write(world, customer, "Nurse", kind="survey", subject="What do you do for a living?")
    write(world, customer, "nurses are kind", kind="survey", subject="Anything else?", days=1)
    rebuild()
    assert known(customer)[0] == "nursing"


def test_words_go_with_a_merge_and_come_back_with_its_undoing(world: World) -> None:
    keep, drop = somebody(world), somebody(world)
    write(world, drop, "I'm a nurse.")
    rebuild()
    record = merge_customers(keep=keep, drop=drop)
    rebuild()
    assert known(keep)[0] == "nursing"
    undo_merge(record=record)
    rebuild()
    assert (known(keep)[0], known(drop)[0]) == ("", "nursing")


def test_reading_again_writes_nothing_and_locks_nobody(world: World, django_assert_num_queries: Any) -> None:
    customers = [somebody(world) for _each in range(5)]
    for customer in customers:
        write(world, customer, "I'm a nurse. I love climbing!")
    ids = [one.pk for one in customers]
    assert hear(ids) == ids
    with transaction.atomic(), django_assert_num_queries(5) as seen:
        assert hear(ids) == []
    asked = [query["sql"] for query in seen.captured_queries]
    assert not any(sql.startswith("UPDATE") or "FOR NO KEY UPDATE" in sql for sql in asked)
