"""In a real browser: the queue of possible duplicates is answered by keyboard and passes axe-core."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from crm.models import Suspect
from tests.accessibility import is_well
from tests.crm.test_linkage_pages import suspect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_pairs_are_answered_by_keyboard(amy: Any, new_window: Any) -> None:
    first, second, third = suspect(0.99), suspect(0.95), suspect(0.9)
    window = new_window(amy)
    window.goto("/customers/duplicates/")
    window.keyboard.press("j")
    expect(window.locator(f"#suspect-{first.pk}")).to_be_focused()
    window.keyboard.press("n")
    expect(window.get_by_text("This pair will not come again")).to_be_visible()
    expect(window.locator(f"#suspect-{second.pk}")).to_be_focused()
    window.keyboard.press("j")
    window.keyboard.press("l")
    expect(window.get_by_text("come again in 30 days")).to_be_visible()
    window.get_by_role("button", name="Undo").first.click()
    expect(window.locator(f"#suspect-{first.pk}")).to_be_focused()
    states = dict(Suspect.objects.values_list("pk", "state"))
    assert states == {first.pk: "open", second.pk: "open", third.pk: "later"}


def test_the_queue_can_be_read_by_everybody(ada: Any, new_window: Any) -> None:
    suspect()
    suspect(0.85, city="Malmö")
    window = new_window(ada)
    window.goto("/customers/duplicates/")
    expect(window.get_by_role("heading", name="Phone numbers one digit apart").first).to_be_visible()
    is_well(window)
