"""Merging and moving handles over the API."""

from __future__ import annotations

from typing import Any

import pytest

from crm.models import Customer, Identity, MergeRecord
from tests.api import Caller, assert_pinned, errors
from tests.crm.merging_world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(max: Any) -> World:
    made = World(max)
    for name in ("eva", "ben", "cia"):
        made.arrive(name)
    return made


@pytest.fixture
def api(amy: Any, ada: Any) -> Caller:
    return Caller(amy, maker=ada)


def pk(name: str) -> int:
    return Identity.objects.get(external_id=name).customer_id


def test_customers_are_merged_listed_and_parted_again(world: World, api: Caller, amy: Any) -> None:
    eva, ben, cia = pk("eva"), pk("ben"), pk("cia")
    answer = api.post("customers/merge/", {"keep": eva, "drop": [ben, cia], "fields": {"name": ben}})
    assert answer.status_code == 201, answer.content
    first, second = answer.json()
    assert (first["keep"], first["drop"], first["fields_taken"], first["by"]) == (eva, ben, ["name"], amy.pk)
    assert (first["why"], len(first["identities"])) == ("by_hand", 1)
    assert Customer.objects.get(pk=eva).name == "Ben"
    gone = api.get(f"customers/{cia}/")
    assert (gone.status_code, gone.json()["merged_into"]) == (301, eva)
    listed = api.get("merges/", customer=cia).json()["results"]
    assert [one["id"] for one in listed] == [second["id"]]
    undone = api.post(f"merges/{first['id']}/undo/")
    assert (undone.status_code, undone.json()["undone_by"]) == (200, amy.pk)
    assert [one["id"] for one in api.get("merges/", undone="true").json()["results"]] == [first["id"]]
    assert (pk("ben"), Customer.objects.get(pk=eva).name) == (ben, "Eva")
    again = api.post(f"merges/{first['id']}/undo/")
    assert (again.status_code, errors(again)) == (409, [("cannot_merge", None)])


def test_what_cannot_be_merged_is_answered_409_or_400(world: World, api: Caller) -> None:
    eva, ben = pk("eva"), pk("ben")
    firm = Customer.objects.create(name="Firm", kind="organization").pk
    for body in (
        {"keep": eva, "drop": [eva]},
        {"keep": eva, "drop": [firm]},
        {"keep": eva, "drop": [ben], "fields": {"x": ben}},
    ):
        answer = api.post("customers/merge/", body)
        assert (answer.status_code, errors(answer)) == (409, [("cannot_merge", None)])
    for body in (
        {"keep": eva, "drop": []},
        {"keep": eva, "drop": [10**12]},
        {"keep": eva},
        {"keep": eva, "drop": [ben] * 11},
    ):
        assert api.post("customers/merge/", body).status_code == 400
    assert not MergeRecord.objects.exists()


def test_an_identity_moves_and_comes_off_again(world: World, api: Caller) -> None:
    eva, ben = pk("eva"), pk("ben")
    identity = Identity.objects.get(external_id="ben").pk
    moved = api.post(f"identities/{identity}/move/", {"customer": eva})
    assert (moved.status_code, moved.json()["identity"]["customer"]) == (200, eva)
    assert moved.json()["merge"] == MergeRecord.objects.get().pk
    off = api.post(f"identities/{identity}/detach/")
    assert (off.status_code, off.json()["identity"]["customer"]) == (200, ben)
    assert api.post(f"identities/{identity}/move/", {"customer": 10**12}).status_code == 400
    assert api.post("identities/999999/detach/").status_code == 404


def test_a_key_that_may_not_merge_is_refused(world: World, mia: Any, ada: Any) -> None:
    api = Caller(mia, maker=ada)
    identity = Identity.objects.get(external_id="ben").pk
    body = {"keep": pk("eva"), "drop": [pk("ben")]}
    assert api.post("customers/merge/", body).status_code == 403
    assert api.post(f"identities/{identity}/move/", {"customer": pk("eva")}).status_code == 403
    assert api.post(f"identities/{identity}/detach/").status_code == 403
    assert api.get("merges/").status_code == 200


def test_the_list_of_merges_takes_as_many_statements_as_pinned(world: World, api: Caller) -> None:
    api.post("customers/merge/", {"keep": pk("eva"), "drop": [pk("ben"), pk("cia")]})
    assert_pinned("api:merge-list", api, "merges/")
