"""What a new model would change is told before it is taken, and taking it can be taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from accounts.models import AuditEntry
from core.jobs import run_job
from core.notices import newest
from crm.models import Customer
from personas import proposals
from personas.assigning import assign, fit_model
from personas.models import (
    ChangedCustomer,
    DriftDay,
    Persona,
    PersonaMembership,
    PersonaModel,
    PersonaSettings,
    Traits,
)
from tests.personas.test_assigning import NOW, TODAY, WORDS, changed, customers, personas_of, work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_fits")]
HABITS = ("evening_share", "public_share", "discount_share")


def habits(some: list[Customer], seed: int, **means: float) -> None:
    """Give these customers other habits."""
    chance = np.random.default_rng(seed)
    for one in some:
        values = {name: float(np.clip(chance.normal(mean, 0.04), 0, 1)) for name, mean in means.items()}
        Traits.objects.filter(customer=one).update(**values)


def proposed() -> PersonaModel:
    found = fit_model(work(1, everybody=True), reason="by hand")
    assert found is not None
    return found


def kinds(model: PersonaModel) -> list[str]:
    return sorted(change.kind for change in proposals.changes(model))


def test_a_split_is_told_with_its_streams(three: list[list[Customer]]) -> None:
    (whole,) = personas_of(three[0])
    habits(three[0][:16], 5, evening_share=0.8, public_share=0.8, discount_share=0.95)
    model = proposed()
    assert model.k == 4
    assert kinds(model) == ["new", "split"]
    split = next(one for one in proposals.changes(model) if one.kind == "split")
    name = Persona.objects.get(pk=whole).name
    assert f"“{name}” would split: of its 40 members 24 to “{name}”; 16 to" in split.text
    assert "(new)" in split.text


def test_a_merger_and_a_persona_that_goes_are_told(three: list[list[Customer]]) -> None:
    for kind in (0, 1):
        habits(three[kind], 6, evening_share=0.5, public_share=0.5, discount_share=0.1)
    model = proposed()
    assert model.k == 2
    assert kinds(model) == ["gone", "merge"]
    merger, gone = proposals.changes(model)
    assert "80 members" in merger.text and "40 from" in merger.text
    assert "would be gone" in gone.text and "40 members" in gone.text


def test_nothing_is_told_where_every_persona_goes_on(three: list[list[Customer]]) -> None:
    model = proposed()
    assert proposals.changes(model) == []
    assert all(move.stays for move in proposals.moves(model))


def test_who_would_move_is_counted_and_some_are_named(three: list[list[Customer]]) -> None:
    target = {"evening_share": 0.2, "public_share": 0.2, "discount_share": 0.1}
    habits(three[0][:6], 7, **target)
    moving = [move for move in proposals.moves(proposed()) if not move.stays]
    assert [(move.customers, move.of) for move in moving] == [(6, 40)]
    assert set(moving[0].sample) <= {one.pk for one in three[0][:6]}
    assert moving[0].sample


def test_a_model_that_was_taken_can_be_taken_back_with_everything_people_wrote(
    three: list[list[Customer]], mia: Any
) -> None:
    (kept,), (lost,) = personas_of(three[0]), personas_of(three[1])
    Persona.objects.filter(pk=lost).update(name="Ritual pourers", named_by_hand=True, **WORDS)
    before = list(Persona.objects.filter(is_active=True).order_by("pk").values_list("pk", "cluster", "name"))
    members = dict(PersonaMembership.objects.values_list("customer_id", "persona_id"))
    own = {row["customer_id"]: row for row in Traits.objects.values()}
    for kind in (0, 1):
        habits(three[kind], 6, evening_share=0.5, public_share=0.5, discount_share=0.1)
    first = PersonaModel.objects.get(is_current=True)
    second = proposed()
    assign(work(1, take=second.pk))
    second.refresh_from_db()
    assert second.replaced_id == first.pk
    assert Persona.objects.filter(is_active=True).count() == 2
    assert Persona.objects.filter(pk__in=[kept, lost], is_active=True).count() == 1

    for pk, row in own.items():
        Traits.objects.filter(pk=pk).update(**{name: row[name] for name in HABITS})
    first.refresh_from_db()
    assert [one.pk for one in proposals.earlier()] == [first.pk]
    with pytest.raises(ValidationError):
        proposals.take_back(to=second, by=mia)
    job = proposals.take_back(to=first, by=mia)
    assert job.input["take"] == first.pk
    assign(work(2, take=first.pk))
    first.refresh_from_db()
    assert first.is_current
    after = list(Persona.objects.filter(is_active=True).order_by("pk").values_list("pk", "cluster", "name"))
    assert after == before
    assert dict(PersonaMembership.objects.values_list("customer_id", "persona_id")) == members
    assert Persona.objects.values(*WORDS).get(pk=lost) == WORDS
    assert AuditEntry.objects.filter(verb="personas.model_taken_back").exists()
    assert [one.pk for one in proposals.earlier()] == [second.pk]
    assert proposals.waiting() is None


def test_a_run_killed_after_its_model_was_taken_changes_nothing_more(three: list[list[Customer]]) -> None:
    """The model and its memberships are one transaction; doing the step again finds both there."""
    habits(three[0][:16], 5, evening_share=0.8, public_share=0.8, discount_share=0.95)
    model = proposed()
    again = work(1, take=model.pk)
    assert assign(again)["written"] > 0
    before = dict(PersonaMembership.objects.values_list("customer_id", "persona_id"))
    assert assign(again)["written"] == 0
    assert dict(PersonaMembership.objects.values_list("customer_id", "persona_id")) == before
    refit = work(2, refit=True)
    assign(refit)
    models = PersonaModel.objects.count()
    assert assign(refit)["fitted"] == 0
    assert PersonaModel.objects.count() == models


def test_a_write_that_fails_leaves_the_old_model_and_its_members(
    three: list[list[Customer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    habits(three[0][:16], 5, evening_share=0.8, public_share=0.8, discount_share=0.95)
    model = proposed()
    before = dict(PersonaMembership.objects.values_list("customer_id", "persona_id"))

    def fail(**_given: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("personas.memberships.store", fail)
    with pytest.raises(RuntimeError):
        assign(work(1, take=model.pk))
    model.refresh_from_db()
    assert not model.is_current
    assert dict(PersonaMembership.objects.values_list("customer_id", "persona_id")) == before
    assert Persona.objects.filter(is_active=True).count() == 3


def test_drift_is_kept_day_by_day_once(three: list[list[Customer]]) -> None:
    model = PersonaModel.objects.get(is_current=True)
    for days in (1, 2, 2):
        ChangedCustomer.objects.all().delete()
        changed(three[0][0])
        assign(work(days))
    days = list(DriftDay.objects.filter(model=model).order_by("day").values_list("day", flat=True))
    assert days == [TODAY, TODAY + timedelta(days=1), TODAY + timedelta(days=2)]


def test_a_proposal_by_drift_rings_for_those_who_may_take_it(
    three: list[list[Customer]], mia: Any, vic: Any
) -> None:
    changed(*customers(0, 160, seed=70))
    assign(work(1))
    told = [notice.text for notice in newest(mia)]
    assert "Personas were found anew, and wait for you" in told
    assert "Personas were found anew, and wait for you" not in [notice.text for notice in newest(vic)]


def test_chosen_habits_wait_as_a_proposal(three: list[list[Customer]], mia: Any, amy: Any) -> None:
    names = ["evening_share", "public_share"]
    with pytest.raises(PermissionDenied):
        proposals.choose_features(names=names, by=amy)
    for wrong in (["evening_share"], ["evening_share", "religion"]):
        with pytest.raises(ValidationError):
            proposals.choose_features(names=wrong, by=mia)
    before = dict(PersonaMembership.objects.values_list("customer_id", "persona_id"))
    proposals.choose_features(names=names, by=mia)
    entry = AuditEntry.objects.get(verb="personas.features_chosen")
    assert set(entry.detail["after"]) == set(names)
    fitted = run_job(proposals.start_fit(by=mia, reason="habits").pk)
    assert fitted is not None and fitted.state == "done", fitted and fitted.error
    model = proposals.waiting()
    assert model is not None
    assert (model.reason, set(model.parameters["features"])) == ("habits", set(names))
    assert dict(PersonaMembership.objects.values_list("customer_id", "persona_id")) == before
    assert model.figures["continues"]
    proposals.choose_features(names=_default(), by=mia)
    assert PersonaSettings.objects.get().features == []


def _default() -> list[str]:
    from personas.features import FEATURES

    return [one.name for one in FEATURES if one.by_default]


def test_samples_of_customers_go_with_the_proposal(three: list[list[Customer]]) -> None:
    habits(three[0][:6], 7, evening_share=0.2, public_share=0.2, discount_share=0.1)
    model = proposed()
    assert any(move["sample"] for move in model.figures["moves"])
    assign(work(1, take=model.pk))
    model.refresh_from_db()
    assert not any("sample" in move for move in model.figures["moves"])
    assert model.fitted_at > NOW
