"""Pages of customers and imports: who may, what is shown, and what becomes of bad rows."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from core.timeline import Entry
from crm.models import Customer, CustomerTag, Order, Tag
from crm.orders import store_orders
from crm.timeline import by_day
from tests.crm.orders import order

pytestmark = pytest.mark.django_db
PINNED = json.loads((Path(__file__).parent.parent / "query_counts.json").read_text())
EVERYBODY = {"ada", "max", "amy", "mia", "vic"}
WORKERS = EVERYBODY - {"vic"}
MARKETING = {"ada", "max", "mia"}
PAGES = {
    "crm:customer-list": EVERYBODY,
    "crm:customer": EVERYBODY,
    "crm:customer-timeline": EVERYBODY,
    "crm:customer-new": WORKERS,
    "crm:customer-edit": WORKERS,
    "crm:customer-export": MARKETING,
    "crm:import": MARKETING,
}
ABOUT_ONE = {"crm:customer", "crm:customer-timeline", "crm:customer-edit"}


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.tasks.run_job_task.apply_async", lambda *given, **options: None)


@pytest.fixture
def cast(ada: Any, max: Any, amy: Any, mia: Any, vic: Any) -> dict[str, Any]:
    return {"ada": ada, "max": max, "amy": amy, "mia": mia, "vic": vic}


@pytest.fixture
def eva(db: None) -> Customer:
    return Customer.objects.create(name="Eva Marín", city="Lyon")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_to_those_who_may(name, cast, eva, signed_in, anonymous) -> None:
    url = reverse(name, args=[eva.pk] if name in ABOUT_ONE else [])
    for person, user in cast.items():
        assert signed_in(user).get(url).status_code == (200 if person in PAGES[name] else 403), person
    assert anonymous.get(url).status_code == 302


def test_a_viewer_puts_no_tag_on_anybody(vic, eva, signed_in) -> None:
    assert signed_in(vic).post(reverse("crm:tag-add", args=[eva.pk]), {"name": "gold"}).status_code == 403
    assert not Tag.objects.exists()


def test_tags_come_and_go(amy, eva, signed_in) -> None:
    browser = signed_in(amy)
    browser.post(reverse("crm:tag-add", args=[eva.pk]), {"name": "Gold"})
    browser.post(reverse("crm:tag-add", args=[eva.pk]), {"name": "gold"})
    tag = Tag.objects.get()
    assert CustomerTag.objects.filter(customer=eva).count() == 1
    browser.post(reverse("crm:tag-remove", args=[eva.pk, tag.pk]))
    assert not CustomerTag.objects.exists()


def test_a_profile_is_saved_or_says_why_not(amy, eva, signed_in) -> None:
    url = reverse("crm:customer-edit", args=[eva.pk])
    given = {"name": "Eva M", "kind": "person", "stage": "purchase", "country": "be"}
    assert signed_in(amy).post(url, {**given, "birth_year": "long ago"}).status_code == 422
    assert signed_in(amy).post(url, given).status_code == 302
    eva.refresh_from_db()
    assert (eva.name, eva.country) == ("Eva M", "BE")
    assert "Belgium" in signed_in(amy).get(eva.get_absolute_url()).content.decode()


def test_a_file_of_customers_runs_no_formula(mia, signed_in) -> None:
    Customer.objects.create(name="=1+1", city="@SUM(A1)")
    answer = signed_in(mia).get(reverse("crm:customer-export"))
    sent = b"".join(answer.streaming_content).decode()
    assert "'=1+1" in sent and "'@SUM(A1)" in sent


@pytest.mark.parametrize("before", ["nonsense", "2026-01-01|order", "x|order|1"])
def test_a_place_in_the_timeline_that_cannot_be_read_is_refused(before, vic, eva, signed_in) -> None:
    url = reverse("crm:customer-timeline", args=[eva.pk])
    assert signed_in(vic).get(url, {"before": before}).status_code == 400


def test_the_timeline_names_each_day_once() -> None:
    now = timezone.now().replace(hour=12, minute=0)
    back = [now, now - timedelta(hours=1), now - timedelta(days=1), now - timedelta(days=40)]
    entries = [Entry(at, "order", number, "order", "", None) for number, at in enumerate(back)]
    assert [shown.opens for shown in by_day(entries)] == ["today", "", "yesterday", "day"]
    assert [shown.opens for shown in by_day(entries[1:], after=now)] == ["", "yesterday", "day"]


def test_the_page_tells_the_first_order_and_not_the_day_of_import(vic, signed_in) -> None:
    store_orders("shop", [order("1"), order("2", placed_at=timezone.now())])
    customer = Order.objects.first().customer
    page = signed_in(vic).get(customer.get_absolute_url()).content.decode()
    assert "2 Mar 2026" in page and "Known since" not in page


@pytest.mark.parametrize("name", ["crm:customer-list", "crm:customer"])
def test_pages_take_a_fixed_number_of_statements(name, ada, eva, signed_in) -> None:
    browser, url = signed_in(ada), reverse(name, args=[eva.pk] if name in ABOUT_ONE else [])
    browser.get(url)
    with CaptureQueriesContext(connection) as found:
        browser.get(url)
    told = "\n".join(query["sql"][:160] for query in found.captured_queries)
    assert len(found) == PINNED[name], told
