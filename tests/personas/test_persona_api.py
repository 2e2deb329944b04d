"""Personas made by hand and models that wait, over REST."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import AuditEntry
from core.jobs import run_job
from core.models import Job, Workspace
from crm.models import Customer
from personas.models import Persona, PersonaMembership, PersonaModel
from personas.segments import create_segment
from tests.api import Caller, errors
from tests.personas.test_handmade import put_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_fits")]
RULE = {"all": [{"field": "customer.name", "op": "contains", "value": "0 1"}]}


@pytest.fixture
def api(ada: Any) -> Caller:
    return Caller(ada)


def test_a_persona_is_made_filled_ordered_and_retired(api: Caller, three: list[list[Customer]]) -> None:
    ids = []
    for name in ("One", "Two"):
        segment = create_segment(name=name, rule=RULE, by=None)
        put_in(segment, three[0][0])
        made = api.post("personas/", {"segment": segment.pk, "name": name, "tone": 3})
        assert made.status_code == 201, made.content
        assert (made.json()["segment"], made.json()["rank"]) == (segment.pk, len(ids))
        ids.append(made.json()["id"])
    assert run_job(Job.objects.get().pk).state == "done"
    assert PersonaMembership.objects.get(customer=three[0][0]).persona_id == ids[0]
    assert api.post("personas/order/", {"ids": ids[::-1]}).status_code == 204
    assert [one.pk for one in Persona.objects.shown()][:2] == ids[::-1]
    run_job(Job.objects.filter(state="queued").get().pk)
    assert PersonaMembership.objects.get(customer=three[0][0]).persona_id == ids[1]
    assert api.post(f"personas/{ids[1]}/retire/", {}).json()["is_active"] is False
    assert api.post("personas/order/", {"ids": ids}).status_code == 400


def test_what_cannot_be_made_is_refused_with_a_reason(api: Caller, three: Any) -> None:
    persona = Persona.objects.filter(is_active=True).first()
    assert persona is not None
    asks = create_segment(
        name="A", rule={"all": [{"field": "persona", "op": "in", "value": [persona.pk]}]}, by=None
    )
    plain = create_segment(name="B", rule=RULE, by=None)
    for given in (
        {"segment": asks.pk, "name": "A"},
        {"segment": plain.pk, "name": persona.name},
        {"segment": plain.pk, "name": "B", "tone": 9},
        {"segment": plain.pk, "name": "B", "icon": "<script>"},
        {"segment": 999_999, "name": "B"},
        {"name": "B"},
    ):
        assert api.post("personas/", given).status_code == 400, given
    assert api.post(f"personas/{persona.pk}/retire/", {}).status_code == 400
    assert not Persona.objects.filter(segment__isnull=False).exists()


def test_a_waiting_model_is_read_taken_and_returned_from(api: Caller, waiting: PersonaModel) -> None:
    first = PersonaModel.objects.get(is_current=True)
    states = {one["id"]: one["state"] for one in api.get("persona-models/").json()["results"]}
    assert states == {waiting.pk: "waiting", first.pk: "current"}
    body = api.get(f"persona-models/{waiting.pk}/").json()
    assert (body["k"], body["changes"]) == (3, [])
    assert sum(move["customers"] for move in body["moves"]) == 120
    assert "sample" not in body["moves"][0]
    taken = api.post(f"persona-models/{waiting.pk}/take/", {})
    assert taken.status_code == 202
    assert errors(api.post(f"persona-models/{waiting.pk}/take/", {}))[0][0] == "job_open"
    assert run_job(taken.json()["id"]).state == "done"
    assert api.get(f"persona-models/{waiting.pk}/").json()["state"] == "current"
    assert api.post(f"persona-models/{waiting.pk}/take/", {}).status_code == 404
    back = api.post(f"persona-models/{first.pk}/take-back/", {})
    assert back.status_code == 202
    assert run_job(back.json()["id"]).state == "done"
    assert api.get(f"persona-models/{first.pk}/").json()["state"] == "current"
    assert api.post(f"persona-models/{first.pk}/take-back/", {}).status_code == 400
    assert api.delete(f"persona-models/{first.pk}/").status_code == 404


def test_a_fit_is_started_and_its_model_put_away(api: Caller, three: Any) -> None:
    started = api.post("persona-models/", {})
    assert started.status_code == 202
    assert run_job(started.json()["id"]).state == "done"
    model = PersonaModel.objects.get(is_current=False)
    assert api.delete(f"persona-models/{model.pk}/").status_code == 204
    assert PersonaModel.objects.count() == 1


def test_habits_and_how_many_are_chosen_as_on_the_page(api: Caller, mia: Any, ada: Any, three: Any) -> None:
    first = api.get("persona-settings/").json()
    habits = {one["name"]: one for one in first["habits"]}
    assert first["is_default"] and not first["is_finest"] and first["chosen_at"] is None
    assert set(first["features"]) == {name for name, one in habits.items() if one["is_default"]}
    assert habits["public_share"]["of"] == 120 and 0 < habits["public_share"]["known"] <= 120
    wanted = ["evening_share", "public_share"]
    chosen = Caller(mia, maker=ada).patch("persona-settings/", {"features": wanted, "is_finest": True}).json()
    assert chosen["features"] == wanted[::-1], "in the order of the catalogue"
    assert (chosen["is_finest"], chosen["is_default"], chosen["chosen_by"]) == (True, False, mia.pk)
    written = {one.verb: one.detail for one in AuditEntry.objects.filter(object_kind__endswith="settings")}
    assert written == {
        "personas.features_chosen": {"before": [], "after": wanted[::-1]},
        "personas.number_chosen": {"finest": True},
    }
    for given, told in (
        ({"features": ["evening_share"], "is_finest": False}, ("invalid", "features")),
        ({"features": ["evening_share", "religion"], "is_finest": False}, ("invalid_choice", "features")),
        ({"features": "evening_share"}, ("not_a_list", "features")),
        ({"is_finest": None}, ("null", "is_finest")),
        ({"habits": []}, ("unknown_field", "habits")),
    ):
        assert errors(api.patch("persona-settings/", given)) == [told]
    assert api.patch("persona-settings/", {}).json() == chosen, "what is refused changes nothing"
    fitted = run_job(api.post("persona-models/", {}).json()["id"]).result["model"]
    assert set(api.get(f"persona-models/{fitted}/").json()["features"]) <= set(wanted)
    assert api.patch("persona-settings/", {"features": []}).json()["is_default"]


def test_readers_read_and_change_nothing(vic: Any, ada: Any, waiting: PersonaModel) -> None:
    api = Caller(vic, maker=ada)
    assert api.get("persona-models/").status_code == 200
    assert api.get(f"persona-models/{waiting.pk}/").status_code == 200
    segment = create_segment(name="B", rule=RULE, by=None)
    persona = Persona.objects.first()
    assert persona is not None
    for call in (
        lambda: api.post("personas/", {"segment": segment.pk, "name": "B"}),
        lambda: api.post("personas/order/", {"ids": []}),
        lambda: api.post(f"personas/{persona.pk}/retire/", {}),
        lambda: api.post("persona-models/", {}),
        lambda: api.post(f"persona-models/{waiting.pk}/take/", {}),
        lambda: api.post(f"persona-models/{waiting.pk}/take-back/", {}),
        lambda: api.delete(f"persona-models/{waiting.pk}/"),
        lambda: api.patch("persona-settings/", {"is_finest": True}),
    ):
        assert call().status_code == 403
    assert api.get("persona-settings/").status_code == 200
    assert (Job.objects.count(), PersonaModel.objects.count()) == (0, 2)


def test_a_rebuild_that_nobody_has_begun_is_told_as_waiting(api: Caller, mia: Any, signed_in: Any) -> None:
    begun = datetime(2026, 3, 1, 14, 2, tzinfo=UTC)
    browser, bar = signed_in(mia), reverse("personas:rebuild-bar")
    Workspace.objects.update(zone="UTC")
    started = api.post("rebuilds/", {}).json()
    assert started["state"] == "queued" and started["started_at"] is None
    open_one = Job.objects.filter(pk=started["id"])
    open_one.update(created_at=begun)

    def told() -> tuple[str, str, str, str]:
        again = browser.post(reverse("personas:rebuild-start"), follow=True).content.decode()
        refused = api.post("rebuilds/", {})
        assert (refused.status_code, errors(refused)[0][0]) == (409, "job_open")
        page = browser.get(reverse("core:job-detail", args=[started["id"]])).content.decode()
        return browser.get(bar).content.decode(), again, page, refused.json()["errors"][0]["detail"]

    for said in told():
        assert "waiting for its turn since" in said.lower() and "14:02" in said
        assert "running" not in said and "Computing everything" not in said
    open_one.update(state="running", started_at=begun.replace(hour=15), phase="traits")
    shown, again, page, refused = told()
    assert "Computing everything again: traits" in shown and "A rebuild is running" in again
    assert "traits" in page and "has been running since 15:02 UTC" in refused
