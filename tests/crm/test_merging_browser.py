"""In a real browser: two records of one person are found, merged, parted; a handle is put wrong and right."""

from __future__ import annotations

from typing import Any

import pytest

from crm.models import Customer, Identity, MergeRecord
from crm.services import Handle, create_customer
from tests.accessibility import is_well

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def people(max: Any) -> list[Customer]:
    """Nora twice, and somebody else."""
    return [
        create_customer(values={"name": name, "city": city}, identities=[Handle(network, handle)], by=max)
        for name, city, network, handle in (
            ("Nora Quist", "Lund", "email", "nora@example.org"),
            ("N. Quist", "Malmö", "instagram", "nora_makes"),
            ("Moira Sayer", "", "email", "moira@example.org"),
        )
    ]


def test_two_records_of_one_person_are_merged_and_regretted(
    people: list[Customer], amy: Any, new_window: Any
) -> None:
    page = new_window(amy)
    page.goto("/customers/?q=Quist")
    for box in page.locator("input[data-row]").all():
        box.check()
    page.get_by_role("button", name="Merge").click()
    page.get_by_role("group", name="Name").get_by_role("radio", name="Nora Quist").check()
    page.get_by_role("group", name="City").get_by_role("radio", name="Malmö").check()
    page.get_by_role("button", name="Merge 2 records").click()
    page.get_by_text("Merged into this customer").wait_for()
    kept = Customer.objects.get(name="Nora Quist", merged_into=None, city="Malmö")
    assert kept.identities.count() == 2
    page.get_by_role("status").get_by_role("button", name="Undo").click()
    page.get_by_text("The merge is undone").wait_for()
    assert [one.city for one in Customer.objects.order_by("pk")[:2]] == ["Lund", "Malmö"]
    assert MergeRecord.objects.get().undone_by == amy


def test_a_handle_attached_wrongly_is_taken_off_again(
    people: list[Customer], amy: Any, new_window: Any
) -> None:
    page, moira = new_window(amy), people[2]
    page.goto(moira.get_absolute_url())
    page.get_by_text("Attach a handle").click()
    page.get_by_label("Network", exact=True).last.select_option("instagram")
    page.get_by_label("Handle, address or number").fill("nora_makes")
    page.get_by_role("button", name="Attach", exact=True).click()
    page.get_by_role("button", name="Attach to Moira Sayer").click()
    page.get_by_text("Merged into this customer").wait_for()
    handle = page.locator("details.r-handle", has_text="nora_makes")
    handle.locator("summary").first.click()
    handle.get_by_role("button", name="Take off").click()
    page.get_by_text("is taken off").wait_for()
    assert Identity.objects.get(external_id="nora_makes").customer == people[1]
    assert Customer.objects.get(pk=moira.pk).name == "Moira Sayer"


def test_pages_of_merging_pass_axe_and_fit(people: list[Customer], amy: Any, new_window: Any) -> None:
    page = new_window(amy)
    identity = Identity.objects.get(external_id="nora_makes")
    ids = ",".join(str(one.pk) for one in people)
    for path in (
        f"/customers/merge/?ids={ids}",
        f"/customers/merge/?ids={people[0].pk}",
        f"/customers/identities/{identity.pk}/?to={people[2].pk}",
    ):
        page.goto(path)
        is_well(page)
