"""Segments, personas and rebuilds over REST."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from core.jobs import run_job
from core.models import Job
from crm.merging import merge_customers
from crm.models import Customer
from personas.models import ModelCard, PeopleCount, Persona, PersonaMembership, Segment
from tests.api import Caller, assert_pinned, errors

pytestmark = pytest.mark.django_db

SWEDES = {"all": [{"field": "customer.city", "op": "is", "value": "Lund"}]}


@pytest.fixture
def api(ada: Any) -> Caller:
    return Caller(ada)


@pytest.fixture
def people() -> list[Customer]:
    return [Customer.objects.create(name=f"C{n}", city="Lund" if n < 3 else "Oslo") for n in range(5)]


def build_all() -> None:
    for job in Job.objects.filter(state="queued"):
        run_job(job.pk)


def test_a_segment_is_made_built_read_and_explained(api: Caller, people: list[Customer]) -> None:
    made = api.post("segments/", {"name": "Lund", "rule": SWEDES})
    assert made.status_code == 201
    body = made.json()
    assert (body["version"], body["built_version"], body["size"]) == (1, 0, 0)
    assert "Lund" in body["sentence"]
    assert body["rule"] == {"version": 1, **SWEDES}
    assert AuditEntry.objects.get(verb="segment.created").api_key == api.key
    build_all()
    place = f"segments/{body['id']}/"
    assert api.get(place).json()["size"] == 3
    members = api.get(f"{place}members/").json()["results"]
    assert {one["customer"] for one in members} == {one.pk for one in people[:3]}
    assert {one["name"] for one in members} == {"C0", "C1", "C2"}
    why = api.get(f"{place}explain/", customer=people[0].pk).json()
    assert (why["is_member"], why["holds"], why["why"]["holds"]) == (True, True, True)
    leaf = why["why"]["children"][0] if why["why"]["children"] else why["why"]
    assert leaf["found"] == "Lund"
    assert api.get(f"{place}explain/", customer=people[4].pk).json()["holds"] is False
    assert errors(api.get(f"{place}explain/", customer=2_000_000_000)) == [("not_found", None)]
    assert errors(api.get(f"{place}explain/", customer="x")) == [("invalid", "customer")]


def test_another_rule_is_another_version(api: Caller, people: list[Customer]) -> None:
    place = f"segments/{api.post('segments/', {'name': 'Lund', 'rule': SWEDES}).json()['id']}/"
    build_all()
    named = api.patch(place, {"name": "In Lund", "description": "Near us"}).json()
    assert (named["name"], named["version"]) == ("In Lund", 1)
    other = {"all": [{"field": "customer.city", "op": "is", "value": "Oslo"}]}
    assert api.patch(place, {"rule": other}).json()["version"] == 2
    build_all()
    assert api.get(place).json()["size"] == 2
    frozen = api.patch(place, {"is_frozen": True}).json()
    assert frozen["is_frozen"] is True
    refused = api.patch(place, {"rule": SWEDES})
    assert (refused.status_code, Segment.objects.get().version) == (400, 2)
    assert api.patch(place, {"rule": SWEDES, "is_frozen": False}).json()["version"] == 3


def test_a_segment_that_another_asks_about_stays(api: Caller, people: list[Customer]) -> None:
    first = api.post("segments/", {"name": "Lund", "rule": SWEDES}).json()["id"]
    asks = {"all": [{"field": "segment", "op": "in", "value": [first]}]}
    second = api.post("segments/", {"name": "Asks", "rule": asks})
    assert second.status_code == 201, second.content
    refused = api.delete(f"segments/{first}/")
    assert (refused.status_code, errors(refused)) == (400, [("invalid", "non_field_errors")])
    assert api.delete(f"segments/{second.json()['id']}/").status_code == 204
    assert api.delete(f"segments/{first}/").status_code == 204
    assert not Segment.objects.exists()


@pytest.mark.parametrize(
    ("rule", "attr"),
    [
        ({"all": [{"field": "customer.shoe", "op": "is", "value": "x"}]}, "rule.all[0].field"),
        ({"all": [{"field": "customer.city", "op": "is", "value": 5}]}, "rule.all[0].value"),
        ({"all": [{"field": "customer.city", "op": "is", "value": "a\x00b"}]}, "rule.all[0].value"),
        ({"all": [{"field": "customer.city", "op": "is", "value": "\ud800"}]}, "rule.all[0].value"),
        ({"some": []}, "rule"),
        ("everybody", "rule"),
        (None, "rule"),
        ([], "rule"),
    ],
)
def test_a_wrong_rule_is_refused_with_the_place(api: Caller, rule: Any, attr: str) -> None:
    for path, body in (("segments/preview/", {"rule": rule}), ("segments/", {"name": "x", "rule": rule})):
        answer = api.post(path, body)
        assert answer.status_code == 400, answer.content
        assert [found for _code, found in errors(answer)] == [attr]
    assert not Segment.objects.exists()


def test_a_deep_rule_is_refused(api: Caller) -> None:
    rule: Any = SWEDES
    for _ in range(300):
        rule = {"not": rule}
    assert api.post("segments/preview/", {"rule": rule}).status_code == 400


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"name": "Lund"}, ("required", "rule")),
        ({"name": " ", "rule": SWEDES}, ("blank", "name")),
        ({"name": "x" * 121, "rule": SWEDES}, ("max_length", "name")),
        ({"name": "taken", "rule": SWEDES}, ("invalid", "non_field_errors")),
        ({"name": "new", "rule": SWEDES, "size": 9}, ("unknown_field", "size")),
    ],
)
def test_a_wrong_segment_is_refused(api: Caller, body: Any, wrong: Any) -> None:
    api.post("segments/", {"name": "taken", "rule": SWEDES})
    answer = api.post("segments/", body)
    assert (answer.status_code, errors(answer)) == (400, [wrong])


def test_a_rule_is_tried_without_being_kept(api: Caller, people: list[Customer]) -> None:
    api.post("segments/", {"name": "Lund", "rule": SWEDES})
    build_all()
    found = api.post("segments/preview/", {"rule": SWEDES}).json()
    assert (found["customers"], found["total"], found["leaves"]) == (
        3,
        5,
        [{"customers": 3, "margin": 0}],
    )
    assert (found["margin"], found["is_exact"], found["base"]) == (0, True, 5)
    first = api.post("segments/preview/", {"rule": SWEDES, "first": True}).json()
    assert (first["customers"], first["sample"], first["overlaps"]) == (3, [], [])
    assert sorted(found["sample"]) == [one.pk for one in people[:3]]
    assert [(one["name"], one["customers"]) for one in found["overlaps"]] == [("Lund", 3)]
    assert Segment.objects.count() == 1
    ModelCard.objects.create(name="category", run_at=timezone.now(), parameters={"names": ["pots", "seeds"]})
    for persona, n in ((1, 4), (2, 1)):
        PeopleCount.objects.create(fact="interest", value="cooking", persona_id=persona, customers=n)
    PeopleCount.objects.create(fact="interest", value="hiking", customers=9)
    PeopleCount.objects.create(fact="interest", customers=9)
    fields = api.get("segments/fields/").json()
    by_name = {one["name"]: one for group in fields["groups"] for one in group["fields"]}
    assert by_name["customer.city"]["suggestions"] == []
    assert by_name["traits.top_category"]["suggestions"] == ["pots", "seeds"]
    interests = by_name["customer.interests"]
    assert interests["suggestions"] == ["hiking", "cooking"]
    assert "is" not in [one["name"] for one in interests["operators"]], "it is a list"
    people[0].language = "pt-BR"
    people[0].save()
    for name, value, label, told, n in (
        ("traits.language", "pt", "Portuguese", "who speak Portuguese", 1),
        ("traits.country", "SE", "Sweden", "who live in Sweden", 0),
    ):
        assert {"value": value, "label": label} in by_name[name]["choices"]
        rule = {"all": [{"field": name, "op": "is", "value": value}]}
        found = api.post("segments/preview/", {"rule": rule}).json()
        assert (found["sentence"], found["customers"]) == (f"Customers {told}.", n)


def test_a_segment_is_counted_by_one_job_at_a_time(api: Caller, people: list[Customer]) -> None:
    segment = api.post("segments/", {"name": "Lund", "rule": SWEDES}).json()["id"]
    refused = api.post(f"segments/{segment}/build/")
    assert (refused.status_code, errors(refused)) == (409, [("job_open", None)])
    build_all()
    again = api.post(f"segments/{segment}/build/")
    assert again.status_code == 202
    assert again["Location"].endswith(f"/api/v1/jobs/{again.json()['id']}/")


@pytest.mark.parametrize("path", ["rereads/", "persona-models/"])
def test_what_takes_no_fields_says_so(api: Caller, path: str) -> None:
    answer = api.post(path, {"features": ["tags"]})
    assert (answer.status_code, errors(answer)) == (400, [("unknown_field", "features")])
    assert answer.json()["errors"][0]["detail"].endswith("Known: none.")
    assert not Job.objects.exists()


def test_one_rebuild_runs_at_a_time(api: Caller) -> None:
    first = api.post("rebuilds/", {"full": True})
    assert (first.status_code, first.json()["kind"], first.json()["state"]) == (202, "rebuild", "queued")
    second = api.post("rebuilds/", {})
    assert (second.status_code, errors(second)) == (409, [("job_open", None)])
    assert first.json()["id"] in second.json()["errors"][0]["detail"]
    assert errors(api.post("rebuilds/", {"full": "very"})) == [("invalid", "full")]
    assert errors(api.post("rebuilds/", [])) == [("invalid", "non_field_errors")]


@pytest.fixture
def persona(people: list[Customer]) -> Persona:
    made = Persona.objects.create(name="Loyal", rank=1, members=3, share=0.6, card={"base": {"customers": 3}})
    for n, one in enumerate(people[:3]):
        PersonaMembership.objects.create(
            customer=one,
            persona=made,
            confidence=0.5 + n / 10,
            reasons=["Orders often"],
            since=timezone.now(),
        )
    return made


def test_personas_are_read_with_their_cards_and_members(
    api: Caller, persona: Persona, people: list[Customer]
) -> None:
    listed = api.get("personas/", is_active="true").json()["results"]
    assert [one["name"] for one in listed] == ["Loyal"] and "card" not in listed[0]
    assert api.get("personas/", is_active="false").json()["results"] == []
    assert api.get(f"personas/{persona.pk}/").json()["card"] is None, "of an earlier shape"
    members = api.get(f"personas/{persona.pk}/members/", limit=2).json()
    assert [one["name"] for one in members["results"]] == ["C2", "C1"]
    assert members["results"][0]["reasons"] == ["Orders often"]
    rest = api.client.get(members["next"]).json()["results"]
    assert [one["customer"] for one in rest] == [people[0].pk]


def test_a_customer_says_where_it_belongs(
    api: Caller, ada: Any, persona: Persona, people: list[Customer]
) -> None:
    api.post("segments/", {"name": "Lund", "rule": SWEDES})
    build_all()
    body = api.get(f"customers/{people[0].pk}/memberships/").json()
    assert (body["persona"]["name"], body["persona"]["confidence"]) == ("Loyal", 0.5)
    assert [one["name"] for one in body["segments"]] == ["Lund"]
    none = api.get(f"customers/{people[4].pk}/memberships/").json()
    assert (none["persona"], none["segments"]) == (None, [])
    merge_customers(keep=people[0], drop=people[4], by=ada)
    moved = api.get(f"customers/{people[4].pk}/memberships/")
    assert (moved.status_code, moved.json()["merged_into"]) == (301, people[0].pk)


def test_rights_are_the_keys_and_the_makers(ada: Any, amy: Any, mia: Any, people: list[Customer]) -> None:
    mias, amys = Caller(mia, maker=ada), Caller(amy, maker=ada)
    made = mias.post("segments/", {"name": "Lund", "rule": SWEDES})
    assert made.status_code == 201
    place = f"segments/{made.json()['id']}/"
    assert amys.get(place).status_code == 200
    assert amys.post("segments/preview/", {"rule": SWEDES}).status_code == 200
    for answer in (
        amys.post("segments/", {"name": "x", "rule": SWEDES}),
        amys.patch(place, {"name": "x"}),
        amys.delete(place),
        amys.post(f"{place}build/"),
        amys.post("rebuilds/", {}),
        Caller(ada, ["segment.read"]).get("personas/"),
        Caller(ada, ["persona.read"]).get("segments/"),
    ):
        assert (answer.status_code, errors(answer)) == (403, [("permission_denied", None)])


def test_lists_take_a_pinned_number_of_statements(
    api: Caller, persona: Persona, people: list[Customer]
) -> None:
    for n in range(4):
        api.post("segments/", {"name": f"Lund {n}", "rule": SWEDES})
        Persona.objects.create(name=f"P{n}", rank=n + 2)
    build_all()
    segment = Segment.objects.first()
    assert segment is not None
    assert_pinned("api:segment-list", api, "segments/")
    assert_pinned("api:segment-members", api, f"segments/{segment.pk}/members/")
    assert_pinned("api:persona-list", api, "personas/")
    assert_pinned("api:persona-members", api, f"personas/{persona.pk}/members/")
    assert_pinned("api:customer-memberships", api, f"customers/{people[0].pk}/memberships/")
