"""Personas made by hand from a segment: who belongs, who falls back, in which order; nothing flaps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from core.jobs import run_job
from core.models import Workspace
from crm.models import Customer
from personas import handmade
from personas.assigning import assign
from personas.authoring import edit_persona
from personas.memberships import follow_segments
from personas.models import (
    Persona,
    PersonaChange,
    PersonaMembership,
    Segment,
    SegmentMembership,
)
from personas.segments import create_segment, start_build, update_segment
from tests.personas.test_assigning import NOW, changed, customers, personas_of, work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_fits")]
LATER = NOW + timedelta(days=1)


def segment_of(name: str, *members: Customer, rule: dict[str, Any] | None = None) -> Segment:
    """A segment with these members, as if it had just been built."""
    rule = rule or {"all": [{"field": "customer.name", "op": "contains", "value": name}]}
    segment = create_segment(name=name, rule=rule, by=None)
    put_in(segment, *members)
    return segment


def put_in(segment: Segment, *members: Customer) -> None:
    SegmentMembership.objects.bulk_create(
        SegmentMembership(segment=segment, customer=one, version=segment.version, since=NOW)
        for one in members
    )


def rows() -> dict[int, tuple[Any, ...]]:
    found = PersonaMembership.objects.order_by("customer_id")
    return {
        row.customer_id: (
            row.persona_id, row.confidence, row.reasons, row.computed_id, row.computed_confidence,
            row.computed_reasons, row.since,
        )
        for row in found
    }  # fmt: skip


def test_members_of_the_segment_belong_and_the_computed_persona_is_kept_beneath(three: Any, mia: Any) -> None:
    member, before = three[0][0], rows()
    persona = handmade.make_persona(segment=segment_of("Ambassadors", member), name="Ambassadors", by=mia)
    assert follow_segments(LATER) == {"written": 1, "moved": 1}
    now = rows()
    own = now.pop(member.pk)
    was = before.pop(member.pk)
    assert own[:3] == (persona.pk, 1.0, ["In the segment Ambassadors"])
    assert own[3:6] == was[:3]
    assert own[6] == LATER
    assert now == before
    change = PersonaChange.objects.get()
    assert (change.customer_id, change.before_id, change.after_id) == (member.pk, was[0], persona.pk)


def test_a_second_run_writes_nothing(three: Any, mia: Any) -> None:
    segment = segment_of("Ambassadors", *three[0][:5], *three[2][:5])
    handmade.make_persona(segment=segment, name="Ambassadors", by=mia)
    assert follow_segments(LATER)["written"] == 10
    before = rows()
    assert follow_segments(LATER + timedelta(days=1)) == {"written": 0, "moved": 0}
    assert assign(work(1, everybody=True))["written"] == 0
    assert rows() == before
    assert PersonaChange.objects.count() == 10


def test_whoever_leaves_the_segment_falls_back_without_a_fit(three: Any, mia: Any) -> None:
    member, before = three[1][3], rows()
    segment = segment_of("Ambassadors", member)
    handmade.make_persona(segment=segment, name="Ambassadors", by=mia)
    follow_segments(LATER)
    SegmentMembership.objects.filter(segment=segment).delete()
    assert follow_segments(LATER + timedelta(days=1)) == {"written": 1, "moved": 1}
    after = rows()
    assert after[member.pk][:6] == (*before[member.pk][:3], None, None, [])
    assert PersonaChange.objects.filter(customer=member).count() == 2


def test_the_first_in_the_marketers_order_counts(three: Any, mia: Any) -> None:
    both = three[0][0]
    first = handmade.make_persona(segment=segment_of("One", both), name="One", by=mia)
    second = handmade.make_persona(segment=segment_of("Two", both), name="Two", by=mia)
    follow_segments(LATER)
    assert personas_of([both]) == {first.pk}
    handmade.move_persona(persona=second, up=True, by=mia)
    follow_segments(LATER)
    assert personas_of([both]) == {second.pk}
    assert list(Persona.objects.shown()[:2]) == [second, first]
    with pytest.raises(ValidationError):
        handmade.order_personas(ids=[first.pk], by=mia)


def test_what_is_computed_goes_on_beneath(three: Any, mia: Any) -> None:
    """A member who changes habits stays, and falls back to the new computed persona later."""
    from personas.models import Traits

    member = three[0][0]
    segment = segment_of("Ambassadors", member)
    persona = handmade.make_persona(segment=segment, name="Ambassadors", by=mia)
    follow_segments(LATER)
    target = Traits.objects.get(customer=three[1][0])
    Traits.objects.filter(customer=member).update(
        evening_share=target.evening_share, public_share=target.public_share
    )
    changed(member)
    assert assign(work(1))["moved"] == 0
    (theirs,) = personas_of(three[1])
    row = PersonaMembership.objects.get(customer=member)
    assert (row.persona_id, row.computed_id) == (persona.pk, theirs)
    handmade.retire_persona(persona=persona, by=mia)
    follow_segments(LATER)
    assert personas_of([member]) == {theirs}


def test_members_without_a_touch_belong_and_refusers_do_not(three: Any, mia: Any) -> None:
    silent = Customer.objects.create(name="Silent")
    refused = Customer.objects.create(name="Refused", profiling_refused=True)
    segment = segment_of("Ambassadors", silent, refused, three[0][0])
    handmade.make_persona(segment=segment, name="Ambassadors", by=mia)
    follow_segments(LATER)
    assert personas_of([silent]) and not personas_of([refused])
    assert assign(work(1, everybody=True))["written"] == 0
    gone = three[0][0]
    Customer.objects.filter(pk=gone.pk).update(profiling_refused=True)
    follow_segments(LATER)
    assert not personas_of([gone])
    SegmentMembership.objects.filter(customer=silent).delete()
    follow_segments(LATER)
    assert not personas_of([silent])


def test_a_refit_keeps_personas_made_by_hand_and_their_members(three: Any, mia: Any) -> None:
    segment = segment_of("Ambassadors", *three[0][:3])
    persona = handmade.make_persona(segment=segment, name="Ambassadors", by=mia)
    follow_segments(LATER)
    for kind in range(3):
        customers(kind, 10, seed=50)
    assert assign(work(1, refit=True))["fitted"] == 1
    persona.refresh_from_db()
    assert persona.is_active
    assert personas_of(three[0][:3]) == {persona.pk}
    kept = PersonaMembership.objects.filter(customer__in=three[0][:3]).values_list("computed_id", flat=True)
    assert set(kept) == personas_of(three[0][3:])


def test_a_persona_made_by_hand_comes_before_plain_rules(mia: Any) -> None:
    few = customers(0, 10)
    handmade.make_persona(segment=segment_of("Ambassadors", few[0]), name="Ambassadors", by=mia)
    assign(work(everybody=True))
    names = dict(PersonaMembership.objects.values_list("customer__name", "persona__name"))
    assert names.pop(few[0].name) == "Ambassadors"
    assert set(names.values()) == {"Regular buyers"}
    assert PersonaMembership.objects.get(customer=few[0]).computed.name == "Regular buyers"


def test_a_segment_that_asks_about_personas_makes_none(three: Any, mia: Any) -> None:
    (some,) = personas_of(three[0])
    asks = {"all": [{"field": "persona", "op": "in", "value": [some]}]}
    circular = segment_of("Circular", rule=asks)
    with pytest.raises(ValidationError, match="asks about personas"):
        handmade.make_persona(segment=circular, name="No", by=mia)
    around = segment_of("Around", rule={"all": [{"field": "segment", "op": "in", "value": [circular.pk]}]})
    with pytest.raises(ValidationError, match="asks about personas"):
        handmade.make_persona(segment=around, name="No", by=mia)
    member = three[0][0]
    plain = segment_of("Plain", member)
    persona = handmade.make_persona(segment=plain, name="Plain", by=mia)
    follow_segments(LATER)
    update_segment(segment=plain, rule=asks, by=mia)
    follow_segments(LATER)
    assert personas_of([member]) == {some}
    assert Persona.objects.get(pk=persona.pk).is_active


def test_counting_one_segment_brings_its_persona_along(three: Any, mia: Any) -> None:
    Workspace.current()
    segment = create_segment(
        name="Zero", rule={"all": [{"field": "customer.name", "op": "contains", "value": "0 1"}]}, by=None
    )
    persona = handmade.make_persona(segment=segment, name="Zeros", by=mia)
    done = run_job(start_build(segment=segment, by=mia).pk)
    assert done is not None and done.state == "done", done
    expected = SegmentMembership.objects.filter(segment=segment).count()
    assert expected > 0
    assert PersonaMembership.objects.filter(persona=persona).count() == expected


def test_a_job_fills_a_new_persona_and_writes_its_card(three: Any, mia: Any) -> None:
    persona = handmade.make_persona(segment=segment_of("A", *three[0][:4]), name="A", by=mia)
    job = handmade.start_following(by=mia)
    assert job is not None
    assert handmade.start_following(by=mia) is None
    done = run_job(job.pk)
    assert done is not None and done.state == "done", done and done.error
    persona.refresh_from_db()
    assert (persona.members, persona.card_at is not None) == (4, True)


def test_names_are_free_and_kept_over_refits(three: Any, mia: Any) -> None:
    taken = Persona.objects.filter(is_active=True).first()
    assert taken is not None
    segment = segment_of("A")
    for name in ("", "  ", "x" * 121, taken.name.upper()):
        with pytest.raises(ValidationError):
            handmade.make_persona(segment=segment, name=name, by=mia)
    renamed = edit_persona(persona=taken, words={"name": "Ritual pourers"}, seen=taken.edits, by=mia)
    assert (renamed.name, renamed.named_by_hand) == ("Ritual pourers", True)
    assign(work(1, refit=True))
    assert Persona.objects.get(pk=taken.pk).name == "Ritual pourers"
    handmade.make_persona(segment=segment, name="A", by=mia)
    with pytest.raises(ValidationError, match="already"):
        handmade.make_persona(segment=segment, name="B", by=mia)
    for name in ("A", "ritual pourers"):
        other = Persona.objects.filter(is_active=True).exclude(name__iexact=name).first()
        assert other is not None
        with pytest.raises(ValidationError, match="Another persona"):
            edit_persona(persona=other, words={"name": name}, seen=other.edits, by=mia)
    edit_persona(persona=renamed, words={"name": "Ritual Pourers"}, seen=renamed.edits, by=mia)


def test_only_marketing_makes_orders_renames_and_retires(three: Any, mia: Any, amy: Any, vic: Any) -> None:
    segment = segment_of("A")
    persona = handmade.make_persona(segment=segment, name="A", by=mia)
    for nobody in (amy, vic):
        with pytest.raises(PermissionDenied):
            handmade.make_persona(segment=segment, name="B", by=nobody)
        with pytest.raises(PermissionDenied):
            handmade.order_personas(ids=[persona.pk], by=nobody)
        with pytest.raises(PermissionDenied):
            edit_persona(persona=persona, words={"name": "B"}, seen=persona.edits, by=nobody)
        with pytest.raises(PermissionDenied):
            handmade.retire_persona(persona=persona, by=nobody)
    computed = Persona.objects.filter(segment=None).first()
    assert computed is not None
    with pytest.raises(ValidationError):
        handmade.retire_persona(persona=computed, by=mia)


def test_a_name_says_which_habits_gave_it(three: Any) -> None:
    for persona in Persona.objects.filter(is_active=True):
        words = " ".join(word["word"] for word in persona.name_explained)
        assert words and persona.suggested_name.lower().startswith(words.lower())
        assert all(word["text"] for word in persona.name_explained)
