"""Who refuses to be profiled leaves what was inferred at once, and keeps the facts."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from core.jobs import run_job
from crm.models import Customer, CustomerTouch
from crm.profiling import allow_profiling, refuse_profiling
from engagement.ingest import ingest
from personas import nightly
from personas.models import (
    Persona,
    PersonaChange,
    PersonaMembership,
    Prediction,
    Segment,
    SegmentMembership,
    Traits,
)
from tests.engagement.events import account, inbound

pytestmark = pytest.mark.django_db

SAID = "I would buy this kettle again and again, it is wonderful"


def joins(customer: Customer, name: str, rule: dict[str, Any]) -> None:
    """Somebody is in a segment of this rule."""
    segment = Segment.objects.create(name=name, rule={"all": [rule]})
    SegmentMembership.objects.create(segment=segment, customer=customer, version=1, since=timezone.now())


@pytest.fixture
def profiled() -> Customer:
    ingest(account(), [inbound("1", text=SAID)])
    customer = Customer.objects.get()
    now = timezone.now()
    quotes = [
        {"text": SAID, "mood": "positive"},
        {"text": "Somebody else was unhappy with the lid", "mood": "x"},
    ]
    persona = Persona.objects.create(name="Fans", card={"quotes": quotes}, card_at=now)
    PersonaMembership.objects.create(customer=customer, persona=persona, confidence=0.9, since=now)
    PersonaChange.objects.create(customer=customer, after=persona, at=now)
    Prediction.objects.create(customer=customer, value_365=10, computed_at=now)
    Traits.objects.create(customer=customer, computed_at=now)
    rules = {
        "by persona": {"field": "persona", "op": "in", "value": [persona.pk]},
        "by value": {"field": "prediction.value_365", "op": "gt", "value": 5},
        "by country": {"field": "customer.country", "op": "is", "value": "PT"},
    }
    for name, rule in rules.items():
        joins(customer, name, rule)
    asked = Segment.objects.get(name="by persona")
    joins(customer, "by detour", {"field": "segment", "op": "in", "value": [asked.pk]})
    return customer


def test_a_refusal_takes_out_at_once_what_was_inferred(profiled: Customer, ada: Any) -> None:
    assert refuse_profiling(customer=profiled, source="staff", by=ada)
    for model in (PersonaMembership, PersonaChange, Prediction):
        assert not model.objects.exists()
    assert [one["text"] for one in Persona.objects.get().card["quotes"]] == [
        "Somebody else was unhappy with the lid"
    ]
    assert CustomerTouch.objects.filter(customer=profiled).exists()


def test_facts_and_segments_by_facts_stay(profiled: Customer) -> None:
    refuse_profiling(customer=profiled, source="customer")
    assert Traits.objects.filter(customer=profiled).exists()
    stayed = SegmentMembership.objects.values_list("segment__name", flat=True)
    assert list(stayed) == ["by country"]


def test_a_refusal_is_written_down_once(profiled: Customer, ada: Any) -> None:
    assert refuse_profiling(customer=profiled, source="staff", by=ada)
    assert not refuse_profiling(customer=profiled, source="staff", by=ada)
    profiled.refresh_from_db()
    assert profiled.origins["profiling_refused"]["source"] == "staff"
    assert AuditEntry.objects.filter(verb="customer.profiling_refused").count() == 1
    assert allow_profiling(customer=profiled, source="customer")
    profiled.refresh_from_db()
    assert not profiled.profiling_refused


def test_a_refused_consent_takes_out_too(profiled: Customer) -> None:
    from crm.consents import ConsentIn, record_consents

    identity = profiled.identities.get()
    record_consents([ConsentIn(identity.pk, "profiling", False)], source="customer")
    assert not PersonaMembership.objects.exists()
    assert not Prediction.objects.exists()


def test_a_refusal_while_a_rebuild_writes_counts(profiled: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    persona = Persona.objects.get()

    def refused_and_written(run: nightly.Run) -> dict[str, Any]:
        refuse_profiling(customer=profiled, source="customer")
        now = run.moment.now
        PersonaMembership.objects.create(customer=profiled, persona=persona, confidence=0.9, since=now)
        Prediction.objects.create(customer=profiled, value_365=10, computed_at=now)
        return {}

    monkeypatch.setattr(nightly, "_steps", {})
    nightly.register_step("writes", refused_and_written, 20)
    done = run_job(nightly.start_rebuild(enqueue=False).pk)
    assert done is not None and done.state == "done"
    assert not PersonaMembership.objects.exists()
    assert not Prediction.objects.exists()
