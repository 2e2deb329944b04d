"""The workspace's own fields: what they may hold, who defines them, and rules that ask about them."""

from __future__ import annotations

import json
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from core.conditions import Context, RuleInvalid, describe, fieldset, matching, parse, sentence
from crm.custom_fields import change_field, clean_value, define_field, fields, move_field
from crm.models import Customer, CustomField
from crm.services import create_customer, update_customer

CONTEXT = Context(today=date(2026, 3, 29), zone=ZoneInfo("UTC"))
SIZES = ["Small", "Large"]


def own(type: str, **more: Any) -> CustomField:
    return CustomField(key="x", label="X", type=type, **more)


@pytest.mark.parametrize(
    ("type", "raw", "stored"),
    [
        ("text", "  Ward 4 ", "Ward 4"),
        ("number", "12.50", 12.5),
        ("number", "1 000", 1000),
        ("number", 3.0, 3),
        ("date", "2026-02-28", "2026-02-28"),
        ("date", date(2026, 2, 28), "2026-02-28"),
        ("choice", "small", "Small"),
        ("flag", "Yes", True),
        ("flag", "0", False),
        ("flag", False, False),
        ("url", "https://example.org/a?b=c", "https://example.org/a?b=c"),
        ("url", " ", None),
        ("number", None, None),
    ],
)
def test_a_value_is_stored_in_one_way(type: str, raw: Any, stored: Any) -> None:
    found = clean_value(own(type, choices=SIZES), raw)
    assert (found, found.__class__) == (stored, stored.__class__)


@pytest.mark.parametrize(
    ("type", "raw"),
    [
        ("text", 5),
        ("text", "a" * 501),
        ("number", "twelve"),
        ("number", "nan"),
        ("number", "1e400"),
        ("number", True),
        ("date", "28.2.2026"),
        ("date", "2026-02-30"),
        ("choice", "Medium"),
        ("flag", "maybe"),
        ("url", "javascript:alert(1)"),
        ("url", "ftp://example.org"),
        ("url", "https://"),
        ("url", "http://[::1"),
        ("url", "https://example.org/a b"),
    ],
)
def test_what_it_cannot_hold_is_refused_with_what_to_type(type: str, raw: Any) -> None:
    with pytest.raises(ValueError, match=r"^(Type|Choose)"):
        clean_value(own(type, choices=SIZES), raw)


@given(type=st.sampled_from(["text", "number", "date", "choice", "flag", "url"]), raw=st.text())
def test_any_text_is_stored_as_json_or_refused_and_stored_again_alike(type: str, raw: str) -> None:
    field = own(type, choices=SIZES)
    try:
        stored = clean_value(field, raw)
    except ValueError:
        return
    assert clean_value(field, stored) == stored
    assert json.loads(json.dumps(stored)) == stored


# Defining


@pytest.fixture
def eva(amy: Any, db: None) -> Customer:
    return create_customer(values={"name": "Eva Lind"}, by=amy)


def define(by: Any, key: str = "size", type: str = "choice", **more: Any) -> CustomField:
    choices = SIZES if type == "choice" else ()
    return define_field(
        **{"key": key, "label": key.title(), "type": type, "choices": choices, "by": by, **more}
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "Size"},
        {"key": "1st"},
        {"key": "a" * 41},
        {"key": "x'; drop"},
        {"key": "x__isnull"},
        {"key": "x_"},
        {"type": "choice", "choices": []},
        {"type": "choice", "choices": ["a", "A"]},
        {"type": "text", "choices": ["a"]},
        {"type": "color"},
        {"label": " "},
    ],
)
def test_a_field_that_cannot_be_is_refused(wrong: dict[str, Any], ada: Any) -> None:
    with pytest.raises(ValidationError):
        define(ada, **wrong)
    assert not CustomField.objects.exists()


@pytest.mark.django_db
def test_a_key_is_given_once_and_only_leads_define(ada: Any, max: Any, amy: Any) -> None:
    define(max)
    with pytest.raises(ValidationError):
        define(ada)
    with pytest.raises(PermissionDenied):
        define(amy, key="other")


