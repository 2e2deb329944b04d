"""The servers and the browser that tests rely on are real."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

import pytest


def letter(subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "kim@example.org", "shop@example.com", subject
    message.set_content("Hello")
    return message


def test_smtp_server_keeps_what_it_takes(smtp_server):
    with smtplib.SMTP(smtp_server.host, smtp_server.port) as client:
        client.send_message(letter("One"))

    assert [mail.message["Subject"] for mail in smtp_server.received] == ["One"]
    assert smtp_server.received[0].recipients == ["shop@example.com"]


def test_smtp_server_refuses_when_told_to(smtp_server):
    smtp_server.answer = "550 no such mailbox"

    with smtplib.SMTP(smtp_server.host, smtp_server.port) as client, pytest.raises(smtplib.SMTPDataError):
        client.send_message(letter("Two"))

    assert smtp_server.received == []


def test_imap_server_delivers(imap_server):
    imap_server.deliver(letter("Three").as_bytes())

    with imap_server.client() as client:
        client.select_folder("INBOX")
        (number,) = client.search()
        assert b"Subject: Three" in client.fetch([number], ["RFC822"])[number][b"RFC822"]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_browser_shows_a_page_of_ours_with_its_style(page):
    page.goto("/accounts/login/")

    assert page.locator("input[name=login]").is_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--canvas')") != ""
