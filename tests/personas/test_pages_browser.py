"""In a real browser: a segment is built and counted, a rebuild runs to its end, a persona is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from core.jobs import run_job
from core.models import Job, JobState
from crm.orders import store_orders
from personas.models import Persona, Segment, SegmentMembership
from tests.core.test_shell_browser import goes_sideways, violations
from tests.crm.orders import order

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _leave_pages(new_window: Any, browser: Any) -> Iterator[None]:
    """No page asks for anything any more when the tables are emptied."""
    yield
    for context in browser.contexts:
        for window in context.pages:
            window.goto("about:blank")


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run when the test runs them."""
    monkeypatch.setattr("core.jobs._enqueue", lambda pk, kind: None)


@pytest.fixture
def buyers() -> None:
    """Twelve buyers; four of them bought three times."""
    orders = [order(f"{n}-{turn}", buyer=f"b{n}") for n in range(12) for turn in range(3 if n < 4 else 1)]
    store_orders("shop", orders)


def run_open_jobs() -> None:
    for job in Job.objects.filter(state=JobState.QUEUED).order_by("created_at"):
        run_job(job.pk)


def rebuilt(mia: Any) -> None:
    from personas.nightly import start_rebuild

    run_job(start_rebuild(by=mia, enqueue=False).pk)


def test_a_segment_is_built_counted_and_saved(
    buyers: None, mia: Any, new_window: Callable[..., Page]
) -> None:
    rebuilt(mia)
    window = new_window(mia)
    window.goto("/segments/new/")
    window.fill("#id_name", "Three times")
    window.click("#builder button:has-text('Condition')")
    condition = window.locator("#builder .r-cond").first
    condition.get_by_label("What it is about").select_option(label="Orders")
    condition.get_by_label("Comparison").select_option("gte")
    condition.get_by_label("Value").fill("3")
    expect(window.locator("#rule-found [data-count]")).to_have_text("4")
    expect(window.locator("#rule-found")).to_contain_text("at least 3 orders")
    window.click("#builder > fieldset > .r-row:last-child button:has-text('Group')")
    expect(window.locator("#builder .r-rule .r-rule .r-cond")).to_have_count(1)
    window.click("#builder .r-rule .r-rule [aria-label='Remove this group']")
    expect(window.locator("#builder .r-cond")).to_have_count(1)
    window.click("button:has-text('Save')")
    expect(window.locator("h1")).to_have_text("Three times")
    run_open_jobs()
    window.reload()
    expect(window.locator("#members + .r-pill")).to_have_text("4")
    assert SegmentMembership.objects.count() == 4
    assert Segment.objects.get().rule["all"][0]["field"] == "traits.orders_total"


def test_a_rule_that_cannot_be_meant_is_told_and_nothing_is_lost(
    buyers: None, mia: Any, new_window: Callable[..., Page]
) -> None:
    window = new_window(mia)
    window.goto("/segments/new/")
    window.fill("#id_name", "Unfinished")
    window.click("#builder button:has-text('Condition')")
    window.locator("#builder .r-cond").first.get_by_label("Value").fill("")
    expect(window.locator("#rule-found")).to_contain_text("Not complete yet")
    window.click("button:has-text('Save')")
    expect(window.locator("#problems")).to_be_visible()
    expect(window.locator("#id_name")).to_have_value("Unfinished")
    expect(window.locator("#builder .r-cond")).to_have_count(1)
    assert not Segment.objects.exists()


def test_a_rebuild_is_started_and_its_progress_ends(
    buyers: None, mia: Any, new_window: Callable[..., Page]
) -> None:
    window = new_window(mia)
    window.goto("/personas/")
    window.click("button:has-text('Rebuild now')")
    expect(window).to_have_url(re.compile("/settings/jobs/"))
    expect(window.locator(".r-job")).to_contain_text("Queued")
    run_open_jobs()
    expect(window.locator(".r-job")).to_contain_text("Done", timeout=15_000)
    window.goto("/personas/")
    expect(window.locator("body")).to_contain_text("Not enough data for personas yet")


def test_a_persona_is_read(buyers: None, mia: Any, new_window: Callable[..., Page]) -> None:
    rebuilt(mia)
    persona = Persona.objects.filter(members__gt=0).first()
    assert persona is not None
    Persona.objects.filter(pk=persona.pk).update(how_to_speak="Say when it arrives\n- Sell twice")
    window = new_window(mia)
    window.goto("/personas/")
    window.click(f"h2 >> text={persona.name}")
    expect(window.locator("h1")).to_have_text(persona.name)
    expect(window.locator("article")).to_contain_text("Say when it arrives")
    window.click("text=Who belongs")
    expect(window.locator(".r-line")).to_have_count(min(persona.members, 50))


@pytest.mark.parametrize("path", ["/personas/", "/segments/", "/segments/new/", "/analytics/", "/customers/"])
def test_pages_fit_a_phone_and_pass_axe(
    path: str, buyers: None, mia: Any, new_window: Callable[..., Page]
) -> None:
    rebuilt(mia)
    window = new_window(mia)
    window.set_viewport_size({"width": 390, "height": 844})
    window.goto(path)
    window.wait_for_timeout(700)
    assert not goes_sideways(window)
    assert violations(window) == []
