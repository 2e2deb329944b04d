"""A Telegram bot: read by webhook or by asking, answered by one call each."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team
from engagement import pulls
from engagement.channels.base import (
    Act,
    AuthFailure,
    Author,
    File,
    Forged,
    Hook,
    PermanentFailure,
    RateReached,
    Target,
    TransientFailure,
    Uncertain,
)
from engagement.connecting import connect_account
from engagement.disconnecting import disconnect
from engagement.examining import examine, see_to_webhook
from engagement.hooks import address_of
from engagement.models import ChannelAccount, Conversation, HookState, Interaction, RawEvent, RefusedHook
from engagement.raw_events import understand_one
from tests.channels.machine import pages_of
from tests.channels.telegram.far import BOT, CHAT, MARA, PERSON, SECONDS, TOKEN, as_body, refusal

GROUP = {"id": -1001987654321, "type": "supergroup", "title": "Bike club"}


def ids(pages):
    return [event.external_id for page in pages for event in page.events]


@pytest.fixture
def saved(account, db):
    account.team = Team.general()
    account.save()
    return account


# Connecting


def test_connecting_learns_the_bots_name(account):
    assert (account.external_id, account.settings["username"]) == (str(BOT), "rapport_shop_bot")
    assert account.name == "@rapport_shop_bot"


def test_a_token_that_does_not_work_is_said_without_showing_it(far, link):
    wrong = f"{BOT}:BBB-abcdefghijklmnopqrstuvwxyz0123456"
    with pytest.raises(AuthFailure) as caught:
        link.fill_account(ChannelAccount(connector="telegram"), {"bot_token": wrong, "groups": True})
    assert "BotFather" in caught.value.advice
    assert wrong not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("token", ["", "123", "abc:def", f"{TOKEN} "])
def test_only_what_can_be_a_token_is_taken(link, token):
    form = link.settings_form({"bot_token": token, "groups": "on"})
    assert form.is_valid() == (token.strip() in ("", TOKEN))


def test_a_token_of_another_bot_is_refused(far, link, account):
    account.external_id = "1"
    with pytest.raises(PermanentFailure, match="another bot"):
        link.check(account)


def test_the_self_test_tells_of_token_webhook_and_groups(far, link, account):
    assert [(one.name, one.works) for one in link.examine(account)] == [
        ("token", True), ("webhook", True), ("groups", True),
    ]  # fmt: skip
    account.hook_state = HookState.ON
    assert [one.works for one in link.examine(account)] == [True, False, True]
    far.hook = {"url": "https://elsewhere.example"}
    account.hook_state = HookState.NONE
    assert "Another program" in link.examine(account)[1].text


def test_an_admin_connects_a_bot_sees_its_webhook_and_takes_it_off(far, settings, ada, db):
    settings.PUBLIC_URL = "https://crm.example.com"
    form = {"bot_token": TOKEN, "groups": True}
    given = {"name": "", "team": Team.general(), "brand": None, "goal_minutes": 60, "by": ada}
    account = connect_account(connector_name="telegram", cleaned=form, **given)
    assert (account.name, account.external_id) == ("@rapport_shop_bot", str(BOT))
    assert see_to_webhook(account) == HookState.ON
    assert far.hook["url"] == address_of(account)
    assert far.hook["url"].startswith("https://crm.example.com/hooks/telegram/")
    kept = ChannelAccount.objects.get(pk=account.pk)
    assert kept.credentials["hook_secret"] == far.hook["secret_token"]
    assert all(one.works for one in examine(kept))
    disconnect(account=kept, by=ada, remove=False)
    assert far.hook == {}
    again = connect_account(connector_name="telegram", cleaned=form, **given)
    assert again.pk == account.pk and again.is_active


# Asking


def test_updates_are_confirmed_only_after_they_are_stored(far, link, account):
    said = [far.say(f"line {n}", n) for n in range(150)]
    pages = link.pull(account)
    first = next(pages)
    assert ids([first]) == said[:100] and first.more
    assert len(far.updates) == 150
    account.cursor = dict(first.cursor)
    second = next(pages)
    assert ids([second]) == said[100:]
    assert len(far.updates) == 50
    # Cut off here: the same page comes again.
    assert ids(pages_of(link, account)) == said[100:]
    assert ids(pages_of(link, account)) == [] and far.updates == []


def test_an_update_that_is_not_understood_holds_up_nothing(far, link, account):
    good = far.say("before")
    far.tell("message", {"message_id": 9, "chat": CHAT, "from": PERSON, "text": "no date"})
    far.tell("shipping_query", {"id": "1"})
    after = far.say("after \x00 \ud800")
    (page,) = pages_of(link, account)
    assert ids([page]) == [good, after]
    assert [one.error for one in page.bad] == ["date is missing"]


def test_numbers_that_start_anew_after_a_week_of_silence_are_not_lost(far, link, account):
    far.say("old")
    pages_of(link, account)
    far.updates.clear()
    far.numbers = iter([500])
    late = far.say("after the holidays")
    account.cursor["at"] = (timezone.now() - timedelta(days=8)).isoformat()
    assert ids(pages_of(link, account)) == [late]


def test_the_same_updates_again_and_again_stop_the_pull(far, link, account):
    far.say("hello")
    page = {"ok": True, "result": list(far.updates)}
    far.fail(200, page, path="getUpdates", times=9)
    with pytest.raises(TransientFailure, match="again and again"):
        pages_of(link, account)


def test_another_reader_is_said_and_a_webhook_of_ours_is_taken_off(far, link, account):
    far.say("hello")
    far.hook = {"url": "https://elsewhere.example/hook"}
    with pytest.raises(TransientFailure) as caught:
        pages_of(link, account)
    assert "one reader only" in caught.value.advice
    account.hook_key = "our-own-key"
    far.hook = {"url": "https://crm.example.com/hooks/telegram/our-own-key/"}
    assert len(ids(pages_of(link, account))) == 1 and far.hook == {}


def test_nothing_is_asked_while_the_webhook_is_on(far, link, account):
    account.hook_state = HookState.ON
    assert pages_of(link, account) == [] and far.calls == []


# Webhook


def hook_of(body, secret=None):
    headers = {} if secret is None else {"x-telegram-bot-api-secret-token": secret}
    return Hook("POST", "https://crm.example.com/hooks/telegram/k", headers, {}, body)


def test_the_webhook_is_set_with_a_secret_that_stays(far, link, account):
    first = link.subscribe(account, "https://crm.example.com/hooks/telegram/k")
    assert first.active and far.hook["url"].endswith("/k")
    assert far.hook["secret_token"] == first.secrets["hook_secret"]
    assert "business_message" in far.hook["allowed_updates"]
    account.credentials = {**account.credentials, **first.secrets}
    assert link.subscribe(account, "https://crm.example.com/x").secrets == first.secrets
    link.unsubscribe(account)
    assert far.hook == {}


@pytest.mark.parametrize("theirs", [None, "", "wrong", "rightt", "RIGHT", "\u00fc"])
def test_a_wrong_secret_is_forged(link, account, theirs):
    account.credentials = {**account.credentials, "hook_secret": "right"}
    with pytest.raises(Forged):
        link.verify(hook_of(b"{}", theirs), account)
    link.verify(hook_of(b"{}", "right"), account)


def test_without_a_secret_of_ours_nothing_is_believed(link, account):
    for one in (account, None):
        with pytest.raises(Forged):
            link.verify(hook_of(b"{}", ""), one)


def test_a_delivery_is_known_by_its_number(link):
    assert link.delivery_key(hook_of(b'{"update_id": 7, "message": {}}')) == "7"
    for body in (b"", b"[]", b'{"update_id": "7"}', b"\xff\xfe", b"[" * 100_000):
        assert link.delivery_key(hook_of(body)) == ""


def test_the_door_stores_what_is_ours_once_and_counts_what_is_not(client, far, link, saved):
    saved.hook_key = "k" * 24
    saved.credentials = {**saved.credentials, "hook_secret": "right"}
    saved.save()
    address = reverse("engagement:hook-account", args=["telegram", saved.hook_key])
    far.say("hello")
    body = as_body(far.updates[0])
    headers = {"X-Telegram-Bot-Api-Secret-Token": "wrong"}
    assert client.post(address, body, content_type="application/json", headers=headers).status_code == 401
    assert RawEvent.objects.count() == 0 and RefusedHook.objects.get().n == 1
    headers["X-Telegram-Bot-Api-Secret-Token"] = "right"
    for _ in range(3):
        assert client.post(address, body, content_type="application/json", headers=headers).status_code == 200
    raw = RawEvent.objects.get()
    assert "right" not in str(raw.headers)
    understand_one(raw.pk)
    assert Interaction.objects.get().text == "hello"
    broken = client.post(
        address, b'{"update_id": 5, "message"', content_type="application/json", headers=headers
    )
    assert broken.status_code == 200
    parked = RawEvent.objects.exclude(pk=raw.pk).get()
    understand_one(parked.pk)
    parked.refresh_from_db()
    assert (parked.state, parked.error) == ("parked", "the body is not JSON")


def test_an_album_of_ten_is_one_conversation(far, saved):
    photo = [{"file_id": "AwACfile", "file_unique_id": "u", "width": 9, "height": 9, "file_size": 10}]
    for n in range(10):
        key = 500 + n
        message = {"message_id": key, "from": PERSON, "chat": CHAT, "date": SECONDS, "photo": photo}
        far.tell("message", {**message, "media_group_id": "77"})
    pulls.pull_account(saved.pk)
    conversation = Conversation.objects.get()
    assert conversation.count == 10
    assert sum(one.attachments.count() for one in Interaction.objects.all()) == 10


# Through the machine


def test_what_is_asked_for_lands_in_one_conversation(far, saved):
    for n in range(3):
        far.say(f"line {n}", n)
    far.edit(50, "better")
    pulled = pulls.pull_account(saved.pk)
    assert (pulled.failure, pulled.stored) == ("", 3)
    conversation = Conversation.objects.get()
    assert (conversation.count, conversation.identity.external_id) == (3, str(MARA))
    assert Interaction.objects.get(external_id=f"{MARA}:50").text == "better"
    pulls.pull_account(saved.pk)
    assert Interaction.objects.count() == 3


def test_an_edit_of_what_we_never_saw_is_taken_in(far, saved):
    far.edit(7, "new words")
    pulls.pull_account(saved.pk)
    assert Interaction.objects.get().text == "new words"


def test_a_revoked_token_asks_for_a_person(far, saved):
    far.fail(401, refusal(401, "Unauthorized"), times=5)
    pulls.pull_account(saved.pk)
    kept = ChannelAccount.objects.get(pk=saved.pk)
    assert kept.health == "needs_login" and "Unauthorized" in kept.health_text
    assert TOKEN not in kept.health_text


def test_what_is_parked_keeps_its_bytes(far, saved):
    far.tell("message", {"message_id": 9, "chat": CHAT, "from": PERSON, "text": "no date"})
    pulls.pull_account(saved.pk)
    raw = RawEvent.objects.get()
    assert json.loads(bytes(raw.body))["message"]["text"] == "no date"


# Files


def test_a_file_is_asked_for_by_its_id(far, link, account):
    file = link.fetch_file(account, File("voice.ogg", "audio/ogg", url="AwACfile"), most=10_000)
    assert (file.content, file.content_type) == (b"OggS voice", "audio/ogg")
    with pytest.raises(PermanentFailure, match="too big"):
        link.fetch_file(account, File("x", "", url="unknown"), most=10_000)
    with pytest.raises(PermanentFailure):
        link.fetch_file(account, File("x", "", url="AwACfile"), most=3)


# Sending


def test_an_answer_is_one_call_that_names_what_it_answers(far, link, outgoing):
    sent = link.send(outgoing())
    ((method, told),) = far.sent
    assert method == "sendMessage" and told["chat_id"] == MARA
    assert told["reply_parameters"] == {"message_id": 51, "allow_sending_without_reply": True}
    assert "parse_mode" not in told
    assert sent.external_id == f"{MARA}:50"


def test_an_answer_in_a_business_chat_goes_by_its_connection(far, link, outgoing):
    sent = link.send(outgoing(in_reply_to=f"b:bc7:{MARA}:31", thread_key=f"business:bc7:{MARA}"))
    assert far.sent[0][1]["business_connection_id"] == "bc7"
    assert sent.external_id.startswith(f"b:bc7:{MARA}:")
    link.send(outgoing(in_reply_to="", thread_key=f"business:bc7:{MARA}"))
    assert (far.sent[1][1]["business_connection_id"], far.sent[1][1]["chat_id"]) == ("bc7", MARA)


def test_an_answer_in_a_group_goes_to_the_group_and_follows_it_when_it_moves(far, link, outgoing):
    one = outgoing(public=True, in_reply_to="-4123:7", thread_key=f"group:-4123:{MARA}")
    moved = refusal(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=GROUP["id"])
    far.fail(400, moved, path="sendMessage")
    assert link.send(one).external_id.startswith(f"{GROUP['id']}:")
    assert [told["chat_id"] for _method, told in far.sent] == [GROUP["id"]]
    link.send(outgoing(in_reply_to="", thread_key="topic:-100155:77"))
    assert (far.sent[1][1]["chat_id"], far.sent[1][1]["direct_messages_topic_id"]) == (-100155, 77)


def test_length_is_counted_in_utf_16(far, link, outgoing):
    assert link.count_length("🚲") == 2 and link.count_length("ü") == 1
    link.send(outgoing("🚲" * 2048))
    with pytest.raises(PermanentFailure, match="4096"):
        link.send(outgoing("🚲" * 2048 + "x"))
    with pytest.raises(PermanentFailure) as caught:
        link.send(outgoing("x" * 1025, files=[File("a.png", "image/png", content=b"\x89PNG")]))
    assert "message of its own" in caught.value.advice
    with pytest.raises(PermanentFailure):
        link.send(outgoing("x" * 5_000_000))


@pytest.mark.parametrize(
    ("kinds", "method"),
    [
        (["image/png"], "sendPhoto"),
        (["application/pdf"], "sendDocument"),
        (["image/webp"], "sendDocument"),
        (["image/png", "image/jpeg"], "sendMediaGroup"),
        (["image/png", "application/pdf"], "sendMediaGroup"),
    ],
)
def test_files_go_in_one_call_with_their_text(far, link, outgoing, kinds, method):
    files = [File(f"file-{n}", kind, content=b"content") for n, kind in enumerate(kinds)]
    link.send(outgoing("The papers", files=files))
    ((called, told),) = far.sent
    assert called == method
    assert b"The papers" in told["raw"] and told["raw"].count(b"content") >= len(files)
    if method == "sendMediaGroup":
        kind = b"document" if "application/pdf" in kinds else b"photo"
        assert b'"type": "' + kind in told["raw"]


@pytest.mark.parametrize(
    ("case"),
    [
        (403, refusal(403, "Forbidden: bot was blocked by the user"), PermanentFailure),
        (400, refusal(400, "Bad Request: chat not found"), PermanentFailure),
        (401, refusal(401, "Unauthorized"), AuthFailure),
        (404, refusal(404, "Not Found"), AuthFailure),
        (409, refusal(409, "Conflict"), TransientFailure),
        (429, refusal(429, "Too Many Requests", retry_after=17), RateReached),
        (500, refusal(500, "Internal Server Error"), Uncertain),
        (502, "<html>bad gateway</html>", Uncertain),
        (503, "out of order", TransientFailure),
        (0, None, Uncertain),
        (200, refusal(400, "Bad Request: message is too long"), PermanentFailure),
        (200, "not json", Uncertain),
        (200, {"ok": True, "result": 7}, Uncertain),
    ],
)
def test_a_refusal_is_told_by_its_code(far, link, outgoing, case, caplog):
    status, body, failure = case
    far.fail(status, body, path="sendMessage")
    with caplog.at_level(logging.DEBUG), pytest.raises(failure) as caught:
        link.send(outgoing())
    assert TOKEN not in "".join(traceback.format_exception(caught.value)) + caplog.text
    if isinstance(caught.value, RateReached):
        assert caught.value.retry_after == 17
    if status == 403:
        assert "blocked" in str(caught.value) and "another way" in caught.value.advice


def test_an_answer_to_nobody_is_refused(link, outgoing):
    for wrong in ({"to": []}, {"to": [Author("no-number")]}):
        with pytest.raises(PermanentFailure):
            link.send(outgoing(in_reply_to="callback:7", **wrong))


# Acts


def test_a_message_is_liked_and_deleted(far, link, account):
    mine = Target(f"{MARA}:51", None, False, "message", "inbound")
    link.act(account, Act.LIKE, mine)
    link.act(account, Act.UNLIKE, mine)
    link.act(account, Act.DELETE, mine)
    link.act(account, Act.DELETE, Target(f"b:bc7:{MARA}:31", None, False, "message", "outbound"))
    assert [method for method, _told in far.sent] == [
        "setMessageReaction", "setMessageReaction", "deleteMessage", "deleteBusinessMessages",
    ]  # fmt: skip
    assert [len(told["reaction"]) for _method, told in far.sent[:2]] == [1, 0]
    assert far.sent[3][1] == {"business_connection_id": "bc7", "message_ids": [31]}
    with pytest.raises(PermanentFailure):
        link.act(account, Act.LIKE, Target("callback:7", None, False, "message", "inbound"))


# Bad input


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"message_id": "1", "chat": CHAT, "from": PERSON, "date": SECONDS},
        {"message_id": 1, "chat": 5, "from": PERSON, "date": SECONDS},
        {"message_id": 1, "chat": CHAT, "date": SECONDS, "text": "nobody"},
        {"message_id": 1, "chat": CHAT, "from": PERSON, "date": 10**15, "text": "late"},
        {"message_id": True, "chat": CHAT, "from": PERSON, "date": SECONDS},
    ],
)
def test_what_is_missing_is_named(link, account, message):
    raw = RawEvent(
        account=account, body=as_body({"update_id": 1, "message": message}), received_at=timezone.now()
    )
    with pytest.raises(ValueError, match=r"\S"):
        link.parse(raw)


def test_a_person_without_a_name_and_five_megabytes_come_in(far, saved):
    chat, words = {"id": 9, "type": "private"}, "x" * 5_000_000
    far.tell("message", {"message_id": 1, "chat": chat, "from": {"id": 9}, "date": SECONDS, "text": words})
    assert pulls.pull_account(saved.pk).failure == ""
    kept = Interaction.objects.get()
    assert kept.identity.external_id == "9" and kept.attachments.count() == 1
