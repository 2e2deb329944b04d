"""Whose word counts on a record: people before machines, and who told what is kept beside it."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.services import create_api_key
from crm.models import Customer, CustomerTouch, Identity
from crm.orders import store_orders
from crm.profile import sayings
from crm.services import create_customer, update_customer
from engagement.channels.base import Author
from engagement.ingest import ingest
from tests.crm.orders import order
from tests.engagement.events import account, inbound

pytestmark = pytest.mark.django_db


@pytest.fixture
def eva(amy: Any) -> Customer:
    return create_customer(values={"name": "Eva Lind", "city": "Lund"}, by=amy)


def as_machine(user: Any) -> Any:
    key, _token = create_api_key(name="webshop", scopes=["customer.edit"], by=user)
    user.api_key = key
    return user


def said_by(customer: Customer, field: str) -> tuple[str, int | None]:
    customer.refresh_from_db()
    found = customer.origins[field]
    return found["source"], found.get("by")


def test_staff_speak_for_themselves(eva: Customer, amy: Any) -> None:
    update_customer(customer=eva, values={"job": "Nurse"}, by=amy)
    assert said_by(eva, "job") == ("staff", amy.pk)
    assert sayings(eva)["job"].startswith("by Amy, ")


def test_a_key_fills_what_is_blank_and_leaves_what_a_person_said(eva: Customer, ada: Any) -> None:
    taken = update_customer(customer=eva, values={"city": "Malmö", "country": "SE"}, by=as_machine(ada))
    eva.refresh_from_db()
    assert (eva.city, eva.country) == ("Lund", "SE")
    assert (taken.changed, taken.kept) == ({"country": "SE"}, {"city": "Malmö"})
    assert said_by(eva, "country") == ("api:webshop", None)
    assert sayings(eva)["country"].startswith("from the API key webshop, ")


def test_a_key_clears_nothing_and_its_own_later_word_counts(eva: Customer, ada: Any) -> None:
    machine = as_machine(ada)
    update_customer(customer=eva, values={"country": "SE"}, by=machine)
    update_customer(customer=eva, values={"country": ""}, by=machine)
    update_customer(customer=eva, values={"country": "DK"}, by=machine)
    eva.refresh_from_db()
    assert eva.country == "DK"


def test_a_person_clears_what_a_machine_told_and_it_stays_clear(eva: Customer, ada: Any, amy: Any) -> None:
    update_customer(customer=eva, values={"country": "SE"}, by=as_machine(ada))
    update_customer(customer=eva, values={"country": ""}, by=amy)
    update_customer(customer=eva, values={"country": "SE"}, by=ada)
    eva.refresh_from_db()
    assert eva.country == ""


def test_nothing_changed_is_nothing_written(eva: Customer, amy: Any) -> None:
    CustomerTouch.objects.all().delete()
    assert not update_customer(customer=eva, values={"city": " Lund "}, by=amy).changed
    assert not CustomerTouch.objects.exists()


def test_nobody_is_referred_by_themselves(eva: Customer, amy: Any) -> None:
    other = create_customer(values={"name": "Bo"}, by=amy)
    update_customer(customer=eva, values={"referred_by": other}, by=amy)
    eva.refresh_from_db()
    assert (eva.referred_by, eva.home_referred_by) == (other, other)
    with pytest.raises(ValidationError):
        update_customer(customer=eva, values={"referred_by": eva}, by=amy)


def test_interests_are_words_once_each(eva: Customer, amy: Any) -> None:
    update_customer(customer=eva, values={"interests": ["tea", " tea", "", "clay"]}, by=amy)
    eva.refresh_from_db()
    assert eva.interests == ["tea", "clay"]


# What channels and shops tell


def spoke(key: str, author: Author) -> Customer:
    ingest(shop_account(), [inbound(key, author=author)])
    return Identity.objects.get(external_id=author.external_id).customer


def shop_account() -> Any:
    from engagement.models import ChannelAccount

    return ChannelAccount.objects.first() or account()


def test_somebody_new_has_origins_of_what_was_told_and_no_other() -> None:
    bo = spoke("1", Author("bo", handle="@bo", facts={"language": "sv", "city": "Lund"}))
    assert (bo.name, bo.language, bo.city, bo.country) == ("@bo", "sv", "Lund", "")
    assert set(bo.origins) == {"language", "city"}
    assert said_by(bo, "city") == ("api", None)


def test_what_is_told_later_fills_blanks_and_a_handle_gives_way_to_a_name() -> None:
    spoke("1", Author("bo", handle="@bo", facts={"city": "Lund"}))
    facts = {"city": "Malmö", "birth_year": 1988, "zone": "Europe/Stockholm"}
    bo = spoke("2", Author("bo", handle="@bo", name="Bo Ek", facts=facts))
    assert (bo.name, bo.city, bo.birth_year, bo.zone) == ("Bo Ek", "Lund", 1988, "Europe/Stockholm")
    assert set(bo.origins) == {"name", "city", "birth_year", "zone"}
    bo = spoke("3", Author("bo", handle="@bo", name="Somebody Else"))
    assert bo.name == "Bo Ek"


def test_what_a_person_left_blank_stays_blank(amy: Any) -> None:
    bo = spoke("1", Author("bo", name="Bo", facts={"city": "Lund"}))
    update_customer(customer=bo, values={"city": ""}, by=amy)
    assert spoke("2", Author("bo", name="Bo", facts={"city": "Lund", "country": "SE"})).city == ""
    bo.refresh_from_db()
    assert bo.country == "SE"


def test_a_shop_fills_blanks_of_its_buyers_too() -> None:
    store_orders("webshop", [order("1")])
    store_orders("webshop", [order("2", customer_name="Bo Ek", facts={"country": "SE"})])
    bo = Identity.objects.get(external_id="b1").customer
    assert (bo.name, bo.country) == ("Bo Ek", "SE")
    assert said_by(bo, "country") == ("webshop", None)


def test_facts_take_the_same_number_of_statements_for_one_and_for_many() -> None:
    def count(keys: range) -> int:
        told = [
            inbound(str(key), author=Author(f"p{key}", name="P", facts={"city": "Lund"}), thread=str(key))
            for key in keys
        ]
        with CaptureQueriesContext(connection) as found:
            ingest(shop_account(), told)
        return len(found)

    count(range(1))
    assert count(range(1, 2)) == count(range(100, 160))


def test_no_machine_takes_back_that_somebody_refused_a_picture(eva: Customer, ada: Any, amy: Any) -> None:
    update_customer(customer=eva, values={"profiling_refused": True}, by=amy)
    taken = update_customer(customer=eva, values={"profiling_refused": False}, by=as_machine(ada))
    eva.refresh_from_db()
    assert eva.profiling_refused and taken.kept == {"profiling_refused": False}
    update_customer(customer=eva, values={"profiling_refused": False}, by=amy)
    eva.refresh_from_db()
    assert not eva.profiling_refused
