"""Sending through a real SMTP server."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import pytest

from core.models import Brand
from engagement.channels.base import (
    AuthFailure,
    Author,
    File,
    Outgoing,
    PermanentFailure,
    TransientFailure,
    Uncertain,
)
from engagement.channels.email.client_smtp import failure_of
from engagement.channels.email.connector import EmailConnector
from tests.mail_servers import free_port

pytestmark = pytest.mark.django_db
WRITTEN = datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.fixture
def outgoing(new_account, smtp_server):
    account = new_account(smtp=smtp_server)
    account.brand = Brand.objects.create(name="Shop", signature="The Shop\nWe care")
    return Outgoing(
        delivery=SimpleNamespace(interaction=SimpleNamespace(occurred_at=WRITTEN)),
        account=account,
        text="Hello Bob,\n\nit is on its way. Grüße",
        html="",
        subject="Re: Parcel – März",
        external_id=EmailConnector().new_external_id(account, "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"),
        in_reply_to="q2@example.org",
        references=("q1@example.org", "sha256:abc", "q2@example.org"),
        to=(Author("bob@example.org", name="Bob Öz"),),
        cc=("carl@example.org",),
        bcc=("boss@example.com",),
        thread_key="mail:q1@example.org",
        files=(File("Rechnung März.pdf", "application/pdf", content=b"%PDF"),),
        sender_name="Amy",
    )


def send(outgoing):
    return EmailConnector().send(outgoing)


def test_a_reply_leaves_as_a_whole_mail(outgoing, smtp_server):
    sent = send(outgoing)
    (taken,) = smtp_server.received
    mail = taken.message
    assert sent.external_id == outgoing.external_id
    assert taken.sender == "shop@example.com"
    assert taken.recipients == ["bob@example.org", "carl@example.org", "boss@example.com"]
    assert mail["Message-ID"] == f"<{outgoing.external_id}>"
    assert mail["In-Reply-To"] == "<q2@example.org>"
    assert mail["References"] == "<q1@example.org> <q2@example.org>"
    assert (mail["Subject"], mail["To"]) == ("Re: Parcel – März", "Bob Öz <bob@example.org>")
    assert (mail["Cc"], mail["Bcc"]) == ("carl@example.org", None)
    assert mail["From"] == "Shop <shop@example.com>"
    assert parsedate_to_datetime(mail["Date"]) == WRITTEN
    text = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert "it is on its way. Grüße\n\n-- \nThe Shop\nWe care" in text
    assert "it is on its way. Grüße</p>" in mail.get_body(("html",)).get_content()
    (file,) = mail.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("Rechnung März.pdf", b"%PDF")


def test_a_second_try_is_the_same_mail(outgoing, smtp_server):
    send(outgoing)
    send(outgoing)
    first, second = (taken.message for taken in smtp_server.received)
    for name in ("Message-ID", "Date", "References", "Subject"):
        assert first[name] == second[name]


def test_the_senders_name_may_hold_who_writes(outgoing, smtp_server):
    outgoing.account.settings["from_name"] = "{staff} from the Shop"
    send(outgoing)
    assert smtp_server.received[0].message["From"] == "Amy from the Shop <shop@example.com>"


def test_answers_come_to_a_plus_address_where_the_account_wants_it(outgoing, smtp_server):
    outgoing.account.settings["plus_addressing"] = True
    send(outgoing)
    token = outgoing.external_id.partition("@")[0]
    assert smtp_server.received[0].message["Reply-To"] == f"shop+{token}@example.com"


def test_a_domain_beyond_ascii_is_written_as_the_network_wants(outgoing, smtp_server):
    send(replace(outgoing, to=(Author("bob@müller.example"),), cc=(), bcc=()))
    assert smtp_server.received[0].recipients == ["bob@xn--mller-kva.example"]


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "Hi\r\nBcc: victim@example.org"},
        {"subject": "Hi\nX"},
        {"to": (Author("bob@example.org\r\nBcc: victim@example.org"),)},
        {"to": (Author("bob@example.org", name="Bob\r\nBcc: victim@example.org"),)},
        {"cc": ("carl@example.org\nBcc: victim@example.org",)},
        {"bcc": ("a@example.org, b@example.org",)},
        {"to": (Author("bob@example.org>,<victim@example.org"),)},
        {"to": (), "cc": (), "bcc": ()},
    ],
)
def test_what_could_smuggle_in_a_header_or_recipient_is_refused(outgoing, smtp_server, change):
    with pytest.raises(PermanentFailure):
        send(replace(outgoing, **change))
    assert smtp_server.received == []


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ("550 5.1.1 no such mailbox", PermanentFailure),
        ("554 5.7.1 looks like spam", PermanentFailure),
        ("451 4.3.0 try later", TransientFailure),
        ("421 4.7.0 too many mails", TransientFailure),
        ("530 5.7.0 authentication required", AuthFailure),
    ],
)
def test_the_servers_answer_says_what_a_failure_means(outgoing, smtp_server, answer, failure):
    smtp_server.answer = answer
    with pytest.raises(failure, match=answer[:3]):
        send(outgoing)


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (535, AuthFailure),
        (534, AuthFailure),
        (538, AuthFailure),
        (454, TransientFailure),
        (552, PermanentFailure),
    ],
)
def test_failures_are_told_by_code(code, failure):
    assert type(failure_of(code, b"words", "the mail")) is failure


def test_a_refused_recipient_stops_the_mail_for_all(outgoing, smtp_server, monkeypatch):
    async def refuse(server, session, envelope, address, options):
        if address.startswith("carl"):
            return "550 no carl here"
        envelope.rcpt_tos.append(address)
        return "250 fine"

    monkeypatch.setattr(type(smtp_server), "handle_RCPT", staticmethod(refuse), raising=False)
    with pytest.raises(PermanentFailure, match=r"carl@example\.org: 550"):
        send(outgoing)
    assert smtp_server.received == []


def test_no_server_is_worth_another_try(outgoing):
    outgoing.account.settings["smtp_port"] = free_port()
    with pytest.raises(TransientFailure, match="cannot be reached"):
        send(outgoing)


def test_a_server_without_tls_is_not_given_the_mail(outgoing, smtp_server):
    outgoing.account.settings["smtp_security"] = "ssl"
    with pytest.raises(TransientFailure, match="does not speak TLS"):
        send(outgoing)
    outgoing.account.settings["smtp_security"] = "starttls"
    with pytest.raises(AuthFailure, match="STARTTLS"):
        send(outgoing)
    assert smtp_server.received == []


def test_a_login_that_the_server_does_not_know_is_asked_for_again(outgoing):
    outgoing.account.settings["smtp_user"] = "shop"
    outgoing.account.credentials = {"smtp_password": "secret-word"}
    with pytest.raises(AuthFailure) as failure:
        send(outgoing)
    assert "secret-word" not in str(failure.value)


def test_without_an_answer_after_the_data_it_is_uncertain(outgoing):
    outgoing.account.settings["smtp_port"] = port = free_port()
    thread = threading.Thread(target=_hang_up_after_data, args=(port, ready := threading.Event()))
    thread.start()
    ready.wait(5)
    with pytest.raises(Uncertain, match="same Message-ID"):
        send(outgoing)
    thread.join(5)


def _hang_up_after_data(port, ready):
    """An SMTP server that takes the whole mail and then says nothing more."""
    with socket.create_server(("127.0.0.1", port)) as server:
        ready.set()
        client, _ = server.accept()
        with client, client.makefile("rwb") as stream:
            stream.write(b"220 hello\r\n")
            stream.flush()
            for line in stream:
                if line.upper().startswith(b"DATA"):
                    stream.write(b"354 go on\r\n")
                    stream.flush()
                    while stream.readline() != b".\r\n":
                        pass
                    return
                stream.write(b"250 fine\r\n")
                stream.flush()


def test_a_sent_mail_is_copied_into_the_sent_folder(outgoing, smtp_server, imap_server):
    outgoing.account.settings |= {"save_sent": True, "sent_folder": "Sent", "imap_port": imap_server.port}
    outgoing.account.settings["imap_user"] = imap_server.user
    outgoing.account.credentials = {"imap_password": imap_server.password}
    with imap_server.client() as client:
        if not client.folder_exists("Sent"):
            client.create_folder("Sent")
    send(outgoing)
    with imap_server.client() as client:
        client.select_folder("Sent")
        (uid,) = client.search(["ALL"])
        copy = client.fetch([uid], ["BODY.PEEK[]", "FLAGS"])[uid]
    assert outgoing.external_id.encode() in copy[b"BODY[]"]
    assert b"\\Seen" in copy[b"FLAGS"]


def test_a_mail_that_left_is_sent_even_if_its_copy_is_not_kept(outgoing, smtp_server):
    outgoing.account.settings |= {"save_sent": True, "imap_port": free_port()}
    assert send(outgoing).status == "sent"
    assert len(smtp_server.received) == 1


# The settings form and the check


def filled_in(imap_server, smtp_server, **more):
    return {
        "address": "Shop@Example.com",
        "imap_host": "127.0.0.1",
        "imap_port": imap_server.port,
        "imap_security": "none",
        "imap_user": imap_server.user,
        "imap_password": imap_server.password,
        "folder": imap_server.folder,
        "smtp_host": "127.0.0.1",
        "smtp_port": smtp_server.port,
        "smtp_security": "none",
        **more,
    }


@pytest.fixture
def filled(imap_server, smtp_server):
    return filled_in(imap_server, smtp_server)


def test_the_form_fills_an_account_whose_secrets_are_apart(account, imap_server, smtp_server):
    link = EmailConnector()
    form = link.settings_form(filled_in(imap_server, smtp_server))
    assert form.is_valid(), form.errors
    link.fill_account(account, form.cleaned_data)
    assert account.external_id == "shop@example.com"
    assert account.credentials["imap_password"] == imap_server.password
    assert not [name for name in account.settings if "password" in name]
    link.check(account)
    again = link.settings_form(filled_in(imap_server, smtp_server, imap_password=""))
    assert again.is_valid()
    link.fill_account(account, again.cleaned_data)
    assert account.credentials["imap_password"] == imap_server.password


def test_another_folder_is_read_from_its_beginning(account, imap_server, smtp_server):
    link = EmailConnector()
    account.cursor = {"uidvalidity": 1, "uid": 7}
    form = link.settings_form(filled_in(imap_server, smtp_server, folder="Support"))
    assert form.is_valid()
    link.fill_account(account, form.cleaned_data)
    assert account.cursor == {}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"address": "no address"}, "address"),
        ({"imap_host": "https://mail.example.com/"}, "imap_host"),
        ({"smtp_port": 70000}, "smtp_port"),
        ({"imap_security": "maybe"}, "imap_security"),
    ],
)
def test_the_form_says_what_is_wrong(imap_server, smtp_server, wrong, field):
    form = EmailConnector().settings_form(filled_in(imap_server, smtp_server) | wrong)
    assert not form.is_valid()
    assert field in form.errors


@pytest.mark.parametrize(
    ("wrong", "failure", "words"),
    [
        ({"imap_password": "wrong-secret"}, AuthFailure, "IMAP: .* refuses the sign-in"),
        ({"folder": "Nowhere"}, TransientFailure, "IMAP: The folder 'Nowhere' cannot be opened"),
        (
            {"imap_host": "nowhere.invalid"},
            TransientFailure,
            "IMAP: There is no server called nowhere.invalid",
        ),
        ({"smtp_port": 1}, TransientFailure, "SMTP: .* cannot be reached"),
        ({"smtp_user": "shop", "smtp_password": "secret"}, AuthFailure, "SMTP: "),
    ],
)
def test_the_check_says_in_plain_words_what_is_wrong(account, filled, wrong, failure, words):
    link = EmailConnector()
    form = link.settings_form(filled | wrong)
    assert form.is_valid()
    link.fill_account(account, form.cleaned_data)
    with pytest.raises(failure, match=words) as raised:
        link.check(account)
    assert "secret" not in str(raised.value)
