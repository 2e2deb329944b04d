"""Personas in the workspace: found once, held still, moved only by what customers do or somebody decides."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from core.jobs import run_job
from core.models import Event, Workspace
from crm.models import Customer
from personas import clustering, proposals
from personas.assigning import Assignment, assign, fit_model, take_model
from personas.models import (
    ChangedCustomer,
    ModelCard,
    Persona,
    PersonaChange,
    PersonaMembership,
    PersonaModel,
    Traits,
)

pytestmark = pytest.mark.django_db
TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 5, tzinfo=UTC)
WORDS = {"summary": "They brew.", "goals": "One cup", "how_to_speak": "Degrees, grams"}

# Three kinds of customers as (mean, spread) of habits over some twenty touches each.
KINDS: tuple[dict[str, tuple[float, float]], ...] = (
    {"evening_share": (0.8, 0.08), "public_share": (0.8, 0.08), "discount_share": (0.1, 0.04)},
    {"evening_share": (0.2, 0.08), "public_share": (0.2, 0.08), "discount_share": (0.1, 0.04)},
    {"evening_share": (0.2, 0.08), "public_share": (0.8, 0.08), "discount_share": (0.6, 0.05)},
)


@pytest.fixture(autouse=True)
def _few_bootstraps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kinds this far apart hold still under five resamples as under twenty."""
    monkeypatch.setattr(clustering, "BOOTSTRAPS", 5)


def customers(kind: int, count: int, seed: int = 1, **more: Any) -> list[Customer]:
    Workspace.current()
    chance = np.random.default_rng(seed + 100 * kind)
    made = Customer.objects.bulk_create([Customer(name=f"{kind} {place}", **more) for place in range(count)])
    Traits.objects.bulk_create(
        Traits(
            customer=one,
            computed_at=NOW,
            inbound_total=20,
            orders_total=6,
            average_order=30.0,
            units_per_order=2.0,
            weekend_share=0.3,
            sentiment=0.1,
            **{
                name: float(np.clip(chance.normal(mean, spread), 0, 1))
                for name, (mean, spread) in KINDS[kind].items()
            },
        )
        for one in made
    )
    return made


def work(days: int = 0, **more: Any) -> Assignment:
    today = TODAY + timedelta(days=days)
    return Assignment(today=today, now=NOW + timedelta(days=days), **{"everybody": False, **more})


def changed(*some: Customer) -> None:
    ChangedCustomer.objects.bulk_create([ChangedCustomer(customer=one) for one in some])


def personas_of(some: list[Customer]) -> set[int]:
    found = PersonaMembership.objects.filter(customer__in=some)
    return set(found.values_list("persona_id", flat=True))


@pytest.fixture
def three() -> list[list[Customer]]:
    """Three kinds of customers, and the personas found among them."""
    made = [customers(kind, 40) for kind in range(3)]
    done = assign(work(everybody=True))
    assert (done["fitted"], done["customers"]) == (1, 120)
    return made


def test_a_first_fit_finds_and_names_personas_and_tells_nobody(three: list[list[Customer]]) -> None:
    assert [len(personas_of(kind)) for kind in three] == [1, 1, 1]
    assert len({*personas_of(three[0]), *personas_of(three[1]), *personas_of(three[2])}) == 3
    active = Persona.objects.filter(is_active=True)
    assert all(one.name == one.suggested_name and not one.is_rule for one in active)
    assert len({one.name for one in active}) == 3
    assert len({one.tone for one in active}) == 3
    assert all(one.reliability >= 0.75 for one in active)
    assert not PersonaChange.objects.exists()
    membership = PersonaMembership.objects.filter(customer=three[0][0]).get()
    assert 0 <= membership.confidence <= 1
    assert membership.reasons and all(isinstance(reason, str) for reason in membership.reasons)
    assert ModelCard.objects.get(name="personas").is_used


def test_the_next_run_writes_nothing(three: list[list[Customer]]) -> None:
    done = assign(work(1, everybody=True))
    assert (done["fitted"], done["written"], done["moved"]) == (0, 0, 0)
    assert PersonaModel.objects.count() == 1


