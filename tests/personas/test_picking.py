"""People put in or left out by hand: before the rule, at once, and found again by every build."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.urls import reverse
from django.utils import timezone

from core.jobs import run_job
from core.models import Event, Job, Workspace
from crm.merging import merge_customers
from crm.models import Customer, CustomerTouch
from personas.building import build_segment
from personas.membership_reasons import reasons_for
from personas.models import (
    Persona,
    PublishableKey,
    ReachPlan,
    Segment,
    SegmentChange,
    SegmentMembership,
    SegmentPick,
    SegmentSize,
)
from personas.picking import pick_customers, unpick_customers
from personas.segments import copy_segment, create_segment, delete_segment, freeze_segment, update_segment
from tests.api import Caller, errors

pytestmark = pytest.mark.django_db
LUND = {"all": [{"field": "customer.city", "op": "is", "value": "Lund"}]}


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.jobs._enqueue", lambda pk, kind: None)


@pytest.fixture
def people() -> list[Customer]:
    return [Customer.objects.create(name=f"C{n}", city="Lund" if n < 3 else "Oslo") for n in range(6)]


def build(segment: Segment) -> Any:
    workspace = Workspace.current()
    return build_segment(
        segment_id=segment.pk, today=workspace.today(), zone=workspace.zone, now=timezone.now()
    )


def members(segment: Segment) -> set[int]:
    return set(SegmentMembership.objects.filter(segment=segment).values_list("customer_id", flat=True))


def told(kind: str) -> list[int]:
    return [pk for event in Event.objects.filter(type=kind) for pk in event.ids["customers"]]


@pytest.fixture
def lund(people: list[Customer]) -> Segment:
    segment = create_segment(name="Lund", rule=LUND)
    build(segment)
    segment.refresh_from_db()
    return segment


def test_a_list_is_built_as_it_is_kept(people: list[Customer], mia: Any) -> None:
    segment = create_segment(name="Press", kind="list", by=mia)
    assert (segment.rule, segment.built_version, segment.version) == ({}, 1, 1)
    assert pick_customers(segment=segment, ids=[people[0].pk, people[4].pk, 10**9], is_in=True, by=mia) == 2
    segment.refresh_from_db()
    assert members(segment) == {people[0].pk, people[4].pk}
    assert (segment.size, SegmentSize.objects.get(segment=segment).size) == (2, 2)
    assert sorted(told("segment.entered")) == sorted([people[0].pk, people[4].pk])
    assert not Job.objects.exists()
    assert build(segment).came == 0
    unpick_customers(segment=segment, ids=[people[0].pk], by=mia)
    assert members(segment) == {people[4].pk}
    assert told("segment.left") == [people[0].pk]


def test_a_pick_counts_before_the_rule_and_a_build_finds_the_same(
    lund: Segment, people: list[Customer], mia: Any
) -> None:
    pick_customers(segment=lund, ids=[people[0].pk], is_in=False, by=mia)
    pick_customers(segment=lund, ids=[people[5].pk, people[1].pk], is_in=True, by=mia)
    expected = {people[1].pk, people[2].pk, people[5].pk}
    assert members(lund) == expected
    changes = set(SegmentChange.objects.values_list("customer_id", "entered"))
    assert changes == {(people[0].pk, False), (people[5].pk, True)}
    assert set(CustomerTouch.objects.values_list("customer_id", flat=True)) >= {people[0].pk, people[5].pk}
    found = build(lund)
    assert (found.size, found.came, found.left) == (3, 0, 0)
    assert members(lund) == expected
    Customer.objects.filter(pk=people[1].pk).update(city="Oslo")
    assert build(lund).left == 0, "put in by hand stays, whatever the rule says"
    unpick_customers(segment=lund, ids=[people[1].pk, people[0].pk], by=mia)
    assert members(lund) == {people[0].pk, people[2].pk, people[5].pk}
    lund.refresh_from_db()
    assert lund.size == 3


def test_of_merged_customers_the_newest_pick_counts(lund: Segment, people: list[Customer], mia: Any) -> None:
    pick_customers(segment=lund, ids=[people[3].pk], is_in=True, by=mia)
    SegmentPick.objects.update(at=timezone.now() - timedelta(days=2))
    pick_customers(segment=lund, ids=[people[4].pk], is_in=False, by=mia)
    merge_customers(keep=people[3], drop=people[4])
    assert SegmentPick.objects.filter(customer=people[3]).count() == 2
    build(lund)
    assert people[3].pk not in members(lund)
    pick = reasons_for(lund, people[3].pk).pick
    assert pick is not None and not pick.is_in
    pick_customers(segment=lund, ids=[people[3].pk], is_in=True, by=mia)
    build(lund)
    assert people[3].pk in members(lund)
    assert people[4].pk not in members(lund)


def test_who_may_not_edit_picks_nobody_and_a_frozen_segment_takes_none(
    lund: Segment, people: list[Customer], mia: Any, amy: Any, vic: Any
) -> None:
    for who in (amy, vic):
        with pytest.raises(PermissionDenied):
            pick_customers(segment=lund, ids=[people[5].pk], is_in=True, by=who)
        with pytest.raises(PermissionDenied):
            unpick_customers(segment=lund, ids=[people[5].pk], by=who)
    freeze_segment(segment=lund, frozen=True)
    with pytest.raises(ValidationError, match="frozen"):
        pick_customers(segment=lund, ids=[people[5].pk], is_in=True, by=mia)
    assert not SegmentPick.objects.exists()


def test_a_list_takes_no_rule_and_a_rule_is_needed_otherwise(mia: Any) -> None:
    made = create_segment(name="Press", kind="list")
    with pytest.raises(ValidationError, match="no rule"):
        create_segment(name="Other", kind="list", rule=LUND)
    with pytest.raises(ValidationError, match="no rule"):
        update_segment(segment=made, rule=LUND)


def test_a_copy_takes_the_people_by_hand_along(people: list[Customer], mia: Any) -> None:
    made = create_segment(name="Press", kind="list")
    pick_customers(segment=made, ids=[people[0].pk], is_in=True, by=mia)
    copy = copy_segment(segment=made, by=mia)
    assert (copy.kind, members(copy), copy.size) == ("list", {people[0].pk}, 1)


def test_those_that_ask_about_it_are_counted_again(lund: Segment, people: list[Customer], mia: Any) -> None:
    asks = create_segment(name="Asks", rule={"all": [{"field": "segment", "op": "in", "value": [lund.pk]}]})
    build(asks)
    pick_customers(segment=lund, ids=[people[5].pk], is_in=True, by=mia)
    for job in Job.objects.filter(kind="segment.build"):
        run_job(job.pk)
    assert people[5].pk in members(asks)


def test_what_uses_a_segment_is_named_when_it_cannot_be_deleted(lund: Segment, mia: Any) -> None:
    day = Workspace.current().today()
    create_segment(name="Asks", rule={"all": [{"field": "segment", "op": "in", "value": [lund.pk]}]})
    Persona.objects.create(name="By hand", segment=lund)
    ReachPlan.objects.create(name="December", segment=lund, first_day=day, last_day=day)
    PublishableKey.objects.create(name="Shop", key="pk_1").segments.add(lund)
    with pytest.raises(ValidationError) as refused:
        delete_segment(segment=lund, by=mia)
    for name in ("Asks", "By hand", "December", "Shop"):
        assert name in str(refused.value)
    assert Segment.objects.filter(pk=lund.pk).exists()


# Pages


def test_people_are_picked_on_the_page_and_explained(
    lund: Segment, people: list[Customer], mia: Any, signed_in: Any
) -> None:
    browser = signed_in(mia)
    url = reverse("personas:segment-pick", args=[lund.pk])
    found = browser.get(reverse("personas:segment-find", args=[lund.pk]), {"find": "C5", "for": "pick"})
    assert "Put in" in found.content.decode()
    browser.post(url, {"ids": [people[5].pk], "do": "in"})
    browser.post(url, {"ids": [people[0].pk], "do": "out"})
    page = browser.get(reverse("personas:segment-members", args=[lund.pk])).content.decode()
    assert "by hand" in page and "C5" in page
    assert "by Mia on" in page
    why = reverse("personas:segment-why-page", args=[lund.pk])
    told = browser.get(why, {"customer": people[0].pk}).content.decode()
    assert "Left out by Mia on" in told and "this counts before the rule" in told
    assert "In by the rule, because" in told
    browser.post(url, {"ids": [people[0].pk], "do": "clear"})
    assert members(lund) == {people[n].pk for n in (0, 1, 2, 5)}
    assert browser.post(url, {"ids": [people[0].pk], "do": "nothing"}).status_code == 400


def test_what_the_next_build_will_change_is_told(
    lund: Segment, people: list[Customer], vic: Any, signed_in: Any
) -> None:
    Customer.objects.filter(pk=people[0].pk).update(city="Oslo")
    Customer.objects.filter(pk=people[5].pk).update(city="Lund")
    why = reverse("personas:segment-why-page", args=[lund.pk])
    assert "Still in: leaves" in signed_in(vic).get(why, {"customer": people[0].pk}).content.decode()
    assert "Not in yet: comes in" in signed_in(vic).get(why, {"customer": people[5].pk}).content.decode()
    freeze_segment(segment=lund, frozen=True)
    assert "The segment is frozen" in signed_in(vic).get(why, {"customer": people[0].pk}).content.decode()


def test_customers_of_the_list_are_added_to_a_segment(
    people: list[Customer], mia: Any, amy: Any, signed_in: Any
) -> None:
    made = create_segment(name="Press", kind="list")
    url, ids = reverse("personas:segment-pick-many"), [people[0].pk, people[1].pk]
    picker = signed_in(mia).get(reverse("personas:segment-picker")).content.decode()
    assert f'<option value="{made.pk}">Press</option>' in picker
    assert "Press" not in signed_in(amy).get(reverse("personas:segment-picker")).content.decode()
    assert signed_in(amy).post(url, {"ids": ids, "to_segment": made.pk}).status_code == 403
    answer = signed_in(mia).post(url, {"ids": ids, "to_segment": made.pk, "back": "?q=C"})
    assert answer["Location"] == f"{reverse('crm:customer-list')}?q=C"
    assert members(made) == set(ids)
    answer = signed_in(mia).post(url, {"ids": ids, "to_segment": "", "back": "//evil.example"})
    assert answer["Location"] == reverse("crm:customer-list")


def test_history_is_told_by_day_and_taken_along(
    lund: Segment, people: list[Customer], mia: Any, vic: Any, signed_in: Any
) -> None:
    pick_customers(segment=lund, ids=[people[5].pk], is_in=True, by=mia)
    pick_customers(segment=lund, ids=[people[0].pk], is_in=False, by=mia)
    day = Workspace.current().today()
    url = reverse("personas:segment-history", args=[lund.pk])
    page = signed_in(vic).get(url, {"day": day.isoformat(), "way": "in"}).content.decode()
    assert "C5" in page and "C0" not in page
    before = {"day": (day - timedelta(days=3)).isoformat()}
    assert "Nobody came or went then" in signed_in(vic).get(url, before).content.decode()
    assert signed_in(vic).get(url, {"day": "soon"}).status_code == 400
    assert signed_in(vic).get(url, {"day": "9999-12-31"}).status_code == 200, "no day comes after it"
    export = reverse("personas:segment-changes-export", args=[lund.pk])
    assert signed_in(vic).get(export).status_code == 403
    text = b"".join(signed_in(mia).get(export, {"day": day.isoformat()}).streaming_content).decode()
    assert [line.split(",")[-2] for line in text.splitlines()[1:]] == ["left", "entered"]


# API


def test_picks_changes_and_days_over_the_api(people: list[Customer], ada: Any) -> None:
    api = Caller(ada)
    made = api.post("segments/", {"name": "Press", "kind": "list"}).json()
    place = f"segments/{made['id']}/"
    assert (made["kind"], made["built_version"], made["sentence"]) == ("list", 1, "")
    ids = [people[0].pk, people[1].pk]
    assert api.post(f"{place}picks/", {"customers": ids}).json() == {"customers": 2, "size": 2}
    picks = api.get(f"{place}picks/").json()["results"]
    assert {(one["customer"], one["is_in"]) for one in picks} == {(pk, True) for pk in ids}
    assert api.delete(f"{place}picks/{ids[0]}/").status_code == 204
    assert api.delete(f"{place}picks/{ids[0]}/").status_code == 404
    changes = api.get(f"{place}changes/").json()["results"]
    assert (changes[0]["customer"], changes[0]["entered"]) == (ids[0], False)
    assert len(api.get(f"{place}changes/", entered="true").json()["results"]) == 2
    assert errors(api.get(f"{place}changes/", day="soon")) == [("invalid", "day")]
    today = api.get(f"{place}days/").json()[-1]
    assert (today["size"], today["entered"], today["left"]) == (1, 2, 1)
    why = api.get(f"{place}explain/", customer=ids[1]).json()
    assert (why["is_member"], why["picked"], why["belongs"], why["why"]) == (True, True, True, None)
    assert errors(api.post(f"{place}picks/", {"customers": []}))[0][1] == "customers"
