"""The widget's endpoints, over real HTTP where it matters."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.test import Client
from django.utils import timezone

from accounts.models import Team
from config.cache import ForgivingRedisCache
from crm.models import Customer, Identity
from engagement.channels import connector
from engagement.channels.webchat import limits, tickets
from engagement.models import (
    ChannelAccount,
    ChatLine,
    ChatTicket,
    ChatVisitor,
    Conversation,
    Delivery,
    DeliveryState,
    Interaction,
)
from engagement.outbox import send_claimed

SHOP = "https://shop.example"
SECRET = "a-secret-of-the-site"


@pytest.fixture
def site(db: None) -> ChannelAccount:
    account = ChannelAccount(name="Morning Goods", team=Team.general())
    connector("webchat").fill_account(
        account, {"allowed_origins": [SHOP], "greeting": "Hi", "color": "#aa3355"}
    )
    account.credentials = {"identity_secret": SECRET}
    account.save()
    return account


class Browser:
    """What the widget does, as plain HTTP through Django's test client."""

    def __init__(self, site: ChannelAccount, origin: str = SHOP) -> None:
        self.site, self.origin, self.client, self.token = site, origin, Client(), ""

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if self.origin:
            headers.setdefault("Origin", self.origin)
        data = body if isinstance(body, (str, bytes)) else json.dumps(body or {})
        return self.client.generic(
            method,
            f"/chat/{self.site.external_id}/{path}",
            data if method == "POST" else "",
            content_type="application/json",
            headers=headers,
        )

    def begin(self, **body: Any) -> Any:
        answer = self.ask("POST", "sessions", body)
        if answer.status_code == 201:
            self.token = answer.json()["token"]
        return answer

    def say(self, text: str, key: str = "", **more: Any) -> Any:
        return self.ask("POST", "messages", {"id": key or str(uuid.uuid4()), "text": text, **more})

    def read(self, query: str = "") -> Any:
        return self.ask("GET", f"messages{query}").json()["messages"]


@pytest.fixture
def browser_tab(site: ChannelAccount) -> Browser:
    tab = Browser(site)
    tab.begin()
    return tab


def visitor_of(tab: Browser) -> ChatVisitor:
    return ChatVisitor.objects.get(token_hash=hashlib.sha256(tab.token.encode()).hexdigest())


def reply(visitor: ChatVisitor, text: str, by: Any) -> Delivery:
    """A reply as staff write it, sent by the outbox as a worker would."""
    conversation = Conversation.objects.get(identity=visitor.identity)
    key = uuid.uuid4()
    interaction = Interaction.objects.create(
        account=visitor.account,
        conversation=conversation,
        team=conversation.team,
        external_id=f"out:{key}",
        kind="message",
        direction="outbound",
        occurred_at=timezone.now(),
        text=text,
        staff=by,
        staff_name=by.name,
    )
    delivery = Delivery.objects.create(
        interaction=interaction,
        account=visitor.account,
        conversation=conversation,
        client_key=key,
        state=DeliveryState.SENDING,
        attempts=1,
    )
    return send_claimed(delivery)


def signature(identifier: str) -> str:
    return hmac.new(SECRET.encode(), identifier.encode(), "sha256").hexdigest()


# Who may ask


def test_config_tells_how_the_widget_looks_and_no_secret(site: ChannelAccount) -> None:
    answer = Browser(site).ask("GET", "config")
    assert answer.status_code == 200
    assert answer.json()["name"] == "Morning Goods"
    assert answer.json()["color"] == "#aa3355"
    assert SECRET not in answer.content.decode()
    assert answer["Access-Control-Allow-Origin"] == SHOP
    assert "Access-Control-Allow-Credentials" not in answer


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://shop.example.evil", "http://shop.example", "null", ""]
)
def test_a_page_that_is_not_on_the_list_is_refused(site: ChannelAccount, origin: str) -> None:
    answer = Browser(site, origin).begin()
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["code"] == "origin_not_allowed"
    assert "Access-Control-Allow-Origin" not in answer
    assert not ChatVisitor.objects.exists()


