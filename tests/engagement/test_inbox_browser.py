"""The inbox in a real browser: answering, a second window, keys, drafts, a phone, and what axe-core finds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import Team
from crm.models import Consent
from engagement import conversations, outbox, replies
from engagement.channels.base import PermanentFailure, Uncertain
from engagement.models import CannedReply, Conversation, Delivery, Draft
from tests.accessibility import is_well
from tests.engagement.desk import DoubleConnector, double, general, hear, make_account

__all__ = ["double", "general"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages leave when the test sweeps."""
    monkeypatch.setattr("engagement.tasks.send_delivery.delay", lambda pk: None)


@pytest.fixture
def conversation(double: type[DoubleConnector], general: Team) -> Conversation:
    return hear(make_account(general))


def opened(window: Page, conversation: Conversation) -> Page:
    window.goto(f"/inbox/{conversation.pk}/?view=open")
    expect(window.locator("html[data-stream=open]")).to_be_attached()
    return window


def test_an_answer_is_seen_live_in_a_second_window(conversation, amy, max, new_window) -> None:
    hers, his = opened(new_window(amy), conversation), opened(new_window(max), conversation)
    hers.fill("#answer", "A new one leaves tomorrow.")
    hers.dblclick("#compose [data-send]")
    ours = ".r-msg.out:has-text('A new one leaves tomorrow.')"
    for window in (hers, his):
        expect(window.locator(ours)).to_have_count(1)
        expect(window.locator(ours)).to_contain_text("Queued")
    expect(hers.locator("#answer")).to_have_value("")
    assert Delivery.objects.count() == 1
    outbox.sweep()
    for window in (hers, his):
        expect(window.locator(ours)).to_contain_text("Sent")
    hear(conversation.account, "Thank you!", at=timezone.now())
    for window in (hers, his):
        expect(window.locator(".r-msg:has-text('Thank you!')")).to_have_count(1)
        expect(window.locator(f"#c-{conversation.pk} .say")).to_contain_text("Thank you!")


def test_a_new_conversation_appears_at_the_top_and_in_the_counts(conversation, amy, new_window) -> None:
    window = opened(new_window(amy), conversation)
    expect(window.locator("#rows li[data-conversation]")).to_have_count(1)
    new = hear(conversation.account, "Is anybody there?", who="tomasz", at=timezone.now())
    expect(window.locator("#rows li[data-conversation]").first).to_have_id(f"c-{new.pk}")
    expect(window.locator("#views a:has-text('All open')")).to_contain_text("2")
    expect(window.locator(f"#c-{new.pk} .r-conv")).to_have_class("r-conv unread")


def test_walking_opening_and_resolving_by_keys(conversation, amy, new_window) -> None:
    other = hear(conversation.account, "Older.", who="tomasz", at=timezone.now() - timedelta(hours=2))
    window = new_window(amy)
    window.goto("/inbox/?view=open")
    window.keyboard.press("j")
    window.keyboard.press("j")
    window.keyboard.press("Enter")
    expect(window.locator("#thread")).to_have_attribute("data-conversation", str(other.pk))
    expect(window).to_have_url(f"{window.url.split('/inbox')[0]}/inbox/{other.pk}/?view=open&sort=-last")
    window.locator("#flow").focus()
    window.keyboard.press("e")
    expect(window.locator("#thread-head")).to_contain_text("Reopen")
    expect(window.locator(f"#c-{other.pk}")).to_have_count(0)
    expect(window.locator("#flow")).to_contain_text("Resolved by Amy")
    window.keyboard.press("n")
    expect(window.locator("#compose")).to_have_class("r-compose is-note")
    expect(window.locator("#answer")).to_be_focused()


def test_a_note_calls_a_colleague_and_looks_like_none_of_the_answers(
    conversation, amy, max, new_window
) -> None:
    window = opened(new_window(amy), conversation)
    window.click("[data-tab=note]")
    window.type("#answer", "Please look @Ma")
    window.locator("#suggest [role=option]:has-text('Max')").click()
    window.keyboard.press("Control+Enter")
    note = window.locator(".r-note")
    expect(note).to_contain_text("customers never see this")
    expect(note.locator(".r-at")).to_have_text("@Max")
    assert not Delivery.objects.exists()
    assert conversation.mentions.get().user == max


def test_a_draft_of_each_kind_survives_leaving(conversation, amy, new_window) -> None:
    window = opened(new_window(amy), conversation)
    window.fill("#answer", "Half an answer")
    expect(window.locator("[data-draft-state]")).to_have_text("Draft kept")
    window.click("[data-tab=note]")
    window.fill("#answer", "Half a note")
    expect(window.locator("[data-draft-state]")).to_have_text("Draft kept")
    window.wait_for_timeout(1000)
    window.reload()
    expect(window.locator("#answer")).to_have_value("Half an answer")
    window.click("[data-tab=note]")
    expect(window.locator("#answer")).to_have_value("Half a note")
    assert Draft.objects.count() == 2


