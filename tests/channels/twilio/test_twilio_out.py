"""What goes out through Twilio, and how it fails."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from engagement import channels, outbox, pulls
from engagement.channels.base import (
    AuthFailure,
    File,
    PermanentFailure,
    PermissionMissing,
    RateReached,
    TransientFailure,
    Uncertain,
)
from engagement.channels.twilio import lengths
from engagement.models import Conversation, Delivery, DeliveryState, Interaction
from engagement.replies import reply, start_conversation
from tests.channels.twilio.double import BOB, NUMBER, refusal

LINK = channels.connector("twilio")


@pytest.fixture
def outgoing(account, there, amy):
    """A message that is ready to be sent."""
    there.hear("Where is my parcel?")
    pulls.pull_account(account.pk)
    reply(conversation=Conversation.objects.get(), by=amy, text="On its way.", client_key=uuid4())
    delivery = Delivery.objects.select_related("account").get()
    return replace(outbox.gather(delivery), delivery=delivery)


def test_an_answer_is_a_text_message_to_whoever_wrote(outgoing, there):
    sent = LINK.send(outgoing)
    (call,) = [one for one in there.calls if one.method == "POST"]
    assert call.form == {"To": BOB, "From": NUMBER, "Body": "On its way."}
    assert sent.external_id == there.messages[-1]["sid"]


def test_statuses_are_asked_for_where_twilio_can_reach_us(outgoing, there):
    outgoing.account.settings |= {"hook_address": "https://crm.example.com/hooks/twilio/key/"}
    LINK.send(outgoing)
    assert there.calls[-1].form["StatusCallback"] == "https://crm.example.com/hooks/twilio/key/"


def test_a_messaging_service_sends_instead_of_the_number(outgoing, there):
    outgoing.account.settings |= {"messaging_service_sid": "MG" + "c" * 32}
    LINK.send(outgoing)
    form = there.calls[-1].form
    assert form["MessagingServiceSid"] == "MG" + "c" * 32 and "From" not in form


def test_the_outbox_sends_it_and_its_echo_is_no_second_line(outgoing, account, there):
    outbox.send_delivery(outgoing.delivery.pk)
    assert Delivery.objects.get().state == DeliveryState.SENT
    pulls.pull_account(account.pk)
    ours = Interaction.objects.filter(direction="outbound")
    assert ours.count() == 1 and ours.get().external_id == there.messages[-1]["sid"]


def test_somebody_who_never_wrote_can_be_written_to(account, there, amy):
    start_conversation(account=account, to="(202) 555-0178", text="Hello", by=amy, client_key=uuid4())
    outbox.send_delivery(Delivery.objects.get().pk)
    assert there.messages[-1]["to"] == BOB


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, 20003, AuthFailure),
        (400, 21211, PermanentFailure),
        (400, 21610, PermanentFailure),
        (400, 21614, PermanentFailure),
        (400, 21617, PermanentFailure),
        (400, 21408, PermissionMissing),
        (400, 21608, PermissionMissing),
        (429, 20429, RateReached),
        (429, 14107, RateReached),
        (400, 21611, RateReached),
        (400, 99999, PermanentFailure),
        (503, 0, TransientFailure),
        (500, 0, Uncertain),
        (500, 20500, Uncertain),
    ],
)
def test_a_failure_is_told_by_its_code(outgoing, there, status, code, kind):
    there.fail(status, refusal(code, "The words change.", status), path="/Messages.json", method="POST")
    with pytest.raises(kind) as raised:
        LINK.send(outgoing)
    assert type(raised.value) is kind
    if code in (21610, 21408, 21614):
        assert raised.value.advice


def test_stop_is_permanent_and_says_what_to_do(outgoing, there):
    there.stopped.add(BOB)
    delivery = outbox.send_delivery(outgoing.delivery.pk)
    assert (delivery.state, delivery.failure) == (DeliveryState.FAILED, "permanent")
    assert "21610" in delivery.failure_text
    delivery.refresh_from_db()
    assert "START" in delivery.advice


def test_an_answer_of_201_that_cannot_be_read_is_not_sent_again_by_itself(outgoing, there):
    there.fail(201, "<html>", path="/Messages.json", method="POST")
    with pytest.raises(Exception) as raised:
        LINK.send(outgoing)
    assert not isinstance(raised.value, TransientFailure | PermanentFailure | AuthFailure)


def test_one_that_failed_at_once_is_said(outgoing, there):
    there.fail(201, {"sid": "SM1", "status": "failed", "error_message": "No way."}, method="POST")
    with pytest.raises(PermanentFailure, match="No way"):
        LINK.send(outgoing)


def test_a_message_that_was_cut_off_is_found_by_its_words(outgoing, there):
    assert LINK.find_sent(outgoing) is None
    there.now = outgoing.delivery.created_at
    there.fail(0, path="/Messages.json", method="POST", after=True)
    with pytest.raises(Uncertain):
        LINK.send(outgoing)
    found = LINK.find_sent(outgoing)
    assert found and found.external_id == there.messages[-1]["sid"]


def test_an_older_message_with_the_same_words_is_not_taken_for_it(outgoing, there):
    there.write("On its way.")
    assert LINK.find_sent(outgoing) is None


def test_a_page_that_cannot_be_read_leaves_it_open(outgoing, there):
    there.fail(503, "", times=9, path="/Messages.json", method="GET")
    with pytest.raises(TransientFailure):
        LINK.find_sent(outgoing)


def test_files_are_refused_with_a_way_out(outgoing, there):
    with pytest.raises(PermanentFailure) as raised:
        LINK.send(replace(outgoing, files=[File("a.png", "image/png", b"x")]))
    assert "e-mail" in raised.value.advice
    assert not LINK.takes_files and LINK.limits(outgoing.account, public=False).files == 0


def test_a_withheld_number_cannot_be_answered(outgoing, there):
    with pytest.raises(PermanentFailure, match="no number"):
        LINK.send(replace(outgoing, to=[], thread_key="dm:withheld:CA1"))


@pytest.mark.parametrize(
    ("text", "length", "messages"),
    [
        ("", 0, 1),
        ("a" * 160, 160, 1),
        ("a" * 161, 161, 2),
        ("a" * 306, 306, 2),
        ("a" * 307, 307, 3),
        ("€" * 80, 160, 1),
        ("€" * 81, 162, 2),
        ("ä" * 160, 160, 1),
        ("ё" * 70, 70, 1),
        ("ё" * 71, 71, 2),
        ("😀" * 35, 70, 1),
        ("😀" * 36, 72, 2),
    ],
)
def test_length_is_counted_as_a_phone_counts(text, length, messages):
    assert LINK.count_length(text) == length
    assert lengths.segments(text) == messages
    assert LINK.length_note(text) == (f"{messages} messages" if messages > 1 else "")
