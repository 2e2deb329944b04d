"""Traits over REST, in the documentation, in rules and on the customer's page: all of one catalogue."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from core.conditions import fieldset
from crm.merging import merge_customers
from crm.models import Customer
from personas.models import Traits
from personas.traits.catalogue import BY_NAME, CATALOGUE, WINDOWS
from personas.traits.showing import shown, text_of
from personas.traits.sources import SOURCES
from personas.traits.telling import page
from tests.api import Caller, errors

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 20, 7, tzinfo=UTC)


@pytest.fixture
def someone() -> Customer:
    customer = Customer.objects.create(name="Ida")
    Traits.objects.create(
        customer=customer,
        computed_at=NOW,
        inbound_total=1240,
        public_share=0.125,
        revenue_total=Decimal("1200.50"),
        usual_hour=0,
        usual_weekday=2,
        last_seen_at=NOW,
        top_reason="question",
        response_hours=3.456,
        sentiment_trend=-0.25,
    )
    return customer


@pytest.mark.parametrize("name", ["ada", "max", "amy", "mia", "vic"])
def test_everybody_reads_the_catalogue(name: str, ada: Any, request: pytest.FixtureRequest) -> None:
    told = Caller(request.getfixturevalue(name), maker=ada).get("traits/").json()["traits"]
    assert [one["name"] for one in told] == [trait.name for trait in CATALOGUE]
    trend = next(one for one in told if one["name"] == "sentiment_trend")
    assert (trend["type"], trend["windows"]) == ("mean", [90, 180])
    assert next(one for one in told if one["name"] == "revenue_total")["unit"] in ("EUR", "USD")
    assert next(one for one in told if one["name"] == "stage")["rule_field"] == "customer.stage"


def test_the_traits_of_a_customer_are_read(ada: Any, someone: Customer) -> None:
    told = Caller(ada).get(f"customers/{someone.pk}/traits/").json()
    assert told["customer"] == someone.pk
    assert list(told["traits"]) == [trait.name for trait in CATALOGUE]
    assert told["traits"]["inbound_total"] == 1240
    assert told["traits"]["revenue_total"] == "1200.50"
    assert told["traits"]["usual_hour"] == 0
    assert told["traits"]["survey_score"] is None
    assert datetime.fromisoformat(told["computed_at"]) == NOW


def test_a_customer_without_traits_yet_has_none(ada: Any) -> None:
    customer = Customer.objects.create(name="Just came")
    told = Caller(ada).get(f"customers/{customer.pk}/traits/").json()
    assert told == {"customer": customer.pk, "computed_at": None, "traits": None}
    assert errors(Caller(ada).get("customers/999999999/traits/")) == [("not_found", None)]


def test_a_merged_customer_is_answered_with_where_it_went(ada: Any, someone: Customer) -> None:
    keep = Customer.objects.create(name="Kept")
    merge_customers(keep=keep, drop=someone)
    answer = Caller(ada).get(f"customers/{someone.pk}/traits/")
    assert (answer.status_code, answer.json()["merged_into"]) == (301, keep.pk)
    assert answer["Location"].endswith(f"/customers/{keep.pk}/traits/")


def test_a_key_without_the_scope_reads_no_traits(ada: Any, someone: Customer) -> None:
    caller = Caller(ada, scopes=["customer.read"])
    assert caller.get("traits/").status_code == 403
    assert caller.get(f"customers/{someone.pk}/traits/").status_code == 403
    personas = Caller(ada, scopes=["persona.read"])
    assert personas.get("traits/").status_code == 200
    assert personas.get(f"customers/{someone.pk}/traits/").status_code == 403, "it holds who they are"


def test_nobody_reads_traits_without_a_key(someone: Customer) -> None:
    for place in ("traits/", f"customers/{someone.pk}/traits/"):
        assert Client().get(f"/api/v1/{place}").status_code in (401, 403)


def test_the_page_of_traits_is_what_the_catalogue_gives() -> None:
    """`python manage.py trait_docs` writes it anew."""
    assert (Path(settings.BASE_DIR) / "docs" / "traits.md").read_text("utf-8") == page()


def test_every_source_is_used_and_every_trait_has_one() -> None:
    assert {trait.source for trait in CATALOGUE} == set(SOURCES)
    assert len(BY_NAME) == len(CATALOGUE)
    assert WINDOWS == (30, 90, 180, 365)


def test_every_trait_is_asked_for_by_one_rule_field() -> None:
    fields = fieldset("customer").fields
    assert all(trait.rule_field in fields for trait in CATALOGUE)
    named = {name.removeprefix("traits.") for name in fields if name.startswith("traits.")}
    assert named == {trait.name for trait in CATALOGUE if not trait.rule}


def test_what_is_known_and_not_zero_is_shown_in_its_group(someone: Customer) -> None:
    groups = shown(Traits.objects.get(customer=someone))
    told = {trait.name: text for group in groups for trait, text, _base in group.rows}
    assert told == {
        "inbound_total": "1,240",
        "public_share": "13%",
        "revenue_total": told["revenue_total"],
        "usual_hour": "0:00",
        "usual_weekday": "Tuesday",
        "last_seen_at": "20 Sep 2026",
        "top_reason": "question",
        "response_hours": "3.46 hours",
        "sentiment_trend": "-0.25",
    }
    assert told["revenue_total"].endswith("1,201")
    assert {
        base for group in groups for trait, _text, base in group.rows if trait.name == "public_share"
    } == {"of 1,240"}
    assert [group.label for group in groups] == list(
        dict.fromkeys(trait.group for trait in CATALOGUE if trait.name in told)
    )
    assert shown(None) == []


def test_every_type_is_written_in_words() -> None:
    values = {"time": NOW, "text": "email", "weekday": 7, "year": 1980}
    for trait in CATALOGUE:
        text = text_of(trait, values.get(trait.type, 1), currency="EUR")
        assert text and "None" not in text, trait.name


def test_the_panel_lists_computed_facts(client: Client, amy: Any, someone: Customer) -> None:
    client.force_login(amy)
    body = client.get(f"/personas/customers/{someone.pk}/").content.decode()
    assert "Computed facts" in body
    assert "How they answer us" in body
    assert "3.46 hours" in body
