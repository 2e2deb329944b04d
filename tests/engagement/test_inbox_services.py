"""What staff do with conversations: replies, notes, handing over, clocks, and what a double click is."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from accounts.models import Team, User
from core.models import Event
from crm.models import CustomerTouch, Tag
from engagement import conversations, replies
from engagement.models import (
    ContactLedger,
    Conversation,
    ConversationEvent,
    Delivery,
    DirtyDay,
    Draft,
    Interaction,
    Mention,
    Priority,
    Status,
)
from tests.engagement.desk import DoubleConnector, double, general, hear, make_account

__all__ = ["double", "general"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engagement.tasks.send_delivery.delay", lambda pk: None)


@pytest.fixture
def conversation(double: type[DoubleConnector], general: Team) -> Conversation:
    return hear(make_account(general))


def reply(conversation: Conversation, by: User, text: str = "Tomorrow.", **more: Any) -> Interaction:
    return replies.reply(conversation=conversation, by=by, text=text, client_key=uuid4(), **more)


def kinds(conversation: Conversation) -> list[str]:
    return list(conversation.events.order_by("pk").values_list("type", flat=True))


def test_a_reply_is_an_interaction_and_its_delivery(conversation, amy) -> None:
    message = reply(conversation, amy)
    assert (message.direction, message.staff, message.staff_name) == ("outbound", amy, "Amy")
    assert message.customer is None
    assert message.in_reply_to == conversation.interactions.get(direction="inbound").external_id
    assert message.deliveries.get().state == "queued"


def test_a_reply_ends_the_waiting_and_is_the_last_line(conversation, amy) -> None:
    assert conversation.waiting_since is not None
    reply(conversation, amy, "On its way.")
    conversation.refresh_from_db()
    assert (conversation.waiting_since, conversation.due_at) == (None, None)
    assert conversation.first_answered_at is not None
    assert (conversation.last_text, conversation.last_direction) == ("On its way.", "outbound")
    assert conversation.count == 2


def test_who_answers_what_nobody_handles_takes_it(conversation, amy, max) -> None:
    reply(conversation, amy)
    reply(conversation, max)
    conversation.refresh_from_db()
    assert conversation.assignee == amy
    assert kinds(conversation) == ["assigned"]


def test_a_reply_goes_into_ledger_touches_rollups_and_feed(conversation, amy) -> None:
    CustomerTouch.objects.all().delete()
    DirtyDay.objects.all().delete()
    message = reply(conversation, amy)
    entry = ContactLedger.objects.get()
    assert (entry.customer, entry.origin, entry.staff) == (conversation.customer, "reply", amy)
    assert replies.contacts_made(conversation.customer_id) == 1
    assert CustomerTouch.objects.filter(customer=conversation.customer).exists()
    assert DirtyDay.objects.filter(account=conversation.account).exists()
    told = Event.objects.filter(type="conversation.changed").latest("id")
    assert told.ids["interaction"] == message.pk
    assert f"team:{conversation.team_id}" in told.channels


def test_contacts_older_than_thirty_days_do_not_count(conversation, amy) -> None:
    reply(conversation, amy)
    ContactLedger.objects.update(at=timezone.now() - timedelta(days=31))
    assert replies.contacts_made(conversation.customer_id) == 0


def test_the_same_key_is_the_same_message(conversation, amy) -> None:
    key = uuid4()
    first = replies.reply(conversation=conversation, by=amy, text="Once.", client_key=key)
    second = replies.reply(conversation=conversation, by=amy, text="Once.", client_key=key)
    assert first == second
    assert Delivery.objects.count() == 1


def test_a_key_of_another_conversation_is_refused(conversation, amy) -> None:
    key = uuid4()
    replies.reply(conversation=conversation, by=amy, text="Once.", client_key=key)
    other = hear(conversation.account, who="tomasz")
    with pytest.raises(ValidationError):
        replies.reply(conversation=other, by=amy, text="Once.", client_key=key)


@pytest.mark.django_db(transaction=True)
def test_ten_clicks_at_once_are_one_message(double, general, amy) -> None:
    conversation, key = hear(make_account(general)), uuid4()

    def click() -> None:
        replies.reply(conversation=conversation, by=amy, text="Once.", client_key=key)
        connection.close()

    clicks = [threading.Thread(target=click) for _ in range(10)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()
    assert Interaction.objects.filter(direction="outbound").count() == 1
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("  ", {}, "Write something"),
        ("x" * 201, {}, "201"),
        ("Hi", {"cc": ["no address"]}, "not an e-mail address"),
    ],
)
def test_what_the_channel_cannot_carry_is_refused_with_a_reason(conversation, amy, text, more, said) -> None:
    with pytest.raises(ValidationError, match=said):
        reply(conversation, amy, text, **more)
    assert not Delivery.objects.exists()


def test_after_the_reply_window_nothing_is_queued(conversation, amy) -> None:
    Conversation.objects.update(reply_until=timezone.now() - timedelta(minutes=1))
    with pytest.raises(ValidationError, match="has ended"):
        reply(conversation, amy)


def test_files_are_kept_with_the_message(conversation, amy) -> None:
    file = SimpleUploadedFile("../../bill.pdf", b"%PDF", content_type="application/pdf")
    message = reply(conversation, amy, "", files=[file])
    kept = message.attachments.get()
    assert (kept.name, kept.size, kept.file.read()) == ("bill.pdf", 4, b"%PDF")


def test_nul_and_lone_surrogates_do_not_break_a_reply(conversation, amy) -> None:
    assert reply(conversation, amy, "a\x00b\ud800c").text == "abc"


def test_writing_first_begins_a_conversation_and_goes_on_with_it(double, general, amy) -> None:
    account = make_account(general)
    begun = replies.start_conversation(
        account=account, to="tomasz", subject="Hello", text="Hi", by=amy, client_key=uuid4()
    )
    again = replies.start_conversation(
        account=account, to="tomasz", subject="", text="Hi again", by=amy, client_key=uuid4()
    )
    assert begun == again
    assert (begun.assignee, begun.identity.external_id) == (amy, "tomasz")
    assert begun.customer is not None
    assert "started" in kinds(begun)
    assert set(ContactLedger.objects.values_list("origin", flat=True)) == {"started"}
    assert hear(account, "Yes?", who="tomasz") == begun


def test_writing_first_twice_with_one_key_is_one_message(double, general, amy) -> None:
    account, key = make_account(general), uuid4()
    for _click in range(2):
        replies.start_conversation(account=account, to="tomasz", text="Hi", by=amy, client_key=key)
    assert Delivery.objects.count() == 1


def test_an_answer_reopens_what_was_resolved(conversation, amy) -> None:
    conversations.set_status(conversation=conversation, status=Status.RESOLVED, by=amy)
    hear(conversation.account, "Still broken.", at=timezone.now())
    conversation.refresh_from_db()
    assert conversation.status == "open"
    assert kinds(conversation) == ["resolved", "reopened"]


def test_a_note_is_internal_and_keeps_the_customer_waiting(conversation, amy) -> None:
    before = conversation.waiting_since
    note = conversations.write_note(conversation=conversation, by=amy, text="Old sensor.")
    conversation.refresh_from_db()
    assert (note.direction, note.kind) == ("internal", "note")
    assert not note.deliveries.exists()
    assert conversation.waiting_since == before
    assert conversation.last_direction == "inbound"


def test_a_note_calls_those_it_names(conversation, amy, max, mia, staff) -> None:
    other_team = Team.objects.create(name="Workshop")
    staff("otto", "agent", teams=[other_team])
    conversations.write_note(
        conversation=conversation, by=amy, text="@Max please, and @mia. Not @Otto or m@x.de"
    )
    assert set(Mention.objects.values_list("user__name", flat=True)) == {"Max", "Mia"}
    told = Event.objects.filter(type="note.mentioned")
    assert sorted(event.channels for event in told) == sorted([[f"user:{max.pk}"], [f"user:{mia.pk}"]])


def test_two_who_share_a_first_name_are_called_by_their_full_ones(staff, general) -> None:
    one, two = staff("amy", "agent"), staff("bea", "agent")
    User.objects.filter(pk=one.pk).update(name="Amy Berg")
    User.objects.filter(pk=two.pk).update(name="Amy Lindqvist")
    people = list(User.objects.filter(pk__in=[one.pk, two.pk]).order_by("name"))
    assert conversations.find_called("@Amy look", people) == []
    assert [one.name for one in conversations.find_called("@amy lindqvist look", people)] == ["Amy Lindqvist"]


def test_a_conversation_is_given_only_to_those_who_see_it(conversation, amy, max, staff) -> None:
    outsider = staff("otto", "agent", teams=[Team.objects.create(name="Workshop")])
    with pytest.raises(ValidationError):
        conversations.assign(conversation=conversation, to=outsider, by=amy)
    assert conversations.assign(conversation=conversation, to=max, by=amy).assignee == max
    conversations.assign(conversation=conversation, to=max, by=amy)
    conversations.assign(conversation=conversation, to=None, by=max)
    assert kinds(conversation) == ["assigned", "unassigned"]


def test_moving_takes_the_words_along_and_frees_who_cannot_follow(conversation, amy) -> None:
    workshop = Team.objects.create(name="Workshop")
    conversations.assign(conversation=conversation, to=amy, by=amy)
    conversations.write_note(conversation=conversation, by=amy, text="For you.")
    conversations.move_to_team(conversation=conversation, team=workshop, by=amy)
    conversation.refresh_from_db()
    assert (conversation.team, conversation.assignee) == (workshop, None)
    assert set(conversation.interactions.values_list("team_id", flat=True)) == {workshop.pk}
    assert not Conversation.objects.visible_to(User.objects.get(pk=amy.pk)).exists()
    told = Event.objects.filter(type="conversation.changed").latest("id")
    assert f"team:{workshop.pk}" in told.channels


def test_a_snooze_ends_by_the_clock(conversation, amy, time_machine) -> None:
    until = timezone.now() + timedelta(hours=3)
    conversations.set_status(conversation=conversation, status=Status.SNOOZED, by=amy, until=until)
    assert conversations.wake_snoozed() == 0
    time_machine.move_to(until + timedelta(seconds=1), tick=False)
    assert conversations.wake_snoozed() == 1
    assert conversations.wake_snoozed() == 0
    conversation.refresh_from_db()
    assert (conversation.status, conversation.snoozed_until) == ("open", None)
    assert kinds(conversation) == ["snoozed", "reopened"]


def test_a_snooze_into_the_past_is_refused(conversation, amy) -> None:
    with pytest.raises(ValidationError):
        conversations.set_status(
            conversation=conversation, status=Status.SNOOZED, by=amy, until=timezone.now()
        )


def test_a_tag_is_made_once_whatever_its_case(conversation, amy) -> None:
    conversations.add_tag(conversation=conversation, name="VIP", by=amy)
    conversations.add_tag(conversation=conversation, name=" vip ", by=amy)
    assert Tag.objects.count() == 1
    conversations.remove_tag(conversation=conversation, tag=Tag.objects.get(), by=amy)
    assert kinds(conversation) == ["tagged", "untagged"]


def test_priority_is_noted_once(conversation, amy) -> None:
    for _again in range(2):
        conversations.set_priority(conversation=conversation, priority=Priority.URGENT, by=amy)
    assert kinds(conversation) == ["priority"]


def test_read_and_unread(conversation, amy) -> None:
    def seen() -> bool:
        return not Conversation.objects.with_seen(amy).get(pk=conversation.pk).is_unread

    assert not seen()
    conversations.mark_read(conversation=conversation, by=amy)
    assert seen()
    conversations.mark_unread(conversation=conversation, by=amy)
    assert not seen()
    conversations.mark_read(conversation=conversation, by=amy)
    hear(conversation.account, "And?", at=timezone.now() + timedelta(seconds=2))
    assert not seen()


def test_a_draft_is_kept_for_its_writer_and_kind(conversation, amy, max) -> None:
    conversations.save_draft(conversation=conversation, by=amy, text="half", is_note=False)
    conversations.save_draft(conversation=conversation, by=amy, text="half a", is_note=False)
    conversations.save_draft(conversation=conversation, by=amy, text="a note", is_note=True)
    conversations.save_draft(conversation=conversation, by=max, text="mine", is_note=False)
    assert sorted(Draft.objects.filter(user=amy).values_list("text", flat=True)) == ["a note", "half a"]
    conversations.save_draft(conversation=conversation, by=amy, text=" ", is_note=False)
    assert Draft.objects.filter(user=amy).count() == 1


@pytest.mark.parametrize("role", ["mia", "vic"])
def test_those_who_may_not_answer_are_refused_by_the_services(conversation, request, role) -> None:
    person = request.getfixturevalue(role)
    with pytest.raises(PermissionDenied):
        reply(conversation, person)
    with pytest.raises(PermissionDenied):
        conversations.set_status(conversation=conversation, status=Status.RESOLVED, by=person)
    with pytest.raises(PermissionDenied):
        conversations.move_to_team(conversation=conversation, team=Team.general(), by=person)
    assert not ConversationEvent.objects.exists()


def test_a_viewer_may_not_write_notes_but_a_marketer_may(conversation, mia, vic) -> None:
    conversations.write_note(conversation=conversation, by=mia, text="Seen in the campaign too.")
    with pytest.raises(PermissionDenied):
        conversations.write_note(conversation=conversation, by=vic, text="Hm.")
