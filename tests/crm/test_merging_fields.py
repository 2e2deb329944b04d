"""What a merge writes on the kept record, by whose word, and how it goes back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from crm import facts
from crm.merge_fields import propose
from crm.merging import CannotMerge, merge_customers, merge_several, undo_merge
from crm.models import Customer, MergeRecord, Suspect, SuspectState

pytestmark = pytest.mark.django_db


def person(name: str, *, source: str = "import", day: int = 1, **values: Any) -> Customer:
    """A customer whose values all come from one source on one day."""
    made = Customer(name=name)
    at = datetime(2026, 3, day, tzinfo=UTC)
    facts.take(made, {"name": name, **values}, source=source, at=at)
    made.name = name
    made.save()
    return made


def now(customer: Customer) -> Customer:
    return Customer.objects.get(pk=customer.pk)


def test_a_persons_word_counts_before_a_machines_and_then_the_newest() -> None:
    eva = person("Eva", city="Lund", job="Baker", day=9)
    ben = person("Ben", city="Malmö", job="Cook", source="staff", day=2)
    cia = person("Cia", city="Ystad", language="sv", day=10)
    assert propose(eva, [ben, cia])["city"] == ben.pk
    assert propose(eva, [cia])["city"] == cia.pk
    assert propose(cia, [eva]) == {"job": eva.pk}


def test_a_value_keeps_who_said_it_and_goes_back_with_it() -> None:
    eva, ben = person("Eva", city="Lund", day=1), person("Ben", city="Malmö", source="staff", day=2)
    before = now(eva).origins
    record = merge_customers(keep=eva, drop=ben, fields={"city": ben.pk})
    kept = now(eva)
    assert (kept.city, kept.origins["city"]) == ("Malmö", ben.origins["city"])
    undo_merge(record=record)
    assert (now(eva).city, now(eva).origins) == ("Lund", before)


def test_a_value_somebody_changed_since_stays_through_the_undo() -> None:
    eva, ben = person("Eva", city="Lund"), person("Ben", city="Malmö")
    record = merge_customers(keep=eva, drop=ben, fields={"city": ben.pk})
    kept = now(eva)
    facts.take(kept, {"city": "Ystad"}, source="staff")
    kept.save()
    undo_merge(record=record)
    assert now(eva).city == "Ystad"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_last_value_is_right_whatever_the_order_of_undoing(order: tuple[int, int]) -> None:
    eva, ben, cia = person("Eva", city="Lund"), person("Ben", city="Malmö"), person("Cia", city="Ystad")
    records = [
        merge_customers(keep=now(eva), drop=ben, fields={"city": ben.pk}),
        merge_customers(keep=now(eva), drop=cia, fields={"city": cia.pk}),
    ]
    undo_merge(record=records[order[0]])
    assert now(eva).city == ("Ystad" if order[0] == 0 else "Malmö")
    undo_merge(record=records[order[1]])
    assert now(eva).city == "Lund"


def test_a_value_lent_through_a_chain_follows_its_owner_out() -> None:
    """Cia's city went to Ben and with Ben to Eva; when Cia leaves Ben, it leaves Eva too."""
    eva, ben, cia = person("Eva", city="Lund"), person("Ben", city="Malmö"), person("Cia", city="Ystad")
    inner = merge_customers(keep=ben, drop=cia, fields={"city": cia.pk})
    outer = merge_customers(keep=eva, drop=now(ben), fields={"city": ben.pk})
    assert now(eva).city == "Ystad"
    undo_merge(record=inner)
    assert now(eva).city == "Malmö"
    undo_merge(record=outer)
    assert (now(eva).city, now(ben).city, now(cia).city) == ("Lund", "Malmö", "Ystad")


def test_fields_of_the_workspaces_own_owner_and_referrer_can_be_picked(amy: Any) -> None:
    eva, ben, dan = person("Eva"), person("Ben"), person("Dan")
    ben.custom, ben.owner, ben.home_referred_by, ben.referred_by = {"size": "M"}, amy, dan, dan
    ben.save()
    picked = {"custom.size": ben.pk, "owner": ben.pk, "referred_by": ben.pk}
    record = merge_customers(keep=eva, drop=ben, fields=picked)
    kept = now(eva)
    assert (kept.custom, kept.owner, kept.referred_by) == ({"size": "M"}, amy, dan)
    undo_merge(record=record)
    kept = now(eva)
    assert (kept.custom, kept.owner, kept.referred_by, kept.home_referred_by) == ({}, None, None, None)