@pytest.mark.django_db
def test_the_type_is_fixed_once_a_customer_has_a_value(eva: Customer, ada: Any, amy: Any) -> None:
    field = define(ada, type="text")
    assert change_field(field=field, values={"type": "number"}, by=ada).type == "number"
    update_customer(customer=eva, values={"custom.size": 38}, by=amy)
    with pytest.raises(ValidationError) as caught:
        change_field(field=field, values={"type": "text"}, by=ada)
    assert caught.value.error_dict["type"][0].code == "fixed"


@pytest.mark.django_db
def test_a_choice_that_somebody_has_stays(eva: Customer, ada: Any, amy: Any) -> None:
    field = define(ada)
    update_customer(customer=eva, values={"custom.size": "large"}, by=amy)
    with pytest.raises(ValidationError, match="Large"):
        change_field(field=field, values={"choices": ["Small"]}, by=ada)
    assert change_field(field=field, values={"choices": ["Large", "Huge"]}, by=ada).choices == [
        "Large",
        "Huge",
    ]


@pytest.mark.django_db
def test_fields_stand_in_their_order_and_archived_ones_apart(eva: Customer, ada: Any, amy: Any) -> None:
    first, second = define(ada, "first", "text"), define(ada, "second", "text")
    move_field(field=second, up=True, by=ada)
    assert [field.key for field in fields()] == ["second", "first"]
    update_customer(customer=eva, values={"custom.first": "kept"}, by=amy)
    change_field(field=first, values={"is_archived": True}, by=ada)
    assert [field.key for field in fields()] == ["second"]
    with pytest.raises(ValidationError):
        update_customer(customer=eva, values={"custom.first": "more"}, by=amy)
    eva.refresh_from_db()
    assert eva.custom == {"first": "kept"}


@pytest.mark.django_db
def test_values_are_checked_where_they_are_written(eva: Customer, ada: Any, amy: Any) -> None:
    define(ada, "age", "number")
    with pytest.raises(ValidationError) as caught:
        update_customer(customer=eva, values={"custom.age": "old", "custom.nope": 1}, by=amy)
    assert set(caught.value.error_dict) == {"custom.age", "custom.nope"}
    update_customer(customer=eva, values={"custom.age": "38"}, by=amy)
    eva.refresh_from_db()
    assert (eva.custom, eva.origins["custom.age"]["by"]) == ({"age": 38}, amy.pk)
    update_customer(customer=eva, values={"custom.age": ""}, by=amy)
    eva.refresh_from_db()
    assert eva.custom == {}


# Pages


@pytest.mark.django_db
def test_leads_define_fields_in_settings_and_others_do_not(
    ada: Any, max: Any, amy: Any, signed_in: Any
) -> None:
    field = define(ada)
    urls = [reverse("crm:field-list"), reverse("crm:field-new"), reverse("crm:field-edit", args=[field.pk])]
    for url in urls:
        assert signed_in(max).get(url).status_code == 200
        assert signed_in(amy).get(url).status_code == 403
    given = {"key": "vip", "label": "VIP", "type": "flag", "choices": "", "help": ""}
    assert signed_in(amy).post(urls[1], given).status_code == 403
    assert signed_in(max).post(urls[1], given).status_code == 302
    assert signed_in(max).post(urls[1], given).status_code == 422
    changed = {"label": "Size of shoe", "choices": "Small\nLarge\nHuge", "help": "EU"}
    assert signed_in(max).post(urls[2], changed).status_code == 302
    field.refresh_from_db()
    assert (field.label, field.choices) == ("Size of shoe", ["Small", "Large", "Huge"])
    signed_in(max).post(reverse("crm:field-move", args=[field.pk]), {"to": "down"})
    signed_in(max).post(reverse("crm:field-archive", args=[field.pk]), {"archived": "1"})
    page = signed_in(max).get(urls[0]).content.decode()
    assert "VIP" in page and "Archived" in page


