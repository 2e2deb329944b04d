"""Visits and signed tokens by the script, in a real browser, on the demo shop and on somebody else's page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
import pytest
from playwright.sync_api import expect

from accounts.models import Team
from crm.models import Consent, Customer, Identity
from engagement.channels import connector
from engagement.models import ChannelAccount, ChatVisitor, Conversation, Interaction, VisitContent
from tests.engagement.test_visits import CHROME

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SECRET = "a-secret-of-the-site-that-is-long-enough"


@pytest.fixture
def site(transactional_db: None) -> ChannelAccount:
    account = ChannelAccount(name="Morning Goods", team=Team.general())
    connector("webchat").fill_account(account, {"allowed_origins": []})
    account.credentials = {"identity_secret": SECRET}
    account.save()
    return account


@pytest.fixture
def window(new_window: Callable[..., Any]) -> Any:
    """A browser that does not call itself a robot."""
    page = new_window()
    page.context.set_extra_http_headers({"User-Agent": CHROME})
    return page


@pytest.fixture
def shop(window: Any, site: ChannelAccount) -> Any:
    window.goto(f"/chat/demo/{site.external_id}/")
    expect(window.locator("#rapport-chat")).to_be_attached()
    return window


def wait_for(found: Callable[[], bool]) -> None:
    for _ in range(60):
        if found():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within six seconds")


def visits(count: int) -> list[str]:
    wait_for(lambda: Interaction.objects.filter(kind="visit").count() >= count)
    return list(VisitContent.objects.order_by("interaction__occurred_at").values_list("event", flat=True))


def agree(page: Any) -> None:
    page.get_by_role("region", name="Your consent").get_by_role("button", name="Yes").click()


@contextmanager
def website(head: str) -> Iterator[str]:
    """Somebody else's website; gives its origin."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<!doctype html><title>Kettles</title>{head}<h1>Shop</h1>".encode())

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def elsewhere(live_rapport: Any, site: ChannelAccount) -> Iterator[str]:
    source = f"{live_rapport.url}/static/widget/rapport-chat.js"
    tag = f'<script src="{source}" data-site="{site.external_id}" async>'
    early = "<script>window.rapport = (...c) => { (rapport.q ||= []).push(c); };</script>"
    with website(f"{early}{tag}</script>") as origin:
        site.settings["allowed_origins"] = [origin]
        site.save()
        yield origin


def test_nothing_is_sent_before_the_visitor_agrees(shop: Any) -> None:
    calls: list[str] = []
    shop.on("request", lambda request: calls.append(request.url))
    shop.get_by_role("button", name="Add to cart").first.click()
    shop.reload()
    shop.get_by_role("region", name="Your consent").get_by_role("button", name="No").click()
    shop.wait_for_timeout(1500)
    assert not [url for url in calls if "track" in url or "sessions" in url]
    assert not ChatVisitor.objects.exists() and not Customer.objects.exists()


def test_visits_come_in_after_consent_and_on_every_page_that_follows(shop: Any) -> None:
    agree(shop)
    shop.get_by_role("button", name="Add to cart").nth(1).click()
    assert visits(2) == ["page_view", "added_to_cart"]
    shop.reload()
    assert visits(3) == ["page_view", "added_to_cart", "page_view"]
    consent = Consent.objects.get()
    assert (consent.purpose, consent.given) == ("visits", True)
    assert consent.proof.startswith("wording demo 1 on http://")
    cart = VisitContent.objects.get(event="added_to_cart")
    assert (cart.properties, cart.intent) == ({"sku": "kettle"}, "cart")
    assert Customer.objects.count() == 1
    assert not Conversation.objects.exists()


def test_a_visitor_who_only_visits_opens_no_event_stream(shop: Any) -> None:
    agree(shop)
    visits(1)
    calls: list[str] = []
    shop.on("request", lambda request: calls.append(request.url))
    shop.reload()
    visits(2)
    assert not [url for url in calls if url.endswith("/tickets") or "/messages" in url]


def test_the_chat_and_the_visits_of_a_browser_are_one_customer(shop: Any) -> None:
    agree(shop)
    visits(1)
    shop.get_by_role("button", name="Open the chat").click()
    shop.get_by_label("Your message").fill("Is the kettle loud?")
    shop.keyboard.press("Enter")
    wait_for(lambda: Interaction.objects.filter(kind="message").exists())
    assert Customer.objects.count() == 1
    assert Conversation.objects.get().count == 1


