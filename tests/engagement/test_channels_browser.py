"""Channels in a real browser: an admin's day with a mailbox, what axe-core finds, and a phone.

`RAPPORT_SHOTS=<folder>` keeps a picture of every step and page, in light and dark:
`RAPPORT_SHOTS=/tmp/shots python -m pytest tests/engagement/test_channels_browser.py -n 0`.
"""

from __future__ import annotations

import os
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from engagement import logins, pulls
from engagement.models import ChannelAccount, Interaction, LoginGrant, RawEvent, RawState, Reconciliation
from tests.accessibility import DESK, PHONE, is_well
from tests.engagement.desk import general, hear
from tests.engagement.harbour import Harbour, connected, harbour
from tests.mail_servers import IMAPServer, SMTPServer

__all__ = ["general", "harbour"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _here(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of this machine may be reached; jobs wait for the test."""
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = ["127.0.0.1"]
    monkeypatch.setattr("core.jobs._enqueue", lambda pk, kind: None)


def shot(window: Page, name: str) -> None:
    """Keep a picture in each theme where somebody wants one."""
    if folder := os.environ.get("RAPPORT_SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        window.evaluate("scrollTo(0, 0)")
        for theme in ("dark", "light"):
            window.evaluate("(theme) => { document.documentElement.dataset.bsTheme = theme; }", theme)
            window.evaluate("document.dispatchEvent(new CustomEvent('rapport:theme'))")
            place = str(Path(folder) / f"{name}-{theme}.png")
            window.screenshot(path=place, full_page=True, animations="disabled")


def url(name: str, *args: Any) -> str:
    return reverse(f"engagement:{name}", args=args)


def mail(text: str, subject: str = "Kettle") -> bytes:
    message = EmailMessage()
    message["From"] = "Marisol <marisol@example.org>"
    message["To"] = "shop@example.com"
    message["Subject"] = subject
    message["Message-ID"] = f"<{uuid4()}@example.org>"
    message["Date"] = timezone.now()
    message.set_content(text)
    return message.as_bytes()


# An admin's day


def connect_mailbox(window: Page, imap: IMAPServer, smtp: SMTPServer) -> ChannelAccount:
    """From the list of channels to a mailbox that works."""
    window.goto(url("channel-list"))
    window.get_by_role("link", name="Connect a channel").first.click()
    shot(window, "story-1-cards")
    window.fill("#q", "mail")
    window.keyboard.press("Enter")
    window.get_by_role("link", name="Email", exact=True).click()
    expect(window.locator("h1")).to_have_text("Connect Email")
    shot(window, "story-2-needs")
    window.get_by_role("link", name="Go on").click()
    for name, value in {
        "name": "Care", "address": imap.user, "imap_host": imap.host, "imap_port": str(imap.port),
        "imap_user": imap.user, "imap_password": imap.password, "smtp_host": smtp.host,
        "smtp_port": str(smtp.port),
    }.items():  # fmt: skip
        window.fill(f"[name={name}]", value)
    for name in ("imap_security", "smtp_security"):
        window.select_option(f"[name={name}]", "none")
    shot(window, "story-3-keys")
    window.get_by_role("button", name="Connect").click()
    expect(window.locator("h1")).to_have_text("Care is connected")
    expect(window.locator("[role=status] .ti-circle-check").first).to_be_visible()
    shot(window, "story-4-self-test")
    return ChannelAccount.objects.get()


def test_an_admin_connects_a_mailbox_sees_it_break_and_mends_it(
    new_window: Any, request: Any, general: Any
) -> None:
    ada, imap, smtp = (request.getfixturevalue(name) for name in ("ada", "imap_server", "smtp_server"))
    window = new_window(ada)
    account = connect_mailbox(window, imap, smtp)

    # what customers write comes in, and the account shows it
    pulls.pull_account(account.pk)
    for number in range(3):
        imap.deliver(mail(f"My kettle leaks, part {number}."))
    pulls.pull_account(account.pk)
    window.get_by_role("link", name="See how Care fares").click()
    expect(window.locator("main")).to_contain_text("It works: what customers say comes in")
    expect(window.locator("[data-chart] canvas")).to_be_visible()
    shot(window, "story-5-health")

    # the provider changes the password: nothing comes in, and the bell says so
    imap.stop()
    imap.password = "changed-by-the-provider"
    imap.start()
    for number in range(4):
        imap.deliver(mail(f"Is anybody there? {number}", subject="Still leaking"))
    ChannelAccount.objects.update(next_pull_at=timezone.now())
    pulls.pull_account(account.pk)
    assert Interaction.objects.count() == 3
    window.goto("/inbox/")
    window.get_by_role("button", name="Notices").click()
    expect(window.get_by_text("Care needs new credentials")).to_be_visible()
    shot(window, "story-6-notice")
    window.get_by_text("Care needs new credentials").click()
    expect(window.locator("main")).to_contain_text("The platform refuses its credentials")
    shot(window, "story-7-broken")

    # the new password ends it, and what waited comes in
    window.get_by_role("link", name="Give new credentials").click()
    expect(window.locator("[name=imap_password]")).to_have_attribute("placeholder", "stored")
    window.fill("[name=imap_password]", imap.password)
    window.get_by_role("button", name="Save", exact=True).click()
    expect(window.locator("body")).to_contain_text("Care is kept.")
    pulls.pull_account(account.pk)
    assert Interaction.objects.count() == 7
    account.refresh_from_db()
    assert account.health == "healthy"
    window.reload()
    expect(window.locator("main")).to_contain_text("It works: what customers say comes in")
    shot(window, "story-8-mended")
    window.goto("/inbox/?view=open")
    expect(window.locator("#rows")).to_contain_text("Is anybody there?")
    shot(window, "story-9-backlog")


@pytest.mark.usefixtures("general", "harbour")
def test_a_login_leads_to_the_platform_and_back(
    new_window: Any, ada: Any, settings: Any, live_rapport: Any
) -> None:
    settings.PUBLIC_URL = live_rapport.url
    window = new_window(ada)
    window.goto(url("channel-connect", "harbour"))
    window.get_by_role("button", name="Connect").click()
    expect(window.locator("h1")).to_have_text("Choose what to connect")
    window.get_by_role("button", name="Connect what is chosen").click()
    expect(window.locator("h1")).to_have_text("The quay is connected")
    expect(window.locator("[role=status] .ti-circle-check").first).to_be_visible()
    account = ChannelAccount.objects.get()
    ChannelAccount.objects.update(health="needs_login")
    window.goto(url("channel-health", account.pk))
    window.get_by_role("button", name="Sign in again").click()
    expect(window.locator("h1")).to_have_text("The quay is connected")
    account.refresh_from_db()
    assert account.health == "healthy"


# Pages


@pytest.fixture
def lived_in(general: Any, harbour: Harbour, ada: Any) -> ChannelAccount:
    """An account with a past: messages, days compared, something parked, permissions that fail."""
    now = timezone.now()
    account = connected(
        general, hook_state="off", hook_text="The harbour refused it.", scopes=["read"],
        token_expires_at=now + timedelta(days=5), token_renewed_at=now - timedelta(days=55),
        findings=[
            {"name": "read", "works": True, "text": "", "remedy": "", "scope": "read"},
            {"name": "write", "works": False, "text": "403", "remedy": "Allow it.", "scope": "write"},
        ],
        examined_at=now, reconciled_at=now, last_in_at=now, received=40, stored=30, repeated=10,
    )  # fmt: skip
    for number in range(12):
        hear(account, who=f"sailor{number}", at=now - timedelta(days=number))
        Reconciliation.objects.create(
            account=account, day=now.date() - timedelta(days=number), theirs=3 + number % 4, ours=2,
            missing=1 + number % 2, repaired=1,
        )  # fmt: skip
    for number in range(3):
        RawEvent.objects.create(
            account=account, source=f"harbour:{account.pk}", delivery_key=f"k{number}",
            month=now.date().replace(day=1), state=RawState.PARKED, attempts=2,
            error="The field author is missing.", body=b'{"id": 7, "text": "<b>Ahoy</b>", "author": null}',
        )  # fmt: skip
    return account


def addresses(account: ChannelAccount, grant: LoginGrant) -> dict[str, str]:
    return {
        "list": url("channel-list"),
        "cards": url("channel-new"),
        "needs": url("channel-needs", "harbour"),
        "needs-email": url("channel-needs", "email"),
        "keys": url("channel-connect", "harbour"),
        "choose": url("channel-choose", grant.pk),
        "setup": url("channel-setup", account.pk),
        "health": url("channel-health", account.pk),
        "edit": url("channel-edit", account.pk),
        "parked": url("channel-parked", account.pk),
        "disconnect": url("channel-disconnect", account.pk),
    }


def a_choice(ada: Any) -> LoginGrant:
    offers = [
        {
            "external_id": name, "name": f"The {name}", "network": "harbour", "issuer": "", "credentials": {},
            "settings": {}, "scopes": [], "expires_at": None,
            "why_not": "Not yours." if name == "buoy" else "",
        }
        for name in ("quay", "pier", "buoy")
    ]  # fmt: skip
    grant = LoginGrant.objects.create(connector="harbour", staff=ada, offers={"asked": {}, "offers": offers})
    assert logins.open_grant(grant.pk, by=ada) == grant
    return grant


def test_pages_pass_axe_and_fit(
    new_window: Any, ada: Any, lived_in: ChannelAccount, harbour: Harbour
) -> None:
    window, grant = new_window(ada), a_choice(ada)
    for name, address in addresses(lived_in, grant).items():
        window.goto(address)
        if name == "setup":
            expect(window.locator("[role=status] .ti-circle-check").first).to_be_visible()
        for summary in window.locator("main summary").all():
            summary.click()
        is_well(window)
        for width in (PHONE, DESK):
            window.set_viewport_size({"width": width, "height": 900})
            shot(window, f"page-{name}-{width}")


def test_removing_opens_its_button_when_the_name_is_typed(
    new_window: Any, ada: Any, lived_in: ChannelAccount
) -> None:
    window = new_window(ada)
    window.goto(url("channel-disconnect", lived_in.pk))
    window.locator("main summary").click()
    button = window.get_by_role("button", name="Disconnect and remove", exact=True)
    expect(button).to_be_disabled()
    window.fill("#word", "The quay")
    expect(button).to_be_enabled()
    button.click()
    expect(window.locator("h1, main")).not_to_have_count(0)
    lived_in.refresh_from_db()
    assert lived_in.is_active is False


def test_a_self_test_by_hand_replaces_its_lines(
    new_window: Any, ada: Any, lived_in: ChannelAccount, harbour: Harbour
) -> None:
    window = new_window(ada)
    window.goto(url("channel-health", lived_in.pk))
    expect(window.locator("#findings .ti-circle-x")).to_have_count(1)
    window.get_by_role("button", name="Test now").click()
    expect(window.locator("#findings .ti-circle-x")).to_have_count(0)
    expect(window.locator("#findings .ti-circle-check")).to_have_count(2)