def test_preflight_answers_for_pages_on_the_list_only(site: ChannelAccount) -> None:
    answer = Browser(site).ask("OPTIONS", "messages")
    assert answer.status_code == 204
    assert answer["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
    assert "Origin" in answer["Vary"]
    assert Browser(site, "https://evil.example").ask("OPTIONS", "messages").status_code == 403


def test_our_own_page_may_use_every_chat(site: ChannelAccount) -> None:
    assert Browser(site, "http://testserver").begin().status_code == 201


def test_a_site_key_that_is_unknown_or_switched_off_answers_404(site: ChannelAccount) -> None:
    ChannelAccount.objects.update(is_active=False)
    assert Browser(site).begin().status_code == 404


def test_a_paused_chat_takes_nothing_in(site: ChannelAccount, browser_tab: Browser) -> None:
    ChannelAccount.objects.update(health="paused")
    assert browser_tab.say("Hello").status_code == 404
    assert not Interaction.objects.exists()


@pytest.mark.parametrize("token", ["", "wrong", "x" * 5000, "Ω"])
def test_a_wrong_token_opens_nothing(site: ChannelAccount, browser_tab: Browser, token: str) -> None:
    browser_tab.token = ""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = browser_tab.ask("GET", "messages", **headers)
    assert answer.status_code == 401
    assert answer["Access-Control-Allow-Origin"] == SHOP


def test_a_token_of_another_site_opens_nothing(site: ChannelAccount, browser_tab: Browser) -> None:
    other = ChannelAccount(name="Other", team=Team.general())
    connector("webchat").fill_account(other, {"allowed_origins": [SHOP]})
    other.save()
    stranger = Browser(other)
    stranger.token = browser_tab.token
    assert stranger.ask("GET", "messages").status_code == 401


def test_no_cookie_is_set_and_none_is_asked_for(browser_tab: Browser) -> None:
    answer = browser_tab.say("Hello")
    assert answer.status_code == 201
    assert not answer.cookies


# Tokens


def test_a_token_is_kept_hashed_and_rotates(site: ChannelAccount, browser_tab: Browser) -> None:
    first = browser_tab.token
    browser_tab.say("Hello")
    assert browser_tab.begin(token=first).json()["token"] != first
    assert ChatVisitor.objects.count() == 1
    assert first not in json.dumps(list(ChatVisitor.objects.values("token_hash", "previous_hash")))
    assert [line["text"] for line in browser_tab.read()] == ["Hello"]


def test_the_last_token_opens_until_the_new_one_was_used(site: ChannelAccount, browser_tab: Browser) -> None:
    first = browser_tab.token
    browser_tab.begin(token=first)
    second, browser_tab.token = browser_tab.token, first
    assert browser_tab.ask("GET", "messages").status_code == 200
    ChatVisitor.objects.update(rotated_at=timezone.now() - timedelta(minutes=5))
    assert browser_tab.ask("GET", "messages").status_code == 200
    browser_tab.token = second
    assert browser_tab.ask("GET", "messages").status_code == 200
    browser_tab.token = first
    assert browser_tab.ask("GET", "messages").status_code == 401


# Messages


def test_a_first_message_begins_a_conversation(site: ChannelAccount, browser_tab: Browser) -> None:
    answer = browser_tab.say("Where is my order?")
    assert answer.status_code == 201
    conversation = Conversation.objects.get()
    assert conversation.account == site
    assert conversation.customer == Customer.objects.get()
    assert conversation.identity.network == "chat"
    assert conversation.identity.issuer == site.external_id
    assert [thread.thread_key for thread in conversation.threads.all()] == [
        f"dm:{visitor_of(browser_tab).visitor_id}"
    ]


def test_the_same_uuid_is_the_same_message(browser_tab: Browser) -> None:
    key = str(uuid.uuid4())
    assert browser_tab.say("Once", key).status_code == 201
    again = browser_tab.say("Once more", key.upper())
    assert again.status_code == 200
    assert again.json()["message"]["text"] == "Once"
    assert Interaction.objects.count() == ChatLine.objects.count() == 1


def test_the_same_uuid_of_two_visitors_is_two_messages(site: ChannelAccount, browser_tab: Browser) -> None:
    other, key = Browser(site), str(uuid.uuid4())
    other.begin()
    browser_tab.say("Mine", key)
    assert other.say("Theirs", key).status_code == 201
    assert [line["text"] for line in other.read()] == ["Theirs"]
    assert [line["text"] for line in browser_tab.read()] == ["Mine"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{not json", 400, "parse_error"),
        ("[1]", 400, "parse_error"),
        ("[" * 40_000, 400, "parse_error"),
        (b"\xff\xfe", 400, "parse_error"),
        ({"text": "Hello"}, 400, "invalid"),
        ({"id": "7", "text": "Hello"}, 400, "invalid"),
        ({"id": str(uuid.uuid4()), "text": {"a": 1}}, 400, "invalid"),
        ({"id": str(uuid.uuid4()), "text": " \x00 \n"}, 400, "blank"),
        ({"id": str(uuid.uuid4()), "text": "x" * 10_001}, 400, "max_length"),
        ({"id": str(uuid.uuid4()), "text": "x" * 5_000_000}, 413, "too_large"),
        ({"id": str(uuid.uuid4()), "text": "Hello", "email": "nobody"}, 400, "invalid"),
    ],
)
def test_a_bad_message_is_answered_with_its_reason(
    browser_tab: Browser, body: Any, status: int, code: str
) -> None:
    answer = browser_tab.ask("POST", "messages", body)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)
    assert not Interaction.objects.exists()


