"""Sending on what a customer wrote to somebody else."""

from __future__ import annotations

import pytest

from engagement import outbox, pulls
from engagement.models import Conversation, Delivery, Interaction

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailbox(new_account, imap_server, smtp_server):
    return new_account(imap=imap_server, smtp=smtp_server)


@pytest.fixture
def said(mailbox, imap_server, new_mail):
    imap_server.deliver(
        new_mail("The zipper broke.", Subject="My coat", files=(("coat.jpg", b"jpeg"),), message_id="q@x")
    )
    pulls.pull_account(mailbox.pk)
    return Interaction.objects.get()


def test_a_mail_is_sent_on_with_its_words_and_files(mailbox, said, staff, signed_in, smtp_server):
    amy = signed_in(staff("amy", "agent", teams=[mailbox.team]))
    menu = amy.get(f"/inbox/{said.conversation_id}/menu/").content.decode()
    address = f"/inbox/new/?forward={said.pk}"
    assert address in menu
    page = amy.get(address).content.decode()
    assert "Fwd: My coat" in page and "The zipper broke." in page and "coat.jpg" in page
    key = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
    words = "Please have a look.\n\n---------- Forwarded message ----------\n\nThe zipper broke."
    answer = amy.post(
        address,
        {
            "account": mailbox.pk,
            "to": "workshop@example.net",
            "subject": "Fwd: My coat",
            "text": words,
            "client_key": key,
        },
    )
    new = Conversation.objects.exclude(pk=said.conversation_id).get()
    assert answer.status_code == 302 and answer["Location"] == f"/inbox/{new.pk}/"
    outbox.send_delivery(Delivery.objects.get().pk)
    (taken,) = smtp_server.received
    assert taken.recipients == ["workshop@example.net"]
    (file,) = taken.message.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("coat.jpg", b"jpeg")
    assert "The zipper broke." in taken.message.get_body(("plain",)).get_content()


def test_the_draft_names_who_wrote_it_and_when(said):
    from engagement.forwarding import draft

    text = draft(said)["text"]
    assert "From: Bob <bob@example.org>" in text
    assert "Subject: My coat" in text
    assert text.endswith("The zipper broke.")


def test_nobody_forwards_what_he_may_not_see(said, staff, signed_in):
    from accounts.models import Team

    outsider = staff("olaf", "agent", teams=[Team.objects.create(name="Elsewhere")])
    assert signed_in(outsider).get(f"/inbox/new/?forward={said.pk}").status_code == 404
