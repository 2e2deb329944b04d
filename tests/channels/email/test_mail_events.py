"""From a mail to an interaction, a delivery status, or nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from engagement.channels.base import Change, Event
from engagement.channels.email import tokens
from engagement.channels.email.automatic import is_automatic
from engagement.channels.email.events import events_of
from engagement.channels.email.mime import read_mail
from tests.channels.email.bounces import bounce

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SHOP = SimpleNamespace(pk=7, external_id="shop@example.com")


def read(raw):
    return read_mail(raw, max_file=1024 * 1024)


def events(raw, account=SHOP, arrived_at=NOW):
    return events_of(account, read(raw), arrived_at=arrived_at)


def test_a_mail_is_an_inbound_message(new_mail):
    (event,) = events(
        new_mail(
            "Thanks.\n\n> earlier words",
            sender="Bob <Bob@Example.org>",
            to="shop@example.com, Eve <eve@example.org>",
            Cc="carl@example.org, shop+x@example.com",
            message_id="m1@example.org",
            html="<p>Thanks</p><script>1</script>",
            Subject="My parcel",
        )
    )
    assert isinstance(event, Event)
    assert (event.external_id, event.direction, event.kind) == ("m1@example.org", "inbound", "message")
    assert (event.author.external_id, event.author.name, event.author.issuer) == (
        "bob@example.org",
        "Bob",
        "",
    )
    assert (event.text, event.meta["quoted"]) == ("Thanks.", "> earlier words")
    assert event.html == "<p>Thanks</p>"
    assert [(role, who.external_id) for role, who in event.participants] == [
        ("other", "eve@example.org"),
        ("cc", "carl@example.org"),
    ]
    assert event.meta["headers"]["subject"] == event.subject == "My parcel"
    assert event.object_key == "email:m1@example.org"
    assert not event.public and not event.is_automatic


def test_html_alone_gives_the_text():
    raw = b"From: bob@example.org\r\nContent-Type: text/html\r\n\r\n<p>Where is <b>it</b>?</p>"
    assert events(raw)[0].text == "Where is it?"


def test_html_too_long_to_be_shown_is_kept_as_a_file(new_mail):
    (event,) = events(new_mail("Text", html="<p>x</p>" * 250_000))
    assert (event.text, event.html) == ("Text", "")
    assert [(file.name, file.size > 1_900_000) for file in event.files] == [("mail.html", True)]


def test_thread_keys_ask_the_answered_mail_first_then_references_then_our_token_then_itself(new_mail):
    ours = tokens.own_message_id(SHOP, "key1")
    (event,) = events(
        new_mail(
            message_id="self@example.org",
            answers="answered@x",
            to=tokens.reply_address(SHOP, ours),
            References="<root@x> <middle@x> <answered@x>",
        )
    )
    assert event.thread_keys == (
        "mail:answered@x",
        "mail:middle@x",
        "mail:root@x",
        f"mail:{ours}",
        "mail:self@example.org",
    )
    assert event.in_reply_to == "answered@x"


@pytest.mark.parametrize(
    ("date", "used"),
    [
        ("Mon, 2 Mar 2026 10:00:00 +0000", NOW - timedelta(hours=2)),
        ("Mon, 2 Mar 2026 12:05:00 +0000", NOW + timedelta(minutes=5)),
        ("Mon, 2 Mar 2027 10:00:00 +0000", NOW),
        ("Thu, 1 Jan 1970 00:00:00 +0000", NOW),
        ("Mon, 2 Mar 20000 10:00:00 +0000", NOW),
        ("nonsense", NOW),
    ],
)
def test_the_time_is_the_senders_unless_it_is_absurd(new_mail, date, used):
    assert events(new_mail(Date=date))[0].occurred_at == used


@pytest.mark.parametrize("sender", ["shop@example.com", "Shop <SHOP@example.com>", "shop+tag@example.com"])
def test_mail_from_our_own_address_is_not_taken_in(new_mail, sender):
    assert events(new_mail(sender=sender)) == []


# Automatic mail


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated; owner-email=x"},
        {"Precedence": "bulk"},
        {"Precedence": "auto_reply"},
        {"X_Auto_Response_Suppress": "All"},
        {"X_Autoreply": "yes"},
        {"List_Id": "<news.example.org>"},
        {"Return_Path": "<>"},
        {"Subject": "Out of office: back on Monday"},
        {"Subject": "Automatische Antwort: Urlaub"},
        {"Subject": "Réponse automatique : absent"},
    ],
)
def test_automatic_mail_is_recognized(new_mail, headers):
    mail = read(new_mail(**headers))
    assert is_automatic(mail)
    assert events(new_mail(**headers))[0].is_automatic


@pytest.mark.parametrize(
    "headers",
    [{}, {"Auto_Submitted": "no"}, {"Subject": "Your office chair"}, {"Return_Path": "<bob@example.org>"}],
)
def test_what_a_person_wrote_is_not_automatic(new_mail, headers):
    assert not is_automatic(read(new_mail(**headers)))


# Bounces


@pytest.mark.parametrize("headers_only", [False, True])
def test_a_bounce_of_our_mail_fails_its_delivery_with_the_servers_words(headers_only):
    ours = tokens.own_message_id(SHOP, "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed")
    (change,) = events(bounce(ours, headers_only=headers_only))
    assert change == Change(
        external_id=ours,
        kind="status",
        at=datetime(2026, 3, 2, 11, tzinfo=UTC),
        status="failed",
        error="bob@example.org: 550 5.1.1 No such user here",
    )


def test_a_delivery_receipt_says_delivered_and_a_delay_says_nothing():
    ours = tokens.own_message_id(SHOP, "key1")
    (change,) = events(bounce(ours, "delivered"))
    assert change.status == "delivered"
    assert events(bounce(ours, "delayed")) == []


def test_a_bounce_of_a_mail_that_is_not_ours_is_only_an_automatic_mail():
    (event,) = events(bounce("guessed.0123456789abcdef@example.com"))
    assert isinstance(event, Event)
    assert event.is_automatic


@pytest.mark.parametrize("other", [SimpleNamespace(pk=8, external_id="shop@example.com")])
def test_another_account_cannot_fail_our_deliveries(other):
    (event,) = events(bounce(tokens.own_message_id(other, "key1")))
    assert isinstance(event, Event)


def test_a_failure_notice_in_free_words_counts_too(new_mail):
    ours = tokens.own_message_id(SHOP, "key1")
    (change,) = events(
        new_mail(
            "Hi. This is the qmail-send program.\nI'm afraid bob@example.org: no such user.\n"
            f"--- Below is a copy\nMessage-ID: <{ours}>\n",
            sender="MAILER-DAEMON@mx.example.org",
            Subject="failure notice",
            X_Failed_Recipients="bob@example.org",
        )
    )
    assert (change.external_id, change.status) == (ours, "failed")
    assert "no such user" in change.error


# Ids of ours


def test_our_message_id_is_always_the_same_and_only_ours():
    ours = tokens.own_message_id(SHOP, "1B9D6BCD-bbfd-4b2d-9b5d-ab8dfbbd4bed")
    assert ours == tokens.own_message_id(SHOP, "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed")
    assert ours.endswith("@example.com")
    assert tokens.is_own(SHOP, ours)
    assert not tokens.is_own(SHOP, ours.replace("1b9d", "1b9e"))
    assert not tokens.is_own(SHOP, ours.replace("@example.com", "@example.net"))
    assert not tokens.is_own(SHOP, "plain@example.com")


def test_the_address_for_answers_brings_our_id_back():
    ours = tokens.own_message_id(SHOP, "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed")
    address = tokens.reply_address(SHOP, ours)
    assert len(address.partition("@")[0]) <= 64
    assert tokens.ids_in_addresses(SHOP, ["else@example.com", address.upper()]) == [ours]
    assert tokens.ids_in_addresses(SHOP, ["shop+guess.0123456789abcdef@example.com"]) == []


def test_an_address_too_long_for_a_token_gets_none():
    long = SimpleNamespace(pk=7, external_id="a-very-long-name-of-a-department@example.com")
    assert (
        tokens.reply_address(long, tokens.own_message_id(long, "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed")) == ""
    )