def test_a_message_of_ten_thousand_characters_goes_in(browser_tab: Browser) -> None:
    assert browser_tab.say("ä" * 10_000).status_code == 201
    assert len(Interaction.objects.get().text) == 10_000


def test_nul_bytes_and_half_characters_are_taken_out(browser_tab: Browser) -> None:
    body = json.dumps({"id": str(uuid.uuid4()), "text": "a\u0000b\ud800c <b>d</b>"})
    assert browser_tab.ask("POST", "messages", body).status_code == 201
    assert browser_tab.read()[0]["text"] == "abc <b>d</b>"


@pytest.mark.parametrize("query", ["?after=x", "?after=-1", "?after=99999999999999999999", "?before=1e3"])
def test_a_sequence_that_is_no_number_is_refused(browser_tab: Browser, query: str) -> None:
    assert browser_tab.ask("GET", f"messages{query}").status_code == 400


def test_a_visitor_reads_on_from_a_sequence_id(browser_tab: Browser, amy: Any) -> None:
    first = browser_tab.say("One").json()["message"]
    assert reply(visitor_of(browser_tab), "Two", amy).state == DeliveryState.SENT
    later = browser_tab.read(f"?after={first['id']}")
    assert [(line["text"], line["own"], line["name"]) for line in later] == [("Two", False, "Amy")]
    assert [line["text"] for line in browser_tab.read()] == ["One", "Two"]
    assert browser_tab.read(f"?after={later[-1]['id']}") == []


