"""In a real browser: a model card draws its calibration and its record, and can be read by everybody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from personas.models import ModelRun
from tests.accessibility import is_well
from tests.personas.test_prediction_pages import card
from tests.personas.test_predictions import NOW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_model_card_is_drawn_and_read(mia: Any, new_window: Callable[..., Page]) -> None:
    tenths = [{"expected": 12.5 * n, "actual": 13.0 * n, "n": 90} for n in range(1, 11)]
    made = card("value", calibration=tenths, parameters={"has_interval": True})
    earlier = NOW - timedelta(days=7)
    ModelRun.objects.create(card=made, run_at=earlier, figures=made.figures, is_used=True, customers=880)
    card("survey", is_used=False, figures={}, explanation="Needs 200 invitations.")
    window = new_window(mia)
    window.goto("/personas/models/")
    expect(window.get_by_role("heading", name="Value over 12 months")).to_be_visible()
    is_well(window)
    window.get_by_role("link", name="Value over 12 months").click()
    for name in ("calibration", "record"):
        expect(window.locator(f"[data-chart={name}] canvas")).to_be_visible()
    expect(window.get_by_role("region", name="Calibration as a table").locator("tbody tr")).to_have_count(10)
    expect(window.get_by_role("region", name="Earlier runs").locator("tbody tr")).to_have_count(2)
    is_well(window)