def test_a_canned_reply_by_a_slash(conversation, amy, new_window) -> None:
    CannedReply.objects.create(shortcut="return", text="Dear {name}, send it back.")
    window = opened(new_window(amy), conversation)
    window.type("#answer", "/re")
    expect(window.locator("#suggest [role=option]")).to_have_count(1)
    window.keyboard.press("Enter")
    expect(window.locator("#answer")).to_have_value("Dear Marisol, send it back.")


def test_what_cannot_be_sent_keeps_its_text(conversation, amy, new_window) -> None:
    window = opened(new_window(amy), conversation)
    window.fill("#answer", "x" * 300)
    expect(window.locator("#compose .left.r-neg")).to_have_count(1)
    window.click("#compose [data-send]")
    expect(window.locator("#compose [role=alert]")).to_contain_text("300 characters")
    expect(window.locator("#answer")).to_have_value("x" * 300)


def test_the_agent_sends_again_what_may_have_been_sent(conversation, amy, double, new_window) -> None:
    from uuid import uuid4

    replies.reply(conversation=conversation, by=amy, text="Hi", client_key=uuid4())
    double.outcomes.append(Uncertain("The line was cut."))
    outbox.sweep()
    window = opened(new_window(amy), conversation)
    expect(window.locator(".r-trouble")).to_contain_text("The line was cut.")
    window.click("text=Send again")
    expect(window.locator(".r-msg.out")).to_contain_text("Queued")
    outbox.sweep()
    expect(window.locator(".r-msg.out")).to_contain_text("Sent")
    assert len(double.sent) == 2


def test_without_the_stream_the_page_asks_by_itself(
    conversation, amy, browser, live_server, settings
) -> None:
    from django.test import Client

    settings.LIVE_URL = ":1"
    client = Client()
    client.force_login(amy, backend="django.contrib.auth.backends.ModelBackend")
    context = browser.new_context(base_url=live_server.url, locale="en-US")
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
    window = context.new_page()
    window.goto(f"/inbox/{conversation.pk}/?view=open")
    expect(window.locator("html[data-stream=polling]")).to_be_attached()
    hear(conversation.account, "Hello?", at=timezone.now())
    expect(window.locator(".r-msg:has-text('Hello?')")).to_have_count(1, timeout=25_000)
    context.close()


@pytest.fixture
def busy(conversation: Conversation, amy: Any, max: Any, double: type[DoubleConnector]) -> Conversation:
    """A conversation with everything in it, beside a public one."""
    from uuid import uuid4

    public = hear(conversation.account, "Love it.", who="tomasz", thread="post:1", public=True)
    Conversation.objects.filter(pk=public.pk).update(due_at=timezone.now() - timedelta(hours=1))
    conversations.assign(conversation=conversation, to=amy, by=max)
    conversations.add_tag(conversation=conversation, name="kettle", by=amy)
    conversations.write_note(conversation=conversation, by=max, text="@Amy look at https://example.com")
    for text, outcome in (
        ("one", PermanentFailure("No such user")),
        ("two", Uncertain("Cut off")),
        ("three", None),
    ):
        replies.reply(conversation=conversation, by=amy, text=text, client_key=uuid4())
        double.outcomes.extend([outcome] if outcome else [])
        outbox.sweep()
    owner = conversation.customer
    assert owner is not None
    Consent.objects.create(
        identity=conversation.identity,
        purpose="marketing",
        given=False,
        source="x",
        home_customer=owner,
        customer=owner,
    )
    return conversation


@pytest.mark.parametrize("width", [1440, 390])
def test_the_inbox_has_no_violation_and_stays_within_the_window(busy, amy, new_window, width) -> None:
    window = new_window(amy, width=width)
    public = Conversation.objects.exclude(pk=busy.pk).get()
    paths = [
        "/inbox/?view=open",
        f"/inbox/{busy.pk}/?view=open",
        f"/inbox/{public.pk}/",
        "/inbox/?view=snoozed",
        "/inbox/new/",
    ]
    for path in paths:
        window.goto(path)
        is_well(window, widths=(width,))


def test_settings_of_the_inbox_have_no_violation_and_stay_within_the_window(ada, general, new_window) -> None:
    window = new_window(ada)
    for path in ("/settings/canned/", "/settings/canned/new/"):
        window.goto(path)
        is_well(window)


def test_a_phone_shows_one_pane_at_a_time_and_a_way_back(busy, amy, new_window) -> None:
    window = new_window(amy, width=390, height=844)
    window.goto("/inbox/?view=open")
    expect(window.locator("#list")).to_be_visible()
    expect(window.locator("#thread")).to_be_hidden()
    window.click(f"#c-{busy.pk} .r-conv")
    expect(window.locator("#thread")).to_be_visible()
    expect(window.locator("#list")).to_be_hidden()
    window.click("[data-show=about]")
    expect(window.locator("#about")).to_be_visible()
    expect(window.locator("#about")).to_contain_text("Marisol")
    window.click("#about [data-show=thread]")
    window.click("#thread [data-show=list]")
    expect(window.locator("#list")).to_be_visible()