def test_earlier_messages_come_page_by_page(browser_tab: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engagement.channels.webchat.transcript.PAGE", 2)
    for number in range(5):
        browser_tab.say(str(number))
    newest = browser_tab.ask("GET", "messages").json()
    assert ([line["text"] for line in newest["messages"]], newest["more"]) == (["3", "4"], True)
    before = browser_tab.ask("GET", f"messages?before={newest['messages'][0]['id']}").json()
    assert ([line["text"] for line in before["messages"]], before["more"]) == (["1", "2"], True)
    last = browser_tab.ask("GET", f"messages?before={before['messages'][0]['id']}").json()
    assert ([line["text"] for line in last["messages"]], last["more"]) == (["0"], False)


def test_a_reply_is_shown_once_however_often_it_is_sent(browser_tab: Browser, amy: Any) -> None:
    browser_tab.say("Hello")
    delivery = reply(visitor_of(browser_tab), "Hi", amy)
    Delivery.objects.update(state=DeliveryState.SENDING)
    delivery.refresh_from_db()
    send_claimed(delivery)
    assert [line["text"] for line in browser_tab.read()] == ["Hello", "Hi"]


def test_a_note_of_staff_is_never_shown(browser_tab: Browser, amy: Any) -> None:
    browser_tab.say("Hello")
    conversation = Conversation.objects.get()
    Interaction.objects.create(
        account=conversation.account,
        conversation=conversation,
        team=conversation.team,
        external_id="note:1",
        kind="note",
        direction="internal",
        occurred_at=timezone.now(),
        text="A difficult one",
        staff=amy,
    )
    assert [line["text"] for line in browser_tab.read("?after=0")] == ["Hello"]


def test_one_visitor_never_reads_another(site: ChannelAccount, browser_tab: Browser, amy: Any) -> None:
    """Even where staff put both threads into one conversation."""
    other = Browser(site)
    other.begin()
    browser_tab.say("Mine")
    other.say("Theirs")
    ours = Conversation.objects.get(identity=visitor_of(browser_tab).identity)
    visitor_of(other).identity.conversations.get().threads.update(conversation=ours)
    Interaction.objects.update(conversation=ours)
    reply(visitor_of(browser_tab), "For you", amy)
    assert [line["text"] for line in browser_tab.read()] == ["Mine", "For you"]
    assert [line["text"] for line in other.read()] == ["Theirs"]


# Who they say they are


def test_a_typed_address_joins_no_customer(browser_tab: Browser) -> None:
    known = Customer.objects.create(name="Jo Known")
    Identity.objects.create(
        network="email", external_id="jo@known.example", home_customer=known, customer=known, verified=True
    )
    browser_tab.say("Hello", name="Jo", email="JO@known.example")
    spoke = Conversation.objects.get().customer
    assert spoke != known
    assert spoke.name == "Jo"
    assert Identity.objects.filter(network="email").count() == 1
    identity = Identity.objects.get(network="chat")
    assert (identity.handle, identity.verified) == ("jo@known.example", False)


def test_details_given_later_reach_the_customer_unless_staff_named_it(browser_tab: Browser) -> None:
    browser_tab.say("Hello")
    assert Customer.objects.get().name.startswith("Visitor ")
    assert browser_tab.ask("POST", "details", {"name": "Jo", "email": "jo@x.example"}).status_code == 200
    assert Customer.objects.get().name == "Jo"
    Customer.objects.update(name="Ms Known")
    browser_tab.ask("POST", "details", {"name": "Impostor"})
    assert Customer.objects.get().name == "Ms Known"


def test_a_signed_visitor_is_one_customer_on_two_browsers(site: ChannelAccount) -> None:
    signed = {"identifier": "shop-42", "identifier_hash": signature("shop-42")}
    phone, laptop = Browser(site), Browser(site)
    phone.begin(**signed)
    phone.say("From the phone")
    laptop.begin()
    laptop.say("From the laptop, not signed in yet")
    assert Conversation.objects.values("customer").distinct().count() == 2
    laptop.begin(token=laptop.token, **signed)
    laptop.say("Signed in")
    assert Conversation.objects.values("customer").distinct().count() == 1
    assert Interaction.objects.values("customer").distinct().count() == 1
    assert len(laptop.read()) == 2


@pytest.mark.parametrize("wrong", ["", "0" * 64, "Ω", signature("shop-43")])
def test_a_wrong_signature_is_refused(site: ChannelAccount, wrong: str) -> None:
    answer = Browser(site).begin(identifier="shop-42", identifier_hash=wrong)
    assert answer.status_code == 403
    assert not ChatVisitor.objects.exists()


def test_without_a_secret_nobody_is_vouched_for(site: ChannelAccount) -> None:
    site.credentials = {}
    site.save()
    empty = hmac.new(b"", b"shop-42", "sha256").hexdigest()
    assert Browser(site).begin(identifier="shop-42", identifier_hash=empty).status_code == 403


def test_the_next_person_on_a_shared_browser_reads_nothing(site: ChannelAccount) -> None:
    tab = Browser(site)
    tab.begin(identifier="shop-42", identifier_hash=signature("shop-42"))
    tab.say("Private")
    tab.begin(token=tab.token)
    assert tab.read() == []
    tab.begin(token=tab.token, identifier="shop-43", identifier_hash=signature("shop-43"))
    assert tab.read() == []


# Limits


def test_a_visitor_who_floods_is_slowed_down(browser_tab: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MESSAGES_A_VISITOR", 3)
    assert [browser_tab.say(str(number)).status_code for number in range(5)] == [201, 201, 201, 429, 429]
    assert browser_tab.say("x")["Retry-After"] == "60"


def test_with_redis_away_the_messages_themselves_are_counted(
    browser_tab: Browser, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(limits, "MESSAGES_A_VISITOR", 3)
    monkeypatch.setattr(ForgivingRedisCache, "_away_until", 0.0)
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    assert [browser_tab.say(str(number)).status_code for number in range(5)] == [201, 201, 201, 429, 429]


def test_sessions_are_limited_by_address(site: ChannelAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SESSIONS_AN_ADDRESS", 2)
    assert [Browser(site).begin().status_code for _ in range(3)] == [201, 201, 429]


# Tickets


def test_a_ticket_opens_one_stream_for_one_page(browser_tab: Browser) -> None:
    ticket = browser_tab.ask("POST", "tickets").json()["ticket"]
    assert not ChatTicket.objects.filter(token_hash=ticket).exists()
    visitor = visitor_of(browser_tab)
    assert tickets.take_ticket(ticket, origin=SHOP) == visitor.pk
    assert tickets.take_ticket(ticket, origin=SHOP) is None
    assert tickets.visitor_channels(visitor.pk) == {f"visitor:{visitor.visitor_id}"}


def test_a_ticket_of_another_page_or_time_is_refused(browser_tab: Browser) -> None:
    ticket = browser_tab.ask("POST", "tickets").json()["ticket"]
    assert tickets.take_ticket(ticket, origin="https://evil.example") is None
    ticket = browser_tab.ask("POST", "tickets").json()["ticket"]
    ChatTicket.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert tickets.take_ticket(ticket, origin=SHOP) is None
    assert tickets.take_ticket("", origin=SHOP) is None


# The whole way


@pytest.mark.django_db(transaction=True)
def test_fifty_first_messages_at_once_are_one_customer(live_server: Any) -> None:
    account = ChannelAccount(name="Rush", team=Team.general())
    connector("webchat").fill_account(account, {"allowed_origins": [SHOP]})
    account.save()
    base, headers = f"{live_server.url}/chat/{account.external_id}", {"Origin": SHOP}
    token = requests.post(f"{base}/sessions", json={}, headers=headers, timeout=10).json()["token"]
    headers["Authorization"] = f"Bearer {token}"

    def say(number: int) -> int:
        body = {"id": str(uuid.uuid4()), "text": f"Message {number}"}
        return requests.post(f"{base}/messages", json=body, headers=headers, timeout=60).status_code

    with ThreadPoolExecutor(25) as threads:
        statuses = list(threads.map(say, range(50)))
    assert statuses == [201] * 50
    assert Customer.objects.count() == Identity.objects.count() == Conversation.objects.count() == 1
    assert Interaction.objects.count() == ChatLine.objects.count() == 50
    read = requests.get(f"{base}/messages", headers=headers, timeout=10).json()["messages"]
    assert sorted(line["text"] for line in read) == sorted(f"Message {number}" for number in range(50))


def test_the_demo_page_carries_nothing_inline(site: ChannelAccount, client: Client) -> None:
    answer = client.get(f"/chat/demo/{site.external_id}/")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert page.count("<script") == page.count("<script src=") == 2
    assert f'data-site="{site.external_id}"' in page
    assert "style=" not in page and "<style" not in page
    assert client.get("/chat/demo/nothing/").status_code == 404


# Settings


def test_connecting_a_website_makes_key_and_secret_and_shows_the_tag(ada: Any, signed_in: Any) -> None:
    browser = signed_in(ada)
    form = {
        "name": "Shop chat",
        "team": Team.general().pk,
        "goal_minutes": 30,
        "allowed_origins": "shop.example\nhttps://www.shop.example/start\n",
        "greeting": "Hello",
        "color": "#AA3355",
        "ask_details": "on",
    }
    assert browser.post("/settings/channels/new/webchat/keys/", form).status_code == 302
    account = ChannelAccount.objects.get()
    assert account.settings["allowed_origins"] == [SHOP, "https://www.shop.example"]
    assert (account.network, account.issuer) == ("chat", account.external_id)
    page = browser.get(f"/settings/channels/{account.pk}/edit/").content.decode()
    assert (
        f"data-site=&quot;{account.external_id}&quot;" in page or f'data-site="{account.external_id}"' in page
    )
    assert f"{SHOP}\nhttps://www.shop.example" in page
    before = dict(account.credentials)
    assert len(before["identity_secret"]) == 64
    browser.post(f"/settings/channels/{account.pk}/edit/", {**form, "greeting": "Hi"})
    account.refresh_from_db()
    assert (account.credentials, account.settings["greeting"]) == (before, "Hi")


@pytest.mark.parametrize(
    ("field", "value"), [("allowed_origins", "*"), ("allowed_origins", ""), ("color", "red;}body{}")]
)
def test_a_website_form_refuses_what_it_cannot_keep(ada: Any, signed_in: Any, field: str, value: str) -> None:
    form = {"name": "x", "team": Team.general().pk, "goal_minutes": 30, "allowed_origins": SHOP}
    answer = signed_in(ada).post("/settings/channels/new/webchat/keys/", {**form, field: value})
    assert answer.status_code == 422
    assert not ChannelAccount.objects.exists()
