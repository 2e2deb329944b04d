"""Customers, identities and orders over REST."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry
from core.models import Event, Workspace
from crm.merging import merge_customers, undo_merge
from crm.models import Customer, CustomerTag, Identity, Order, Tag
from crm.services import Handle, attach_identity, create_customer
from tests.api import Caller, assert_pinned, errors

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(ada: Any) -> Caller:
    return Caller(ada)


@pytest.fixture
def eva(ada: Any) -> Customer:
    return customer(ada, "Eva Lind", "eva@example.org", country="SE")


def customer(by: Any, name: str, *addresses: str, **values: Any) -> Customer:
    handles = [Handle("email", address) for address in addresses]
    return create_customer(values={"name": name, **values}, identities=handles, by=by)


def order(key: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "source": "webshop",
        "external_id": key,
        "customer": {"network": "email", "external_id": "eva@example.org", "name": "Eva Lind"},
        "placed_at": "2026-03-02T09:00:00Z",
        "total": "49.90",
        "currency": "USD",
        **more,
    }


# Customers


def test_a_customer_is_made_with_identities_and_told_to_everybody(api: Caller) -> None:
    answer = api.post(
        "customers/",
        {
            "name": " Eva Lind ",
            "country": "SE",
            "identities": [
                {"network": "email", "external_id": "Eva@Example.org "},
                {"network": "phone", "external_id": "+46 70 123 45 67", "verified": True},
            ],
        },
    )
    assert answer.status_code == 201
    made = answer.json()
    assert made["name"] == "Eva Lind"
    assert [one["external_id"] for one in made["identities"]] == ["eva@example.org", "+46701234567"]
    assert answer["Location"] == f"http://testserver/api/v1/customers/{made['id']}/"
    assert AuditEntry.objects.get(verb="customer.created").api_key == api.key
    assert Event.objects.get(type="customer.created").ids["customer"] == made["id"]


def test_somebody_elses_identity_makes_nothing(api: Caller, eva: Customer) -> None:
    body = {"name": "Other", "identities": [{"network": "email", "external_id": "EVA@example.org"}]}
    answer = api.post("customers/", body)
    assert (answer.status_code, errors(answer)) == (409, [("identity_taken", None)])
    assert Customer.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, ("required", None)),
        ({"name": 5}, ("invalid", "name")),
        ({"name": "a" * 201}, ("max_length", "name")),
        ({"name": "Eva", "nmae": "x"}, ("unknown_field", "nmae")),
        ({"name": "Eva", "country": "Sweden"}, ("invalid", "country")),
        ({"name": "Eva", "stage": "fan"}, ("invalid_choice", "stage")),
        ({"name": "Eva", "birth_year": 20000}, ("max_value", "birth_year")),
        ({"name": "Eva", "zone": "Mars/Base"}, ("invalid", "zone")),
        ({"name": "Eva", "owner": 2_000_000_000}, ("does_not_exist", "owner")),
        ({"name": "Eva", "owner": 10**30}, ("does_not_exist", "owner")),
        ({"name": "E\x00va"}, ("null_characters_not_allowed", "name")),
        ({"name": "E\ud800va"}, ("surrogate_characters_not_allowed", "name")),
        ({"identities": [{"network": "email", "external_id": "not an address"}]}, ("invalid", "external_id")),
        ({"identities": [{"network": "E-Mail!", "external_id": "x"}]}, ("invalid", "identities.0.network")),
        ([{"name": "Eva"}], ("invalid", None)),
    ],
)
def test_a_wrong_customer_is_refused_with_the_place(api: Caller, body: Any, wrong: Any) -> None:
    answer = api.post("customers/", body)
    assert answer.status_code == 400
    found = [(code, None if attr == "non_field_errors" else attr) for code, attr in errors(answer)]
    assert wrong in found
    assert not Customer.objects.exists()


def test_changes_leave_the_rest_as_it_is(api: Caller, eva: Customer) -> None:
    answer = api.patch(f"customers/{eva.pk}/", {"city": "Lund", "birth_year": None})
    assert answer.status_code == 200
    eva.refresh_from_db()
    assert (eva.name, eva.city, eva.country) == ("Eva Lind", "Lund", "SE")
    audit = AuditEntry.objects.get(verb="customer.updated")
    assert (audit.detail, audit.object_name) == ({"fields": ["city"]}, "")


def test_a_merged_customer_is_answered_301_until_the_merge_is_undone(
    api: Caller, ada: Any, eva: Customer
) -> None:
    other = customer(ada, "E. Lind", "lind@example.org")
    record = merge_customers(keep=eva, drop=other, by=ada)
    answer = api.get(f"customers/{other.pk}/")
    assert (answer.status_code, answer.json()["merged_into"]) == (301, eva.pk)
    assert answer["Location"].endswith(f"/api/v1/customers/{eva.pk}/")
    assert "no-store" in answer["Cache-Control"]
    assert api.get(f"customers/{other.pk}/identities/").status_code == 301
    assert errors(api.patch(f"customers/{other.pk}/", {"city": "Lund"})) == [("merged", None)]
    handle = {"network": "x", "external_id": "eva"}
    assert errors(api.post(f"customers/{other.pk}/identities/", handle)) == [("merged", None)]
    assert [one["id"] for one in api.get("customers/").json()["results"]] == [eva.pk]
    undo_merge(record=record, by=ada)
    assert api.get(f"customers/{other.pk}/").status_code == 200


def test_the_list_filters_and_searches(api: Caller, ada: Any, eva: Customer) -> None:
    bo = customer(ada, "Bo", "bo@example.org", stage="advocacy", language="sv")
    attach_identity(customer=bo, handle=Handle("instagram", "77", issuer="page", handle="@bo_ok"), by=ada)
    tag = Tag.objects.create(name="VIP")
    CustomerTag.objects.create(tag=tag, customer=bo, home_customer=bo)
    Customer.objects.filter(pk=eva.pk).update(last_seen_at=timezone.now(), owner=ada)

    def found(**query: Any) -> list[str]:
        return [one["name"] for one in api.get("customers/", **query).json()["results"]]

    assert found() == ["Eva Lind", "Bo"]
    assert found(sort="name") == ["Bo", "Eva Lind"]
    assert found(q="bo_o") == found(network="instagram") == found(tag="vip") == ["Bo"]
    assert found(stage="advocacy") == found(language="sv") == ["Bo"]
    assert found(seen_since="2026-01-01") == found(country="SE") == found(owner=ada.pk) == ["Eva Lind"]
    assert api.get("customers/", tag="vip").json()["results"][0]["tags"] == ["VIP"]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"colour": "red"}, ("unknown_parameter", "colour")),
        ({"stage": "fan"}, ("invalid_choice", "stage")),
        ({"owner": "ada"}, ("invalid", "owner")),
        ({"owner": "9" * 40}, ("max_value", "owner")),
        ({"seen_since": "20000-01-01"}, ("invalid", "seen_since")),
        ({"q": "a\x00b"}, ("null_characters_not_allowed", "q")),
        ({"q": "a" * 300}, ("max_length", "q")),
        ({"limit": "501"}, ("invalid", "limit")),
        ({"sort": "random"}, ("invalid", "sort")),
        ({"page": "nonsense"}, ("invalid", "page")),
    ],
)
def test_a_wrong_filter_is_told_and_never_ignored(api: Caller, query: Any, wrong: Any) -> None:
    answer = api.get("customers/", **query)
    assert (answer.status_code, errors(answer)) == (400, [wrong])


def test_pages_show_each_customer_once(api: Caller, ada: Any) -> None:
    for number in range(7):
        customer(ada, f"Same {number % 2}")
    for sort in ("name", "-name", "-last_seen", "last_seen", "id", "-id"):
        seen, address = [], f"customers/?limit=2&sort={sort}"
        while address:
            body = api.client.get(f"/api/v1/{address}" if "://" not in address else address).json()
            seen += [one["id"] for one in body["results"]]
            address = body["next"]
        assert len(seen) == len(set(seen)) == 7, sort


# Identities


def test_an_identity_is_looked_up_in_any_spelling(api: Caller, eva: Customer) -> None:
    body = api.get("identities/", network="email", external_id=" EVA@example.ORG").json()
    assert [one["customer"] for one in body["results"]] == [eva.pk]
    one = body["results"][0]
    assert api.get(f"identities/{one['id']}/").json() == one
    assert api.get("identities/", network="email", external_id="no@example.org").json()["results"] == []
    assert errors(api.get("identities/", external_id="eva@example.org")) == [("invalid", "network")]
    assert errors(api.get("identities/", network="phone", external_id="abc")) == [("invalid", "external_id")]


def test_an_identity_is_attached_once(api: Caller, ada: Any, eva: Customer) -> None:
    body = {"network": "instagram", "issuer": "shop-page", "external_id": "77", "handle": "@eva"}
    first = api.post(f"customers/{eva.pk}/identities/", body)
    again = api.post(f"customers/{eva.pk}/identities/", body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert Identity.objects.get(network="instagram").source == "api"
    assert AuditEntry.objects.filter(verb="identity.attached").count() == 1
    bo = customer(ada, "Bo")
    taken = api.post(f"customers/{bo.pk}/identities/", body)
    assert (taken.status_code, errors(taken)) == (409, [("identity_taken", None)])
    listed = api.get(f"customers/{eva.pk}/identities/").json()["results"]
    assert [one["network"] for one in listed] == ["email", "instagram"]


# Orders


def test_one_order_is_stored_then_repeated_then_changed(api: Caller) -> None:
    first = api.post("orders/", order())
    assert first.status_code == 201
    assert first.json() == {
        "index": 0, "external_id": "1", "status": "stored", "id": Order.objects.get().pk, "errors": [],
    }  # fmt: skip
    again = api.post("orders/", order())
    assert (again.status_code, again.json()["status"]) == (200, "repeated")
    assert again.json()["id"] == first.json()["id"]
    changed = api.post("orders/", order(refunded="9.90", status="refunded"))
    assert changed.json()["status"] == "changed"
    assert api.get(f"orders/{first.json()['id']}/").json()["refunded"] == "9.90"


def test_a_list_is_answered_item_by_item(api: Caller) -> None:
    lines = [{"title": "Kettle", "units": 2, "price": "20.00"}]
    answer = api.post(
        "orders/",
        [order("1", lines=lines), order("2", total="-1"), "nonsense", order("3", source="north"), order("1")],
    )
    assert answer.status_code == 200
    body = answer.json()
    assert [(one["index"], one["status"]) for one in body["results"]] == [
        (0, "repeated"), (1, "rejected"), (2, "rejected"), (3, "stored"), (4, "stored"),
    ]  # fmt: skip
    assert body["results"][1]["errors"][0]["attr"] == "total"
    assert body["counts"] == {"stored": 2, "changed": 0, "repeated": 1, "rejected": 2}
    assert Order.objects.count() == 2


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"total": "NaN"}, ("invalid", "total")),
        ({"total": "1e400"}, ("max_digits", "total")),
        ({"total": "1.999"}, ("max_decimal_places", "total")),
        ({"total": None}, ("null", "total")),
        ({"currency": "euro"}, ("invalid", "currency")),
        ({"placed_at": "20000-01-01T00:00:00Z"}, ("invalid", "placed_at")),
        ({"placed_at": 1700000000}, ("invalid", "placed_at")),
        ({"placed_at": "2030-01-01T00:00:00Z"}, ("invalid", None)),
        ({"external_id": ""}, ("blank", "external_id")),
        ({"external_id": "a\x00b"}, ("null_characters_not_allowed", "external_id")),
        ({"customer": {}}, ("required", "customer.external_id")),
        ({"customer": "eva"}, ("invalid", "customer.non_field_errors")),
        ({"customer": {"network": "email", "external_id": "eva"}}, ("invalid", None)),
        ({"lines": [{"title": "Kettle", "units": -1}]}, ("min_value", "lines.0.units")),
        ({"lines": "none"}, ("not_a_list", "lines")),
        ({"units": 10**12}, ("max_value", "units")),
        ({"status": "lost"}, ("invalid_choice", "status")),
        ({"paid": True}, ("unknown_field", "paid")),
    ],
)
def test_a_wrong_order_is_refused_with_the_place(api: Caller, change: Any, wrong: Any) -> None:
    answer = api.post("orders/", order(**change))
    assert answer.status_code == 400
    assert wrong in errors(answer)
    many = api.post("orders/", [order("good"), order(**change)]).json()
    assert many["counts"] == {"stored": 1, "changed": 0, "repeated": 0, "rejected": 1}


def test_orders_are_filtered(api: Caller) -> None:
    api.post("orders/", [order("1"), order("2", placed_at="2026-05-01T00:00:00Z", status="pending")])

    def found(**query: Any) -> list[str]:
        return [one["external_id"] for one in api.get("orders/", **query).json()["results"]]

    assert found() == ["2", "1"]
    assert found(sort="placed") == ["1", "2"]
    assert found(placed_before="2026-04-01") == found(source="webshop", external_id="1") == ["1"]
    assert found(status="pending") == found(placed_since="2026-04-01") == ["2"]
    assert found(customer=Customer.objects.get().pk) == ["2", "1"]


def test_a_push_takes_the_same_number_of_statements_whatever_its_size(api: Caller) -> None:
    api.post("orders/", order("first"))

    def statements(orders: Any) -> int:
        with CaptureQueriesContext(connection) as found:
            assert api.post("orders/", orders).status_code in (200, 201)
        return len(found)

    one = statements([order("a")])
    assert statements([order(f"n{number}") for number in range(200)]) == one


def test_pushes_leave_one_line_a_day_in_the_audit_trail(api: Caller, ada: Any) -> None:
    for number in range(3):
        api.post("orders/", order(str(number)))
    Caller(ada).post("orders/", order("9"))
    assert AuditEntry.objects.filter(verb="order.pushed").count() == 2


# Rights, demo, statements


def test_rights_are_the_keys_and_the_makers(ada: Any, amy: Any, vic: Any, eva: Customer) -> None:
    reading = Caller(ada, ["customer.read"])
    assert reading.get("customers/").status_code == 200
    for answer in (
        reading.post("customers/", {"name": "x"}),
        reading.patch(f"customers/{eva.pk}/", {"name": "x"}),
        reading.post(f"customers/{eva.pk}/identities/", {"network": "x", "external_id": "1"}),
        reading.post("orders/", order()),
        Caller(ada, ["job.read"]).get("customers/"),
        Caller(amy, maker=ada).post("orders/", order()),
        Caller(vic, maker=ada).post("customers/", {"name": "x"}),
    ):
        assert (answer.status_code, errors(answer)) == (403, [("permission_denied", None)])
    assert Caller(vic, maker=ada).get(f"customers/{eva.pk}/").status_code == 200


def test_nothing_real_is_pushed_into_the_demo(api: Caller, eva: Customer) -> None:
    Workspace.objects.filter(pk=Workspace.current().pk).update(demo_since=timezone.now())
    for answer in (
        api.post("orders/", order()),
        api.post("customers/", {"name": "Real"}),
        api.post(f"customers/{eva.pk}/identities/", {"network": "x", "external_id": "1"}),
    ):
        assert (answer.status_code, errors(answer)) == (409, [("demo_present", None)])
    assert api.get("customers/").status_code == 200


def test_lists_take_a_pinned_number_of_statements(api: Caller, ada: Any) -> None:
    for number in range(5):
        one = customer(ada, f"C{number}", f"c{number}@example.org")
        tag = Tag.objects.create(name=f"t{number}")
        CustomerTag.objects.create(tag=tag, customer=one, home_customer=one)
    api.post("orders/", [order(str(number), lines=[{"title": "K"}]) for number in range(5)])
    assert_pinned("api:customer-list", api, "customers/")
    assert_pinned("api:customer-search", api, "customers/", q="c", network="email", tag="t1")
    assert_pinned("api:customer-identities", api, f"customers/{one.pk}/identities/")
    assert_pinned("api:identity-list", api, "identities/")
    assert_pinned("api:order-list", api, "orders/")
