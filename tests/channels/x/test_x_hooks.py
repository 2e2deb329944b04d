"""X's webhook: who may speak, what is said, and how we are subscribed."""

from __future__ import annotations

import base64
import hmac
import json
from hashlib import sha256

import pytest

from engagement.channels.base import Change, Forged, Hook, PermissionMissing
from engagement.models import Conversation, Interaction, RawEvent, RefusedHook
from tests.channels.x.chirper import BOB, EVE, ME, hook_body

SECRET = b"consumer-secret-0123456789"
ADDRESS = "https://crm.example.com/hooks/x/"


def signature(body, secret=SECRET):
    return "sha256=" + base64.b64encode(hmac.new(secret, body, sha256).digest()).decode()


def hook(body=b"", *, method="POST", query=None, **headers):
    return Hook(method, ADDRESS, {name.replace("_", "-"): value for name, value in headers.items()},
                query or {}, body)  # fmt: skip


def parsed(link, body):
    return link.parse(RawEvent(source="x", body=body))


# Signatures


def test_the_question_for_the_secret_is_answered(link, there):
    answer = link.greet(hook(method="GET", query={"crc_token": "abc"}), None)
    assert json.loads(answer.body) == {"response_token": signature(b"abc")}
    assert answer.content_type == "application/json"
    assert link.greet(hook(b"{}"), None) is None


def test_without_the_secret_nothing_is_answered_or_believed(link, there, settings):
    settings.CHANNEL_APPS = {"x": {"id": "app"}}
    with pytest.raises(Forged):
        link.greet(hook(method="GET", query={"crc_token": "abc"}), None)
    with pytest.raises(Forged):
        link.verify(hook(b"{}", x_twitter_webhooks_signature=signature(b"{}", b"")), None)


def test_a_signature_cannot_be_asked_for(link, there):
    """The answer to the question is made with the secret that bodies are signed with, and anybody may ask."""
    body = hook_body("post.delete", {"id": "1", "author_id": ME}).decode()
    for wanted in (body, f" {body}", "[1]", '"text"', "a" * 201, "abc\n"):
        with pytest.raises(Forged):
            link.greet(hook(method="GET", query={"crc_token": wanted}), None)
    known = json.loads(link.greet(hook(method="GET", query={"crc_token": "123"}), None).body)[
        "response_token"
    ]
    with pytest.raises(Forged):
        link.verify(hook(b"123", x_twitter_webhooks_signature=known), None)


def test_only_the_right_signature_is_believed(link, there):
    body = hook_body("post.delete", {"id": "1", "author_id": ME})
    link.verify(hook(body, x_twitter_webhooks_signature=signature(body)), None)
    digest = hmac.new(SECRET, body, sha256).hexdigest()
    for wrong in (
        "",
        "sha256=",
        signature(body, b"another"),
        f"sha256={digest}",
        signature(body + b" "),
        "ü",
    ):
        with pytest.raises(Forged):
            link.verify(hook(body, x_twitter_webhooks_signature=wrong), None)


def test_a_delivery_goes_by_its_event(link):
    body = b'{"data": {"event_uuid": "-6850472171600526495"}}'
    assert link.delivery_key(hook(body)) == "-6850472171600526495"
    assert [link.delivery_key(hook(one)) for one in (b"", b"[]", b'{"data": 5}', b"{")] == [""] * 4


@pytest.mark.django_db(transaction=True)
def test_the_door_stores_what_is_signed_and_counts_what_is_not(client, account, there):
    there.write(BOB, "@ExampleUser hello")
    post = there.posts[max(there.posts)]
    body = hook_body("post.mention.create", post, includes={"users": [there.users[BOB]]})
    right = {"HTTP_X_TWITTER_WEBHOOKS_SIGNATURE": signature(body)}
    for _again in range(3):
        answer = client.post("/hooks/x/", body, content_type="application/json", **right)
        assert answer.status_code == 200
    assert RawEvent.objects.filter(source="x").count() == 1
    wrong = {"HTTP_X_TWITTER_WEBHOOKS_SIGNATURE": "sha256=no"}
    assert client.post("/hooks/x/", body, content_type="application/json", **wrong).status_code == 401
    assert RefusedHook.objects.get(connector="x").n == 1
    from engagement.raw_events import sweep

    sweep()
    assert Interaction.objects.get(account=account).text == "@ExampleUser hello"


# Bodies


def test_a_mention_by_webhook_is_the_mention_that_is_pulled(link, account, there):
    own = there.write(BOB, "@ExampleUser hello")
    body = hook_body("post.mention.create", there.posts[own], includes={"users": list(there.users.values())})
    (parcel,) = parsed(link, body)
    (pulled,) = next(link.pull(account)).events
    assert parcel.account == ME
    assert list(parcel.events) == [pulled]