def test_taking_it_back_deletes_what_was_kept(shop: Any) -> None:
    agree(shop)
    visits(1)
    shop.get_by_role("button", name="Visits and your consent").click()
    shop.get_by_role("region", name="Your consent").get_by_role("button", name="No").click()
    wait_for(lambda: not Interaction.objects.exists())
    shop.reload()
    shop.wait_for_timeout(1500)
    assert not Interaction.objects.exists()


@pytest.mark.parametrize("sign", ["globalPrivacyControl", "doNotTrack"])
def test_a_browser_that_asks_not_to_be_tracked_is_not(window: Any, site: ChannelAccount, sign: str) -> None:
    value = "true" if sign == "globalPrivacyControl" else "'1'"
    window.add_init_script(f"Object.defineProperty(navigator, '{sign}', {{ get: () => {value} }})")
    window.goto(f"/chat/demo/{site.external_id}/")
    expect(window.locator("#rapport-chat")).to_be_attached()
    agree(window)
    window.wait_for_timeout(1500)
    assert not ChatVisitor.objects.exists() and not Interaction.objects.exists()


def test_pages_of_an_app_that_changes_its_address_are_visits(window: Any, elsewhere: str) -> None:
    window.goto(f"{elsewhere}/start?secret=1")
    window.evaluate("rapport('consent', true, { wording: '7' })")
    visits(1)
    window.evaluate("document.title = 'Prices'; history.pushState({}, '', '/pricing#top')")
    visits(2)
    first, second = VisitContent.objects.order_by("interaction__occurred_at").select_related("interaction")
    assert (first.url, second.url) == (f"{elsewhere}/start", f"{elsewhere}/pricing")
    assert (second.referrer, second.intent) == (f"{elsewhere}/start", "product")
    assert second.interaction.subject == "Prices"


def test_calls_before_the_script_is_there_are_not_lost(window: Any, elsewhere: str) -> None:
    window.add_init_script("addEventListener('DOMContentLoaded', () => rapport('consent', true))")
    window.goto(elsewhere)
    assert visits(1) == ["page_view"]


def token(sub: str = "42", **claims: Any) -> str:
    found = {"iss": "shop", "sub": sub, "exp": datetime.now(UTC) + timedelta(minutes=10), **claims}
    return jwt.encode(found, SECRET, algorithm="HS256")


def test_a_link_in_a_mail_says_who_the_visitor_is(window: Any, elsewhere: str) -> None:
    window.goto(f"{elsewhere}/order/7?rapport_token={token(email='eva@example.org')}&from=mail")
    window.wait_for_url(f"{elsewhere}/order/7?from=mail")
    window.wait_for_timeout(700)
    assert not Customer.objects.exists()
    window.evaluate("rapport('consent', true)")
    wait_for(lambda: Identity.objects.filter(external_id="eva@example.org", verified=True).exists())
    customer = Customer.objects.get(merged_into=None)
    assert Interaction.objects.get().customer == customer


def test_the_page_says_who_is_signed_in_and_a_second_person_begins_anew(window: Any, elsewhere: str) -> None:
    window.goto(elsewhere)
    window.evaluate("rapport('consent', true)")
    visits(1)
    window.evaluate(f"rapport('identify', '{token('42')}')")
    wait_for(lambda: Identity.objects.filter(external_id="user:42").exists())
    with window.expect_navigation():
        window.evaluate(f"rapport('identify', '{token('43')}')")
    expect(window.locator("#rapport-chat")).to_be_attached()
    window.evaluate("rapport('consent', true)")
    wait_for(lambda: Identity.objects.filter(external_id="user:43").exists())
    people = [Identity.objects.get(external_id=f"user:{sub}").customer_id for sub in ("42", "43")]
    assert len(set(people)) == 2
    assert ChatVisitor.objects.count() == 2


def test_a_bad_token_is_said_in_the_console_and_changes_nothing(window: Any, elsewhere: str) -> None:
    lines: list[str] = []
    window.on("console", lambda line: lines.append(line.text))
    window.goto(elsewhere)
    window.evaluate("rapport('consent', true)")
    visits(1)
    window.evaluate("rapport('identify', 'nonsense')")
    wait_for(lambda: any("Rapport: This is no token" in line for line in lines))
    assert Identity.objects.count() == 1
