"""Channel accounts, interactions and conversations over REST."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, Team
from accounts.services import create_team
from core.models import Event, Workspace
from crm.models import Customer
from engagement.ingest import ingest
from engagement.models import ChannelAccount, Conversation, Delivery, Interaction
from tests.api import Caller, assert_pinned, errors
from tests.engagement.events import account, inbound, outbound

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(ada: Any) -> Caller:
    return Caller(ada)


@pytest.fixture
def shop() -> ChannelAccount:
    return account("acme_shop")


def said(key: str = "m-1", **more: Any) -> dict[str, Any]:
    return {
        "account": "instagram/acme_shop",
        "external_id": key,
        "direction": "inbound",
        "occurred_at": "2026-03-02T09:00:00Z",
        "thread_id": "t-1",
        "author": {"external_id": "17841", "handle": "@eva", "name": "Eva Lind", "country": "SE"},
        "text": "Where is my order?",
        **more,
    }


def statuses(answer: Any) -> list[str]:
    return [one["status"] for one in answer.json()["results"]]


# Channel accounts


def test_an_account_is_made_once_and_then_pushed_into(api: Caller) -> None:
    made = api.post("channel-accounts/", {"network": "instagram", "external_id": "acme_shop"})
    assert made.status_code == 201
    body = made.json()
    assert (body["connector"], body["name"], body["health"]) == ("api", "acme_shop", "healthy")
    assert AuditEntry.objects.get(verb="channel.connected").api_key == api.key
    again = api.post("channel-accounts/", {"network": "instagram", "external_id": "acme_shop"})
    assert (again.status_code, errors(again)) == (409, [("account_exists", None)])
    assert api.post("interactions/", said()).status_code == 201
    assert api.post("interactions/", said("m-2", account=body["id"])).status_code == 201
    assert api.get(f"channel-accounts/{body['id']}/").json()["stored"] == 2


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"external_id": "x"}, ("required", "network")),
        ({"network": "Insta gram", "external_id": "x"}, ("invalid", "network")),
        ({"network": "instagram", "external_id": "x" * 201}, ("max_length", "external_id")),
        ({"network": "instagram", "external_id": "x", "team": 2_000_000_000}, ("does_not_exist", "team")),
        ({"network": "instagram", "external_id": "x", "password": "x"}, ("unknown_field", "password")),
    ],
)
def test_a_wrong_account_is_refused(api: Caller, body: Any, wrong: Any) -> None:
    answer = api.post("channel-accounts/", body)
    assert answer.status_code == 400
    assert wrong in errors(answer)


# Interactions


def test_one_interaction_becomes_a_customer_and_a_conversation(api: Caller, shop: ChannelAccount) -> None:
    answer = api.post("interactions/", said())
    assert (answer.status_code, answer.json()["status"]) == (201, "stored")
    shown = api.get(f"interactions/{answer.json()['id']}/").json()
    assert (shown["text"], shown["network"], shown["delivery"]) == ("Where is my order?", "instagram", None)
    customer = Customer.objects.get(pk=shown["customer"])
    assert (customer.name, customer.country) == ("Eva Lind", "SE")
    again = api.post("interactions/", said(text="Changed by the sender"))
    assert (again.status_code, again.json()["status"], again.json()["id"]) == (200, "repeated", shown["id"])
    assert Interaction.objects.get().text == "Where is my order?"
    assert Event.objects.filter(type="conversation.changed").count() == 1
    assert AuditEntry.objects.filter(verb="interaction.pushed").count() == 1


def test_a_list_is_answered_item_by_item(api: Caller, shop: ChannelAccount) -> None:
    other = account("other")
    answer = api.post(
        "interactions/",
        [
            said("a"),
            said("b", account=other.pk, occurred_at="20000-01-01T00:00:00Z"),
            said("c", account="instagram/nobody"),
            said("a"),
            said("d", account=other.pk, direction="outbound", author={"external_id": "us"}, staff_name="Bo"),
            said("e", occurred_at="2030-01-01T00:00:00Z"),
            None,
            {"external_id": "only"},
        ],
    )
    assert answer.status_code == 200
    assert statuses(answer) == [
        "stored", "rejected", "rejected", "repeated", "stored", "rejected", "rejected", "rejected",
    ]  # fmt: skip
    results = answer.json()["results"]
    assert [one["index"] for one in results] == list(range(8))
    assert (results[1]["errors"][0]["attr"], results[2]["errors"][0]["code"]) == (
        "occurred_at",
        "unknown_account",
    )
    assert "before 1970 or in the future" in results[5]["errors"][0]["detail"]
    assert results[7]["external_id"] == "only"
    assert answer.json()["counts"] == {"stored": 2, "changed": 0, "repeated": 1, "rejected": 5}


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"account": "instagram/nobody"}, ("unknown_account", "account")),
        ({"account": 2_000_000_000}, ("unknown_account", "account")),
        ({"account": 10**30}, ("unknown_account", "account")),
        ({"account": "acme_shop"}, ("invalid", "account")),
        ({"account": True}, ("invalid", "account")),
        ({"direction": "sideways"}, ("invalid_choice", "direction")),
        ({"kind": "note"}, ("invalid_choice", "kind")),
        ({"author": None}, ("null", "author")),
        ({"author": {"external_id": ""}}, ("blank", "author.external_id")),
        ({"author": {"external_id": "x", "network": "email"}}, ("invalid", None)),
        ({"author": {"external_id": "x", "birth_year": 3}}, ("min_value", "author.birth_year")),
        ({"text": "a\x00b"}, ("null_characters_not_allowed", "text")),
        ({"text": "a\ud800b"}, ("surrogate_characters_not_allowed", "text")),
        ({"text": 5}, ("invalid", "text")),
        ({"text": "x" * 5_000_000}, ("max_length", "text")),
        ({"external_id": "x" * 321}, ("max_length", "external_id")),
        ({"occurred_at": "yesterday"}, ("invalid", "occurred_at")),
        ({"occurred_at": "20000-01-01"}, ("invalid", "occurred_at")),
        ({"occurred_at": "1969-12-31T23:59:59Z"}, ("invalid", "occurred_at")),
        ({"rating": 11}, ("max_value", "rating")),
        ({"public": "maybe"}, ("invalid", "public")),
        ({"thread": "t"}, ("unknown_field", "thread")),
        ({"\ud800": 1}, ("unknown_field", "\ud800")),
    ],
)
def test_a_wrong_interaction_is_refused_with_the_place(
    api: Caller, shop: ChannelAccount, change: Any, wrong: Any
) -> None:
    answer = api.post("interactions/", said(**change))
    assert answer.status_code == 400
    assert wrong in errors(answer)
    many = api.post("interactions/", [said("good"), said(**change)])
    assert statuses(many) == ["stored", "rejected"]
    assert Interaction.objects.count() == 1


def test_an_inbound_interaction_needs_an_author(api: Caller, shop: ChannelAccount) -> None:
    body = said()
    del body["author"]
    assert errors(api.post("interactions/", body)) == [("required", "author")]
    assert api.post("interactions/", {**body, "direction": "outbound"}).status_code == 201


def test_a_long_text_is_kept_whole(api: Caller, shop: ChannelAccount) -> None:
    answer = api.post("interactions/", said(text="ä" * 900_000))
    shown = api.get(f"interactions/{answer.json()['id']}/").json()
    assert len(shown["text"]) == 50_000
    assert [(one["name"], one["size"]) for one in shown["attachments"]] == [("whole-text.txt", 1_800_000)]


def test_only_accounts_that_take_pushes_are_pushed_into(api: Caller, shop: ChannelAccount) -> None:
    mailbox = account("help@example.org", "email")
    ChannelAccount.objects.filter(pk=mailbox.pk).update(connector="email")
    assert errors(api.post("interactions/", said(account=mailbox.pk))) == [
        ("account_not_pushable", "account")
    ]
    ChannelAccount.objects.filter(pk=shop.pk).update(is_active=False)
    assert errors(api.post("interactions/", said())) == [("account_disconnected", "account")]


def test_history_arrives_resolved_and_tells_nobody(api: Caller, shop: ChannelAccount) -> None:
    old = {"occurred_at": "2020-01-01T00:00:00Z"}
    assert api.post("interactions/?history=true", said(**old)).status_code == 201
    assert Conversation.objects.get().status == "resolved"
    assert Event.objects.get(type="conversation.changed").channels == []
    api.post("interactions/", said("m-2", thread_id="t-2", **old))
    assert Conversation.objects.filter(status="open").count() == 1
    assert errors(api.post("interactions/?history=perhaps", said())) == [("invalid", "history")]


def test_a_push_takes_the_same_number_of_statements_whatever_its_size(
    api: Caller, shop: ChannelAccount
) -> None:
    api.post("interactions/", said("first"))

    def statements(items: Any) -> int:
        with CaptureQueriesContext(connection) as found:
            assert api.post("interactions/", items).status_code == 200
        return len(found)

    one = statements([said("a", thread_id="ta")])
    many = [
        said(f"n{n}", thread_id=f"t{n}", author={"external_id": f"p{n}", "name": f"P{n}"}) for n in range(200)
    ]
    assert statements(many) == one


# Whole calls


def test_a_call_that_cannot_be_read_is_refused_whole(api: Caller, shop: ChannelAccount) -> None:
    def send(raw: bytes, **more: Any) -> tuple[int, list[tuple[str, str | None]]]:
        answer = api.post("interactions/", raw=raw, **more)
        return answer.status_code, errors(answer)

    assert send(b'{"account": ') == (400, [("parse_error", None)])
    assert send(b"\xff\xfe\x00") == (400, [("parse_error", None)])
    assert send(b'{"rating": NaN}') == (400, [("parse_error", None)])
    assert send(b"[" * 200_000 + b"]" * 200_000) == (400, [("parse_error", None)])
    assert send(b'{"rating": ' + b"9" * 5_000 + b"}") == (400, [("parse_error", None)])
    assert send(b"x" * (16 * 1024 * 1024 + 1)) == (413, [("body_too_large", None)])
    assert send(b"account=1", content_type="application/x-www-form-urlencoded") == (
        415,
        [("unsupported_media_type", None)],
    )
    assert send(b"", content_type="text/plain")[0] in (400, 415)
    for nothing in (b"", b"null", b"5", b'"text"', b"true"):
        assert send(nothing)[0] == 400, nothing
    chunked = api.post("interactions/", raw=b"", headers={"Transfer-Encoding": "chunked"}, CONTENT_LENGTH="")
    assert (chunked.status_code, errors(chunked)) == (411, [("length_required", None)])
    assert not Interaction.objects.exists()


def test_five_hundred_items_are_taken_and_one_more_is_refused(api: Caller, shop: ChannelAccount) -> None:
    items = [said(f"n{n}", thread_id=f"t{n % 50}") for n in range(501)]
    answer = api.post("interactions/", items)
    assert (answer.status_code, errors(answer)) == (400, [("too_many_items", None)])
    assert not Interaction.objects.exists()
    assert api.post("interactions/", items[:500]).json()["counts"]["stored"] == 500
    assert api.post("interactions/", []).json() == {
        "results": [],
        "counts": {"stored": 0, "changed": 0, "repeated": 0, "rejected": 0},
    }


def test_nothing_real_is_pushed_into_the_demo(api: Caller, shop: ChannelAccount) -> None:
    Workspace.objects.filter(pk=Workspace.current().pk).update(demo_since=timezone.now())
    for answer in (
        api.post("interactions/", said()),
        api.post("interactions/", [said()]),
        api.post("channel-accounts/", {"network": "x", "external_id": "real"}),
    ):
        assert (answer.status_code, errors(answer)) == (409, [("demo_present", None)])
    assert not Interaction.objects.exists()


# What teams see


@pytest.fixture
def two_teams(ada: Any, amy: Any, shop: ChannelAccount) -> tuple[Caller, Team]:
    """Amy of the general team, and a team whose account she does not see."""
    team = create_team(name="Press", by=ada)
    ingest(shop, [inbound("a")])
    ingest(account("press_desk", team=team), [inbound("b", who="bo"), outbound("c", minute=1)])
    return Caller(amy, maker=ada), team


def test_nobody_sees_or_touches_another_teams_rows(two_teams: tuple[Caller, Team]) -> None:
    hers, team = two_teams
    hidden = Conversation.objects.get(team=team)
    line = Interaction.objects.get(external_id="b")
    assert [one["external_id"] for one in hers.get("interactions/").json()["results"]] == ["a"]
    assert [one["account"] for one in hers.get("conversations/").json()["results"]] != [hidden.account_id]
    assert [one["name"] for one in hers.get("channel-accounts/").json()["results"]] == ["acme_shop"]
    key = str(uuid4())
    for answer in (
        hers.get(f"interactions/{line.pk}/"),
        hers.get(f"conversations/{hidden.pk}/"),
        hers.get(f"conversations/{hidden.pk}/messages/"),
        hers.get(f"channel-accounts/{hidden.account_id}/"),
        hers.patch(f"conversations/{hidden.pk}/", {"status": "resolved"}),
        hers.post(f"conversations/{hidden.pk}/reply/", {"text": "Hi", "client_key": key}),
        hers.post(f"conversations/{hidden.pk}/notes/", {"text": "Hi", "client_key": key}),
    ):
        assert (answer.status_code, errors(answer)) == (404, [("not_found", None)])
    assert hers.get("interactions/", conversation=hidden.pk).json()["results"] == []
    assert hers.get("conversations/", q="hello b").json()["results"] == []


def test_the_change_feed_keeps_quiet_about_other_teams(two_teams: tuple[Caller, Team], ada: Any) -> None:
    hers, team = two_teams
    hidden = Conversation.objects.get(team=team)
    own = hers.get("events/").json()
    heard = {one["ids"].get("conversation") for one in own["results"]}
    assert hidden.pk not in heard and len(heard) > 0
    everything = Caller(ada).get("events/").json()
    assert hidden.pk in {one["ids"].get("conversation") for one in everything["results"]}
    assert own["next_after"] <= everything["next_after"]


def test_rights_are_the_keys_and_the_makers(ada: Any, amy: Any, vic: Any, shop: ChannelAccount) -> None:
    ingest(shop, [inbound("a")])
    conversation = Conversation.objects.get()
    reading = Caller(ada, ["conversation.read"])
    key = str(uuid4())
    place = f"conversations/{conversation.pk}/"
    for caller in (reading, Caller(vic, maker=ada)):
        assert caller.get(place).status_code == 200
        for answer in (
            caller.patch(place, {"status": "resolved"}),
            caller.post(f"{place}reply/", {"text": "Hi", "client_key": key}),
            caller.post(f"{place}notes/", {"text": "Hi", "client_key": key}),
            caller.post("interactions/", said()),
            caller.post("channel-accounts/", {"network": "x", "external_id": "y"}),
        ):
            assert (answer.status_code, errors(answer)) == (403, [("permission_denied", None)])
    assert Caller(amy, maker=ada).post("interactions/", said("z")).status_code == 403
    assert Caller(amy, ["conversation.reply"], maker=ada).get(place).status_code == 403


# Conversations


@pytest.fixture
def chat() -> ChannelAccount:
    """An account that can be answered."""
    found = account("site", "chat")
    ChannelAccount.objects.filter(pk=found.pk).update(connector="webchat")
    found.refresh_from_db()
    return found


def test_a_reply_is_one_message_however_often_it_is_sent(api: Caller, chat: ChannelAccount) -> None:
    ingest(chat, [inbound("a", who=str(uuid4()))])
    place = f"conversations/{Conversation.objects.get().pk}/"
    body = {"text": "It left today.", "client_key": str(uuid4())}
    first, again = api.post(f"{place}reply/", body), api.post(f"{place}reply/", body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert (first.json()["direction"], first.json()["delivery"]["state"]) == ("outbound", "queued")
    assert Delivery.objects.count() == 1
    assert [one["external_id"] for one in api.get(f"{place}messages/").json()["results"]] == [
        "a",
        first.json()["external_id"],
    ]
    other = Conversation.objects.create(
        account=chat, team=chat.team, first_at=timezone.now(), last_at=timezone.now()
    )
    elsewhere = api.post(f"conversations/{other.pk}/reply/", body)
    assert elsewhere.status_code == 400


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"text": "Hi"}, ("required", "client_key")),
        ({"text": "Hi", "client_key": "twice"}, ("invalid", "client_key")),
        ({"text": " ", "client_key": str(uuid4())}, ("empty", "non_field_errors")),
        ({"text": "x" * 100_000, "client_key": str(uuid4())}, ("long", "non_field_errors")),
        (
            {"text": "Hi", "client_key": str(uuid4()), "cc": ["a@example.org"]},
            ("invalid", "non_field_errors"),
        ),
    ],
)
def test_a_reply_that_cannot_go_says_why(api: Caller, chat: ChannelAccount, body: Any, wrong: Any) -> None:
    ingest(chat, [inbound("a", who=str(uuid4()))])
    answer = api.post(f"conversations/{Conversation.objects.get().pk}/reply/", body)
    assert (answer.status_code, errors(answer)) == (400, [wrong])
    assert not Delivery.objects.exists()


def test_a_pushed_conversation_is_answered_where_it_came_from(api: Caller, shop: ChannelAccount) -> None:
    ingest(shop, [inbound("a")])
    body = {"text": "Hi", "client_key": str(uuid4())}
    answer = api.post(f"conversations/{Conversation.objects.get().pk}/reply/", body)
    assert (answer.status_code, errors(answer)) == (400, [("closed", "non_field_errors")])


def test_a_note_is_written_once(api: Caller, shop: ChannelAccount) -> None:
    ingest(shop, [inbound("a")])
    place = f"conversations/{Conversation.objects.get().pk}/notes/"
    body = {"text": "Called back.", "client_key": str(uuid4())}
    first, again = api.post(place, body), api.post(place, body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert (first.json()["kind"], first.json()["direction"]) == ("note", "internal")
    assert Interaction.objects.filter(kind="note").count() == 1


def test_a_conversation_is_assigned_snoozed_and_resolved(api: Caller, amy: Any, shop: ChannelAccount) -> None:
    ingest(shop, [inbound("a")])
    place = f"conversations/{Conversation.objects.get().pk}/"
    changed = api.patch(place, {"assignee": amy.pk, "priority": "urgent", "status": "resolved"}).json()
    assert (changed["assignee"], changed["priority"], changed["status"]) == (amy.pk, "urgent", "resolved")
    snoozed = api.patch(place, {"status": "snoozed", "snoozed_until": "2099-01-01T00:00:00Z"})
    assert snoozed.json()["snoozed_until"] == "2099-01-01T00:00:00Z"
    assert errors(api.patch(place, {"status": "snoozed"})) == [("required", "snoozed_until")]
    past = api.patch(place, {"status": "snoozed", "snoozed_until": "2020-01-01"})
    assert (past.status_code, Conversation.objects.get().status) == (400, "snoozed")
    assert api.patch(place, {"assignee": None}).json()["assignee"] is None


def test_changes_are_all_made_or_none(api: Caller, ada: Any, amy: Any, shop: ChannelAccount) -> None:
    ingest(shop, [inbound("a")])
    team = create_team(name="Press", by=ada)
    place = f"conversations/{Conversation.objects.get().pk}/"
    refused = api.patch(place, {"team": team.pk, "assignee": amy.pk})
    assert (refused.status_code, Conversation.objects.get().team_id) == (400, shop.team_id)
    assert api.patch(place, {"team": team.pk}).json()["team"] == team.pk


def test_conversations_are_filtered(api: Caller, ada: Any, shop: ChannelAccount) -> None:
    ingest(shop, [inbound("a", text="Where is my kettle?"), inbound("b", who="bo", thread="t2", minute=5)])
    first, second = Conversation.objects.order_by("pk")
    api.patch(f"conversations/{second.pk}/", {"assignee": ada.pk, "priority": "high"})

    def found(**query: Any) -> list[int]:
        return [one["id"] for one in api.get("conversations/", **query).json()["results"]]

    assert found() == [second.pk, first.pk]
    assert found(sort="last") == [first.pk, second.pk]
    assert found(assignee=ada.pk) == found(priority="high") == found(unassigned="false") == [second.pk]
    assert found(q="kettle") == found(unassigned="true") == found(customer=first.customer_id) == [first.pk]
    assert found(network="instagram", status="open", account=shop.pk) == [second.pk, first.pk]
    assert found(network="email") == found(status="resolved") == found(tag="none") == []
    assert found(overdue="true") == [second.pk, first.pk] and found(overdue="false") == []
    assert errors(api.get("conversations/", overdue="maybe")) == [("invalid_choice", "overdue")]


def test_interactions_are_filtered(api: Caller, shop: ChannelAccount) -> None:
    ingest(shop, [inbound("a"), outbound("b", minute=1), inbound("c", minute=9, kind="review", rating=5)])
    customer = Customer.objects.get()

    def found(**query: Any) -> list[str]:
        return [one["external_id"] for one in api.get("interactions/", **query).json()["results"]]

    assert found() == ["c", "b", "a"]
    assert found(sort="occurred") == ["a", "b", "c"]
    assert found(direction="outbound") == found(external_id="b", account=shop.pk) == ["b"]
    assert found(kind="review") == found(since="2026-03-02T09:05:00Z") == ["c"]
    assert found(customer=customer.pk) == ["c", "a"]
    assert found(network="email") == found(before="2026-01-01") == []


def test_lists_take_a_pinned_number_of_statements(
    api: Caller, shop: ChannelAccount, chat: ChannelAccount
) -> None:
    ingest(shop, [inbound(f"m{n}", who=f"p{n}", thread=f"t{n}") for n in range(6)])
    ingest(chat, [inbound("x", who=str(uuid4()))])
    conversation = Conversation.objects.get(account=chat)
    for _ in range(3):
        body = {"text": "Hi", "client_key": str(uuid4())}
        assert api.post(f"conversations/{conversation.pk}/reply/", body).status_code == 201
    assert_pinned("api:channel-account-list", api, "channel-accounts/")
    assert_pinned("api:interaction-list", api, "interactions/")
    assert_pinned("api:conversation-list", api, "conversations/", status="open", network="instagram")
    assert_pinned("api:conversation-messages", api, f"conversations/{conversation.pk}/messages/")


def test_nothing_secret_is_shown(api: Caller, shop: ChannelAccount, settings: Any) -> None:
    shop.credentials = {"password": "hunter2-very-secret"}
    shop.settings = {"host": "internal.example"}
    shop.save()
    body = json.dumps(api.get("channel-accounts/").json())
    assert "hunter2" not in body and "internal.example" not in body
