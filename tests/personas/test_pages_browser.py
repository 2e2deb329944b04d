"""In a real browser: a segment is built and counted, a rebuild runs to its end, a persona is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from core.jobs import run_job
from core.models import Job, JobState
from crm.orders import store_orders
from personas.models import Persona
from tests.accessibility import is_well
from tests.crm.orders import order

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


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


def test_pages_fit_a_desk_and_a_phone_and_pass_axe(
    buyers: None, mia: Any, new_window: Callable[..., Page]
) -> None:
    rebuilt(mia)
    window = new_window(mia)
    for path in ("/personas/", "/segments/", "/segments/new/", "/analytics/", "/customers/"):
        window.goto(path)
        is_well(window)
