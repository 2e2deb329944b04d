"""A WhatsApp number: what customers say, what goes out, who is who, and purchases."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import Customer, Identity, Order
from engagement.channels.base import (
    Act,
    AuthFailure,
    Author,
    File,
    PermanentFailure,
    RateReached,
    Target,
    TransientFailure,
    Uncertain,
    WindowClosed,
)
from engagement.models import (
    ChannelAccount,
    Conversation,
    Delivery,
    DeliveryState,
    Interaction,
    RawEvent,
)
from engagement.raw_events import understand_one
from tests.channels.facebook.accounts import KEY, hook, link, new_account, outgoing
from tests.channels.facebook.graph import NUMBER, TOKEN, WABA, MetaPlatform, error

pytestmark = pytest.mark.django_db
USER, PHONE = "US.13491208655302741918", "16505551234"


def stamp(seconds: int = 0) -> str:
    return str(round(timezone.now().timestamp()) + seconds)


def text(number: str = "wamid.1", words: object = "Hi", **more) -> dict:
    return {"id": number, "timestamp": stamp(), "type": "text", "text": {"body": words}, **more}


def body(*messages: dict, contacts: list | None = None, field: str = "messages", **value) -> bytes:
    told = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": NUMBER},
        **({"contacts": contacts} if contacts else {}),
        **({"messages": list(messages)} if messages else {}),
        **value,
    }
    entry = [{"id": WABA, "changes": [{"value": told, "field": field}]}]
    return json.dumps({"object": "whatsapp_business_account", "entry": entry}).encode()


def post(raw: bytes) -> None:
    headers = {"X-Hub-Signature-256": hook(raw).headers["x-hub-signature-256"]}
    response = Client().post("/hooks/whatsapp/", raw, content_type="application/json", headers=headers)
    assert response.status_code == 200
    for pk in RawEvent.objects.filter(state="new").values_list("pk", flat=True):
        understand_one(pk)


# Who is who


def test_a_number_and_a_user_id_that_come_together_are_one_customer(meta: MetaPlatform) -> None:
    new_account("whatsapp")
    post(body(text("wamid.1", "before", **{"from": PHONE})))
    contact = {"profile": {"name": "Sheena"}, "wa_id": PHONE, "user_id": USER}
    post(body(text("wamid.2", "both", from_user_id=USER, **{"from": PHONE}), contacts=[contact]))
    post(body(text("wamid.3", "alone", from_user_id=USER)))
    assert set(Identity.objects.values_list("external_id", flat=True)) == {PHONE, USER}
    assert Identity.objects.values("customer").distinct().count() == 1
    assert Conversation.objects.count() == 1
    authors = dict(Interaction.objects.values_list("text", "identity__external_id"))
    assert authors == {"before": PHONE, "both": USER, "alone": USER}


def test_a_new_number_is_the_same_customer_in_the_same_conversation(meta: MetaPlatform) -> None:
    new_account("whatsapp")
    post(body(text("wamid.1", "old number", **{"from": PHONE})))
    moved = {"body": "changed", "wa_id": "12195555358", "type": "user_changed_number"}
    post(body({"id": "wamid.2", "from": PHONE, "timestamp": stamp(), "type": "system", "system": moved}))
    post(body(text("wamid.3", "new number", **{"from": "12195555358"})))
    assert Identity.objects.values("customer").distinct().count() == 1
    assert Conversation.objects.count() == 1
    assert Customer.objects.filter(merged_into__isnull=True).count() == 1


def test_two_strangers_stay_two(meta: MetaPlatform) -> None:
    new_account("whatsapp")
    post(body(text("wamid.1", from_user_id=USER), text("wamid.2", from_user_id="US.2")))
    assert Identity.objects.values("customer").distinct().count() == 2


# Purchases


def test_a_basket_is_a_purchase_that_waits(meta: MetaPlatform) -> None:
    new_account("whatsapp")
    items = [
        {"product_retailer_id": "mug", "quantity": 2, "item_price": 12.5, "currency": "USD"},
        {"product_retailer_id": "tea", "quantity": 1, "item_price": 5, "currency": "USD"},
    ]
    order = {"catalog_id": "1", "text": "By Friday please", "product_items": items}
    said = {"id": "wamid.9", "from": PHONE, "timestamp": stamp(), "type": "order", "order": order}
    for _ in range(2):
        post(body(said, messaging_note=_))
    stored = Order.objects.get()
    assert (stored.total, stored.currency, stored.status) == (Decimal("30.00"), "USD", "pending")
    assert stored.source == f"whatsapp:{NUMBER}"
    row = Interaction.objects.get()
    assert row.text.startswith("By Friday please") and row.customer_id == stored.customer_id


# What goes out


def send(account: ChannelAccount | None = None, words: str = "Hello", **more):
    found = account or ChannelAccount.objects.first() or new_account("whatsapp")
    given = {"to": [Author(PHONE)], "thread_key": f"dm:{PHONE}", **more}
    return link("whatsapp").send(outgoing(found, words, **given))


def test_an_answer_carries_our_key_and_what_it_answers(meta: MetaPlatform) -> None:
    sent = send(in_reply_to="wamid.in")
    (told,) = meta.sent
    assert sent.external_id.startswith("wamid.")
    assert told["to"] == PHONE and told["text"]["body"] == "Hello"
    assert told["biz_opaque_callback_data"] == KEY and told["context"] == {"message_id": "wamid.in"}


def test_a_user_id_never_stands_where_a_number_does(meta: MetaPlatform) -> None:
    send(to=[Author(USER)], in_reply_to="out:1")
    (told,) = meta.sent
    assert told["recipient"] == USER and "to" not in told and "context" not in told


def test_a_group_is_answered_as_a_group(meta: MetaPlatform) -> None:
    send(thread_key="group:Y2Fw")
    assert (meta.sent[0]["recipient_type"], meta.sent[0]["to"]) == ("group", "Y2Fw")


@pytest.mark.parametrize(
    ("content_type", "words", "kind"),
    [
        ("image/png", "Look", "image"),
        ("application/pdf", "The bill", "document"),
        ("audio/ogg", "", "audio"),
        ("audio/ogg", "Listen", "document"),
    ],
)
def test_a_file_goes_with_its_words_in_one_message(meta: MetaPlatform, content_type, words, kind) -> None:
    send(words=words, files=[File("a.bin", content_type, content=b"content of it")])
    assert b"content of it" in meta.acts[0][2] and content_type.encode() in meta.acts[0][2]
    (told,) = meta.sent
    assert told["type"] == kind and told[kind]["id"] == "88001"
    assert told[kind].get("caption", "") == words


def test_an_upload_that_was_cut_off_is_simply_done_again(meta: MetaPlatform) -> None:
    meta.fail(0, path="/media")
    with pytest.raises(TransientFailure):
        send(files=[File("a", "image/png", content=b"a")])
    assert meta.sent == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (190, AuthFailure), (131047, WindowClosed), (470, WindowClosed), (130429, RateReached),
        (131056, RateReached), (131048, RateReached), (80007, RateReached), (131026, PermanentFailure),
        (131051, PermanentFailure), (131000, TransientFailure), (131016, TransientFailure),
    ],
)  # fmt: skip
def test_each_code_has_what_follows_from_it(meta: MetaPlatform, code, kind) -> None:
    told = error(code, text="Title", error_data={"messaging_product": "whatsapp", "details": "The details"})[
        1
    ]
    meta.fail(400, told, path="/messages")
    with pytest.raises(kind) as raised:
        send()
    assert type(raised.value) is kind and "The details" in str(raised.value)


def test_outside_the_window_it_is_said_what_to_do(meta: MetaPlatform) -> None:
    meta.fail(400, error(131047)[1], path="/messages")
    with pytest.raises(WindowClosed) as raised:
        send()
    assert "template" in raised.value.advice
    account = ChannelAccount.objects.get()
    assert link("whatsapp").limits(account, public=False).window == timedelta(hours=24)


def test_an_answer_without_an_id_is_uncertain(meta: MetaPlatform) -> None:
    for told in ({}, {"messages": []}, {"messages": [{}]}, {"messages": "x"}):
        meta.fail(200, told, path="/messages")
        with pytest.raises(Uncertain):
            send()


def test_a_status_that_comes_before_its_answer_finds_the_message_by_our_key(meta: MetaPlatform) -> None:
    account = new_account("whatsapp")
    post(body(text(**{"from": PHONE})))
    conversation = Conversation.objects.get()
    interaction = Interaction.objects.create(
        account=account, external_id=f"out:{KEY}", conversation=conversation, team_id=conversation.team_id,
        kind="message", direction="outbound", occurred_at=timezone.now(), text="Hello",
    )  # fmt: skip
    delivery = Delivery.objects.create(
        interaction=interaction, account=account, conversation=conversation, client_key=KEY,
        state=DeliveryState.UNCERTAIN,
    )  # fmt: skip
    told = {"id": "wamid.out", "status": "delivered", "timestamp": stamp(), "biz_opaque_callback_data": KEY}
    post(body(statuses=[told]))
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.DELIVERED
    post(body(statuses=[{**told, "status": "sent"}]))
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.DELIVERED


# Files, acts, connecting


def test_a_file_is_fetched_by_its_id_with_the_token(meta: MetaPlatform) -> None:
    account = new_account("whatsapp")
    meta.things["77002"] = {"url": f"{meta.url}/file-of-whatsapp", "mime_type": "image/jpeg"}
    file = link("whatsapp").fetch_file(account, File("image", "image/jpeg", url="77002"), most=1000)
    assert file.content == b"\xff\xd8picture" and file.content_type == "image/jpeg"
    with pytest.raises(PermanentFailure, match="larger"):
        link("whatsapp").fetch_file(account, File("image", "image/jpeg", url="77002"), most=3)


def test_a_file_is_never_fetched_from_inside(meta: MetaPlatform, settings) -> None:
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = []
    meta.things["77002"] = {"url": f"{meta.url}/file-of-whatsapp"}
    with pytest.raises(PermanentFailure):
        link("whatsapp").fetch_file(
            new_account("whatsapp"), File("image", "image/jpeg", url="77002"), most=99
        )
    assert not any(call.path == "/file-of-whatsapp" for call in meta.calls)


@pytest.mark.parametrize(("person", "key"), [(PHONE, "user"), (USER, "user_id")])
def test_somebody_is_blocked_and_let_in_again(meta: MetaPlatform, person, key) -> None:
    account = new_account("whatsapp")
    about = Target("wamid.1", Author(person), public=False, kind="message", direction="inbound")
    for act in (Act.BLOCK, Act.UNBLOCK):
        link("whatsapp").act(account, act, about)
    asked = {"messaging_product": "whatsapp", "block_users": [{key: person}]}
    assert meta.acts == [("block", NUMBER, asked), ("unblock", NUMBER, asked)]


def test_the_form_makes_the_account(meta: MetaPlatform) -> None:
    form = link("whatsapp").settings_form(
        {"phone_number_id": NUMBER, "waba_id": WABA, "access_token": f" {TOKEN} "}
    )
    assert form.is_valid()
    account = ChannelAccount(connector="whatsapp")
    link("whatsapp").fill_account(account, form.cleaned_data)
    assert account.external_id == NUMBER and account.credentials == {"access_token": TOKEN}
    assert account.settings == {"phone_number_id": NUMBER, "waba_id": WABA}
    link("whatsapp").check(account)
    assert not link("whatsapp").settings_form({"phone_number_id": "+1 650", "waba_id": WABA}).is_valid()


def test_webhooks_are_asked_for_the_business_account(meta: MetaPlatform) -> None:
    account = new_account("whatsapp")
    assert link("whatsapp").subscribe(account, "https://rapport.example/hooks/whatsapp/").active
    assert meta.subscriptions[0]["object"] == "whatsapp_business_account"
    assert meta.acts[0][:2] == ("subscribe", WABA)
    assert all(one.works for one in link("whatsapp").examine(account))
    link("whatsapp").unsubscribe(account)
    assert meta.acts[-1] == ("unsubscribe", WABA, None)


def test_numbers_that_stay_keep_their_webhooks(meta: MetaPlatform) -> None:
    meta.fail(200, {"data": [{"id": NUMBER}, {"id": "2"}]}, path="/phone_numbers")
    link("whatsapp").unsubscribe(new_account("whatsapp"))
    assert meta.acts == []


def test_why_it_is_not_compared_is_said() -> None:
    assert not link("whatsapp").reconciles and "history" in link("whatsapp").why_not_compared


# Bad input

BAD = [
    b"",
    b'{"object":"page"}',
    body(text()),
    body(text(words=5, **{"from": PHONE})),
    body({"id": "w", "from": PHONE, "timestamp": "soon", "type": "text", "text": {"body": "x"}}),
    body({"id": "w", "from": PHONE, "timestamp": stamp(), "type": "image", "image": {}}),
    body({"from": PHONE, "timestamp": stamp(), "type": "text", "text": {"body": "x"}}),
    body(statuses=[{"status": "read", "timestamp": stamp()}]),
    body(text(timestamp=str(10**15), **{"from": PHONE})),
    body(text("wamid.\u0000\ud800", **{"from": PHONE})),
]


@pytest.mark.parametrize("raw", BAD, ids=range(len(BAD)))
def test_what_is_broken_is_parked_with_a_reason(meta: MetaPlatform, raw) -> None:
    new_account("whatsapp")
    post(raw)
    stored = RawEvent.objects.get()
    assert stored.state == "parked" and stored.error and "Error:" not in stored.error


ODD = [
    text(words="a \x00 b \ud800", **{"from": PHONE}),
    text(words="x" * 5_000_000, **{"from": PHONE}),
    text(context={"id": "wamid.never-seen"}, **{"from": PHONE}),
    {"id": "w", "from": PHONE, "timestamp": stamp(), "type": "hologram", "hologram": {}},
    {"id": "w", "from": PHONE, "timestamp": stamp(), "errors": [{"code": 131051, "title": "Unknown"}]},
]


@pytest.mark.parametrize("said", ODD, ids=range(len(ODD)))
def test_what_is_odd_comes_in_all_the_same(meta: MetaPlatform, said) -> None:
    new_account("whatsapp")
    post(body(said))
    assert Interaction.objects.count() == 1
