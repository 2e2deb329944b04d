"""Segments and personas on the customer page: newest first, each once, over pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.template.loader import render_to_string

from core import timeline
from core.timeline import Filter
from crm.models import Customer
from personas.models import Persona, PersonaChange, Segment, SegmentChange
from personas.timeline import PERSONA, SEGMENT, persona_changes, segment_changes

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 5, tzinfo=UTC)


@pytest.fixture
def customer() -> Customer:
    made, other = Customer.objects.bulk_create([Customer(name="Own"), Customer(name="Other")])
    segment = Segment.objects.create(name="Regulars")
    first, second = (Persona.objects.create(name=name) for name in ("Brewers", "Tinkerers"))
    for place in range(6):
        at = NOW + timedelta(hours=place // 2)
        SegmentChange.objects.create(segment=segment, customer=made, entered=place % 2 == 0, version=1, at=at)
        PersonaChange.objects.create(
            customer=made, before=first if place else None, after=second if place < 5 else None, at=at
        )
    SegmentChange.objects.create(segment=segment, customer=other, entered=True, version=1, at=NOW)
    return made


def test_each_change_appears_once_over_pages_of_any_size(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "_sources", {SEGMENT: segment_changes, PERSONA: persona_changes})
    for size in (1, 2, 5, 12):
        seen, before = [], None
        while True:
            entries, before = timeline.page(customer.pk, None, before=before, limit=size)
            seen += [(entry.at, entry.source, entry.id) for entry in entries]
            if before is None:
                break
        assert len(seen) == len(set(seen)) == 12
        assert seen == sorted(seen, reverse=True)


def test_filters_that_say_nothing_of_changes_leave_them_out(customer: Customer) -> None:
    for wanted in (Filter(network="email"), Filter(text="kettle"), Filter(kinds=frozenset({"message"}))):
        assert segment_changes([customer.pk], None, None, wanted, 10) == []
        assert persona_changes([customer.pk], None, None, wanted, 10) == []
    own = Filter(kinds=frozenset({SEGMENT}))
    assert len(segment_changes([customer.pk], None, None, own, 10)) == 6
    assert persona_changes([customer.pk], None, None, own, 10) == []


def test_entries_say_what_happened(customer: Customer) -> None:
    def told(entries: list[timeline.Entry]) -> list[str]:
        return [" ".join(render_to_string(entry.template, {"entry": entry}).split()) for entry in entries]

    segments = told(list(segment_changes([customer.pk], None, None, Filter(), 2)))
    assert "Left the segment" in segments[0]
    assert "Entered the segment" in segments[1]
    assert "Regulars" in segments[0]
    personas = told(list(persona_changes([customer.pk], None, None, Filter(), 6)))
    assert "Left the persona" in personas[0]
    assert "Became" in personas[1] and "was" in personas[1]
    assert "Became" in personas[-1] and "was" not in personas[-1]
