"""Mails that a machine wrote: automatic answers, lists, and reports of what could not be delivered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.message import Message

from core.text import clean_text
from engagement.channels.base import Change
from engagement.channels.email.mime import Mail, first_id, header_text
from engagement.channels.email.tokens import is_own, own_ids_in
from engagement.models import ChannelAccount

AUTOMATIC_PRECEDENCE = {"auto_reply", "bulk", "junk", "list"}
AUTOMATIC_HEADERS = (
    "X-Autoreply",
    "X-Autorespond",
    "X-Auto-Response-Suppress",
    "List-Id",
    "X-Failed-Recipients",
)
AUTOMATIC_SUBJECT = re.compile(
    r"^\W*(?:auto(?:matic)?[ :-]*(?:reply|response|antwort)|automatische antwort|out of (?:the )?office|"
    r"abwesenheits|abwesend|réponse automatique|absence du bureau|respuesta automática|risposta automatica|"
    r"automatisch antwoord|undeliver|delivery status notification|mail delivery failed|returned mail|"
    r"failure notice|unzustellbar)",
    re.IGNORECASE,
)
DAEMON = re.compile(r"^(?:mailer-daemon|postmaster|mail-daemon|bounce[s]?)(?:[+=-].*)?$", re.IGNORECASE)
FAILURE = re.compile(
    r"undeliver|could ?n.t be delivered|could not be delivered|delivery (?:has )?failed|"
    r"permanent (?:error|failure)|"
    r"fatal error|user unknown|no such user|does not exist|mailbox (?:full|unavailable|not found)|"
    r"unzustellbar|nicht zugestellt|\b5\.\d\.\d\b",
    re.IGNORECASE,
)
MAX_READ = 200_000


@dataclass(frozen=True)
class Report:
    """What a delivery report says of one mail: failed, delivered, delayed … and why."""

    message_id: str
    action: str
    error: str = ""


def is_automatic(mail: Mail) -> bool:
    """Whether a machine wrote it: it neither reopens a conversation nor waits for an answer."""
    if mail.header("Auto-Submitted").lower().partition(";")[0].strip() not in ("", "no"):
        return True
    if mail.header("Precedence").lower() in AUTOMATIC_PRECEDENCE:
        return True
    if any(mail.header(name) for name in AUTOMATIC_HEADERS):
        return True
    if mail.header("Return-Path") == "<>" or is_daemon(mail):
        return True
    return AUTOMATIC_SUBJECT.match(mail.subject) is not None


def is_daemon(mail: Mail) -> bool:
    """Whether a mail server itself wrote it."""
    return DAEMON.match(mail.sender.email.partition("@")[0]) is not None


def report_of(account: ChannelAccount, mail: Mail) -> Report | None:
    """What this mail reports about one of our own mails; None for any other mail.

    Only a mail that carries a Message-ID signed by us counts, so that nobody can call a delivery failed who
    was not given it.
    """
    if not may_be_report(mail):
        return None
    if mail.message.get_content_type() == "multipart/report":
        return _standard_report(account, mail)
    return _plain_report(account, mail)


def may_be_report(mail: Mail) -> bool:
    """Whether its headers look like those of a delivery report."""
    is_standard = mail.message.get_content_type() == "multipart/report"
    return is_standard or is_daemon(mail) or bool(mail.header("X-Failed-Recipients"))


def changes_of(report: Report, *, at: datetime) -> list[Change]:
    """The delivery status that follows; none from a mere delay."""
    status = {"failed": "failed", "delivered": "delivered"}.get(report.action)
    if status is None:
        return []
    return [Change(external_id=report.message_id, kind="status", at=at, status=status, error=report.error)]


def _standard_report(account: ChannelAccount, mail: Mail) -> Report | None:
    """RFC 3464: a part with one group of fields for each recipient, and the mail or its headers."""
    parts = list(mail.message.walk())
    message_id = next((one for one in _reported_ids(parts) if is_own(account, one)), "")
    if not message_id:
        return _plain_report(account, mail)
    fields = [
        group
        for part in parts
        if part.get_content_type() == "message/delivery-status"
        for group in _groups(part)
    ]
    groups = [group for group in fields if header_text(group, "Action")]
    failed = [group for group in groups if header_text(group, "Action").lower() == "failed"]
    if failed:
        return Report(message_id, "failed", "; ".join(_reason(group) for group in failed)[:500])
    actions = [header_text(group, "Action").lower() for group in groups]
    return Report(message_id, actions[0] if actions else "unknown")


def _reported_ids(parts: Iterable[Message]) -> Iterable[str]:
    for part in parts:
        kind = part.get_content_type()
        if kind == "message/rfc822" and part.is_multipart():
            inner = part.get_payload(0)
            if isinstance(inner, Message):
                yield first_id(header_text(inner, "Message-ID"))
        elif kind == "text/rfc822-headers":
            payload = part.get_payload(decode=True)
            text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
            found = re.search(r"^message-id:\s*(\S+)", text, re.IGNORECASE | re.MULTILINE)
            yield first_id(found[1]) if found else ""


def _groups(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [group for group in payload if isinstance(group, Message)] if isinstance(payload, list) else []


def _reason(group: Message) -> str:
    """ "bob@example.org: 550 No such user" from one recipient's fields."""
    recipient = header_text(group, "Final-Recipient") or header_text(group, "Original-Recipient")
    diagnostic = header_text(group, "Diagnostic-Code") or header_text(group, "Status")
    address = recipient.partition(";")[2].strip() or recipient
    words = diagnostic.partition(";")[2].strip() or diagnostic
    return ": ".join(part for part in (address, words) if part)


def _plain_report(account: ChannelAccount, mail: Mail) -> Report | None:
    """A failure notice in free words (qmail, Exim): it names our mail somewhere and says that it failed."""
    whole = f"{mail.subject}\n{mail.text}"[:MAX_READ]
    quoted = " ".join([*mail.in_reply_to, *mail.references]) + "\n" + whole
    inner = "\n".join(_reported_ids(mail.message.walk()))
    ids = own_ids_in(account, quoted + "\n" + inner)
    if not ids or not (FAILURE.search(whole) or mail.header("X-Failed-Recipients")):
        return None
    recipients = mail.header("X-Failed-Recipients")
    line = next((line.strip() for line in mail.text.split("\n") if FAILURE.search(line)), mail.subject)
    return Report(ids[0], "failed", clean_text(f"{recipients}: {line}" if recipients else line, limit=500))
