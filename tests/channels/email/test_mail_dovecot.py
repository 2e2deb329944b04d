"""The same mailbox on Dovecot, which behaves as the servers of providers do."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from engagement import pulls
from engagement.channels.email.access import access_of
from engagement.channels.email.client_imap import append_sent
from engagement.models import ChannelAccount, Interaction
from tests.channels.email.dovecot import Dovecot

pytestmark = [pytest.mark.django_db, pytest.mark.peer]


@pytest.fixture
def dovecot():
    if Dovecot.program() is None:
        pytest.skip("Dovecot is not installed (Debian: dovecot-imapd dovecot-lmtpd)")
    home = Path(tempfile.mkdtemp(prefix="dovecot-"))
    server = Dovecot(home)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(home)


@pytest.fixture
def mailbox(new_account, dovecot):
    return new_account(imap=dovecot, folder="Support")


def fill(dovecot, *mails):
    with dovecot.client() as client:
        for mail in mails:
            client.append("Support", mail)


def new_folder(dovecot):
    with dovecot.client() as client:
        if client.folder_exists("Support"):
            client.delete_folder("Support")
        client.create_folder("Support")


def place_in(folder):
    return ChannelAccount.objects.get().cursor["folders"][folder]


def ids():
    return set(Interaction.objects.values_list("external_id", flat=True))


def test_mail_delivered_by_lmtp_comes_in(new_account, dovecot, new_mail):
    account = new_account(imap=dovecot)
    dovecot.deliver(new_mail(message_id="m1@example.org"))
    assert pulls.pull_account(account.pk).stored == 1
    assert pulls.pull_account(account.pk).received == 0


def test_a_folder_deleted_and_made_again_is_recognized_by_message_id(mailbox, dovecot, new_mail):
    new_folder(dovecot)
    mails = [new_mail(message_id=f"m{number}@example.org") for number in range(3)]
    fill(dovecot, *mails)
    assert pulls.pull_account(mailbox.pk).stored == 3
    before = place_in("Support")
    new_folder(dovecot)
    fill(dovecot, *reversed(mails), new_mail(message_id="m3@example.org"))
    pulled = pulls.pull_account(mailbox.pk)
    assert (pulled.received, pulled.stored, pulled.failure) == (4, 1, "")
    assert place_in("Support")["uidvalidity"] != before["uidvalidity"]


def test_one_message_id_under_two_uids_is_one_interaction(mailbox, dovecot, new_mail):
    new_folder(dovecot)
    mail = new_mail(message_id="m1@example.org")
    fill(dovecot, mail, mail)
    pulled = pulls.pull_account(mailbox.pk)
    assert (pulled.received, pulled.stored) == (2, 1)
    assert ids() == {"m1@example.org"}


def test_mails_removed_meanwhile_are_no_obstacle(mailbox, dovecot, new_mail):
    new_folder(dovecot)
    fill(dovecot, *(new_mail(message_id=f"m{number}@example.org") for number in range(4)))
    with dovecot.client() as client:
        client.select_folder("Support")
        client.delete_messages([1, 3])
        client.expunge()
    pulls.pull_account(mailbox.pk)
    assert ids() == {"m1@example.org", "m3@example.org"}


def test_a_large_mail_is_read_in_part(mailbox, dovecot, new_mail, monkeypatch):
    from engagement.channels.email import pulling

    monkeypatch.setattr(pulling, "WHOLE_UP_TO", 100_000)
    monkeypatch.setattr(pulling, "BEGINNING", 20_000)
    new_folder(dovecot)
    fill(dovecot, new_mail("See video", files=(("video.mov", b"\x01" * 300_000),)))
    assert pulls.pull_account(mailbox.pk).stored == 1
    assert Interaction.objects.get().attachments.get().note.startswith("Not fetched")


def test_a_copy_goes_into_the_folder_that_the_server_marks_as_sent(mailbox, dovecot, new_mail):
    access = access_of("imap", mailbox.settings, mailbox.credentials)
    assert append_sent(access, "", new_mail(), pulls.timezone.now()) == "Sent"
    with dovecot.client() as client:
        assert client.select_folder("Sent")[b"EXISTS"] == 1
        assert client.get_flags([1])[1] >= (b"\\Seen",)


def test_a_wrong_password_is_told_from_a_server_that_is_away(mailbox, dovecot):
    ChannelAccount.objects.update(credentials={"imap_password": "wrong"})
    assert "refuses the sign-in" in pulls.pull_account(mailbox.pk).failure
    assert ChannelAccount.objects.get().health == "needs_login"
