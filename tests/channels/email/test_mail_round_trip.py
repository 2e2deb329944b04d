"""A customer writes, an agent answers, the customer answers the answer: one conversation."""

from __future__ import annotations

from uuid import uuid4

import pytest

from crm.models import Customer
from engagement import outbox, pulls, replies
from engagement.models import Conversation, Delivery, Interaction, Participant
from tests.channels.email.bounces import bounce

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailbox(new_account, imap_server, smtp_server, staff):
    return new_account(imap=imap_server, smtp=smtp_server)


@pytest.fixture
def agent(mailbox, staff):
    return staff("amy", "agent", teams=[mailbox.team])


def send_all():
    for delivery in Delivery.objects.filter(state="queued"):
        outbox.send_delivery(delivery.pk)


def placed():
    return dict(Interaction.objects.values_list("external_id", "conversation_id"))


def test_the_answer_to_our_reply_comes_back_into_the_same_conversation(
    mailbox, agent, imap_server, smtp_server, new_mail
):
    imap_server.deliver(new_mail(message_id="q@example.org", Subject="Parcel"))
    pulls.pull_account(mailbox.pk)
    conversation = Conversation.objects.get()
    said = replies.reply(conversation=conversation, by=agent, text="On its way", client_key=uuid4())
    send_all()
    (taken,) = smtp_server.received
    assert taken.recipients == ["bob@example.org"]
    assert taken.message["In-Reply-To"] == "<q@example.org>"
    assert taken.message["Subject"] == "Re: Parcel"
    assert Delivery.objects.get().state == "sent"

    imap_server.deliver(taken.content)
    imap_server.deliver(
        new_mail("Thanks!", message_id="a@example.org", answers=taken.message["Message-ID"].strip("<>"))
    )
    pulls.pull_account(mailbox.pk)
    assert placed() == {
        "q@example.org": conversation.pk,
        said.external_id: conversation.pk,
        "a@example.org": conversation.pk,
    }


def test_a_colleague_to_whom_our_reply_was_passed_on_joins_and_a_stranger_does_not(
    mailbox, agent, imap_server, smtp_server, new_mail
):
    imap_server.deliver(new_mail(message_id="q@example.org", Subject="Parcel"))
    pulls.pull_account(mailbox.pk)
    conversation = Conversation.objects.get()
    said = replies.reply(conversation=conversation, by=agent, text="On its way", client_key=uuid4())
    send_all()
    forged = ("1" if said.external_id[0] == "0" else "0") + said.external_id[1:]
    for sender, answers, own in (
        ("carl@example.org", said.external_id, "c@example.org"),
        ("eve@evil.example", forged, "e1@evil.example"),
        ("eve@evil.example", "q@example.org", "e2@evil.example"),
    ):
        imap_server.deliver(new_mail(sender=sender, answers=answers, message_id=own, Subject="Re: Parcel"))
    pulls.pull_account(mailbox.pk)
    found = placed()
    assert found["c@example.org"] == conversation.pk
    assert found["e1@evil.example"] != conversation.pk
    assert found["e2@evil.example"] != conversation.pk


def test_somebody_we_copied_may_answer_with_other_words_in_the_subject(
    mailbox, agent, imap_server, smtp_server, new_mail
):
    imap_server.deliver(new_mail(message_id="q@example.org", Subject="Parcel"))
    pulls.pull_account(mailbox.pk)
    conversation = Conversation.objects.get()
    said = replies.reply(
        conversation=conversation, by=agent, text="Carl knows", client_key=uuid4(), cc=["Carl@example.org"]
    )
    send_all()
    imap_server.deliver(
        new_mail(
            sender="carl@example.org", answers=said.external_id, message_id="c@example.org", Subject="I do"
        )
    )
    pulls.pull_account(mailbox.pk)
    assert placed()["c@example.org"] == conversation.pk


def test_an_answer_to_the_plus_address_finds_its_conversation_without_references(
    new_account, imap_server, smtp_server, staff, new_mail
):
    mailbox = new_account(imap=imap_server, smtp=smtp_server, plus_addressing=True)
    agent = staff("amy", "agent", teams=[mailbox.team])
    imap_server.deliver(new_mail(message_id="q@example.org"))
    pulls.pull_account(mailbox.pk)
    conversation = Conversation.objects.get()
    replies.reply(conversation=conversation, by=agent, text="On its way", client_key=uuid4())
    send_all()
    address = smtp_server.received[0].message["Reply-To"]
    imap_server.deliver(new_mail(to=address, message_id="a@example.org"))
    pulls.pull_account(mailbox.pk)
    assert placed()["a@example.org"] == conversation.pk


def test_a_conversation_we_begin_goes_on_with_the_answer(mailbox, agent, imap_server, smtp_server, new_mail):
    conversation = replies.start_conversation(
        account=mailbox,
        to="Bob@Example.org",
        subject="Your order",
        text="It is ready",
        by=agent,
        client_key=uuid4(),
    )
    send_all()
    (taken,) = smtp_server.received
    assert (taken.recipients, taken.message["Subject"]) == (["bob@example.org"], "Your order")
    assert taken.message["In-Reply-To"] is None
    imap_server.deliver(new_mail(answers=taken.message["Message-ID"].strip("<>"), message_id="a@example.org"))
    pulls.pull_account(mailbox.pk)
    assert placed()["a@example.org"] == conversation.pk
    assert Conversation.objects.count() == 1


def test_a_bounce_fails_the_delivery_and_makes_no_customer(
    mailbox, agent, imap_server, smtp_server, new_mail
):
    conversation = replies.start_conversation(
        account=mailbox, to="gone@example.org", text="Hello", by=agent, client_key=uuid4()
    )
    send_all()
    customers = Customer.objects.count()
    imap_server.deliver(bounce(smtp_server.received[0].message["Message-ID"].strip("<>")))
    pulls.pull_account(mailbox.pk)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.failure) == ("failed", "permanent")
    assert "No such user here" in delivery.failure_text
    assert Customer.objects.count() == customers
    assert placed() == {delivery.interaction.external_id: conversation.pk}


def test_an_automatic_answer_is_shown_but_does_not_reopen(mailbox, agent, imap_server, smtp_server, new_mail):
    imap_server.deliver(new_mail(message_id="q@example.org", Subject="Parcel"))
    pulls.pull_account(mailbox.pk)
    conversation = Conversation.objects.get()
    said = replies.reply(conversation=conversation, by=agent, text="On its way", client_key=uuid4())
    send_all()
    Conversation.objects.update(status="resolved")
    imap_server.deliver(
        new_mail("I am away", answers=said.external_id, message_id="away@x", Auto_Submitted="auto-replied")
    )
    pulls.pull_account(mailbox.pk)
    conversation.refresh_from_db()
    assert placed()["away@x"] == conversation.pk
    assert (conversation.status, conversation.waiting_since) == ("resolved", None)


def test_everybody_a_mail_went_to_is_a_participant(mailbox, imap_server, new_mail):
    imap_server.deliver(new_mail(to="shop@example.com, eve@example.org", Cc="carl@example.org"))
    pulls.pull_account(mailbox.pk)
    roles = dict(Participant.objects.values_list("identity__external_id", "role"))
    assert roles == {"bob@example.org": "owner", "eve@example.org": "other", "carl@example.org": "cc"}
