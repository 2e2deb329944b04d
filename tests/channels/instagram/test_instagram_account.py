"""Instagram: answers, acts, webhooks, the login and the token that must be renewed in time."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from engagement import credentials
from engagement.channels.base import (
    Act,
    AuthFailure,
    Author,
    Forged,
    PermanentFailure,
    SendFailed,
    Target,
    Uncertain,
    WindowClosed,
)
from engagement.models import Conversation, Interaction, RawEvent
from engagement.raw_events import understand_one
from tests.channels.facebook.accounts import hook, link, new_account, outgoing
from tests.channels.facebook.graph import APP, IG, TOKEN, MetaPlatform, error

pytestmark = pytest.mark.django_db
BACK = "https://rapport.example/settings/channels/back/instagram/"


# Answers


def test_a_direct_message_goes_out(meta: MetaPlatform) -> None:
    account = new_account("instagram", settings={"human_agent": True})
    sent = link("instagram").send(outgoing(account, "Yes!"))
    late = outgoing(account, "Still there?", heard=timezone.now() - timedelta(days=2))
    link("instagram").send(late)
    assert sent.external_id.startswith("m_")
    first, second = meta.sent
    assert first == {"recipient": {"id": "7"}, "message": {"text": "Yes!"}}
    assert second["tag"] == "HUMAN_AGENT"


def test_a_message_of_too_many_bytes_is_not_sent(meta: MetaPlatform) -> None:
    with pytest.raises(PermanentFailure, match="bytes"):
        link("instagram").send(outgoing(new_account("instagram"), "ß" * 501))
    assert meta.sent == []


def test_an_answer_hangs_on_the_top_comment(meta: MetaPlatform) -> None:
    about = {"public": True, "in_reply_to": "179002", "thread_key": "post:18001:179001"}
    link("instagram").send(outgoing(new_account("instagram"), "Thanks", **about))
    assert meta.sent == [{"under": "179001", "message": "Thanks"}]


def test_a_mention_is_answered_by_its_own_call(meta: MetaPlatform) -> None:
    account = new_account("instagram")
    for key in ("mention:18001:179001", "mention:18001:"):
        link("instagram").send(outgoing(account, "Thanks", public=True, thread_key=key))
    assert meta.sent == [
        {"media_id": "18001", "comment_id": "179001", "message": "Thanks"},
        {"media_id": "18001", "message": "Thanks"},
    ]


@pytest.mark.parametrize(
    ("code", "kind"),
    [((190, 463), AuthFailure), ((10, 2534022), WindowClosed), ((100, 0), PermanentFailure)],
)
def test_each_code_has_what_follows_from_it(meta: MetaPlatform, code, kind) -> None:
    meta.fail(400, error(*code)[1], path="/messages")
    with pytest.raises(kind) as raised:
        link("instagram").send(outgoing(new_account("instagram")))
    assert type(raised.value) is kind


def test_a_message_that_was_cut_off_is_found(meta: MetaPlatform) -> None:
    meta.own = IG
    one = outgoing(new_account("instagram"), "Yes!")
    assert link("instagram").find_sent(one) is None
    meta.fail(0, path="/messages", after=True)
    with pytest.raises(Uncertain):
        link("instagram").send(one)
    assert link("instagram").find_sent(one).external_id == meta.conversations[0]["said"][0]["id"]


def test_an_answer_below_a_comment_that_was_cut_off_is_found(meta: MetaPlatform) -> None:
    about = {"public": True, "thread_key": "post:18001:179001"}
    one = outgoing(new_account("instagram"), "Thanks", **about)
    assert link("instagram").find_sent(one) is None
    now = timezone.now().strftime("%Y-%m-%dT%H:%M:%S+0000")
    theirs = {"id": "1", "text": "Thanks", "timestamp": now, "from": {"id": "5"}}
    meta.comments["179001"] = [theirs, {**theirs, "id": "2", "from": {"id": IG}}]
    assert link("instagram").find_sent(one).external_id == "2"
    with pytest.raises(Uncertain):
        link("instagram").find_sent(outgoing(one.account, public=True, thread_key="mention:18001:"))


def test_limits_are_those_of_instagram() -> None:
    account = new_account("instagram")
    limits = link("instagram").limits(account, public=True)
    assert (limits.length, limits.files, limits.window) == (300, 0, None)
    private = link("instagram").limits(account, public=False)
    assert (private.length, private.window) == (1000, timedelta(hours=24))


@pytest.mark.parametrize(
    ("act", "done"),
    [
        (Act.HIDE, ("change", "179001", {"hide": True})),
        (Act.UNHIDE, ("change", "179001", {"hide": False})),
        (Act.DELETE, ("delete", "179001", None)),
    ],
)
def test_each_act_is_one_call_and_twice_is_as_once(meta: MetaPlatform, act, done) -> None:
    account = new_account("instagram")
    about = Target("179001", Author("7"), public=True, kind="comment", direction="inbound")
    link("instagram").act(account, act, about)
    link("instagram").act(account, act, about)
    assert meta.acts == [done, done]


# Webhooks


def test_either_secret_signs(meta: MetaPlatform) -> None:
    for name in ("secret", "instagram_secret"):
        link("instagram").verify(hook(b"{}", secret=APP[name]), None)
    with pytest.raises(Forged):
        link("instagram").verify(hook(b"{}", secret="another"), None)


def body(**entry) -> bytes:
    now = round(timezone.now().timestamp())
    return json.dumps({"object": "instagram", "entry": [{"id": IG, "time": now, **entry}]}).encode()


def post(raw: bytes) -> None:
    signature = hook(raw).headers["x-hub-signature-256"]
    headers = {"X-Hub-Signature-256": signature}
    response = Client().post("/hooks/instagram/", raw, content_type="application/json", headers=headers)
    assert response.status_code == 200
    for pk in RawEvent.objects.filter(state="new").values_list("pk", flat=True):
        understand_one(pk)


def test_both_forms_of_a_comment_are_one_thread_each_and_one_row(meta: MetaPlatform) -> None:
    new_account("instagram")
    value = {
        "id": "179001", "text": "Price?", "from": {"id": "5", "username": "lu"}, "media": {"id": "18001"}
    }  # fmt: skip
    post(body(field="comments", value=value))
    post(body(changes=[{"field": "comments", "value": value}]))
    assert Interaction.objects.get().text == "Price?" and Conversation.objects.get().is_public


def test_an_unsent_message_loses_its_words(meta: MetaPlatform) -> None:
    new_account("instagram")
    at = round(timezone.now().timestamp() * 1000)
    said = {"sender": {"id": "5"}, "recipient": {"id": IG}, "timestamp": at}
    post(body(messaging=[{**said, "timestamp": at + 5, "message": {"mid": "x1", "is_deleted": True}}]))
    post(body(messaging=[{**said, "message": {"mid": "x1", "text": "oops"}}]))
    row = Interaction.objects.get()
    assert row.text == "" and row.deleted_at is not None


BAD = [
    b"x",
    b'{"object":"page"}',
    body(changes=[{"field": "comments", "value": {"id": "1", "media": {"id": "2"}}}]),
    body(changes=[{"field": "comments", "value": {"id": "1", "from": {"id": "4"}}}]),
    body(changes=[{"field": "mentions", "value": {}}]),
    body(messaging=[{"message": {"text": "no id"}, "timestamp": 1}]),
]


@pytest.mark.parametrize("raw", BAD, ids=range(len(BAD)))
def test_what_is_broken_is_parked_with_a_reason(meta: MetaPlatform, raw) -> None:
    new_account("instagram")
    post(raw)
    stored = RawEvent.objects.get()
    assert stored.state == "parked" and stored.error and "Error:" not in stored.error


# Login and token


def test_the_browser_is_sent_to_instagram(meta: MetaPlatform) -> None:
    login = link("instagram").begin_login({}, state="s1", back_to=BACK)
    query = parse_qs(urlsplit(login.url).query)
    assert urlsplit(login.url).path == "/oauth/authorize" and query["client_id"] == [APP["instagram_id"]]
    assert query["scope"] == [",".join(link("instagram").scopes)] and query["state"] == ["s1"]


def test_a_login_offers_the_account_with_a_token_of_sixty_days(meta: MetaPlatform) -> None:
    (offer,) = link("instagram").finish_login({"code": "good-code#_"}, {"settings": {"a": 1}}, back_to=BACK)
    assert (offer.external_id, offer.issuer, offer.name) == (IG, IG, "@shop")
    assert offer.credentials == {"access_token": TOKEN}
    assert offer.settings == {"a": 1, "app_scoped_id": "25900000000000000", "username": "shop"}
    left = offer.expires_at - timezone.now()
    assert timedelta(days=59) < left < timedelta(days=61)


@pytest.mark.parametrize(
    ("query", "words"), [({"error": "access_denied"}, "cancelled"), ({"code": "used"}, "No matching code")]
)
def test_a_login_that_failed_says_why(meta: MetaPlatform, query, words) -> None:
    with pytest.raises(SendFailed, match=words) as raised:
        link("instagram").finish_login(query, {}, back_to=BACK)
    assert APP["instagram_secret"] not in str(raised.value)


def test_the_token_is_renewed_and_stored(meta: MetaPlatform) -> None:
    soon = timezone.now() + timedelta(days=3)
    account = new_account("instagram", token_expires_at=soon)
    credentials.ensure_fresh(account, margin=timedelta(days=7))
    account.refresh_from_db()
    assert account.credentials["access_token"] == "renewed-instagram-token"
    assert account.token_expires_at > timezone.now() + timedelta(days=59)
    link("instagram").check(account)


def test_a_token_that_ended_is_not_even_tried(meta: MetaPlatform) -> None:
    account = new_account("instagram", token_expires_at=timezone.now() - timedelta(minutes=1))
    with pytest.raises(AuthFailure, match="sixty days"):
        link("instagram").refresh(account)
    assert meta.calls == []


def test_webhooks_are_asked_for_and_each_permission_is_tried(meta: MetaPlatform) -> None:
    account = new_account("instagram")
    assert link("instagram").subscribe(account, "https://rapport.example/hooks/instagram/").active
    assert meta.subscriptions[0]["object"] == "instagram"
    assert "comments" in meta.acts[0][2]["subscribed_fields"]
    findings = link("instagram").examine(account)
    assert all(one.works for one in findings) and {one.scope for one in findings} == set(
        link("instagram").scopes
    )
    link("instagram").unsubscribe(account)
    assert meta.acts[-1][0] == "unsubscribe"
