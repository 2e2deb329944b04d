"""What conversations give to the customer page, the palette and the bell."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.models import Team
from core import notices, search, timeline
from core.timeline import Filter
from engagement import conversations, outbox, replies
from engagement.channels.base import PermanentFailure
from tests.engagement.desk import double, general, hear, make_account

__all__ = ["double", "general"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engagement.tasks.send_delivery.delay", lambda pk: None)


def test_the_timeline_holds_both_sides_and_only_visible_rows(double, general, amy, max) -> None:
    account = make_account(general)
    conversation = hear(account, "Mine.")
    replies.reply(conversation=conversation, by=amy, text="Ours.", client_key=uuid4())
    hear(make_account(Team.objects.create(name="Workshop")), "Elsewhere.")
    customer = conversation.customer_id
    assert customer is not None

    def shown(user) -> list[str]:
        entries, _next = timeline.page(customer, user)
        return [entry.item.text for entry in entries if entry.source == "interaction"]

    assert shown(amy) == ["Ours.", "Mine."]
    assert sorted(shown(max)) == ["Elsewhere.", "Mine.", "Ours."]


def test_the_timeline_pages_without_losing_or_repeating(double, general, amy) -> None:
    account, at = make_account(general), timezone.now() - timedelta(days=1)
    for n in range(25):
        conversation = hear(account, f"line {n}", at=at)
    before, seen = None, []
    while True:
        entries, before = timeline.page(conversation.customer_id, amy, before=before, limit=7)
        seen += [entry.id for entry in entries if entry.source == "interaction"]
        if before is None:
            break
    assert len(seen) == len(set(seen)) == 25


def test_the_timeline_is_narrowed_by_kind_network_words_and_visibility(double, general, amy) -> None:
    account = make_account(general)
    conversation = hear(account, "Private words.")
    hear(account, "Public words.", thread="post:1", public=True)

    def shown(**wanted) -> list[str]:
        entries, _next = timeline.page(conversation.customer_id, amy, wanted=Filter(**wanted))
        return [entry.item.text for entry in entries if entry.source == "interaction"]

    assert shown(visibility="public") == ["Public words."]
    assert shown(kinds=frozenset({"message"})) == ["Private words."]
    assert shown(kinds=frozenset({"order"})) == []
    assert shown(text="private") == ["Private words."]
    assert shown(network="other") == []


def test_an_entry_of_the_timeline_renders(double, general, amy) -> None:
    conversation = hear(make_account(general), "<b>Hello</b> https://ok.example")
    [entry] = [one for one in timeline.page(conversation.customer_id, amy)[0] if one.source == "interaction"]
    html = render_to_string(entry.template, {"entry": entry, "item": entry.item})
    assert "&lt;b&gt;Hello&lt;/b&gt;" in html
    assert f"/inbox/{conversation.pk}/" in html


def test_the_palette_finds_words_of_visible_conversations(double, general, amy, max) -> None:
    found = hear(make_account(general), "The burr set squeaks at every turn of the handle.")
    hear(make_account(Team.objects.create(name="Workshop")), "This one squeaks too.", who="tomasz")

    def hits(user) -> list[str]:
        groups = {group.label: group.hits for group in search.search("squeaks", user)}
        return [hit.url for hit in groups.get("Messages", [])]

    assert hits(amy) == [f"/inbox/{found.pk}/?view=all"]
    assert len(hits(max)) == 2


def test_the_bell_tells_of_calls_handing_over_and_what_did_not_get_through(double, general, amy, max) -> None:
    conversation = hear(make_account(general))
    conversations.write_note(conversation=conversation, by=max, text="@Amy please")
    conversations.assign(conversation=conversation, to=amy, by=max)
    replies.reply(conversation=conversation, by=amy, text="Hi", client_key=uuid4())
    double.outcomes.append(PermanentFailure("No such user"))
    outbox.sweep()
    said = [notice.text for notice in notices.newest(amy)]
    assert said[0] == "Your message to Marisol was not sent"
    assert set(said[1:]) == {"Max gave you a conversation", "Max called you in a note"}
    assert not [notice for notice in notices.newest(max) if "message" in notice.text]


def test_the_bell_forgets_what_was_sent_again(double, general, amy) -> None:
    conversation = hear(make_account(general))
    message = replies.reply(conversation=conversation, by=amy, text="Hi", client_key=uuid4())
    double.outcomes.append(PermanentFailure("Mailbox full"))
    outbox.sweep()
    assert [notice.text for notice in notices.newest(amy)] == ["Your message to Marisol was not sent"]
    outbox.send_again(delivery=message.deliveries.get(), by=amy)
    outbox.sweep()
    assert notices.newest(amy) == []
