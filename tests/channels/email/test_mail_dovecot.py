"""The same mailbox on Dovecot, which behaves as the servers of providers do."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from pathlib import Path

import pytest

from engagement import pulls, watching
from engagement.channels.email import client_imap, idling
from engagement.channels.email.access import access_of
from engagement.channels.email.client_imap import append_sent
from engagement.channels.email.connector import EmailConnector
from engagement.models import ChannelAccount, Interaction
from engagement.watching import Watcher
from tests.channels.email.dovecot import Dovecot
from tests.channels.email.token_servers import Provider

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


def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


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


# New mail at once


@pytest.fixture
def watched(mailbox, dovecot, monkeypatch):
    """The mailbox with a watch that stands; pulls that are asked for are listed."""
    asked = []
    monkeypatch.setattr("engagement.tasks.pull_account.delay", asked.append)
    new_folder(dovecot)
    mailbox.settings["watch"] = True
    mailbox.save()
    watcher = Watcher(most=5)
    watcher.look()
    assert watcher.pass_on(wait=10) == {mailbox.pk}
    watcher.asked = asked
    yield watcher
    watcher.stop()


def test_new_mail_is_told_of_within_seconds(watched, mailbox, dovecot, new_mail):
    began = time.monotonic()
    fill(dovecot, new_mail(message_id="m1@example.org"))
    assert watched.pass_on(wait=10) == {mailbox.pk}
    assert time.monotonic() - began < 3
    assert pulls.pull_account(mailbox.pk).stored == 1


def test_a_connection_that_is_cut_loses_nothing(watched, mailbox, dovecot, new_mail, monkeypatch):
    monkeypatch.setattr(watching, "BACK_OFF", (0.1,))
    (watch,) = watched.watches.values()
    dovecot.stop()
    until(lambda: watch.is_over)
    assert watch.failure
    dovecot.start_again()
    fill(dovecot, new_mail(message_id="m1@example.org"))
    watched.look()
    time.sleep(0.2)
    watched.look()
    assert watched.pass_on(wait=10) == {mailbox.pk}
    assert pulls.pull_account(mailbox.pk).stored == 1
    assert ids() == {"m1@example.org"}


def test_idle_is_asked_for_anew_before_servers_hang_up(mailbox, dovecot, new_mail, monkeypatch):
    assert idling.REISSUE_SECONDS < 29 * 60
    monkeypatch.setattr(idling, "REISSUE_SECONDS", 0.2)
    monkeypatch.setattr(idling, "CHECK_SECONDS", 0.1)
    new_folder(dovecot)
    told, ended = [], threading.Event()
    access = access_of("imap", mailbox.settings, mailbox.credentials)
    options = {"tell": lambda: told.append(1), "ended": ended.is_set}
    thread = threading.Thread(target=idling.idle, args=(access, "Support"), kwargs=options)
    thread.start()
    until(lambda: len(told) >= 3)
    ended.set()
    thread.join(5)
    assert not thread.is_alive()


def test_the_self_test_knows_push_and_the_sent_folder(mailbox, dovecot):
    new_folder(dovecot)
    mailbox.settings["read_sent"] = True
    found = {one.name: one for one in EmailConnector().examine(mailbox)}
    assert found["Sent folder"].text == "Sent"
    assert (found["New mail at once (IDLE)"].works, found["New mail at once (IDLE)"].text) == (True, "")


# Copies


def test_a_copy_gets_a_uid_and_is_put_there_once(mailbox, dovecot, new_mail):
    access = access_of("imap", mailbox.settings, mailbox.credentials)
    mail = new_mail(message_id="copy@example.com")
    for _ in range(2):
        append_sent(access, "", mail, pulls.timezone.now(), message_id="copy@example.com")
    with client_imap.logged_in(access) as client:
        told = client.append("Sent", new_mail(message_id="other@example.com"))
        sent = client_imap.Mailbox(client, "Sent")
        assert b"APPENDUID" in told and str(sent.folder.uidvalidity).encode() in told
        assert len(sent.uids_after(0)) == 2


def test_what_staff_sent_is_read_from_the_folder_marked_as_sent(mailbox, dovecot, new_mail):
    new_folder(dovecot)
    mailbox.settings["read_sent"] = True
    mailbox.save()
    fill(dovecot, new_mail(message_id="q@example.org"))
    with dovecot.client() as client:
        mail = new_mail(
            "Gone out",
            message_id="r@program",
            sender="shop@example.com",
            to="bob@x.org",
            answers="q@example.org",
        )
        client.append("Sent", mail)
    assert pulls.pull_account(mailbox.pk).stored == 2
    assert Interaction.objects.get(external_id="r@program").direction == "outbound"
    assert Interaction.objects.values("conversation").distinct().count() == 1


# Comparing


def test_the_window_counts_equal_message_ids_once_and_survives_another_uidvalidity(
    mailbox, dovecot, new_mail
):
    new_folder(dovecot)
    mail = new_mail(message_id="m1@example.org")
    fill(dovecot, mail, mail, new_mail(message_id="m2@example.org"))
    pulls.pull_account(mailbox.pk)
    new_folder(dovecot)
    fill(dovecot, mail, new_mail(message_id="m2@example.org"))
    pulls.pull_account(mailbox.pk)
    mailbox.refresh_from_db()
    now = pulls.timezone.now()
    day = pulls.timedelta(days=1)
    listed = [one for page in EmailConnector().list_window(mailbox, now - day, now + day) for one in page]
    assert sorted(one.external_id for one in listed) == ["m1@example.org", "m2@example.org"]
    Interaction.objects.all().delete()
    page = EmailConnector().fetch(mailbox, [one.external_id for one in listed])
    assert {event.external_id for event in page.events} == {"m1@example.org", "m2@example.org"}


# Tokens


@pytest.fixture
def token_dovecot():
    """A Dovecot that asks the provider whether a token is good."""
    if Dovecot.program() is None:
        pytest.skip("Dovecot is not installed (Debian: dovecot-imapd dovecot-lmtpd)")
    home = Path(tempfile.mkdtemp(prefix="dovecot-"))
    with Provider() as provider:
        server = Dovecot(home, introspection=f"{provider.url}/introspect")
        server.start()
        server.provider = provider
        yield server
        server.stop()
    shutil.rmtree(home)


@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
def test_a_real_server_takes_the_token_and_refuses_another(token_dovecot, new_account, new_mail, mechanism):
    token_dovecot.take_only(mechanism)
    account = new_account(imap=token_dovecot, sign_in="google")
    ChannelAccount.objects.update(credentials={"access_token": "right", "refresh_token": ""})
    token_dovecot.provider.good.add("right")
    token_dovecot.deliver(new_mail(message_id="m1@example.org"))
    pulled = pulls.pull_account(account.pk)
    assert (pulled.failure, pulled.stored) == ("", 1)
    ChannelAccount.objects.update(credentials={"access_token": "wrong", "refresh_token": ""})
    assert pulls.pull_account(account.pk).failure
    assert ChannelAccount.objects.get().health == "needs_login"
