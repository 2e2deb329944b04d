"""What somebody deleted while somebody else was about to use it: told, and nothing typed is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from accounts.models import AuditEntry
from core.holding import Gone
from core.models import Job
from personas import authoring, card_views, proposals, reach_api, segment_api, segments
from personas.models import AdSpend, Persona, PersonaModel, PersonaNote, ReachPlan, Segment
from personas.reach import keeping, spend
from tests.api import Caller, errors

pytestmark = pytest.mark.django_db
RULE = {"all": [{"field": "customer.name", "op": "contains", "value": "Eva"}]}


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.jobs._enqueue", lambda pk, kind: None)


@pytest.fixture
def segment() -> Segment:
    return segments.create_segment(name="Evas", rule=RULE, by=None)


@pytest.fixture
def cost(ada: Any) -> AdSpend:
    spend.store_spend([spend.SpendIn("instagram", date(2026, 3, 1), Decimal(5), "EUR")], source="api", by=ada)
    return AdSpend.objects.get()


@pytest.fixture
def waiting() -> PersonaModel:
    return PersonaModel.objects.create(customers=60, k=2, parameters={}, figures={}, reason="by hand")


@pytest.mark.parametrize("what", ["segment", "persona"])
def test_a_plan_for_somebody_who_goes_while_it_is_made_is_refused_with_all_that_was_typed(
    what: str, segment: Segment, ada: Any, signed_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row: Any = segment if what == "segment" else Persona.objects.create(name="Loyal")
    kind, pk, make = type(row), row.pk, keeping.make_plan

    def slow(ask: Any) -> Any:
        made = make(ask)
        kind.objects.filter(pk=pk).delete()
        return made

    monkeypatch.setattr(keeping, "make_plan", slow)
    days = {"first": "2026-12-01", "last": "2026-12-31"}
    typed = {"audience": f"{what}-{pk}", "posts": 3, "messages": 0, "per_person": 2, "name": "Ferns", **days}
    monkeypatch.setattr("core.models.Workspace.today", lambda self: date(2026, 11, 20))
    answer = signed_in(ada).post(reverse("personas:plan-new"), typed)
    said = answer.content.decode()
    assert answer.status_code == 422 and f"This {what} is gone. Choose another one." in said
    assert all(f'value="{value}"' in said for value in ("Ferns", 3, 2, *days.values()))
    assert signed_in(ada).post(reverse("personas:plan-new"), typed).status_code == 422, "gone before"
    again = kind.objects.create(name="Again")
    pk, body = again.pk, {what: again.pk, "first_day": days["first"], "last_day": days["last"], "posts": 3}
    assert errors(Caller(ada).post("reach-plans/", body)) == [("not_found", None)]
    assert not ReachPlan.objects.exists() and not AuditEntry.objects.filter(verb="plan.made").exists()


def test_every_service_says_what_is_gone_and_writes_nothing(
    segment: Segment, cost: AdSpend, waiting: PersonaModel, ada: Any
) -> None:
    persona = Persona.objects.create(name="Loyal")
    note = authoring.add_note(persona=persona, part="who", text="Flats", by=ada)
    plan = ReachPlan.objects.create(
        name="P", persona=persona, first_day=date(2026, 3, 1), last_day=date(2026, 3, 2), posts=1, messages=0,
        result={}, created_by=ada,
    )  # fmt: skip
    calls: list[Callable[[], Any]] = [
        lambda: segments.update_segment(segment=segment, name="New", by=ada),
        lambda: segments.freeze_segment(segment=segment, frozen=True, by=ada),
        lambda: segments.delete_segment(segment=segment, by=ada),
        lambda: spend.change_spend(spend=cost, amount=Decimal(9), currency="EUR", by=ada),
        lambda: spend.delete_spend(spend=cost, by=ada),
        lambda: proposals.take(proposed=waiting, by=ada),
        lambda: proposals.dismiss(proposed=waiting, by=ada),
        lambda: authoring.edit_note(note=note, text="Houses", by=ada),
        lambda: authoring.delete_note(note=note, by=ada),
        lambda: keeping.delete_plan(plan=plan, by=ada),
    ]
    for kind in (ReachPlan, Segment, AdSpend, PersonaModel, PersonaNote):
        kind.objects.all().delete()
    before = AuditEntry.objects.count()
    for call in calls:
        with pytest.raises(Gone):
            call()
    assert AuditEntry.objects.count() == before
    assert not Job.objects.exists() and not AdSpend.objects.exists()


def test_pages_and_api_answer_where_a_row_goes_between_looking_and_doing(
    segment: Segment, cost: AdSpend, ada: Any, signed_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, api = signed_in(ada), Caller(ada)
    note = authoring.add_note(persona=Persona.objects.create(name="L"), part="who", text="Flats", by=ada)

    def late(place: Any, name: str) -> None:
        """Let the row be deleted when the service is asked."""
        real = getattr(place, name)

        def asked(**given: Any) -> Any:
            for one in given.values():
                if isinstance(one, Segment | AdSpend | PersonaNote):
                    type(one).objects.filter(pk=one.pk).delete()
            return real(**given)

        monkeypatch.setattr(place, name, asked)

    late(segments, "freeze_segment")
    frozen = browser.post(reverse("personas:segment-act", args=[segment.pk, "freeze"]), follow=True)
    assert frozen.status_code == 200 and "Somebody deleted this segment" in frozen.content.decode()
    late(segment_api, "delete_segment")
    other = segments.create_segment(name="Other", rule=RULE, by=None)
    assert errors(api.delete(f"segments/{other.pk}/")) == [("not_found", None)]
    late(reach_api, "change_spend")
    assert errors(api.patch(f"ad-spend/{cost.pk}/", {"amount": "7"})) == [("not_found", None)]
    late(card_views.authoring, "edit_note")
    said = browser.post(reverse("personas:note-edit", args=[note.pk]), {"text": "Houses with gardens"})
    assert said.status_code == 422 and "Houses with gardens" in said.content.decode()
    assert "Somebody deleted this note" in said.content.decode()


def test_what_is_written_down_and_what_is_done_are_one(
    cost: AdSpend, waiting: PersonaModel, ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any, **options: Any) -> Any:
        raise OSError

    before = AuditEntry.objects.count()
    monkeypatch.setattr(AdSpend, "delete", fail)
    monkeypatch.setattr(PersonaModel, "delete", fail)
    with pytest.raises(OSError):
        spend.delete_spend(spend=cost, by=ada)
    with pytest.raises(OSError):
        proposals.dismiss(proposed=waiting, by=ada)
    assert AuditEntry.objects.count() == before
    monkeypatch.setattr(proposals, "record_audit", fail)
    monkeypatch.setattr(spend, "record_audit", fail)
    with pytest.raises(OSError):
        proposals.take(proposed=waiting, by=ada)
    with pytest.raises(OSError):
        spend.change_spend(spend=cost, amount=Decimal(9), currency="EUR", by=ada)
    assert not Job.objects.exists() and AdSpend.objects.get().amount == 5
    PersonaModel.objects.update(taken_at="2026-01-01T00:00Z")
    with pytest.raises(ValidationError, match="waits no more"):
        proposals.take(proposed=waiting, by=ada)
