"""The customer list: its filters and columns, and what is done with the rows that are chosen."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEntry
from core.models import Event
from crm.affiliations import affiliate
from crm.bulk import assign_customers, tag_customers
from crm.columns import USUAL
from crm.custom_fields import define_field
from crm.models import Customer, CustomerTag, Tag
from crm.services import Handle, create_customer
from crm.todo import add_task, today

pytestmark = pytest.mark.django_db
PINNED = json.loads((Path(__file__).parent.parent / "query_counts.json").read_text())
LIST = "/customers/"
EVERY_COLUMN = ",".join(["owner", "organizations", *USUAL, "language", "cf_plan", "cf_ends"])


@pytest.fixture
def people(ada: Any, amy: Any) -> dict[str, Customer]:
    define_field(key="plan", label="Plan", type="choice", choices=["Free", "Plus"], by=ada)
    define_field(key="ends", label="Ends", type="date", by=ada)
    made = {
        name: create_customer(
            values={"name": name, "owner": owner, "custom.plan": plan, "custom.ends": ends, "language": "sv"},
            identities=[Handle("email", f"{name}@example.org".lower())],
            by=ada,
        )
        for name, owner, plan, ends in (
            ("Eva", amy, "Plus", "2027-03-31"),
            ("Bo", ada, "Free", "2026-01-01"),
            ("Cleo", None, None, None),
        )
    }
    firm = create_customer(values={"name": "Noorderzon", "kind": "organization"}, by=ada)
    affiliate(person=made["Eva"], organization=firm, by=ada)
    add_task(customer=made["Bo"], title="Ring", due_on=today() - timedelta(days=1), by=ada)
    return {**made, "Noorderzon": firm}


def test_the_list_filters_by_the_whole_record(people: Any, ada: Any, amy: Any, signed_in: Any) -> None:
    browser = signed_in(ada)

    def names(**query: Any) -> set[str]:
        rows = browser.get(LIST, query).context["page"]
        return {row.name for row in rows}

    assert names(owner=amy.pk) == names(cf_plan="Plus") == names(cf_ends_min="2027-01-01") == {"Eva"}
    assert names(organization=people["Noorderzon"].pk) == {"Eva"}
    assert names(task="overdue") == names(task="any") == names(cf_ends_max="2026-12-31") == {"Bo"}
    assert names(kind="organization") == {"Noorderzon"}
    assert names(ids=[people["Eva"].pk, people["Bo"].pk]) == {"Eva", "Bo"}
    bad = browser.get(LIST, {"cf_ends": "soon"})
    assert "These filters cannot be used" in bad.content.decode() and not bad.context["page"]


def test_columns_are_chosen_by_the_address_and_remembered(people: Any, amy: Any, signed_in: Any) -> None:
    browser = signed_in(amy)
    usual = browser.get(LIST).content.decode()
    assert '<th scope="col" dir="auto">Handles' in usual and '<th scope="col" dir="auto">Plan' not in usual
    chosen = browser.get(
        LIST, {"columns": ["cf_plan", "owner", "organizations", "nonsense"]}
    ).content.decode()
    assert "Noorderzon" in chosen and '<th scope="col" dir="auto">Handles' not in chosen
    assert '<th scope="col" dir="auto">Plan' in browser.get(LIST).content.decode()


def test_the_list_costs_the_same_with_every_column(people: Any, ada: Any, signed_in: Any) -> None:
    browser = signed_in(ada)

    def cost() -> int:
        browser.get(LIST, {"columns": EVERY_COLUMN})
        with CaptureQueriesContext(connection) as found:
            browser.get(LIST, {"columns": EVERY_COLUMN})
        return len(found)

    few = cost()
    for number in range(12):
        person = create_customer(values={"name": f"P {number}", "owner": ada}, by=ada)
        affiliate(person=person, organization=people["Noorderzon"], by=ada)
    assert cost() == few == PINNED["crm:customer-list, every column"]


# Several at once


def bulk(browser: Any, people: dict[str, Customer], do: str, *names: str, **more: Any) -> Any:
    ids = [people[name].pk for name in names]
    return browser.post(
        reverse("crm:customer-bulk"), {"do": do, "ids": ids, "back": "?stage=awareness", **more}
    )


def test_chosen_customers_are_tagged_and_assigned(people: Any, amy: Any, signed_in: Any) -> None:
    browser = signed_in(amy)
    answer = bulk(browser, people, "tag", "Eva", "Bo", name="VIP")
    assert answer["Location"] == "/customers/?stage=awareness"
    bulk(browser, people, "tag", "Eva", name="vip")
    assert CustomerTag.objects.count() == 2
    bulk(browser, people, "owner", "Eva", "Bo", "Cleo", owner=amy.pk)
    assert Customer.objects.filter(owner=amy).count() == 3
    people["Bo"].refresh_from_db()
    assert people["Bo"].origins["owner"]["by"] == amy.pk
    line = AuditEntry.objects.filter(verb="customer.updated").latest("pk")
    assert line.detail["customers"] == sorted([people["Bo"].pk, people["Cleo"].pk])
    assert Event.objects.filter(type="customer.updated", ids__fields=["owner"]).count() == 2
    bulk(browser, people, "owner", "Eva", owner="")
    people["Eva"].refresh_from_db()
    assert people["Eva"].owner is None


def test_chosen_customers_are_handed_to_merge_and_export(people: Any, ada: Any, signed_in: Any) -> None:
    pair = f"{people['Eva'].pk},{people['Bo'].pk}"
    for do, name in (("merge", "crm:customer-merge"), ("export", "crm:customer-export")):
        answer = bulk(signed_in(ada), people, do, "Eva", "Bo")
        assert answer["Location"] == f"{reverse(name)}?ids={pair}"
    sent = b"".join(signed_in(ada).get(reverse("crm:customer-export"), {"ids": pair}).streaming_content)
    assert b"Eva" in sent and b"Bo" in sent and b"Cleo" not in sent


def test_nobody_chosen_or_nothing_meant_changes_nothing(people: Any, amy: Any, signed_in: Any) -> None:
    browser = signed_in(amy)
    assert bulk(browser, people, "tag", name="VIP").status_code == 302
    assert bulk(browser, people, "erase", "Eva").status_code == 400
    assert browser.post(reverse("crm:customer-bulk"), {"do": "tag", "ids": "x"}).status_code == 400
    away = browser.post(reverse("crm:customer-bulk"), {"do": "tag", "back": "//example.org"})
    assert away["Location"] == "/customers/"
    assert not CustomerTag.objects.exists()


def test_viewers_choose_nobody(people: Any, vic: Any, signed_in: Any) -> None:
    assert "data-choose" not in signed_in(vic).get(LIST).content.decode()
    assert bulk(signed_in(vic), people, "tag", "Eva", name="VIP").status_code == 403
    assert bulk(signed_in(vic), people, "owner", "Eva", owner=vic.pk).status_code == 403
    tag = Tag.objects.create(name="x")
    for change in (
        lambda: tag_customers(ids=[people["Eva"].pk], tag=tag, by=vic),
        lambda: assign_customers(ids=[people["Eva"].pk], owner=None, by=vic),
    ):
        with pytest.raises(PermissionDenied):
            change()


def test_names_in_any_script_and_of_any_length_are_shown_whole_on_hover(ada: Any, signed_in: Any) -> None:
    long = "Atelier voor Koffie, Thee en Aardewerk aan de Noorderzon te Gent en Omstreken " * 2
    create_customer(values={"name": long.strip()}, by=ada)
    create_customer(values={"name": "ليلى الحسن"}, by=ada)
    page = signed_in(ada).get(LIST).content.decode()
    assert f'dir="auto" title="{long.strip()}"' in page and 'dir="auto" title="ليلى الحسن"' in page
