"""Pages on which customers are merged and handles attached and detached."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm import facts
from crm.models import Customer, Identity, MergeRecord
from crm.services import Handle, create_customer
from tests.crm.merging_world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def eva(max: Any) -> Customer:
    return _person("Eva Berg", "eva@example.org", max, city="Lund", job="Baker")


@pytest.fixture
def ben(max: Any) -> Customer:
    return _person("E. Berg", "eb@example.org", max, city="Malmö")


def _person(name: str, address: str, by: Any, **values: Any) -> Customer:
    made = create_customer(values={"name": name}, identities=[Handle("email", address)], by=by)
    facts.take(made, values, source="import")
    made.save()
    return made


def test_records_stand_side_by_side_with_what_differs_and_who_said_so(
    eva: Customer, ben: Customer, amy: Any, signed_in: Any
) -> None:
    text = signed_in(amy).get(f"/customers/merge/?ids={eva.pk},{ben.pk}").content.decode()
    for word in (
        "Eva Berg",
        "E. Berg",
        "eva@example.org",
        "Lund",
        "Malmö",
        "from an import",
        "Merge 2 records",
    ):
        assert word in text
    assert f'name="pick.city" value="{ben.pk}" checked' in text
    assert f'name="keep" value="{eva.pk}" checked' in text
    assert "pick.language" not in text


def test_a_merge_takes_what_was_picked_and_offers_the_way_back(
    eva: Customer, ben: Customer, amy: Any, signed_in: Any
) -> None:
    browser = signed_in(amy)
    sent = {
        "ids": f"{eva.pk},{ben.pk}",
        "keep": ben.pk,
        "pick.city": eva.pk,
        "pick.name": ben.pk,
        "pick.job": eva.pk,
    }
    answer = browser.post("/customers/merge/", sent, follow=True)
    record = MergeRecord.objects.get()
    assert answer.redirect_chain[-1][0] == f"/customers/{ben.pk}/?merged={record.pk}"
    kept = Customer.objects.get(pk=ben.pk)
    assert (kept.name, kept.city, kept.job) == ("E. Berg", "Lund", "Baker")
    assert "Merged into this customer" in answer.content.decode()
    assert browser.get(f"/customers/{eva.pk}/").status_code == 301
    browser.post("/customers/merges/undo/", {"record": record.pk})
    record.refresh_from_db()
    assert record.undone_by == amy
    page = browser.get(f"/customers/{ben.pk}/").content.decode()
    assert "undone by Amy" in page


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 200),
        ("?ids=", 200),
        ("?ids=x", 400),
        ("?ids=999999999", 200),
        ("?ids=1,,2", 200),
        ("?ids=" + "9" * 30, 400),
    ],
)
def test_any_address_of_a_merge_is_answered(query: str, status: int, amy: Any, signed_in: Any) -> None:
    assert signed_in(amy).get(f"/customers/merge/{query}").status_code == status


def test_a_merge_that_cannot_be_says_why_and_changes_nothing(eva: Customer, max: Any, signed_in: Any) -> None:
    firm = create_customer(values={"name": "Firm", "kind": "organization"}, by=max)
    browser = signed_in(max)
    answer = browser.post("/customers/merge/", {"ids": f"{eva.pk},{firm.pk}", "keep": eva.pk})
    assert (answer.status_code, MergeRecord.objects.count()) == (422, 0)
    assert "cannot be one" in answer.content.decode()
    bad = {"ids": f"{eva.pk},{firm.pk}", "keep": eva.pk, "pick.name": "x"}
    assert browser.post("/customers/merge/", bad).status_code == 400
    assert browser.post("/customers/merge/", {"ids": f"{eva.pk}"}).status_code == 422
    nobody = {"ids": f"{eva.pk},{firm.pk}", "keep": "77"}
    assert browser.post("/customers/merge/", nobody).status_code == 422


def test_others_are_found_by_a_part_of_a_name_and_without_those_chosen(
    eva: Customer, ben: Customer, amy: Any, signed_in: Any
) -> None:
    text = signed_in(amy).get(f"/customers/merge/find/?find=Berg&ids={eva.pk}").content.decode()
    assert f"ids={eva.pk},{ben.pk}" in text
    assert "Eva Berg" not in text


def test_who_may_not_merge_sees_no_way_to_it(
    eva: Customer, ben: Customer, vic: Any, mia: Any, signed_in: Any
) -> None:
    identity = Identity.objects.get(customer=eva)
    for user in (vic, mia):
        browser = signed_in(user)
        assert browser.get(f"/customers/merge/?ids={eva.pk}").status_code == 403
        assert browser.get("/customers/merge/find/?find=x").status_code == 403
        assert browser.post("/customers/merge/", {}).status_code == 403
        assert browser.post("/customers/merges/undo/", {}).status_code == 403
        assert browser.post(f"/customers/identities/{identity.pk}/detach/").status_code == 403
        assert browser.post(f"/customers/identities/{identity.pk}/attach/").status_code == 403
        page = browser.get(f"/customers/identities/{identity.pk}/")
        assert (page.status_code, b"Take off" in page.content) == (200, False)


def test_of_many_that_were_chosen_the_first_stand_there_and_that_is_said(amy: Any, signed_in: Any) -> None:
    pks = [Customer.objects.create(name=f"Customer {n}").pk for n in range(13)]
    text = signed_in(amy).get("/customers/merge/?ids=" + ",".join(map(str, pks))).content.decode()
    assert "the first 11 of those you chose" in text
    assert text.count('name="keep"') == 11


def test_strangers_sign_in_first(eva: Customer, anonymous: Any) -> None:
    identity = Identity.objects.get(customer=eva)
    for path in ("/customers/merge/", "/customers/merge/find/", f"/customers/identities/{identity.pk}/"):
        answer = anonymous.get(path)
        assert (answer.status_code, "/accounts/login/" in answer["Location"]) == (302, True)


def test_a_handle_goes_to_another_customer_and_comes_off_again_where_the_reader_was(
    eva: Customer, ben: Customer, amy: Any, signed_in: Any
) -> None:
    browser, identity = signed_in(amy), Identity.objects.get(customer=ben)
    path = f"/customers/identities/{identity.pk}"
    shown = browser.get(f"{path}/?to={eva.pk}").content.decode()
    assert "Attach to Eva Berg" in shown
    answer = browser.post(f"{path}/attach/", {"other": eva.pk, "next": "/inbox/?view=all"})
    assert answer["Location"] == "/inbox/?view=all"
    identity.refresh_from_db()
    assert identity.customer == eva
    fragment = browser.get(
        f"{path}/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/inbox/9/"}
    )
    assert "undoes that merge" in fragment.content.decode()
    assert 'value="/inbox/9/"' in fragment.content.decode()
    answer = browser.post(f"{path}/detach/", {"next": "https://elsewhere.example/"})
    assert answer["Location"] == f"/customers/{eva.pk}/"
    identity.refresh_from_db()
    assert identity.customer == ben


def test_attaching_to_nobody_asks_again(eva: Customer, amy: Any, signed_in: Any) -> None:
    identity = Identity.objects.get(customer=eva)
    answer = signed_in(amy).post(f"/customers/identities/{identity.pk}/attach/", {"other": ""}, follow=True)
    assert "choose one" in answer.content.decode()


def test_the_list_leads_to_the_merge_of_those_chosen(
    eva: Customer, ben: Customer, amy: Any, signed_in: Any
) -> None:
    page = signed_in(amy).get("/customers/").content.decode()
    assert page.count("data-row") == 2


def test_the_preview_costs_the_same_for_two_and_for_ten(max: Any, amy: Any, signed_in: Any) -> None:
    world = World(max)
    for name in ("eva", "ben", "cia", "dan", "edo", "fay"):
        world.arrive(name)
        world.buy(name)
        world.keep_record(name)
    pks = list(Customer.objects.values_list("pk", flat=True))
    counts = []
    for some in (pks[:2], pks):
        with CaptureQueriesContext(connection) as found:
            answer = signed_in(amy).get("/customers/merge/?ids=" + ",".join(map(str, some)))
        assert answer.status_code == 200
        counts.append(len(found))
    assert counts[1] - counts[0] <= 2 * (len(pks) - 2)