def test_a_message_by_webhook_is_the_message_that_is_pulled(link, account, there):
    own = there.message(BOB, "Hello")
    stamp = str(((int(own) >> 22) + 1_288_834_974_657) // 1000 * 1000)
    payload = {
        "direct_message_events": [
            {"type": "message_create", "id": own, "created_timestamp": stamp,
             "message_create": {"target": {"recipient_id": ME}, "sender_id": BOB,
                                "message_data": {"text": "Hello"}}}
        ],
        "users": {BOB: {"data": there.users[BOB]}, ME: {"data": there.users[ME]}},
    }  # fmt: skip
    (parcel,) = parsed(link, hook_body("dm.received", payload))
    (pulled,) = [one for page in link.pull(account) for one in page.events]
    assert list(parcel.events) == [pulled]


def test_our_answer_in_the_native_app_belongs_to_whom_it_answers(link, there):
    theirs = there.write(BOB, "@ExampleUser hello")
    ours = there.write(ME, "Hi Bob", answers=theirs)
    post = {name: value for name, value in there.posts[ours].items() if name != "in_reply_to_user_id"}
    body = hook_body("post.create", post, includes={"tweets": [there.posts[theirs]]})
    (event,) = parsed(link, body)[0].events
    assert (event.direction, event.author, event.thread_keys) == ("outbound", None, (f"post:{theirs}:{BOB}",))


def test_a_post_of_ours_is_no_interaction(link, there):
    own = there.write(ME, "We open on Sunday")
    (parcel,) = parsed(link, hook_body("post.create", there.posts[own]))
    assert not parcel.events and parcel.posts[0].external_id == own


def test_a_deletion_is_told(link):
    (parcel,) = parsed(link, hook_body("post.delete", {"id": "5", "author_id": ME}))
    (change,) = parcel.events
    assert isinstance(change, Change) and (change.external_id, change.kind) == ("5", "delete")


def test_access_taken_back_pauses_the_account(account, there):
    from engagement.intake import take_parcels

    raw = RawEvent(source="x", body=hook_body("oauth.revoke", {"user_id": ME, "app_id": "1"}, filter={}))
    from engagement.channels import connector

    take_parcels(raw, connector("x").parse(raw))
    account.refresh_from_db()
    assert account.health == "needs_login"


@pytest.mark.parametrize(
    "kind", ["like.create", "follow.follow", "dm.read", "dm.indicate_typing", "news.new"]
)
def test_what_means_nothing_for_us_is_left_out(link, kind):
    assert list(parsed(link, hook_body(kind, {}))) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "."),
        (b"[]", "object"),
        (b"{}", "data"),
        (b'{"data": {}}', "data"),
        (b'{"data": {"event_type": 5}}', "event_type"),
        (b'{"data": {"event_type": "post.mention.create", "filter": {}, "payload": {}}}', "user_id"),
        (b'{"data": {"event_type": "post.mention.create", "filter": {"user_id": "1"}, "payload": []}}',
         "payload"),
        (b'{"data": {"event_type": "oauth.revoke", "payload": {}}}', "user_id"),
        (b'{"data": {"event_type": "chat.received", "filter": {"user_id": "1"}}}', "encrypted"),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_understood_says_why(link, body, reason):
    with pytest.raises(ValueError, match=reason):
        parsed(link, body)


def test_a_message_of_a_kind_nobody_knows_is_kept(link):
    made = {"sender_id": EVE, "target": {"recipient_id": ME}}
    message = {"type": "reaction_create", "id": "7", "created_timestamp": "1784928224372"}
    payload = {"direct_message_events": [{**message, "message_create": made}]}
    (event,) = parsed(link, hook_body("dm.received", payload))[0].events
    assert event.text == "[unsupported: reaction_create]"


def test_the_first_messages_of_one_person_are_one_conversation(account, there):
    from engagement.channels import connector
    from engagement.intake import take_parcels

    for number in range(10):
        there.write(BOB, f"@ExampleUser {number}", conversation_id="5")
    for post in there.posts.values():
        raw = RawEvent(source="x", body=hook_body("post.mention.create", post))
        take_parcels(raw, connector("x").parse(raw))
    assert Conversation.objects.count() == 1


# Subscriptions


def test_the_webhook_is_registered_once_and_everything_wanted_asked_for(link, account, there):
    for _day in range(2):
        state = link.subscribe(account, ADDRESS)
        assert state.active and not state.text
    assert [one["url"] for one in there.webhooks.values()] == [ADDRESS]
    kinds = [one["event_type"] for one in there.subscriptions.values()]
    assert sorted(kinds) == sorted(set(kinds)) and "dm.received" in kinds
    assert {one["filter"]["user_id"] for one in there.subscriptions.values()} == {ME}


def test_a_webhook_that_x_holds_for_invalid_is_tried_again(link, account, there):
    link.subscribe(account, ADDRESS)
    (webhook,) = there.webhooks.values()
    webhook["valid"] = False
    link.subscribe(account, ADDRESS)
    assert webhook["valid"]


def test_a_kind_that_is_refused_leaves_the_others(link, account, there):
    there.fail(403, {"title": "Forbidden", "detail": "No DMs"}, path="activity/subscriptions", method="POST")
    state = link.subscribe(account, ADDRESS)
    assert state.active and "No DMs" in state.text


def test_what_keeps_us_from_webhooks_is_said(link, account, there, settings):
    assert not link.subscribe(account, "https://crm.example.com:8443/hooks/x/").active
    assert not link.subscribe(account, "http://crm.example.com/hooks/x/").active
    settings.CHANNEL_APPS = {"x": {**settings.CHANNEL_APPS["x"], "bearer_token": "wrong"}}
    with pytest.raises(PermissionMissing) as raised:
        link.subscribe(account, ADDRESS)
    assert "BEARER" in raised.value.advice
    settings.CHANNEL_APPS = {"x": {"id": "app"}}
    assert "BEARER" in link.subscribe(account, ADDRESS).text


def test_disconnecting_takes_our_subscriptions_off(link, account, there):
    link.subscribe(account, ADDRESS)
    there.subscriptions["9"] = {"subscription_id": "9", "event_type": "dm.sent", "filter": {"user_id": BOB}}
    link.unsubscribe(account)
    assert list(there.subscriptions) == ["9"]
