"""In a real browser: how personas are found, the gallery and two side by side can be read by everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from personas import clustering, handmade
from personas.assigning import assign, fit_model
from personas.models import Persona, PersonaModel
from personas.segments import create_segment
from tests.accessibility import is_well
from tests.personas.test_assigning import customers, work

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
RULE = {"all": [{"field": "customer.name", "op": "contains", "value": "0 1"}]}


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> PersonaModel:
    """Three personas, one made by hand, and a model that waits."""
    monkeypatch.setattr(clustering, "BOOTSTRAPS", 5)
    monkeypatch.setattr("core.jobs._enqueue", lambda pk, kind: None)
    for kind in range(3):
        customers(kind, 40)
    assign(work(everybody=True))
    handmade.make_persona(segment=create_segment(name="Ambassadors", rule=RULE, by=None), name="Ambassadors")
    found = fit_model(work(1, everybody=True), reason="by hand")
    assert found is not None
    return found


def test_pages_can_be_read_by_everybody(
    waiting: PersonaModel, mia: Any, new_window: Callable[..., Page]
) -> None:
    window = new_window(mia)
    segment = create_segment(name="Others", rule=RULE, by=None)
    for url in (
        reverse("personas:persona-list"),
        reverse("personas:persona-compare"),
        reverse("personas:model"),
        f"{reverse('personas:persona-make')}?segment={segment.pk}",
    ):
        window.goto(url)
        is_well(window)


def test_a_waiting_model_is_put_away_and_a_persona_moved(
    waiting: PersonaModel, mia: Any, new_window: Callable[..., Page]
) -> None:
    window = new_window(mia)
    handmade.make_persona(segment=create_segment(name="Others", rule=RULE, by=None), name="Others")
    window.goto(reverse("personas:persona-list"))
    window.click("text=See what would change")
    expect(window.locator("h2", has_text="A new model waits")).to_be_visible()
    window.click("button:has-text('Put it away')")
    expect(window.locator("h2", has_text="A new model waits")).to_have_count(0)
    window.goto(reverse("personas:persona-list"))
    window.click("[aria-label='Move Others up']")
    expect(window.locator("h2").first).to_have_text("Others")
    assert Persona.objects.shown().first() == Persona.objects.get(name="Others")