def test_nobody_comes_to_be_referred_by_themselves() -> None:
    eva, ben = person("Eva"), person("Ben")
    ben.home_referred_by = ben.referred_by = eva
    ben.save()
    record = merge_customers(keep=ben, drop=eva)
    assert now(ben).referred_by is None
    undo_merge(record=record)
    assert now(ben).referred_by == eva
    with pytest.raises(CannotMerge, match="themselves"):
        merge_customers(keep=eva, drop=ben, fields={"referred_by": ben.pk})


def test_a_refusal_of_either_side_holds_and_both_keep_theirs() -> None:
    eva, ben, cia = person("Eva"), person("Ben"), person("Cia")
    Customer.objects.filter(pk__in=[ben.pk, cia.pk]).update(profiling_refused=True)
    first = merge_customers(keep=now(eva), drop=now(ben))
    second = merge_customers(keep=now(eva), drop=now(cia))
    undo_merge(record=first)
    assert [now(one).profiling_refused for one in (eva, ben)] == [True, True]
    undo_merge(record=second)
    assert [now(one).profiling_refused for one in (eva, ben, cia)] == [False, True, True]


def test_who_refuses_after_a_merge_refuses_for_both() -> None:
    eva, ben = person("Eva"), person("Ben")
    record = merge_customers(keep=eva, drop=ben)
    Customer.objects.filter(pk=eva.pk).update(profiling_refused=True)
    undo_merge(record=record)
    assert [now(one).profiling_refused for one in (eva, ben)] == [True, True]


def test_the_first_day_is_the_earliest_and_goes_back() -> None:
    eva, ben, cia = person("Eva"), person("Ben"), person("Cia")
    days = {eva: 9, ben: 3, cia: 5}
    for one, day in days.items():
        Customer.objects.filter(pk=one.pk).update(created_at=datetime(2026, 1, day, tzinfo=UTC))
    first = merge_customers(keep=now(eva), drop=now(ben))
    second = merge_customers(keep=now(eva), drop=now(cia))
    assert now(eva).created_at.day == 3
    undo_merge(record=first)
    assert now(eva).created_at.day == 5
    undo_merge(record=second)
    assert [now(one).created_at.day for one in days] == [9, 3, 5]


def test_several_at_once_are_all_merged_or_none() -> None:
    eva, ben, firm = person("Eva"), person("Ben"), Customer.objects.create(name="Firm", kind="organization")
    with pytest.raises(CannotMerge, match="organization"):
        merge_several(keep=eva, drops=[ben, firm])
    assert not MergeRecord.objects.exists()
    cia = person("Cia")
    records = merge_several(keep=eva, drops=[ben, cia])
    assert [record.drop for record in records] == [ben, cia]
    assert now(cia).merged_into == now(ben).merged_into == eva


@pytest.mark.parametrize("fields", [{"kind": 1}, {"merged_into": 1}, {"name": 10**9}])
def test_what_cannot_be_picked_is_refused(fields: dict[str, int]) -> None:
    eva, ben = person("Eva"), person("Ben")
    with pytest.raises(CannotMerge):
        merge_customers(keep=eva, drop=ben, fields=fields)
    assert not MergeRecord.objects.exists()


def test_only_those_who_may_merge_do(mia: Any, amy: Any) -> None:
    eva, ben = person("Eva"), person("Ben")
    with pytest.raises(PermissionDenied):
        merge_customers(keep=eva, drop=ben, by=mia)
    record = merge_customers(keep=eva, drop=ben, by=amy)
    with pytest.raises(PermissionDenied):
        undo_merge(record=record, by=mia)
    assert undo_merge(record=record, by=amy).undone_by == amy


def test_a_pair_of_suspects_is_answered_by_a_merge_and_open_again_after_its_undo(amy: Any) -> None:
    eva, ben = person("Eva"), person("Ben")
    pair = Suspect.objects.create(low=eva, high=ben, probability=0.9)
    record = merge_customers(keep=ben, drop=eva, by=amy)
    pair.refresh_from_db()
    assert (pair.state, pair.decided_by) == (SuspectState.CONFIRMED, amy)
    undo_merge(record=record, by=amy)
    pair.refresh_from_db()
    assert (pair.state, pair.decided_by) == (SuspectState.OPEN, None)
