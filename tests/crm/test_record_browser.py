"""The customer's record in a real browser: what axe-core finds, narrow windows, and the keyboard."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from crm.affiliations import affiliate
from crm.custom_fields import define_field
from crm.models import Customer, CustomerTag, Suspect
from crm.notes import write_note
from crm.orders import store_orders
from crm.services import Handle, create_customer
from crm.todo import add_task, today
from engagement.ingest import ingest
from tests.accessibility import is_well
from tests.crm.orders import order
from tests.engagement.events import account, inbound

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "Atelier voor Koffie, Thee en Aardewerk aan de Noorderzon te Gent en Omstreken " * 2


@pytest.fixture
def eva(ada: Any, amy: Any) -> Customer:
    """Somebody with something in every part of the page."""
    define_field(key="plan", label="Plan", type="choice", choices=["Free", "Plus"], by=ada)
    define_field(key="ends", label="Contract ends", type="date", by=ada)
    define_field(key="site", label="Web site", type="url", by=ada)
    define_field(key="size", label="Size", type="number", by=ada)
    ingest(account(), [inbound("a", who="eva.lind")])
    store_orders("webshop", [order("1"), order("2")])
    bo = Customer.objects.get(identities__external_id="b1")
    values = {
        "name": "Eva Lind", "job": "Nurse", "birth_year": 1988, "language": "sv", "owner": amy,
        "interests": ["tea", "clay"], "referred_by": bo, "note": "Deaf in one ear", "zone": "Europe/Malta",
        "custom.plan": "Plus", "custom.ends": "2027-03-31", "custom.site": "https://example.org/about",
    }  # fmt: skip
    handles = [Handle("email", f"eva{number}@example.org", verified=number == 0) for number in range(6)]
    eva = create_customer(values=values, identities=handles, by=ada)
    firm = create_customer(values={"name": LONG.strip(), "kind": "organization"}, by=ada)
    affiliate(person=eva, organization=firm, role="مدير المشتريات", by=ada)
    affiliate(person=bo, organization=firm, by=ada)
    write_note(customer=eva, text="Rings before nine", by=ada)
    add_task(customer=eva, title="Ring back", due_on=today() - timedelta(days=1), assignee=ada, by=ada)
    add_task(customer=eva, title="Send the programme", due_on=today(), by=ada)
    low, high = sorted([eva.pk, bo.pk])
    Suspect.objects.create(low_id=low, high_id=high, probability=0.9)
    return eva


def test_pages_of_the_record_have_no_violation(eva: Customer, ada: Any, new_window: Any) -> None:
    page = new_window(ada)
    firm = Customer.objects.get(kind="organization")
    every = "columns=" + "&columns=".join(["handles", "owner", "organizations", "cf_plan", "seen"])
    for path in (
        eva.get_absolute_url(),
        firm.get_absolute_url(),
        f"/customers/?{every}&kind=person",
        f"{eva.get_absolute_url()}edit/",
        "/tasks/",
        "/settings/fields/",
        "/settings/fields/new/",
    ):
        page.goto(path)
        page.locator("main .r-skel").first.wait_for(state="detached")
        page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")
        is_well(page)


def test_rows_are_chosen_and_tagged_by_keyboard(eva: Customer, ada: Any, new_window: Any) -> None:
    page = new_window(ada)
    page.goto("/customers/?kind=person")
    bar = page.get_by_role("region", name="Chosen rows")
    assert not bar.is_visible()
    page.get_by_label("Choose Eva Lind").focus()
    page.keyboard.press("Space")
    assert bar.is_visible() and "1 chosen" in bar.inner_text()
    page.locator("#id_bulk_tag").focus()
    page.keyboard.type("VIP")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("1 customer tagged").wait_for()
    assert page.url.endswith("/customers/?kind=person")
    assert CustomerTag.objects.get().customer == eva
    page.get_by_label("Choose all on this page").check()
    assert f"{Customer.objects.filter(kind='person').count()} chosen" in bar.inner_text()


def test_somebody_is_brought_to_an_organization_by_search(eva: Customer, ada: Any, new_window: Any) -> None:
    cleo = create_customer(values={"name": "Cleo Ambrose"}, by=ada)
    page = new_window(ada)
    page.goto(Customer.objects.get(kind="organization").get_absolute_url())
    page.get_by_text("Add a person").click()
    page.get_by_label("Whom").fill("ambrose")
    page.get_by_role("radio", name="Cleo Ambrose").wait_for()
    page.locator("#id_role").fill("Accountant")
    page.keyboard.press("Enter")
    page.get_by_text("Accountant").wait_for()
    assert cleo.affiliations.get().role == "Accountant"


def test_who_told_a_line_opens_in_place(eva: Customer, ada: Any, new_window: Any) -> None:
    page = new_window(ada)
    page.goto(eva.get_absolute_url())
    line = page.locator("#profile details", has_text="Nurse")
    assert not line.get_by_text("by Ada").last.is_visible()
    line.locator("summary").focus()
    page.keyboard.press("Enter")
    assert line.locator("small").is_visible()
