"""In a real browser: the next month's posts are planned for a persona, costs entered, a key made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import Team
from crm.models import Customer
from engagement.models import ChannelAccount, Interaction, Post
from personas.models import (
    AdSpend,
    CustomerDay,
    Persona,
    PersonaMembership,
    PublishableKey,
    ReachPlan,
)
from tests.accessibility import is_well

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def fans(db: None) -> Persona:
    """A persona of thirty who react to posts on Instagram."""
    account = ChannelAccount.objects.create(
        connector="demo", network="instagram", external_id="us", name="us", team=Team.general()
    )
    now = timezone.now()
    post = Post.objects.create(
        account=account, external_id="p", media="video", published_at=now - timedelta(days=20)
    )
    persona = Persona.objects.create(name="Fans", members=30)
    for n in range(30):
        one = Customer.objects.create(name=f"Fan {n}")
        PersonaMembership.objects.create(customer=one, persona=persona, confidence=1, since=now)
        at = now - timedelta(days=n % 7 + 1)
        Interaction.objects.create(
            account=account, external_id=str(n), team=Team.general(), customer=one, home_customer=one,
            kind="comment", direction="inbound", occurred_at=at, post=post, reason="question",
            topics=["delivery"],
        )  # fmt: skip
        CustomerDay.objects.create(
            customer=one, day=at.date(), network="instagram", kind="comment", direction="inbound", n=1
        )
    return persona


def test_next_months_posts_are_planned_kept_and_read(
    fans: Persona, mia: Any, new_window: Callable[..., Page]
) -> None:
    window = new_window(mia)
    window.goto(f"/personas/{fans.pk}/")
    window.get_by_role("link", name="Plan posts").click()
    window.get_by_label("Posts", exact=True).fill("8")
    window.get_by_role("button", name="Plan", exact=True).click()
    expect(window.get_by_text("8 of 8 posts")).to_be_visible()
    share = window.locator("details.r-share").first
    share.locator("summary").click()
    expect(share.get_by_text("30 reactions by them to 1 posts")).to_be_visible()
    expect(window.locator("details.r-slot")).to_have_count(8)
    is_well(window)
    window.get_by_label("Name of the plan").fill("Our month")
    window.get_by_role("button", name="Keep this plan").click()
    expect(window.get_by_role("heading", name="Our month")).to_be_visible()
    assert ReachPlan.objects.get().posts == 8
    is_well(window)
    window.goto("/personas/plans/")
    expect(window.get_by_role("link", name="Our month")).to_be_visible()
    is_well(window)


def test_costs_are_entered_and_shown(mia: Any, new_window: Callable[..., Page]) -> None:
    window = new_window(mia)
    window.goto("/personas/spend/")
    is_well(window)
    window.get_by_role("link", name="Enter costs").first.click()
    window.get_by_label("Network").select_option("instagram")
    window.get_by_role("textbox", name="Campaign").fill("Spring")
    window.get_by_label("What it cost in all").fill("12.50")
    is_well(window)
    window.get_by_role("button", name="Enter").click()
    expect(window.get_by_text("One day is entered.")).to_be_visible()
    assert AdSpend.objects.get().campaign == "Spring"
    is_well(window)
    window.goto("/personas/spend/")
    expect(window.locator("[data-spend-chart] canvas")).to_be_visible()
    is_well(window)


def test_a_key_shows_its_secret_once(max: Any, new_window: Callable[..., Page]) -> None:
    window = new_window(max)
    window.goto("/personas/keys/")
    is_well(window)
    window.get_by_role("link", name="New key").click()
    window.get_by_label("Name").fill("Shop")
    window.get_by_label("Pages that may ask").fill("https://shop.example")
    is_well(window)
    window.get_by_role("button", name="Make key").click()
    secret = PublishableKey.objects.get().secrets["signing"]
    expect(window.get_by_label("Secret, for your server")).to_have_value(secret)
    is_well(window)
    window.get_by_role("link", name="I have copied it").click()
    expect(window.get_by_text("https://shop.example")).to_be_visible()
    assert secret not in window.content()


def test_nobody_was_compared_says_so(fans: Persona, vic: Any, new_window: Callable[..., Page]) -> None:
    window = new_window(vic)
    window.goto(f"/personas/{fans.pk}/lookalikes/")
    expect(window.get_by_text("Nobody was compared yet")).to_be_visible()
    is_well(window)