def test_new_customers_come_to_the_personas_that_are_there(three: list[list[Customer]]) -> None:
    ids = set(Persona.objects.filter(is_active=True).values_list("pk", "cluster"))
    new = customers(2, 4, seed=9)
    changed(*new)
    assert assign(work(1))["customers"] == 4
    assert personas_of(new) == personas_of(three[2])
    assert set(Persona.objects.filter(is_active=True).values_list("pk", "cluster")) == ids
    changes = PersonaChange.objects.values_list("customer_id", "before_id", "after_id")
    (theirs,) = personas_of(three[2])
    assert set(changes) == {(one.pk, None, theirs) for one in new}


def test_who_changes_habits_moves_and_is_told(three: list[list[Customer]]) -> None:
    mover = three[0][0]
    since = PersonaMembership.objects.get(customer=three[0][1]).since
    target = Traits.objects.get(customer=three[1][0])
    Traits.objects.filter(customer=mover).update(
        evening_share=target.evening_share, public_share=target.public_share
    )
    changed(mover)
    assert assign(work(1))["moved"] == 1
    (before,), (after,) = personas_of(three[0][1:]), personas_of(three[1])
    assert PersonaChange.objects.values_list("customer_id", "before_id", "after_id").get() == (
        mover.pk,
        before,
        after,
    )
    assert PersonaMembership.objects.get(customer=mover).since == NOW + timedelta(days=1)
    assert PersonaMembership.objects.get(customer=three[0][1]).since == since
    assert Event.objects.get(type="persona.members_changed").ids == {"customers": 1}


def test_who_refuses_profiling_leaves(three: list[list[Customer]]) -> None:
    gone = three[1][0]
    Customer.objects.filter(pk=gone.pk).update(profiling_refused=True)
    changed(gone)
    assign(work(1))
    assert not PersonaMembership.objects.filter(customer=gone).exists()
    assert PersonaMembership.objects.count() == 119


def test_a_refit_keeps_ids_and_what_people_wrote(three: list[list[Customer]]) -> None:
    own = {persona.pk: persona for persona in Persona.objects.filter(is_active=True)}
    first = min(own)
    Persona.objects.filter(pk=first).update(name="Ritual pourers", named_by_hand=True, **WORDS)
    before = dict(PersonaMembership.objects.values_list("customer_id", "persona_id"))
    for kind in range(3):
        customers(kind, 10, seed=50)
    done = assign(work(1, refit=True))
    assert done["fitted"] == 1
    kept = Persona.objects.filter(is_active=True)
    assert {persona.pk for persona in kept} == set(own)
    assert kept.get(pk=first).name == "Ritual pourers"
    assert Persona.objects.values(*WORDS).get(pk=first) == WORDS
    assert {persona.tone for persona in kept} == {persona.tone for persona in own.values()}
    after = dict(PersonaMembership.objects.values_list("customer_id", "persona_id"))
    assert {pk: after[pk] for pk in before} == before
    assert (PersonaModel.objects.count(), PersonaModel.objects.filter(is_current=True).count()) == (2, 1)


def test_a_proposal_shows_who_would_move_and_changes_nothing_until_taken(three: list[list[Customer]]) -> None:
    before = dict(PersonaMembership.objects.values_list("customer_id", "persona_id"))
    proposed = fit_model(work(1, everybody=True), reason="by hand")
    assert proposed is not None
    assert sum(move["customers"] for move in proposed.figures["moves"]) == 120
    assert all(move["before"] == move["after"] for move in proposed.figures["moves"])
    assert PersonaModel.objects.get(is_current=True).pk != proposed.pk
    assert dict(PersonaMembership.objects.values_list("customer_id", "persona_id")) == before
    assert assign(work(1, take=proposed.pk))["fitted"] == 1
    assert PersonaModel.objects.get(is_current=True).pk == proposed.pk


def test_drift_proposes_a_model_once_and_takes_none(three: list[list[Customer]]) -> None:
    current = PersonaModel.objects.get(is_current=True)
    new = customers(0, 160, seed=70)
    changed(*new)
    done = assign(work(1))
    assert done["drifted"] == 1
    current.refresh_from_db()
    assert current.is_current
    assert current.drift >= 0.2
    proposed = PersonaModel.objects.get(taken_at=None)
    assert proposed.reason == "drift"
    assert assign(work(2))["drifted"] == 0
    assert PersonaModel.objects.filter(taken_at=None).count() == 1
    assert Event.objects.filter(type="personas.drifted").count() == 1


