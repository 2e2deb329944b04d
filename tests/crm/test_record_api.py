"""The whole record over REST: custom values, origins, upserts by the caller's own id, notes, tasks."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from crm.custom_fields import define_field
from crm.merging import merge_customers
from crm.models import Customer, CustomerNote, Identity, Task
from crm.services import Handle, create_customer
from crm.upserting import upsert_customer
from personas.models import Persona, PersonaMembership
from tests.api import Caller, assert_pinned, errors

pytestmark = pytest.mark.django_db
OWN = "customers/by-id/erp"


@pytest.fixture
def api(ada: Any) -> Caller:
    return Caller(ada)


@pytest.fixture
def eva(amy: Any) -> Customer:
    return create_customer(
        values={"name": "Eva Lind", "city": "Lund"}, identities=[Handle("email", "eva@example.org")], by=amy
    )


@pytest.fixture
def _plan(ada: Any) -> None:
    define_field(key="plan", label="Plan", type="choice", choices=["Free", "Plus"], by=ada)


def put(api: Caller, key: str, body: Any) -> Any:
    return api._send("put", f"{OWN}/{key}/", body)


@pytest.mark.usefixtures("_plan")
def test_custom_values_and_origins_go_in_and_out(api: Caller, eva: Customer) -> None:
    answer = api.patch(f"customers/{eva.pk}/", {"custom": {"plan": "plus"}, "city": "Malmö", "job": "Nurse"})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["custom"], body["city"], body["kept"]) == ({"plan": "Plus"}, "Lund", ["city"])
    assert body["origins"]["custom.plan"]["source"] == body["origins"]["job"]["source"] == "api:test"
    assert body["origins"]["city"]["source"] == "staff"
    assert api.get(f"customers/{eva.pk}/").json()["custom"] == {"plan": "Plus"}


@pytest.mark.usefixtures("_plan")
@pytest.mark.parametrize(
    ("custom", "where"),
    [({"plan": "Gold"}, "custom.plan"), ({"nope": 1}, "custom.nope"), ([], "custom")],
)
def test_a_bad_custom_value_is_refused_with_its_place(
    api: Caller, eva: Customer, custom: Any, where: str
) -> None:
    answer = api.patch(f"customers/{eva.pk}/", {"custom": custom, "job": "Nurse"})
    assert answer.status_code == 400
    assert where in [attr for _code, attr in errors(answer)]
    eva.refresh_from_db()
    assert (eva.custom, eva.job) == ({}, "")


@pytest.mark.usefixtures("_plan")
def test_the_list_is_filtered_by_the_workspaces_own_fields(api: Caller, eva: Customer, ada: Any) -> None:
    define_field(key="age", label="Age", type="number", by=ada)
    api.patch(f"customers/{eva.pk}/", {"custom": {"plan": "Free", "age": 38}})
    create_customer(values={"name": "Bo"}, by=ada)

    def names(**query: Any) -> list[str]:
        answer = api.get("customers/", **query)
        assert answer.status_code == 200, answer.content
        return [one["name"] for one in answer.json()["results"]]

    assert (
        names(cf_plan="free") == names(cf_age="38") == names(cf_age_min="30", cf_age_max="40") == ["Eva Lind"]
    )
    assert names(cf_plan="Plus") == names(cf_age_min="39") == []
    assert errors(api.get("customers/", cf_plan="Gold")) == [("invalid", "cf_plan")]
    assert errors(api.get("customers/", cf_nope="1")) == [("unknown_parameter", "cf_nope")]
    assert names(ids=f"{eva.pk}") == ["Eva Lind"]
    assert errors(api.get("customers/", ids="1,x")) == [("invalid", "ids")]


# By the caller's own id


def test_the_same_call_twice_is_one_customer(api: Caller) -> None:
    body = {"name": "Bo Ek", "identities": [{"network": "email", "external_id": "bo@example.org"}]}
    first, second = put(api, "4711", body), put(api, "4711", {**body, "city": "Lund"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert second.json()["city"] == "Lund"
    assert {(one["network"], one["issuer"]) for one in second.json()["identities"]} == {
        ("id", "erp"),
        ("email", ""),
    }
    assert api.get(f"{OWN}/4711/").json()["id"] == first.json()["id"]
    assert api.get(f"{OWN}/4712/").status_code == 404
    assert api.get("customers/by-id/crm/4711/").status_code == 404


def test_an_identity_somebody_has_leads_to_them(api: Caller, eva: Customer) -> None:
    body = {"city": "Malmö", "identities": [{"network": "email", "external_id": "EVA@example.org"}]}
    answer = put(api, "4711", body)
    assert (answer.status_code, answer.json()["id"], answer.json()["kept"]) == (200, eva.pk, ["city"])
    assert Identity.objects.get(network="id", issuer="erp", external_id="4711").customer == eva


def test_identities_of_several_customers_are_answered_409_with_their_numbers(
    api: Caller, eva: Customer, amy: Any
) -> None:
    bo = create_customer(values={"name": "Bo"}, identities=[Handle("email", "bo@example.org")], by=amy)
    named = [{"network": "email", "external_id": one} for one in ("eva@example.org", "bo@example.org")]
    answer = put(api, "4711", {"name": "Both", "identities": named})
    assert (answer.status_code, errors(answer)) == (409, [("several_customers", None)])
    assert f"{eva.pk}, {bo.pk}" in answer.json()["errors"][0]["detail"]
    assert not Identity.objects.filter(network="id").exists()


def test_the_own_id_follows_a_merge(api: Caller, eva: Customer, ada: Any) -> None:
    made = put(api, "4711", {"name": "E. Lind"}).json()["id"]
    merge_customers(keep=eva, drop=Customer.objects.get(pk=made), by=ada)
    assert put(api, "4711", {"job": "Nurse"}).json()["id"] == eva.pk


@pytest.mark.parametrize("key", ["-x/1", "a b/1", "x" * 61 + "/1"])
def test_a_source_is_a_short_name(api: Caller, key: str) -> None:
    assert api._send("put", f"customers/by-id/{key}/", {"name": "Bo"}).status_code == 404


def test_viewers_upsert_nobody(vic: Any, ada: Any) -> None:
    assert put(Caller(vic, maker=ada), "4711", {"name": "Bo"}).status_code == 403
    assert not Customer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_upserts_at_once_make_one_customer(ada: Any) -> None:
    start = threading.Barrier(4, timeout=20)

    def upsert(number: int) -> int:
        try:
            start.wait()
            handles = [Handle("email", "bo@example.org")]
            values = {"name": "Bo", "city": f"City {number}"}
            done = upsert_customer(source="erp", external_id="1", values=values, identities=handles, by=ada)
            return done.customer.pk
        finally:
            connection.close()

    for _round in range(5):
        with ThreadPoolExecutor(4) as pool:
            found = set(pool.map(upsert, range(4)))
        assert len(found) == 1
        assert Customer.objects.count() == 1 and Identity.objects.count() == 2
        Identity.objects.all().delete()
        Customer.objects.all().delete()


# Notes, tasks, belonging, tags, fields


def test_notes_are_written_read_and_changed_by_their_author(api: Caller, eva: Customer, max: Any) -> None:
    made = api.post(f"customers/{eva.pk}/notes/", {"text": "Rings before nine"})
    assert made.status_code == 201
    pk = made.json()["id"]
    assert [one["id"] for one in api.get(f"customers/{eva.pk}/notes/").json()["results"]] == [pk]
    assert api.get("notes/", customer=eva.pk).json()["results"][0]["text"] == "Rings before nine"
    other = Caller(max, ["customer.read", "note.write"], maker=api.key.created_by)
    assert other.patch(f"notes/{pk}/", {"text": "No"}).status_code == 403
    assert other.delete(f"notes/{pk}/").status_code == 403
    assert api.patch(f"notes/{pk}/", {"text": "Rings at ten"}).json()["edited_at"]
    assert api.delete(f"notes/{pk}/").status_code == 204
    assert not CustomerNote.objects.exists()


def test_tasks_are_added_changed_and_ticked_off(api: Caller, eva: Customer, amy: Any) -> None:
    made = api.post(
        "tasks/", {"customer": eva.pk, "title": "Ring", "due_on": "2026-03-02", "assignee": amy.pk}
    )
    assert made.status_code == 201
    pk = made.json()["id"]
    assert api.patch(f"tasks/{pk}/", {"title": "Ring back", "done": True}).json()["done_at"]
    assert api.get("tasks/", done="false").json()["results"] == []
    assert api.patch(f"tasks/{pk}/", {"done": False}).json()["done_at"] is None
    listed = api.get("tasks/", assignee=amy.pk, due_before="2026-03-03").json()["results"]
    assert [one["title"] for one in listed] == ["Ring back"]
    assert Task.objects.count() == 1
    regulars = Persona.objects.create(name="Regulars", tone=1)
    PersonaMembership.objects.create(customer=eva, persona=regulars, confidence=1, since=timezone.now())
    assert [one["id"] for one in api.get("tasks/", persona=regulars.pk).json()["results"]] == [pk]
    assert api.get("tasks/", persona="none").json()["results"] == []


def test_belonging_is_pushed_as_often_as_one_likes(api: Caller, eva: Customer, amy: Any) -> None:
    firm = create_customer(values={"name": "Firm", "kind": "organization"}, by=amy)
    body = {"person": eva.pk, "organization": firm.pk, "role": "Buyer"}
    first, second = api.post("affiliations/", body), api.post("affiliations/", {**body, "role": "Owner"})
    assert (first.status_code, second.status_code, second.json()["role"]) == (201, 200, "Owner")
    assert [one["id"] for one in api.get("customers/", organization=firm.pk).json()["results"]] == [eva.pk]
    wrong = api.post("affiliations/", {"person": firm.pk, "organization": eva.pk})
    assert (wrong.status_code, errors(wrong)) == (400, [("invalid", "person")])
    assert api.delete(f"affiliations/{first.json()['id']}/").status_code == 204
    assert api.get("affiliations/").json()["results"] == []


def test_tags_are_put_on_and_taken_off(api: Caller, eva: Customer) -> None:
    tag = api.post(f"customers/{eva.pk}/tags/", {"name": "VIP"}).json()
    assert api.post(f"customers/{eva.pk}/tags/", {"name": "vip"}).json() == tag
    assert api.get(f"customers/{eva.pk}/").json()["tags"] == ["VIP"]
    assert api.get("tags/").json()["results"] == [tag]
    assert api.delete(f"customers/{eva.pk}/tags/{tag['id']}/").status_code == 204
    assert api.delete(f"customers/{eva.pk}/tags/{tag['id']}/").status_code == 204
    assert api.get(f"customers/{eva.pk}/").json()["tags"] == []


def test_fields_are_defined_by_leads(api: Caller, ada: Any, amy: Any) -> None:
    body = {"key": "plan", "label": "Plan", "type": "choice", "choices": ["Free", "Plus"]}
    made = api.post("custom-fields/", body)
    assert made.status_code == 201
    assert api.post("custom-fields/", body).status_code == 400
    assert errors(api.post("custom-fields/", {**body, "key": "Plan!"})) == [("invalid", "key")]
    assert Caller(amy, maker=ada).post("custom-fields/", {**body, "key": "x"}).status_code == 403
    pk = made.json()["id"]
    assert api.patch(f"custom-fields/{pk}/", {"is_archived": True}).json()["is_archived"]
    assert [one["key"] for one in api.get("custom-fields/").json()["results"]] == ["plan"]


@pytest.mark.usefixtures("_plan")
def test_lists_take_a_pinned_number_of_statements(api: Caller, eva: Customer, ada: Any) -> None:
    firm = create_customer(values={"name": "Firm", "kind": "organization"}, by=ada)
    for number in range(3):
        api.post(f"customers/{eva.pk}/notes/", {"text": f"note {number}"})
        api.post("tasks/", {"customer": eva.pk, "title": f"task {number}"})
        bo = create_customer(values={"name": f"Bo {number}"}, by=ada)
        api.post("affiliations/", {"person": bo.pk, "organization": firm.pk})
        api.post(f"customers/{eva.pk}/tags/", {"name": f"tag {number}"})
    for name in ("note", "task", "affiliation", "tag", "custom-field"):
        assert_pinned(f"api:{name}-list", api, f"{name}s/")
    assert_pinned("api:customer-notes", api, f"customers/{eva.pk}/notes/")
    assert json.loads(api.get("notes/", limit=2).content)["next"]
