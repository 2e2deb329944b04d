"""Visits: only of people who agreed, once each, never in the inbox, and gone when they take it back."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Team
from core.models import Event
from crm.consents import ConsentIn, effective_consent, record_consents
from crm.merging import merge_customers
from crm.models import Consent, Customer, CustomerNote, Identity
from engagement.channels import connector
from engagement.channels.base import Author
from engagement.channels.webchat import tracking
from engagement.models import (
    ChannelAccount,
    ChatVisitor,
    Conversation,
    DirtyDay,
    Interaction,
    Thread,
    VisitContent,
)
from engagement.visits.keeping import erase_nobody
from engagement.visits.reading import PRODUCT_PAGES, BadVisit, VisitIn, event_of, is_bot
from personas.stages import compute_at_once
from tests.api import Caller, errors
from tests.engagement.test_webchat import Browser

pytestmark = pytest.mark.django_db
SHOP = "https://shop.example"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"
AGREED = {"given": True, "at": "2026-11-01T09:00:00Z", "wording": "2026-05"}


@pytest.fixture
def site(db: None) -> ChannelAccount:
    account = ChannelAccount(name="Morning Goods", team=Team.general())
    connector("webchat").fill_account(account, {"allowed_origins": [SHOP]})
    account.save()
    return account


class Page:
    """A page or an app that tells about its visitor."""

    def __init__(self, site: ChannelAccount, **who: str) -> None:
        self.site, self.who, self.client = site, who or {"visitor": str(uuid.uuid4())}, Client()

    def track(self, *events: Any, consent: Any = AGREED, origin: str = SHOP, **headers: str) -> Any:
        body = {"site": self.site.external_id, **self.who, "events": list(events)}
        if consent is not None:
            body["consent"] = consent
        sent = {"User-Agent": CHROME, **({"Origin": origin} if origin else {}), **headers}
        return self.client.post(
            "/api/v1/events/track/", json.dumps(body), content_type="application/json", headers=sent
        )

    def revoke(self) -> Any:
        return self.track(consent={"given": False})


@pytest.fixture
def page(site: ChannelAccount) -> Page:
    return Page(site)


def view(number: int = 1, path: str = "/", **more: Any) -> dict[str, Any]:
    at = (timezone.now() - timedelta(minutes=60 - number)).isoformat()
    return {"id": f"v{number}", "at": at, "url": f"{SHOP}{path}", "title": f"Page {number}", **more}


def statuses(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [one["status"] for one in answer.json()["results"]]


# What is kept


def test_the_visits_of_somebody_who_agreed_are_one_customer_and_no_conversation(page: Page) -> None:
    sent = [
        view(1, "/products/kettle?utm_source=mail&token=s3cret#top", referrer="https://find.example/?q=me")
    ]
    sent.append(
        {"id": "c1", "event": "Added to cart", "properties": {"sku": "k-1", "price": 49.5}, "title": "Kettle"}
    )
    assert statuses(page.track(*sent)) == ["stored", "stored"]
    assert statuses(page.track(*sent)) == ["repeated", "repeated"]
    customer = Customer.objects.get()
    seen, cart = Interaction.objects.order_by("occurred_at")
    assert (seen.kind, seen.direction, seen.is_public) == ("visit", "inbound", False)
    assert seen.conversation_id is None
    assert (seen.customer, seen.subject, seen.text, seen.reason) == (customer, "Page 1", "", "")
    assert seen.visit.url == f"{SHOP}/products/kettle?utm_source=mail"
    assert seen.visit.referrer == "https://find.example/"
    assert (seen.visit.intent, cart.visit.intent, cart.subject) == ("product", "cart", "Added to cart")
    assert cart.visit.properties == {"sku": "k-1", "price": 49.5}
    assert not Conversation.objects.exists()
    assert not Thread.objects.exists()
    assert not DirtyDay.objects.exists()
    assert not Event.objects.filter(type="conversation.changed").exists()


def test_the_agreement_is_written_down_once_with_its_proof(page: Page) -> None:
    page.track(view(1))
    page.track(view(2))
    consent = Consent.objects.get()
    assert (consent.purpose, consent.given, consent.source) == ("visits", True, "webchat")
    assert consent.at == datetime(2026, 11, 1, 9, tzinfo=UTC)
    assert consent.proof == f"wording 2026-05 on {SHOP}"
    page.track(view(3), consent={**AGREED, "wording": "2026-09", "at": "2026-11-10T09:00:00Z"})
    assert Consent.objects.count() == 2


@pytest.mark.parametrize(
    ("consent", "headers", "why"),
    [
        (None, {}, "no_consent"),
        (AGREED, {"Sec-GPC": "1"}, "do_not_track"),
        (AGREED, {"DNT": "1"}, "do_not_track"),
        (AGREED, {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}, "bot"),
        (AGREED, {"User-Agent": ""}, "bot"),
    ],
)
def test_nothing_is_stored_of_whoever_did_not_agree(page: Page, consent: Any, headers: Any, why: str) -> None:
    answer = page.track(view(1), consent=consent, **headers)
    assert answer.json() == {"results": [], "refused": why, "deleted": 0}
    for model in (Customer, Identity, Interaction, Consent, ChatVisitor):
        assert not model.objects.exists(), model


@pytest.mark.parametrize("missing", ["at", "wording"])
def test_an_agreement_without_time_or_wording_is_none(page: Page, missing: str) -> None:
    consent = {name: value for name, value in AGREED.items() if name != missing}
    answer = page.track(view(1), consent=consent)
    assert (answer.status_code, errors(answer)) == (400, [("required", f"consent.{missing}")])
    assert not Interaction.objects.exists()


def test_the_chat_and_the_visits_of_one_browser_are_one_customer(site: ChannelAccount) -> None:
    browser = Browser(site)
    browser.begin()
    page = Page(site, token=browser.token)
    page.track(view(1))
    browser.say("Do you ship?")
    page.track(view(2))
    assert Customer.objects.count() == 1
    assert sorted(Interaction.objects.values_list("kind", flat=True)) == ["message", "visit", "visit"]
    assert Conversation.objects.get().count == 1
    Customer.objects.get()
    compute_at_once([Customer.objects.get().pk])
    assert Customer.objects.get().stage == "consideration"


def test_whoever_signed_in_takes_their_visits_along(site: ChannelAccount) -> None:
    import hashlib
    import hmac

    secret = site.credentials["identity_secret"]
    signed = {
        "identifier": "42",
        "identifier_hash": hmac.new(secret.encode(), b"42", hashlib.sha256).hexdigest(),
    }
    for _device in range(2):
        browser = Browser(site)
        browser.begin(**signed)
        assert statuses(Page(site, token=browser.token).track(view(1))) == ["stored"]
    customers = set(Interaction.objects.values_list("customer_id", flat=True))
    assert len(customers) == 1


def test_a_visitor_with_a_token_is_believed_with_it_only(site: ChannelAccount) -> None:
    browser = Browser(site)
    visitor = browser.begin().json()["visitor"]
    answer = Page(site, visitor=visitor).track(view(1))
    assert (answer.status_code, errors(answer)) == (400, [("invalid", "visitor")])
    assert Page(site, token="nobody's").track(view(1)).status_code == 400
    assert Page(site, visitor="eva").track(view(1)).status_code == 400
    assert not Interaction.objects.exists()


def test_somebody_else_s_ids_are_other_visits(site: ChannelAccount) -> None:
    assert statuses(Page(site).track(view(1))) == ["stored"]
    assert statuses(Page(site).track(view(1))) == ["stored"]
    assert Customer.objects.count() == 2


def test_visits_take_the_same_number_of_statements_for_one_and_for_fifty(page: Page) -> None:
    page.track(view(0))
    counted = []
    for first, size in ((1, 1), (2, 50)):
        with CaptureQueriesContext(connection) as queries:
            assert set(statuses(page.track(*[view(first + n) for n in range(size)]))) == {"stored"}
        counted.append(len(queries))
    assert counted[0] == counted[1]
    assert counted[1] < 25


# What is refused


def test_each_event_is_answered_by_itself(page: Page) -> None:
    bad = [
        {"title": "no id"},
        {"id": "x1", "event": "<script>"},
        {"id": "x2", "at": "1999-01-01T00:00:00Z"},
        {"id": "x3", "properties": {"nested": {"a": 1}}},
        {"id": "x4", "properties": {f"k{n}": 1 for n in range(21)}},
        {"id": "x5", "properties": {f"k{n}": "x" * 300 for n in range(10)}},
        {"id": "x6", "surprise": 1},
        {"id": "x" * 65},
        {"id": "x7", "url": "http://[bad"},
    ]
    answer = page.track(*bad, view(1))
    assert statuses(answer) == ["rejected"] * len(bad) + ["stored"]
    assert all(one["errors"] for one in answer.json()["results"][: len(bad)])


def test_more_than_fifty_or_too_much_is_refused_whole(page: Page) -> None:
    assert page.track(*[view(n) for n in range(51)]).status_code == 400
    assert page.track(view(1, title="x" * 70_000)).status_code == 413
    assert not Interaction.objects.exists()


def test_pages_elsewhere_are_refused_and_apps_without_an_origin_are_not(page: Page) -> None:
    answer = page.track(view(1), origin="https://evil.example")
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    fine = page.track(view(1))
    assert fine.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Access-Control-Allow-Credentials" not in fine.headers
    assert statuses(page.track(view(2), origin="")) == ["stored"]


def test_a_browser_may_ask_before(client: Client) -> None:
    asked = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    answer = client.options("/api/v1/events/track/", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]


def test_a_paused_or_unknown_website_takes_nothing(page: Page) -> None:
    ChannelAccount.objects.update(health="paused")
    assert errors(page.track(view(1))) == [("unknown_site", "site")]
    page.site.external_id = "other"
    assert errors(page.track(view(1))) == [("unknown_site", "site")]


def test_a_visitor_who_sends_too_often_waits(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "CALLS_A_VISITOR", 2)
    assert [page.track(view(n)).status_code for n in range(3)] == [200, 200, 429]


def test_an_address_that_asks_too_often_makes_no_more_visitors(
    site: ChannelAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "CALLS_AN_ADDRESS", 2)
    assert [Page(site).track().status_code for _ in range(4)] == [200, 200, 429, 429]
    assert ChatVisitor.objects.count() == 2


# Taken back


def test_taking_it_back_deletes_the_visits_and_leaves_what_was_said(site: ChannelAccount) -> None:
    browser = Browser(site)
    browser.begin()
    browser.say("Hello")
    page = Page(site, token=browser.token)
    page.track(view(1), view(2))
    assert page.revoke().json()["deleted"] == 2
    assert not VisitContent.objects.exists()
    assert Interaction.objects.get().kind == "message"
    identity = Identity.objects.get()
    assert effective_consent(identity, "visits") is False
    assert page.track(view(3)).json()["refused"] == "withdrawn"
    again = {**AGREED, "at": timezone.now().isoformat()}
    assert statuses(page.track(view(4), consent=again)) == ["stored"]


def test_of_a_visitor_who_only_visited_nothing_is_left(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr("engagement.visits.keeping._erase_later", sent.append)
    page.track(view(1))
    customer = Customer.objects.get()
    compute_at_once([customer.pk])
    from django.test import TestCase

    with TestCase.captureOnCommitCallbacks(execute=True):
        page.revoke()
    assert sent == [customer.pk]
    assert erase_nobody(customer.pk) is True
    assert not Customer.objects.exists()
    assert not Identity.objects.exists()
    assert erase_nobody(customer.pk) is False


def test_a_customer_of_whom_something_is_known_stays(page: Page, ada: Any) -> None:
    page.track(view(1))
    customer = Customer.objects.get()
    CustomerNote.objects.create(text="Met at the fair", customer=customer, home_customer=customer)
    page.revoke()
    assert erase_nobody(customer.pk) is False
    CustomerNote.objects.all().delete()
    merge_customers(keep=Customer.objects.create(name="Eva"), drop=customer, by=ada)
    assert erase_nobody(customer.pk) is False


def test_what_was_refused_elsewhere_holds_here(page: Page) -> None:
    page.track(view(1))
    identity = Identity.objects.get()
    record_consents([ConsentIn(identity.pk, "visits", given=False, whole_person=True)], source="preferences")
    assert page.track(view(2)).json()["refused"] == "withdrawn"
    assert Interaction.objects.count() == 1


def test_revoking_before_anything_was_kept_is_no_error(page: Page) -> None:
    assert page.revoke().json() == {"results": [], "refused": "", "deleted": 0}
    assert not Customer.objects.exists()


# From a server


def from_server(api: Caller, account: str, *events: Any, consent: Any = AGREED, **author: Any) -> Any:
    author = author or {"network": "email", "external_id": "Eva@Example.org"}
    return api.post(
        "events/track/", {"account": account, "author": author, "consent": consent, "events": list(events)}
    )


def test_a_server_tells_about_any_identity(site: ChannelAccount, ada: Any) -> None:
    ada.teams.add(Team.general())
    api = Caller(ada)
    old = {"id": "a1", "event": "opened_app", "at": "2024-01-01T00:00:00Z"}
    answer = from_server(api, f"chat/{site.external_id}", old)
    assert statuses(answer) == ["stored"]
    assert answer.json()["results"][0]["id"] == Interaction.objects.get().pk
    identity = Identity.objects.get()
    assert (identity.network, identity.external_id, identity.issuer) == ("email", "eva@example.org", "")
    assert Consent.objects.get().source == "api"
    assert from_server(api, f"chat/{site.external_id}", consent={"given": False}).json()["deleted"] == 1


@pytest.mark.parametrize(("scopes", "status"), [(["customer.read"], 403), (["interaction.write"], 200)])
def test_a_key_needs_the_right_to_write_interactions(
    site: ChannelAccount, ada: Any, scopes: list[str], status: int
) -> None:
    ada.teams.add(Team.general())
    api = Caller(ada, scopes)
    assert from_server(api, f"chat/{site.external_id}", {"id": "a1"}).status_code == status
    assert Interaction.objects.exists() is (status == 200)


def test_without_a_key_nobody_names_identities(site: ChannelAccount, client: Client) -> None:
    body = {"account": f"chat/{site.external_id}", "author": {"external_id": "e"}, "events": []}
    assert client.post("/api/v1/events/track/", body, content_type="application/json").status_code == 401
    body["site"] = site.external_id
    assert client.post("/api/v1/events/track/", body, content_type="application/json").status_code == 400
    assert client.post("/api/v1/events/track/", {}, content_type="application/json").status_code == 400


# How a visit is read


EVA = Author("eva")
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def read(**given: Any) -> Any:
    return event_of(VisitIn(**{"id": "1", **given}), EVA, now=NOW)


@pytest.mark.parametrize(
    ("given", "intent"),
    [
        ({"url": f"{SHOP}/products/kettle"}, "product"),
        ({"url": f"{SHOP}/en/Pricing"}, "product"),
        ({"url": f"{SHOP}/productsheet"}, ""),
        ({"url": f"{SHOP}/blog/our-prices-explained"}, ""),
        ({"url": f"{SHOP}/products/kettle", "event": "scrolled"}, ""),
        ({"event": "product_viewed"}, "product"),
        ({"event": "Added to cart"}, "cart"),
        ({"event": "checkout_started"}, "cart"),
        ({"url": f"{SHOP}/"}, ""),
    ],
)
def test_what_a_visit_says_of_plans(given: dict[str, Any], intent: str) -> None:
    assert read(**given).visit.intent == intent


def test_a_site_names_its_own_product_pages() -> None:
    found = event_of(VisitIn("1", url=f"{SHOP}/shop/tassen/7"), EVA, now=NOW, pages=["shop/tassen"])
    assert found.visit.intent == "product"
    assert "shop" in PRODUCT_PAGES


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://eva:pw@shop.example/a?rapport_token=x&email=eva@example.org#y", "https://shop.example/a"),
        ("https://shop.example/?utm_campaign=may&q=secret", "https://shop.example/?utm_campaign=may"),
        ("app://home", "app://home"),
        ("/relative?x=1", "/relative"),
        ("", ""),
    ],
)
def test_addresses_lose_what_names_people(url: str, kept: str) -> None:
    assert read(url=url).visit.url == kept


def test_a_clock_that_is_ahead_counts_as_this_moment() -> None:
    assert read(at=NOW + timedelta(days=3)).occurred_at == NOW
    with pytest.raises(BadVisit):
        read(at=NOW - timedelta(days=31))


@pytest.mark.parametrize(
    ("agent", "bot"),
    [
        (CHROME, False),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1", False),
        ("MorningGoods/3.1 (Android 15)", False),
        ("Mozilla/5.0 (compatible; bingbot/2.0)", True),
        ("curl/8.1", True),
        ("Mozilla/5.0 HeadlessChrome/140.0", True),
        (" ", True),
    ],
)
def test_robots_are_known_by_what_they_call_themselves(agent: str, bot: bool) -> None:
    assert is_bot(agent) is bot
