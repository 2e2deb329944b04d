"""A line's menu and the composer's limits in a browser, by mouse and by keys, and by axe-core's rules."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from engagement import acting
from engagement.channels.base import Limits, PermanentFailure
from engagement.models import ActRecord, Interaction
from tests.accessibility import is_well
from tests.engagement.desk import DoubleConnector, double, general, hear, make_account
from tests.engagement.test_acting import there

__all__ = ["double", "general", "there"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def comment(there: Any, general: Any) -> Interaction:
    account = make_account(general, connector="moderated")
    return hear(account, "Buy followers here!", who="spam", public=True).interactions.get()


def opened(window: Page, comment: Interaction) -> Page:
    window.goto(f"/inbox/{comment.conversation_id}/?view=open")
    expect(window.locator("html[data-stream=open]")).to_be_attached()
    return window


def do_due() -> None:
    for pk in acting.sweep():
        acting.do(pk)


def test_a_comment_is_hidden_by_the_keyboard_and_says_so_live(comment, amy, max, new_window) -> None:
    hers, his = opened(new_window(amy), comment), opened(new_window(max), comment)
    line, menu = f"#i-{comment.pk}", f"#acts-{comment.pk}"
    hers.locator(f"{line} [data-bs-toggle][hx-get]").focus()
    hers.keyboard.press("Enter")
    expect(hers.locator(f"{menu} .dropdown-item")).to_have_count(2)
    # htmx gives what it put in its ears a moment later
    expect(hers.locator(".htmx-settling")).to_have_count(0)
    hers.keyboard.press("ArrowDown")
    hers.keyboard.press("ArrowDown")
    expect(hers.locator(f"{menu} .dropdown-item:has-text('Hide')")).to_be_focused()
    hers.keyboard.press("Enter")
    for window in (hers, his):
        expect(window.locator(line)).to_contain_text("Hide: on its way")
    do_due()
    for window in (hers, his):
        expect(window.locator(line)).to_contain_text("hidden from others")


def test_deleting_asks_first_and_a_refusal_can_be_tried_again(comment, there, max, new_window) -> None:
    window = opened(new_window(max), comment)
    line, menu = f"#i-{comment.pk}", f"#acts-{comment.pk}"
    there.ends.append(PermanentFailure("(#200) no permission"))
    asked: list[str] = []
    window.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    window.locator(f"{line} [data-bs-toggle][hx-get]").click()
    expect(window.locator(f"{menu} .dropdown-item")).not_to_have_count(0)
    expect(window.locator(".htmx-settling")).to_have_count(0)
    window.locator(f"{menu} .dropdown-item:has-text('Delete')").click()
    expect(window.locator(line)).to_contain_text("on its way")
    assert "cannot be taken back" in asked[0]
    do_due()
    expect(window.locator(f"{line} [role=alert]")).to_contain_text("(#200) no permission")
    window.locator(f"{line} button:has-text('Try again')").click()
    expect(window.locator(line)).to_contain_text("on its way")
    do_due()
    expect(window.locator(line)).to_contain_text("Deleted on the network")
    assert ActRecord.objects.filter(state="done").count() == 1


def test_the_menu_and_its_failures_keep_the_rules(comment, there, max, new_window) -> None:
    window = opened(new_window(max), comment)
    there.ends.append(PermanentFailure("(#200) no permission"))
    acting.ask_for(interaction=comment, act=acting.Act.HIDE, by=max)
    do_due()
    line, menu = f"#i-{comment.pk}", f"#acts-{comment.pk}"
    expect(window.locator(f"{line} [role=alert]")).to_be_visible()
    window.locator(f"{line} [data-bs-toggle][hx-get]").click()
    expect(window.locator(f"{menu} .dropdown-item").first).to_be_visible()
    is_well(window, widths=(1440, 380))


def test_files_are_held_against_limits_before_they_leave(general, double, amy, new_window, monkeypatch):
    kinds = ("image/*",)
    limits = Limits(length=20, files=1, file_bytes=10, file_types=kinds)
    monkeypatch.setattr(DoubleConnector, "limits", lambda self, account, *, public: limits)
    monkeypatch.setattr(DoubleConnector, "count_length", lambda self, text: 2 * len(text))
    conversation = hear(make_account(general))
    window = new_window(amy)
    window.goto(f"/inbox/{conversation.pk}/?view=open")
    problem, send = window.locator("[data-files-problem]"), window.locator("#compose [data-send]")

    def choose(*files: tuple[str, str, int]) -> None:
        made = [{"name": name, "mimeType": kind, "buffer": b"1" * size} for name, kind, size in files]
        window.set_input_files("[data-files]", made)  # type: ignore[arg-type]

    choose(("a.png", "image/png", 3), ("b.png", "image/png", 3))
    expect(problem).to_contain_text("At most 1 files")
    expect(send).to_be_disabled()
    choose(("a.pdf", "application/pdf", 3))
    expect(problem).to_contain_text("a.pdf")
    choose(("big.png", "image/png", 11))
    expect(problem).to_contain_text("big.png")
    choose(("a.png", "image/png", 3))
    expect(problem).to_be_hidden()
    expect(send).to_be_enabled()
    window.fill("#answer", "twelve signs")
    expect(window.locator("[data-length]")).to_have_text("24")
    expect(window.locator("[data-length]").locator("..")).to_have_class("r-xs r-muted r-num left r-neg")
