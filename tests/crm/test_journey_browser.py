"""The journey and the filters of the timeline in a real browser: by hand, by address, wide and narrow."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Team, User
from crm.models import Customer
from crm.orders import OrderIn, store_orders
from engagement.channels.base import Author, Event, VisitFacts
from engagement.ingest import ingest
from engagement.models import ChannelAccount
from tests.accessibility import is_well

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BEGAN = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def bo(transactional_db: None) -> Customer:
    """Somebody who wrote, visited and ordered."""
    mail = ChannelAccount.objects.create(
        connector="api", network="email", external_id="shop@example.com", name="Mail", team=Team.general()
    )
    eva = Author("bo@example.org", name="Bo Berg")
    events = [
        Event("m1", "message", "inbound", BEGAN, "Do you ship?", ("m1",), author=eva),
        *(
            Event(
                f"v{n}", "visit", "inbound", timezone.now() - timedelta(minutes=n), "", (), author=eva,
                subject=f"Page {n}", visit=VisitFacts("page_view", f"https://shop.example/{n}"),
            )
            for n in range(4)
        ),
    ]  # fmt: skip
    ingest(mail, events)
    store_orders(
        "shop",
        [
            OrderIn(
                external_id="o1", number="#1042", customer_id="bo@example.org", network="email",
                placed_at=BEGAN + timedelta(days=2), total=Decimal(20), currency="USD",
            )
        ],
    )  # fmt: skip
    return Customer.objects.get(name="Bo Berg")


def test_nobody_is_kept_out_and_nothing_runs_over(new_window: Any, bo: Customer, amy: User) -> None:
    amy.teams.add(Team.general())
    page = new_window(amy)
    page.goto(f"/customers/{bo.pk}/")
    journey = page.get_by_role("region", name="Journey")
    expect(journey.get_by_text("First order, order #1042").first).to_be_visible()
    journey.get_by_text("2 changes").click()
    page.get_by_text("3 more before it").click()
    expect(page.locator("#timeline ~ aside .r-skel")).to_have_count(0)
    is_well(page)
    page.get_by_role("button", name="All kinds").click()
    expect(page.get_by_role("checkbox", name="Visits")).to_be_visible()
    is_well(page)


def test_a_stage_is_set_by_hand_and_released_by_the_keyboard(
    new_window: Any, bo: Customer, amy: User
) -> None:
    page = new_window(amy)
    page.goto(f"/customers/{bo.pk}/")
    journey = page.get_by_role("region", name="Journey")
    journey.get_by_role("button", name="Set by hand").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    for _step in range(4):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(journey.get_by_text(re.compile("set by Amy"))).to_be_visible()
    expect(journey.locator("[aria-current=step]")).to_contain_text("Advocacy")
    journey.get_by_role("button", name="Set by hand").click()
    journey.get_by_role("button", name="Follow what happens again").click()
    expect(journey.locator("[aria-current=step]")).to_contain_text("Purchase")
    bo.refresh_from_db()
    assert bo.stage == "purchase"


def test_filters_go_into_the_address_and_come_back_from_it(new_window: Any, bo: Customer, amy: User) -> None:
    amy.teams.add(Team.general())
    page = new_window(amy)
    page.goto(f"/customers/{bo.pk}/")
    timeline = page.locator("#timeline")
    page.get_by_role("button", name="All kinds").click()
    page.get_by_role("checkbox", name="Orders").check()
    page.get_by_role("checkbox", name="Messages").check()
    timeline.get_by_role("button", name="Show", exact=True).click()
    expect(timeline.get_by_text("Order #1042")).to_be_visible()
    expect(timeline.get_by_text("Page 0")).to_have_count(0)
    assert page.url.endswith("?kind=message&kind=order")
    # htmx listens to what it put in its place a moment later
    expect(page.locator(".htmx-request, .htmx-settling")).to_have_count(0)
    page.get_by_label("Public or private").select_option("private")
    expect(timeline.get_by_text("Order #1042")).to_have_count(0)
    expect(timeline.get_by_text("Do you ship?")).to_be_visible()
    page.reload()
    expect(timeline.get_by_text("Do you ship?")).to_be_visible()
    expect(page.get_by_label("Public or private")).to_have_value("private")
    page.get_by_label("Search in this timeline").fill("kettle")
    page.keyboard.press("Enter")
    expect(timeline.get_by_text("Nothing fits these filters")).to_be_visible()
    expect(page.get_by_label("Search in this timeline")).to_be_focused()
    timeline.get_by_role("link", name="Show everything").first.click()
    expect(timeline.get_by_text("Page 0")).to_be_visible()
