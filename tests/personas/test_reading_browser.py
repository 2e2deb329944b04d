"""In a real browser: a mood is corrected in its thread, messages are judged, a re-read is previewed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from core.models import Workspace
from engagement.ingest import ingest
from engagement.models import Interaction, MoodLabel
from tests.accessibility import is_well, violations
from tests.engagement.events import account, inbound

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def said() -> Interaction:
    Workspace.current()
    Workspace.objects.update(languages=["en"])
    texts = ["Great, it broke again. I love waiting.", "Where is my parcel?", "Thank you for the quick help!"]
    ingest(account(), [inbound(f"k{n}", text=text, minute=n) for n, text in enumerate(texts)])
    return Interaction.objects.get(external_id="k0")


def test_a_mood_is_corrected_in_its_thread(said: Interaction, max: Any, new_window: Any) -> None:
    window = new_window(max)
    window.goto(f"/inbox/{said.conversation_id}/")
    line = window.locator(f"#i-{said.pk}")
    line.locator(".r-moodset").click()
    expect(line.locator(".dropdown-menu.show")).to_be_visible()
    assert violations(window) == []
    line.get_by_role("button", name="Unhappy", exact=True).click()
    expect(line).to_contain_text("told by staff")
    assert Interaction.objects.get(pk=said.pk).sentiment == -0.6


def test_messages_are_judged_one_after_another(said: Interaction, max: Any, new_window: Any) -> None:
    window = new_window(max)
    window.goto("/personas/reading/labels/")
    for n in range(3):
        window.locator("#draw button:has-text('Neutral')").click()
        expect(window.locator("#draw")).to_contain_text(f"{n + 1} of 300" if n < 2 else "No message is left")
    assert MoodLabel.objects.filter(source="sample", mood=0).count() == 3


def test_pages_are_sound_in_both_themes_and_on_a_phone(
    said: Interaction, max: Any, new_window: Callable[..., Page]
) -> None:
    Interaction.objects.update(language="fr", reader=0)
    window = new_window(max)
    window.goto("/personas/reading/")
    window.get_by_role("button", name="Preview").click()
    expect(window.locator("#reread-preview")).to_contain_text("Of 3 messages drawn at random, 3")
    is_well(window)
    for path in ("/personas/reading/labels/", "/personas/reading/topics/"):
        window.goto(path)
        is_well(window)
