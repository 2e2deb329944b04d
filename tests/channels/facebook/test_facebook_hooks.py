"""Webhooks of a Page: handshake, signature, and what the machine stores of them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import Customer
from engagement import pulls
from engagement.channels.base import Forged, Hook
from engagement.models import (
    Conversation,
    Delivery,
    DeliveryState,
    Interaction,
    PendingChange,
    RawEvent,
    RefusedHook,
)
from engagement.named import sweep
from engagement.raw_events import understand_one
from tests.channels.facebook.accounts import KEY, hook, link, new_account
from tests.channels.facebook.graph import APP, PAGE, MetaPlatform, stamp

pytestmark = pytest.mark.django_db


def message(mid: str = "m_1", text: str = "Hi", at: int = 0, **more) -> dict:
    said = {"sender": {"id": "7"}, "recipient": {"id": PAGE}, "timestamp": at or now_ms()}
    return {**said, "message": {"mid": mid, "text": text}, **more}


def now_ms() -> int:
    return round(timezone.now().timestamp() * 1000)


def body(*messaging: dict, **entry) -> bytes:
    told = {"id": PAGE, "time": now_ms(), **({"messaging": list(messaging)} if messaging else {}), **entry}
    return json.dumps({"object": "page", "entry": [told]}).encode()


def post(raw: bytes, **more):
    given = hook(raw, **more)
    signature = given.headers["x-hub-signature-256"]
    return Client().post(
        "/hooks/facebook/", raw, content_type="application/json", headers={"X-Hub-Signature-256": signature}
    )


def understand_all() -> None:
    for pk in RawEvent.objects.filter(state="new").values_list("pk", flat=True):
        understand_one(pk)


# Handshake and signature


def greeting(**query: str) -> Hook:
    return Hook("GET", "https://shop.example/hooks/facebook/", {}, query, b"")


def test_the_handshake_gives_the_challenge_back(meta: MetaPlatform) -> None:
    asked = {"hub.mode": "subscribe", "hub.verify_token": APP["verify_token"], "hub.challenge": "1158201444"}
    answer = link("facebook").greet(greeting(**asked), None)
    assert answer.body == "1158201444" and answer.content_type == "text/plain"
    response = Client().get("/hooks/facebook/", asked)
    assert response.status_code == 200 and response.content == b"1158201444"


@pytest.mark.parametrize("token", ["", "other", "wörd"])
def test_a_wrong_word_gets_nothing(meta: MetaPlatform, token) -> None:
    with pytest.raises(Forged):
        link("facebook").greet(greeting(**{"hub.mode": "subscribe", "hub.verify_token": token}), None)


def test_without_a_word_of_ours_nobody_is_greeted(meta: MetaPlatform, settings) -> None:
    settings.CHANNEL_APPS = {"meta": {"secret": "s"}}
    with pytest.raises(Forged):
        link("facebook").greet(greeting(**{"hub.mode": "subscribe", "hub.verify_token": ""}), None)


def test_the_signature_is_over_the_raw_bytes(meta: MetaPlatform) -> None:
    raw = b'{"object":"page","entry":[]  , "x":"\\u00e4\\/"}'
    link("facebook").verify(hook(raw), None)
    for wrong in (hook(raw, secret="other"), hook(raw, **{"x-hub-signature-256": ""})):
        with pytest.raises(Forged):
            link("facebook").verify(wrong, None)
    other = Hook("POST", "", hook(raw).headers, {}, raw + b" ")
    with pytest.raises(Forged):
        link("facebook").verify(other, None)
    sha1 = Hook("POST", "", {"x-hub-signature-256": hook(raw).headers["x-hub-signature-256"][7:]}, {}, raw)
    with pytest.raises(Forged):
        link("facebook").verify(sha1, None)


def test_without_the_apps_secret_everything_is_forged(meta: MetaPlatform, settings) -> None:
    settings.CHANNEL_APPS = {}
    with pytest.raises(Forged):
        link("facebook").verify(hook(b"{}", secret=""), None)


def test_a_forged_body_is_not_stored(meta: MetaPlatform) -> None:
    assert post(body(message()), secret="other").status_code == 401
    assert not RawEvent.objects.exists() and RefusedHook.objects.get().n == 1


def test_a_body_is_stored_once_and_understood(meta: MetaPlatform) -> None:
    new_account("facebook")
    raw = body(message(text="Where is my parcel?"))
    assert [post(raw).status_code for _ in range(3)] == [200] * 3
    understand_all()
    assert Interaction.objects.get().text == "Where is my parcel?"


def test_a_page_that_is_not_connected_waits_parked(meta: MetaPlatform) -> None:
    post(body(message()))
    understand_all()
    raw = RawEvent.objects.get()
    assert raw.state == "parked" and PAGE in raw.error


# What comes out of it


def test_what_was_pulled_and_comes_by_webhook_is_one(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    mid = meta.add_message("7", timezone.now() - timedelta(minutes=1), "once")
    pulls.pull_account(account.pk)
    post(body(message(mid, "once")))
    understand_all()
    assert Interaction.objects.count() == 1


def test_a_name_that_no_webhook_tells_comes_with_the_next_pull(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    mid = meta.add_message("7", timezone.now() - timedelta(minutes=1), "Hi")
    post(body(message(mid, "Hi")))
    understand_all()
    assert Customer.objects.get().name == "7"
    pulls.pull_account(account.pk)
    assert Customer.objects.get().name == "N7"


def sent_delivery(text: str = "It left.", ago: int = 60) -> Delivery:
    """A message of ours that left some time ago, in the thread of customer 7."""
    account = new_account("facebook")
    post(body(message("m_in", at=now_ms() - 3_600_000)))
    understand_all()
    conversation = Conversation.objects.get()
    at = timezone.now() - timedelta(seconds=ago)
    interaction = Interaction.objects.create(
        account=account, external_id=f"out:{KEY}", conversation=conversation, team_id=conversation.team_id,
        kind="message", direction="outbound", occurred_at=at, text=text,
    )  # fmt: skip
    return Delivery.objects.create(
        interaction=interaction, account=account, conversation=conversation, client_key=KEY,
        state=DeliveryState.SENT, sent_at=at,
    )  # fmt: skip


def receipt(person: str, kind: str, until: int) -> dict:
    return {
        "sender": {"id": person},
        "recipient": {"id": PAGE},
        "timestamp": until,
        kind: {"watermark": until},
    }


def test_a_watermark_reaches_what_was_sent_before_it_and_nothing_else(meta: MetaPlatform) -> None:
    delivery = sent_delivery()
    early = now_ms() - 120_000
    post(body(receipt("7", "read", early)))
    understand_all()
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.SENT
    for kind, state in (("delivery", DeliveryState.DELIVERED), ("read", DeliveryState.READ)):
        post(body(receipt("7", kind, now_ms())))
        understand_all()
        delivery.refresh_from_db()
        assert delivery.state == state


def test_a_watermark_of_another_person_changes_nothing(meta: MetaPlatform) -> None:
    delivery = sent_delivery()
    post(body(receipt("8", "read", now_ms())))
    understand_all()
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.SENT


def test_an_echo_with_our_key_is_our_message(meta: MetaPlatform) -> None:
    delivery = sent_delivery()
    echo = {
        "sender": {"id": PAGE}, "recipient": {"id": "7"}, "timestamp": now_ms(),
        "message": {"mid": "m_echo", "text": "It left.", "is_echo": True, "metadata": KEY},
    }  # fmt: skip
    post(body(echo))
    understand_all()
    assert Interaction.objects.filter(direction="outbound").count() == 1
    delivery.interaction.refresh_from_db()
    assert delivery.interaction.external_id == "m_echo"


def test_a_mention_that_was_named_is_fetched_by_a_worker(meta: MetaPlatform) -> None:
    new_account("facebook")
    value = {"item": "comment", "verb": "add", "post_id": "5_1", "comment_id": "1_2"}
    post(body(changes=[{"field": "mention", "value": value}]))
    understand_all()
    assert PendingChange.objects.get().kind == "named"
    meta.fail(503, path="/1_2")
    sweep()
    waiting = PendingChange.objects.get()
    assert waiting.payload["tries"] == 1 and waiting.at > timezone.now()
    meta.things["1_2"] = {"message": "@Shop look", "created_time": stamp(timezone.now()), "from": {"id": "9"}}
    PendingChange.objects.update(at=timezone.now())
    sweep()
    assert Interaction.objects.get().text == "@Shop look" and not PendingChange.objects.exists()


def test_a_mention_that_cannot_be_had_is_parked_and_asked_again_by_hand(meta: MetaPlatform) -> None:
    new_account("facebook")
    value = {"item": "comment", "verb": "add", "post_id": "5_1", "comment_id": "1_2"}
    post(body(changes=[{"field": "mention", "value": value}]))
    understand_all()
    meta.fail(400, {"error": {"code": 10, "message": "no permission"}}, path="/1_2")
    sweep()
    parked = RawEvent.objects.get(state="parked")
    assert "no permission" in parked.error and not PendingChange.objects.exists()
    RawEvent.objects.filter(pk=parked.pk).update(state="new")
    understand_one(parked.pk)
    assert PendingChange.objects.get().external_id == "mention:5_1:1_2"


BAD = [
    b"",
    b"[]",
    b"null",
    b'{"object":"user"}',
    b'{"object":"page","entry":{}}',
    b'{"object":"page","entry":[7]}',
    body(message("m_1", 7)),
    body({"sender": {"id": "7"}, "recipient": {"id": PAGE}, "timestamp": 1, "message": "hi"}),
    body({"sender": {}, "recipient": {"id": PAGE}, "timestamp": 1, "message": {"mid": "m", "text": "x"}}),
    body(message("m_1", at=10**30)),
    body(message("m\u0000\ud800")),
    body(message("m" * 5000)),
    b"{" * 100_000,
]


@pytest.mark.parametrize("raw", BAD, ids=range(len(BAD)))
def test_what_is_broken_is_parked_with_a_reason(meta: MetaPlatform, raw) -> None:
    new_account("facebook")
    assert post(raw).status_code == 200
    understand_all()
    stored = RawEvent.objects.get()
    assert stored.state == "parked" and stored.error and "Error:" not in stored.error


ODD = [
    message("m_1", "\x00 a \ud800 b"),
    message("m_2", "x" * 5_000_000),
    message("m_3", "a reply to nothing", **{}),
    {"sender": {"id": "7"}, "recipient": {"id": PAGE}, "timestamp": now_ms(), "message": {"mid": "m_4"}},
]


@pytest.mark.parametrize("said", ODD, ids=range(len(ODD)))
def test_what_is_odd_comes_in_all_the_same(meta: MetaPlatform, said) -> None:
    new_account("facebook")
    post(body(said))
    understand_all()
    assert Interaction.objects.count() == 1


def test_kinds_that_we_do_not_know_are_no_failure(meta: MetaPlatform) -> None:
    new_account("facebook")
    told = {"sender": {"id": "7"}, "recipient": {"id": PAGE}, "timestamp": 1}
    unknown = [{**told, "optin": {}}, {**told, "dance": {}}]
    post(
        body(*unknown, changes=[{"field": "leadgen", "value": {}}, {"field": "feed", "value": {"item": "x"}}])
    )
    understand_all()
    assert RawEvent.objects.get().state == "done" and not Interaction.objects.exists()