def test_a_persona_whose_group_is_gone_keeps_its_words_and_has_no_members(
    three: list[list[Customer]],
) -> None:
    (gone,) = personas_of(three[2])
    Persona.objects.filter(pk=gone).update(**WORDS)
    Traits.objects.filter(customer__in=three[2]).delete()
    Customer.objects.filter(pk__in=[one.pk for one in three[2]]).delete()
    for kind in range(2):
        customers(kind, 40, seed=80)
    assign(work(1, refit=True))
    persona = Persona.objects.get(pk=gone)
    assert (persona.is_active, persona.cluster, persona.members) == (False, None, 0)
    assert Persona.objects.values(*WORDS).get(pk=gone) == WORDS
    assert Persona.objects.filter(is_active=True).count() == 2


def test_plain_rules_stand_in_until_there_is_enough_and_leave_then() -> None:
    few = customers(0, 10)
    done = assign(work(everybody=True))
    assert (done["fitted"], done["customers"]) == (0, 10)
    assert set(PersonaMembership.objects.values_list("persona__name", "confidence")) == {
        ("Regular buyers", 1.0)
    }
    assert PersonaMembership.objects.filter(customer=few[0]).get().reasons == ["6 orders"]
    card = ModelCard.objects.get(name="personas")
    assert "Not enough data: 10 customers" in card.explanation
    assert not card.is_used
    for kind in range(3):
        customers(kind, 40, seed=5)
    assert assign(work(1, everybody=True))["fitted"] == 1
    assert not PersonaMembership.objects.filter(persona__is_rule=True).exists()
    assert not Persona.objects.filter(is_rule=True, is_active=True).exists()
    assert not PersonaChange.objects.exists()


def test_customers_who_do_not_differ_get_rules_and_no_fit_every_night() -> None:
    Workspace.current()
    made = Customer.objects.bulk_create([Customer(name=str(place)) for place in range(100)])
    Traits.objects.bulk_create([Traits(customer=one, computed_at=NOW, inbound_total=5) for one in made])
    assert assign(work(everybody=True))["fitted"] == 0
    tried = ModelCard.objects.get(name="personas")
    assert "Plain rules stand in" in tried.explanation
    changed(made[0])
    assign(work(1))
    assert ModelCard.objects.get(name="personas").run_at == tried.run_at
    assign(work(7))
    assert ModelCard.objects.get(name="personas").run_at == NOW + timedelta(days=7)


def test_taking_a_model_twice_changes_nothing_more(three: list[list[Customer]]) -> None:
    current = PersonaModel.objects.get(is_current=True)
    before = list(Persona.objects.order_by("pk").values("pk", "name", "cluster", "is_active"))
    take_model(current)
    assert list(Persona.objects.order_by("pk").values("pk", "name", "cluster", "is_active")) == before


def test_somebody_finds_personas_anew_looks_and_takes_them(
    three: list[list[Customer]], mia: Any, amy: Any
) -> None:
    with pytest.raises(PermissionDenied):
        proposals.start_fit(by=amy)
    fitted = run_job(proposals.start_fit(by=mia).pk)
    assert fitted is not None
    assert (fitted.state, fitted.result["k"]) == ("done", 3)
    proposed = proposals.waiting()
    assert proposed is not None
    told = proposals.moves(proposed)
    assert sum(move.customers for move in told if move.stays) == 120
    run_job(proposals.take(proposed=proposed, by=mia).pk)
    proposed.refresh_from_db()
    assert proposed.is_current
    assert proposals.waiting() is None


def test_a_proposal_is_put_away_and_a_fit_without_data_says_why(
    three: list[list[Customer]], mia: Any
) -> None:
    current = PersonaModel.objects.get(is_current=True)
    run_job(proposals.start_fit(by=mia).pk)
    proposed = proposals.waiting()
    assert proposed is not None
    proposals.dismiss(proposed=proposed, by=mia)
    with pytest.raises(ValidationError, match="waits no more"):
        proposals.dismiss(proposed=current, by=mia)
    assert list(PersonaModel.objects.all()) == [current]
    Traits.objects.update(inbound_total=0, orders_total=0)
    failed = run_job(proposals.start_fit(by=mia).pk)
    assert failed is not None
    assert (failed.state, "personas need 60" in failed.error) == ("failed", True)