@pytest.mark.django_db
def test_values_are_typed_on_the_form_and_read_on_the_page(
    eva: Customer, ada: Any, amy: Any, signed_in: Any
) -> None:
    define(ada, "ends", "date", label="Contract ends")
    define(ada, "site", "url", label="Web site")
    define(ada, "vip", "flag", label="VIP")
    url = reverse("crm:customer-edit", args=[eva.pk])
    given = {"name": "Eva Lind", "kind": "person", "own_ends": "2027-03-31", "own_vip": "yes"}
    wrong = signed_in(amy).post(url, {**given, "own_site": "javascript:alert(1)"})
    assert wrong.status_code == 422 and "begins with http" in wrong.content.decode()
    assert signed_in(amy).post(url, {**given, "own_site": "https://example.org/"}).status_code == 302
    eva.refresh_from_db()
    assert eva.custom == {"ends": "2027-03-31", "vip": True, "site": "https://example.org/"}
    page = signed_in(amy).get(eva.get_absolute_url()).content.decode()
    assert "31 Mar 2027" in page and 'href="https://example.org/"' in page and "nofollow" in page


# Rules


def found(rule: dict[str, Any]) -> list[str]:
    customers = fieldset("customer")
    sql, params = matching(parse(rule, customers), customers, CONTEXT)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        ids = [row[0] for row in cursor.fetchall()]
    return sorted(Customer.objects.filter(pk__in=ids).values_list("name", flat=True))


@pytest.mark.django_db
def test_rules_ask_about_a_field_the_moment_it_is_defined(ada: Any) -> None:
    rule = {"field": "custom.age", "op": "gte", "value": 18}
    with pytest.raises(RuleInvalid):
        found(rule)
    for key, type in (
        ("age", "number"),
        ("ends", "date"),
        ("vip", "flag"),
        ("size", "choice"),
        ("site", "url"),
    ):
        define(ada, key, type)
    values = {"age": 38, "ends": "2026-03-31", "vip": True, "size": "Large", "site": "https://a.example"}
    Customer.objects.create(name="Eva", custom=values)
    Customer.objects.create(name="Bo", custom={"age": 9, "vip": False, "size": "Small"})
    # What stands there may have come by another way than the services.
    Customer.objects.create(name="Odd", custom={"age": "x", "ends": "2026-99-99", "vip": "x", "size": 5})
    asked = {
        ("age", "gte", 18): ["Eva"],
        ("age", "lt", 18): ["Bo"],
        ("age", "unknown", None): ["Odd"],
        ("ends", "in_next_days", 7): ["Eva"],
        ("ends", "known", None): ["Eva"],
        ("vip", "yes", None): ["Eva"],
        ("vip", "no", None): ["Bo"],
        ("size", "is", "Large"): ["Eva"],
        ("site", "contains", "a.exam"): ["Eva"],
    }
    for (key, op, value), names in asked.items():
        one = {"field": f"custom.{key}", "op": op, **({} if value is None else {"value": value})}
        assert found(one) == names, one
    told = sentence(parse(rule, fieldset("customer")), fieldset("customer"))
    assert told == "Customers whose age is at least 18."


@pytest.mark.django_db
def test_an_archived_field_works_in_its_rules_and_is_offered_no_more(ada: Any) -> None:
    field = define(ada, "age", "number")
    Customer.objects.create(name="Eva", custom={"age": 38})
    change_field(field=field, values={"is_archived": True}, by=ada)
    assert found({"field": "custom.age", "op": "gte", "value": 18}) == ["Eva"]
    offered = [one["name"] for group in describe(fieldset("customer"))["groups"] for one in group["fields"]]
    assert "custom.age" not in offered and "customer.city" in offered


@pytest.mark.django_db
def test_the_rest_of_the_record_can_be_asked_about(ada: Any) -> None:
    firm = create_customer(values={"name": "Noorderzon", "kind": "organization"}, by=ada)
    eva = create_customer(
        values={"name": "Eva", "interests": ["pour-over", "tea"], "owner": ada, "referred_by": firm}, by=ada
    )
    from crm.affiliations import affiliate
    from crm.todo import add_task

    affiliate(person=eva, organization=firm, by=ada)
    add_task(customer=eva, title="Ring", by=ada)
    for field, op, value in (
        ("interests", "contains", "tea"),
        ("owner", "is", ada.pk),
        ("referred", "yes", None),
        ("organization", "contains", "noorder"),
        ("task", "yes", None),
    ):
        rule = {"field": f"customer.{field}", "op": op, **({} if value is None else {"value": value})}
        assert found(rule) == ["Eva"], rule
