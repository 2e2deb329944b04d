"""Notes, tasks, people and organizations: who may, what is kept, and what the page shows."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEntry
from core import timeline
from core.models import Event
from core.timeline import Filter
from crm.affiliations import affiliate, ids_about, organizations_of, part, people_of
from crm.merging import merge_customers
from crm.models import Affiliation, Customer, CustomerNote, Task
from crm.notes import delete_note, edit_note, write_note
from crm.orders import store_orders
from crm.services import create_customer
from crm.todo import add_task, change_task, due_count, finish_task, open_tasks, today
from tests.crm.orders import order

pytestmark = pytest.mark.django_db
PINNED = json.loads((Path(__file__).parent.parent / "query_counts.json").read_text())
SECRET = "Prefers to be called before nine"


@pytest.fixture
def eva(amy: Any) -> Customer:
    return create_customer(values={"name": "Eva Lind"}, by=amy)


@pytest.fixture
def firm(amy: Any) -> Customer:
    return create_customer(values={"name": "Noorderzon", "kind": "organization"}, by=amy)


# Notes


def test_a_note_is_in_the_timeline_and_not_in_the_audit_trail(eva: Customer, amy: Any) -> None:
    note = write_note(customer=eva, text=f"  {SECRET} ", by=amy)
    assert note.text == SECRET
    [entry] = timeline.page(eva.pk, amy, wanted=Filter(kinds=frozenset({"note"})))[0]
    assert (entry.source, entry.id) == ("customer_note", note.pk)
    assert timeline.page(eva.pk, amy, wanted=Filter(text="before nine"))[0]
    assert not timeline.page(eva.pk, amy, wanted=Filter(text="after ten"))[0]
    trail = AuditEntry.objects.get(verb="customer.note_written")
    assert SECRET not in f"{trail.object_name}{trail.detail}"
    assert Event.objects.get(type="note.written").ids["customer"] == eva.pk


def test_only_its_author_changes_a_note(eva: Customer, amy: Any, max: Any, vic: Any, signed_in: Any) -> None:
    note = write_note(customer=eva, text="First", by=amy)
    for change in (
        lambda: edit_note(note=note, text="Mine", by=max),
        lambda: delete_note(note=note, by=max),
        lambda: write_note(customer=eva, text="Viewers read", by=vic),
    ):
        with pytest.raises(PermissionDenied):
            change()
    url = reverse("crm:note-edit", args=[note.pk])
    assert signed_in(max).get(url).status_code == 404
    assert signed_in(amy).post(url, {"text": ""}).status_code == 422
    assert signed_in(amy).post(url, {"text": "Second"}).status_code == 302
    note.refresh_from_db()
    assert note.text == "Second" and note.edited_at
    assert signed_in(amy).post(reverse("crm:note-delete", args=[note.pk])).status_code == 302
    assert not CustomerNote.objects.exists()


def test_an_empty_note_is_refused(eva: Customer, amy: Any) -> None:
    with pytest.raises(ValidationError):
        write_note(customer=eva, text=" \n ", by=amy)


# Tasks


def test_tasks_are_due_by_the_workspaces_day(eva: Customer, amy: Any, max: Any) -> None:
    late = add_task(customer=eva, title="Ring", due_on=today() - timedelta(days=1), assignee=amy, by=max)
    add_task(customer=eva, title="Write", due_on=today() + timedelta(days=1), assignee=amy, by=max)
    add_task(customer=eva, title="Theirs", due_on=today(), assignee=max, by=max)
    assert (due_count(amy), open_tasks(amy).count()) == (1, 2)
    finish_task(task=late, by=amy)
    assert due_count(amy) == 0
    late.refresh_from_db()
    assert late.done_by == amy
    finish_task(task=late, done=False, by=amy)
    assert due_count(amy) == 1


def test_a_task_changes_hands_and_a_second_tick_changes_nothing(eva: Customer, amy: Any, max: Any) -> None:
    task = add_task(customer=eva, title="Ring", by=amy)
    assert change_task(task=task, values={"assignee": max, "title": "Ring back"}, by=amy).assignee == max
    finish_task(task=task, by=amy)
    finish_task(task=task, by=max)
    task.refresh_from_db()
    assert task.done_by == amy
    assert Event.objects.filter(type="task.done").count() == 1
    with pytest.raises(ValidationError):
        change_task(task=task, values={"title": " "}, by=amy)


def test_my_tasks_are_mine_and_marked_when_late(eva: Customer, amy: Any, max: Any, signed_in: Any) -> None:
    add_task(customer=eva, title="Ring Eva", due_on=today() - timedelta(days=2), assignee=amy, by=max)
    add_task(customer=eva, title="Somebody else's", assignee=max, by=max)
    page = signed_in(amy).get(reverse("crm:task-list")).content.decode()
    assert "Ring Eva" in page and "overdue since" in page and "Somebody else" not in page
    assert ">1<" in signed_in(amy).get(reverse("crm:task-count")).content.decode()
    asked = signed_in(max).get(reverse("crm:task-list"), {"whose": "asked"}).content.decode()
    assert "Ring Eva" in asked
    task = Task.objects.get(title="Ring Eva")
    answer = signed_in(amy).post(reverse("crm:task-finish", args=[task.pk]), {"done": "1", "back": "tasks"})
    assert answer["Location"] == reverse("crm:task-list")
    assert "Ring Eva" in signed_in(amy).get(reverse("crm:task-list"), {"whose": "done"}).content.decode()


def test_viewers_see_tasks_and_change_none(eva: Customer, amy: Any, vic: Any, signed_in: Any) -> None:
    task = add_task(customer=eva, title="Ring", by=amy)
    viewer = signed_in(vic)
    assert viewer.get(reverse("crm:task-list")).status_code == 200
    for name, pk in (("task-add", eva.pk), ("task-edit", task.pk), ("task-finish", task.pk)):
        assert viewer.post(reverse(f"crm:{name}", args=[pk])).status_code == 403, name
    for name in ("note-add", "affiliation-add", "tag-add"):
        assert viewer.post(reverse(f"crm:{name}", args=[eva.pk])).status_code == 403, name


# People and organizations


def test_a_person_belongs_to_several_organizations_each_once(eva: Customer, firm: Customer, amy: Any) -> None:
    other = create_customer(values={"name": "Atelier", "kind": "organization"}, by=amy)
    affiliate(person=eva, organization=firm, role="Buyer", by=amy)
    _row, made = affiliate(person=eva, organization=firm, role="Owner", by=amy)
    affiliate(person=eva, organization=other, by=amy)
    assert not made
    assert [(row.organization.name, row.role) for row in organizations_of(eva)] == [
        ("Atelier", ""),
        ("Noorderzon", "Owner"),
    ]
    assert part(person=eva, organization=firm, by=amy)
    assert not part(person=eva, organization=firm, by=amy)


def test_only_people_belong_and_only_to_organizations(eva: Customer, firm: Customer, amy: Any) -> None:
    bo = create_customer(values={"name": "Bo"}, by=amy)
    for person, organization in ((firm, eva), (eva, bo)):
        with pytest.raises(ValidationError):
            affiliate(person=person, organization=organization, by=amy)
    assert not Affiliation.objects.exists()


def test_a_merge_that_brings_a_belonging_twice_shows_it_once(eva: Customer, firm: Customer, ada: Any) -> None:
    twin = create_customer(values={"name": "E. Lind"}, by=ada)
    affiliate(person=eva, organization=firm, by=ada)
    affiliate(person=twin, organization=firm, role="Buyer", by=ada)
    merge_customers(keep=eva, drop=twin, by=ada)
    assert [(row.person, row.role) for row in people_of(firm)] == [(eva, "Buyer")]
    assert part(person=eva, organization=firm, by=ada)
    assert not Affiliation.objects.exists()


def test_an_organizations_page_is_one_timeline_over_its_people(
    eva: Customer, firm: Customer, amy: Any, signed_in: Any
) -> None:
    store_orders("shop", [order("77-A", buyer="b1"), order("88-B", buyer="b2")])
    for buyer in ("b1", "b2"):
        person = Customer.objects.get(identities__external_id=buyer)
        affiliate(person=person, organization=firm, by=amy)
    assert len(ids_about(firm)) == 3 and ids_about(eva) == [eva.pk]
    page = signed_in(amy).get(firm.get_absolute_url()).content.decode()
    assert "77-A" in page and "88-B" in page and "$40" in page


def test_an_organizations_page_costs_the_same_for_one_person_and_for_many(
    firm: Customer, amy: Any, signed_in: Any
) -> None:
    browser = signed_in(amy)

    def cost() -> int:
        browser.get(firm.get_absolute_url())
        with CaptureQueriesContext(connection) as found:
            browser.get(firm.get_absolute_url())
        return len(found)

    def join(start: int, count: int) -> None:
        store_orders("shop", [order(str(key), buyer=f"b{key}") for key in range(start, start + count)])
        for key in range(start, start + count):
            person = Customer.objects.get(identities__external_id=f"b{key}")
            affiliate(person=person, organization=firm, by=amy)

    join(0, 1)
    one = cost()
    join(1, 12)
    assert cost() == one


def test_people_are_found_by_search_and_brought_together_from_both_sides(
    eva: Customer, firm: Customer, amy: Any, signed_in: Any
) -> None:
    browser = signed_in(amy)
    picked = browser.get(reverse("crm:customer-pick"), {"find": "noord", "kind": "organization"})
    assert f'value="{firm.pk}"' in picked.content.decode()
    nobody = browser.get(reverse("crm:customer-pick"), {"find": "eva", "kind": "organization"})
    assert "Nobody is found" in nobody.content.decode()
    url = reverse("crm:affiliation-add", args=[eva.pk])
    assert browser.post(url, {"other": firm.pk, "role": "Buyer"})["Location"].endswith("#people")
    assert "Buyer" in browser.get(firm.get_absolute_url()).content.decode()
    browser.post(reverse("crm:affiliation-end", args=[firm.pk, eva.pk]))
    assert not Affiliation.objects.exists()
    assert browser.post(reverse("crm:affiliation-add", args=[firm.pk]), {"other": ""}).status_code == 302


# The profile


def test_a_profile_is_edited_with_all_its_fields(eva: Customer, amy: Any, max: Any, signed_in: Any) -> None:
    bo = create_customer(values={"name": "Bo"}, by=amy)
    url = reverse("crm:customer-edit", args=[eva.pk])
    given = {
        "name": "Eva Lind", "kind": "person", "zone": "Europe/Stockholm", "language": "sv", "country": "se",
        "city": "Lund", "birth_year": "1988", "job": "Nurse", "profession": "Nursing", "company": "Ward 4",
        "interests": "tea, clay", "owner": max.pk, "referred_by": bo.pk, "note": "Deaf in one ear",
    }  # fmt: skip
    assert signed_in(amy).post(url, given).status_code == 302
    eva.refresh_from_db()
    assert (eva.zone, eva.country, eva.interests, eva.owner, eva.referred_by) == (
        "Europe/Stockholm", "SE", ["tea", "clay"], max, bo,
    )  # fmt: skip
    page = signed_in(amy).get(eva.get_absolute_url()).content.decode()
    assert "Swedish" in page and "Deaf in one ear" in page and "by Amy, " in page
    assert "by Amy, " in signed_in(amy).get(url).content.decode()
    wrong = signed_in(amy).post(url, {**given, "language": "swedish!"})
    assert wrong.status_code == 422


def test_who_is_asked_hears_of_it_under_the_bell(eva: Customer, amy: Any, max: Any, signed_in: Any) -> None:
    task = add_task(customer=eva, title="Ring Eva", assignee=amy, by=max)
    add_task(customer=eva, title="Own idea", assignee=amy, by=amy)
    told = signed_in(amy).get(reverse("accounts:notice-list")).content.decode()
    assert "Max asks: Ring Eva" in told and "Own idea" not in told
    finish_task(task=task, by=amy)
    assert "Ring Eva" not in signed_in(amy).get(reverse("accounts:notice-list")).content.decode()


def test_my_tasks_take_a_pinned_number_of_statements(
    eva: Customer, amy: Any, max: Any, signed_in: Any
) -> None:
    for number in range(5):
        add_task(customer=eva, title=f"Task {number}", assignee=amy, by=max)
    browser = signed_in(amy)
    browser.get(reverse("crm:task-list"))
    with CaptureQueriesContext(connection) as found:
        browser.get(reverse("crm:task-list"))
    assert len(found) == PINNED["crm:task-list"], [query["sql"][:160] for query in found]
