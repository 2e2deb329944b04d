"""Segments: one statement a build, only differences written, nobody told of a changed rule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.urls import reverse

from core.conditions import Context, FieldType, RuleInvalid, fieldset, matching, parse, sentence
from core.conditions.operators import Input
from core.models import Event, Workspace
from crm.models import Consent, Customer, CustomerTag, Identity, Tag
from personas.building import Built, build_segment, in_order, moves_with_the_day, needs_build
from personas.membership_reasons import explain_member
from personas.models import CustomerDay, Segment, SegmentChange, SegmentMembership, SegmentSize, Traits
from personas.previewing import preview
from personas.segments import (
    copy_segment,
    create_segment,
    delete_segment,
    freeze_segment,
    update_segment,
    used_by,
)

pytestmark = pytest.mark.django_db
TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 5, tzinfo=UTC)
MANY = {"field": "traits.orders_total", "op": "gte", "value": 3}


@pytest.fixture(autouse=True)
def _workspace() -> Iterator[None]:
    Workspace.current()
    yield


def customer(orders: int = 0, **more: Any) -> Customer:
    made = Customer.objects.create(name=f"Customer with {orders}", **more)
    Traits.objects.create(customer=made, computed_at=NOW, orders_total=orders)
    return made


def orders(made: Customer, count: int) -> None:
    Traits.objects.filter(customer=made).update(orders_total=count)


def segment(name: str, rule: dict[str, Any], **more: Any) -> Segment:
    return create_segment(name=name, rule={"all": [rule]}, **more)


def build(built: Segment, *, today: date = TODAY) -> Built:
    now = NOW + (today - TODAY)
    return build_segment(segment_id=built.pk, today=today, zone="UTC", now=now)


def members(built: Segment) -> set[int]:
    return set(SegmentMembership.objects.filter(segment=built).values_list("customer_id", flat=True))


def told(kind: str) -> list[int]:
    return [pk for event in Event.objects.filter(type=kind) for pk in event.ids["customers"]]


def test_a_first_build_finds_the_members_and_tells_nobody() -> None:
    few, many = customer(1), customer(5)
    built = segment("Many", MANY)
    assert build(built) == Built(size=1, came=1)
    assert members(built) == {many.pk}
    assert few.pk not in members(built)
    assert not SegmentChange.objects.exists()
    assert not Event.objects.filter(type__startswith="segment.entered").exists()
    built.refresh_from_db()
    assert (built.size, built.built_version, built.error) == (1, 1, "")
    assert SegmentSize.objects.get(segment=built, day=TODAY).size == 1


def test_later_builds_write_the_difference_and_tell_it() -> None:
    stays, goes, comes = customer(5), customer(4), customer(0)
    built = segment("Many", MANY)
    build(built)
    kept = SegmentMembership.objects.get(customer=stays)
    orders(goes, 0)
    orders(comes, 9)
    found = build(built, today=TODAY + timedelta(days=1))
    assert (found.size, found.came, found.left, found.told) == (2, 1, 1, True)
    assert members(built) == {stays.pk, comes.pk}
    assert SegmentMembership.objects.get(pk=kept.pk).since == kept.since
    changes = set(SegmentChange.objects.values_list("customer_id", "entered"))
    assert changes == {(comes.pk, True), (goes.pk, False)}
    assert (told("segment.entered"), told("segment.left")) == ([comes.pk], [goes.pk])
    assert build(built, today=TODAY + timedelta(days=1)).came == 0


def test_events_carry_some_hundred_ids_each() -> None:
    built = segment("Many", MANY)
    build(built)
    made = Customer.objects.bulk_create([Customer(name=str(place)) for place in range(1201)])
    Traits.objects.bulk_create([Traits(customer=one, computed_at=NOW, orders_total=3) for one in made])
    build(built)
    sizes = [
        len(event.ids["customers"]) for event in Event.objects.filter(type="segment.entered").order_by("id")
    ]
    assert sizes == [500, 500, 201]
    assert sorted(told("segment.entered")) == sorted(one.pk for one in made)


def test_a_changed_rule_is_another_version_and_tells_nobody() -> None:
    three, five = customer(3), customer(5)
    built = segment("Many", MANY)
    build(built)
    update_segment(segment=built, rule={"all": [{**MANY, "value": 5}]})
    built.refresh_from_db()
    assert (built.version, built.built_version) == (2, 1)
    assert members(built) == {three.pk, five.pk}, "the old members are shown until the new rule is built"
    found = build(built)
    assert (found.size, found.left, found.told) == (1, 1, False)
    assert set(SegmentMembership.objects.values_list("customer_id", "version")) == {(five.pk, 2)}
    assert not SegmentChange.objects.exists()


def test_the_same_rule_in_other_words_is_no_new_version() -> None:
    built = segment("Many", MANY)
    update_segment(segment=built, rule={"all": [{**MANY, "value": 3.0}]}, name="Very many")
    built.refresh_from_db()
    assert (built.version, built.name) == (1, "Very many")


def test_merged_customers_are_nobody() -> None:
    survivor, gone = customer(5), customer(5)
    Customer.objects.filter(pk=gone.pk).update(merged_into=survivor)
    built = segment("Many", MANY)
    build(built)
    assert members(built) == {survivor.pk}


def test_a_frozen_segment_keeps_its_members() -> None:
    made = customer(5)
    built = segment("Many", MANY)
    build(built)
    freeze_segment(segment=built, frozen=True)
    orders(made, 0)
    assert build(built).size == 1
    assert members(built) == {made.pk}
    with pytest.raises(ValidationError, match="frozen"):
        update_segment(segment=built, rule={"all": []})
    freeze_segment(segment=built, frozen=False)
    assert build(built).left == 1


def test_a_rule_that_fails_keeps_the_old_members_and_says_why() -> None:
    tag = Tag.objects.create(name="gold")
    made = customer(1)
    CustomerTag.objects.create(tag=tag, customer=made, home_customer=made)
    built = segment("Gold", {"field": "tag", "op": "has", "value": tag.pk})
    build(built)
    assert members(built) == {made.pk}
    CustomerTag.objects.all().delete()
    tag.delete()
    assert "Choose one of" in build(built).error
    built.refresh_from_db()
    assert "Choose one of" in built.error
    assert members(built) == {made.pk}


def test_segments_are_built_after_those_they_ask_about() -> None:
    made = customer(5)
    base = segment("Base", MANY)
    middle = segment("Middle", {"field": "segment", "op": "in", "value": [base.pk]})
    top = segment("Top", {"field": "segment", "op": "not_in", "value": [middle.pk]})
    base_id = base.pk
    Segment.objects.filter(pk=base_id).update(id=999)
    SegmentMembership.objects.all().delete()
    base = Segment.objects.get(pk=999)
    update_segment(segment=middle, rule={"all": [{"field": "segment", "op": "in", "value": [999]}]})
    ordered = in_order(Segment.objects.all())
    assert [one.name for one in ordered] == ["Base", "Middle", "Top"]
    for one in ordered:
        build(one)
    assert (members(base), members(middle), members(top)) == ({made.pk}, {made.pk}, set())


def test_a_circle_is_refused() -> None:
    first = segment("First", MANY)
    second = segment("Second", {"field": "segment", "op": "in", "value": [first.pk]})
    third = segment("Third", {"field": "segment", "op": "in", "value": [second.pk]})
    for wrong in (first, second, third):
        with pytest.raises(ValidationError, match="own segment"):
            update_segment(
                segment=first, rule={"all": [{"field": "segment", "op": "in", "value": [wrong.pk]}]}
            )


def test_a_segment_in_use_is_not_deleted() -> None:
    first = segment("First", MANY)
    second = segment("Second", {"field": "segment", "op": "in", "value": [first.pk]})
    assert used_by(first) == [second]
    with pytest.raises(ValidationError, match="Second"):
        delete_segment(segment=first)
    delete_segment(segment=second)
    delete_segment(segment=first)
    assert not Segment.objects.exists()


def test_only_relative_rules_move_with_the_day() -> None:
    customers = fieldset("customer")

    def moves(rule: dict[str, Any]) -> bool:
        return moves_with_the_day(parse({"all": [rule]}, customers))

    assert not moves(MANY)
    assert not moves({"field": "traits.last_order_at", "op": "before", "value": "2026-01-01"})
    assert moves({"not": {"field": "traits.last_order_at", "op": "in_last_days", "value": 30}})
    assert moves({"event": {"what": "order"}, "op": "at_least", "count": 1, "days": 30})
    assert not moves({"event": {"what": "order"}, "op": "at_least", "count": 1})


def test_what_needs_a_build_although_no_customer_changed() -> None:
    still = segment("Still", MANY)
    moving = segment("Moving", {"field": "traits.last_order_at", "op": "in_last_days", "value": 30})
    asking = segment("Asking", {"field": "segment", "op": "in", "value": [moving.pk]})
    assert needs_build(still, TODAY, "UTC", set())
    for one in (still, moving, asking):
        build(one)
        one.refresh_from_db()
    tomorrow = TODAY + timedelta(days=1)
    assert [needs_build(one, TODAY, "UTC", set()) for one in (still, moving, asking)] == [False] * 3
    assert [needs_build(one, tomorrow, "UTC", {moving.pk}) for one in (still, moving, asking)] == [
        False,
        True,
        True,
    ]


def test_a_preview_counts_what_a_build_would_find() -> None:
    for count in (0, 3, 4, 7):
        customer(count)
    built = segment("Many", MANY)
    build(built)
    rule = {"all": [MANY, {"field": "traits.orders_total", "op": "lt", "value": 7}]}
    found = preview(rule, segment=built)
    assert (found.customers, found.total, [one.customers for one in found.leaves]) == (2, 4, [3, 3])
    assert (found.details.came, found.details.left) == (0, 1)
    assert found.sentence.startswith("Customers with at least 3 orders and ")
    assert set(found.details.sample) <= members(built)
    assert len(found.details.sample) == 2
    wider = preview({"all": [{**MANY, "value": 0}]}, segment=built)
    assert (wider.details.came, wider.details.left) == (1, 0)
    other = preview(rule)
    told = [(one.kind, one.name, one.customers, one.size) for one in other.details.overlaps]
    assert told == [("segment", "Many", 2, 3)]


def test_a_member_is_explained() -> None:
    made = customer(2)
    built = segment("Many", MANY)
    found = explain_member(built, made.pk)
    assert found is not None
    assert not found.holds
    assert (found.children[0].text, found.children[0].found) == ("with at least 3 orders", "2")
    assert explain_member(built, 10**9) is None


def test_wrong_rules_and_names_are_refused() -> None:
    with pytest.raises(RuleInvalid, match=r"traits\.orders_totl"):
        segment("Wrong", {"field": "traits.orders_totl", "op": "gte", "value": 3})
    with pytest.raises(RuleInvalid, match="Type a number"):
        segment("Wrong", {"field": "traits.orders_total", "op": "gte", "value": "three"})
    segment("Right", MANY)
    for name in ("Right", " ", "x" * 121):
        with pytest.raises(ValidationError):
            segment(name, MANY)


def test_a_copy_has_a_free_name() -> None:
    first = segment("Many", MANY)
    names = [copy_segment(segment=first).name for _each in range(2)]
    assert names == ["Many (copy)", "Many (copy 2)"]


def test_marketers_write_segments_and_agents_do_not(mia: Any, amy: Any, vic: Any) -> None:
    made = segment("Many", MANY, by=mia)
    assert made.created_by == mia
    for who in (amy, vic):
        with pytest.raises(PermissionDenied):
            update_segment(segment=made, name="Other", by=who)


# The field set


SAMPLES: dict[Input, Any] = {
    Input.NONE: None,
    Input.NUMBER: 1,
    Input.NUMBER_RANGE: [1, 2],
    Input.TEXT: "a",
    Input.TEXTS: ["a", "b"],
    Input.DATE: "2026-01-01",
    Input.DATE_RANGE: ["2026-01-01", "2026-02-01"],
    Input.DAYS: 30,
    Input.CONSENT: {"purpose": "marketing"},
}


def test_every_field_runs_with_every_operator() -> None:
    tag = Tag.objects.create(name="gold")
    made = customer(1)
    segment("Many", MANY)
    customers, context = fieldset("customer"), Context(today=TODAY, zone=Workspace.current().tz)
    tried = 0
    for field in customers.fields.values():
        for operator in field.allowed():
            value = SAMPLES.get(operator.input)
            if operator.input in (Input.CHOICE, Input.CHOICES):
                choices = list(field.choices() if callable(field.choices) else field.choices or [])
                if not choices:
                    continue
                value = choices[0][0] if operator.input is Input.CHOICE else [choices[0][0]]
            leaf = {"field": field.name, "op": operator.name}
            rule = parse(leaf if value is None else {**leaf, "value": value}, customers)
            with connection.cursor() as cursor:
                cursor.execute(*matching(rule, customers, context))
                assert {row[0] for row in cursor.fetchall()} <= {made.pk}
            assert sentence(rule, customers).endswith(".")
            tried += 1
    assert tag.pk
    assert tried > 250


def who(rule: dict[str, Any]) -> set[int]:
    customers = fieldset("customer")
    sql, params = matching(parse(rule, customers), customers, Context(TODAY, Workspace.current().tz))
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return {row[0] for row in cursor.fetchall()}


def test_every_trait_is_a_field_of_its_type() -> None:
    fields = fieldset("customer").fields
    made = customer(1)
    Traits.objects.filter(customer=made).update(evening_share=0.25, average_order=12, country="JP")
    assert fields["traits.evening_share"].unit == "%"
    assert who({"field": "traits.evening_share", "op": "between", "value": [24, 26]}) == {made.pk}
    assert fields["traits.average_order"].type is FieldType.MONEY
    assert who({"field": "traits.inbound_total", "op": "eq", "value": 0}) == {made.pk}


def test_events_count_the_days_within_a_window() -> None:
    made, other = customer(), customer()
    shared = {"network": "email", "kind": "message", "direction": "inbound"}
    for back, n in ((0, 1), (30, 2), (31, 4)):
        CustomerDay.objects.create(customer=made, day=TODAY - timedelta(days=back), n=n, **shared)
    CustomerDay.objects.create(customer=other, day=TODAY, n=9, **{**shared, "direction": "outbound"})
    CustomerDay.objects.create(
        customer=other, day=TODAY, n=5, **{**shared, "kind": "order", "network": "shop"}
    )

    def wrote(count: int, op: str = "at_least", days: int | None = 30, **where: Any) -> set[int]:
        event = {"what": "interaction", **where}
        window = {} if days is None else {"days": days}
        return who({"event": event, "op": op, "count": count, **window})

    assert wrote(3) == {made.pk, other.pk}
    assert wrote(3, direction="inbound") == {made.pk}
    assert wrote(4, direction="inbound") == set()
    assert wrote(7, direction="inbound", days=None) == {made.pk}
    assert wrote(9, "exactly", direction=["outbound"]) == {other.pk}
    assert wrote(0, "at_most", kind="message", direction="inbound") == {other.pk}
    assert who({"event": {"what": "order"}, "op": "exactly", "count": 5, "days": 1}) == {other.pk}


def test_the_newest_consent_counts_and_a_refusal_of_the_person_on_every_network() -> None:
    made = customer()
    mail, phone = (
        Identity.objects.create(network=network, external_id="x", customer=made, home_customer=made)
        for network in ("email", "phone")
    )

    def state(op: str, **about: str) -> bool:
        return made.pk in who({"field": "consent", "op": op, "value": {"purpose": "marketing", **about}})

    def answer(identity: Identity, given: bool, day: int, whole_person: bool = False) -> None:
        Consent.objects.create(
            identity=identity, purpose="marketing", given=given, whole_person=whole_person, source="form",
            at=NOW + timedelta(days=day), customer=made, home_customer=made,
        )  # fmt: skip

    assert state("never_asked")
    answer(mail, True, 1)
    assert state("given") and not state("refused")
    assert state("given", network="email") and state("never_asked", network="phone")
    answer(phone, False, 2)
    assert state("refused") and state("given", network="email")
    answer(phone, False, 3, whole_person=True)
    assert state("refused", network="email")
    answer(mail, True, 4)
    assert state("given", network="email") and state("refused", network="phone")


def test_the_head_asks_again_until_the_members_are_counted(mia: Any, client: Any) -> None:
    segment = create_segment(name="Everybody", rule={"all": []})
    client.force_login(mia)
    url = reverse("personas:segment-size", args=[segment.pk])
    waiting = client.get(url).content.decode()
    assert "Being counted" in waiting
    assert f'hx-get="{url}"' in waiting
    build(segment)
    counted = client.get(url).content.decode()
    assert "hx-get" not in counted
    assert "0 customers" in counted
