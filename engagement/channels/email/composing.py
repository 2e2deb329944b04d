"""A mail of ours as bytes: the same message gives the same Message-ID, date and words on every try."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from typing import Any

from core.text import clean_text
from engagement.channels.base import Outgoing, PermanentFailure
from engagement.channels.email.plain import html_of
from engagement.channels.email.tokens import reply_address

LINE_BREAK = re.compile(r"[\r\n\x00\u2028\u2029]")
ADDRESS = re.compile(r"[^@\s<>\"(),;:\[\]\\]+@[^@\s<>\"(),;:\[\]\\]+")
CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
MESSAGE_ID = re.compile(r"[^\s<>@]+@[^\s<>]+")
MAX_REFERENCES = 20


@dataclass(frozen=True)
class Composed:
    """A mail ready to leave."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    at: datetime
    utf8: bool
    """Whether an address needs a server that speaks SMTPUTF8."""


def compose(outgoing: Outgoing, *, plus_addressing: bool = False) -> Composed:
    """The mail of one message. Raises PermanentFailure for what must not stand in a header."""
    account = outgoing.account
    sender = encoded(account.external_id)
    to = [checked(author.external_id) for author in outgoing.to]
    cc = [checked(address) for address in outgoing.cc]
    bcc = [checked(address) for address in outgoing.bcc]
    recipients = tuple(dict.fromkeys(encoded(address) for address in (*to, *cc, *bcc)))
    if not recipients:
        raise PermanentFailure("The mail has no recipient.")
    at = outgoing.delivery.interaction.occurred_at.astimezone(UTC)
    message = EmailMessage()
    _set(message, "From", named(sender_name(outgoing), sender))
    _set(message, "To", ", ".join(named(author.name, encoded(author.external_id)) for author in outgoing.to))
    _set(message, "Cc", ", ".join(encoded(address) for address in cc))
    _set(message, "Subject", outgoing.subject)
    _set(message, "Date", format_datetime(at))
    _set(message, "Message-ID", f"<{outgoing.external_id}>")
    _set_references(message, outgoing)
    if plus_addressing:
        _set(message, "Reply-To", reply_address(account, outgoing.external_id))
    _add_body(message, outgoing)
    utf8 = not all(address.isascii() for address in (sender, *recipients))
    rules = policy.SMTPUTF8 if utf8 else policy.SMTP
    return Composed(sender, recipients, message.as_bytes(policy=rules), at, utf8)


def checked(address: str) -> str:
    """An address that may stand in an envelope and a header."""
    plain = address.strip()
    if LINE_BREAK.search(address) or not ADDRESS.fullmatch(plain):
        raise PermanentFailure(f"{plain[:100]!r} is not an address a mail can be sent to.")
    return plain


def encoded(address: str) -> str:
    """An address whose domain is written as the network wants it (IDNA)."""
    local, _, domain = checked(address).rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        raise PermanentFailure(f"{domain[:100]!r} is not the name of a mail domain.") from None


def named(name: str, address: str) -> str:
    """ "Amy <amy@example.org>"; a name with a line break is refused, not mended."""
    if LINE_BREAK.search(name):
        raise PermanentFailure("A name in this mail holds a line break.")
    return formataddr((clean_text(name, limit=150), address)) if name else address


def sender_name(outgoing: Outgoing) -> str:
    """The name beside our address: as the account wants it, with {staff} for who writes."""
    account = outgoing.account
    wanted = str(account.settings.get("from_name") or account.name)
    return wanted.replace("{staff}", outgoing.sender_name).strip() or account.name


def signature_of(account: Any) -> str:
    """The signature of the account's brand, '' for none."""
    return account.brand.signature.strip() if account.brand_id else ""


def _set(message: EmailMessage, name: str, value: str) -> None:
    if not value:
        return
    if LINE_BREAK.search(value):
        raise PermanentFailure(f"The {name.lower()} of this mail holds a line break.")
    try:
        message[name] = clean_text(value)
    except ValueError as error:
        raise PermanentFailure(f"The {name.lower()} of this mail cannot be written: {error}") from None


def _set_references(message: EmailMessage, outgoing: Outgoing) -> None:
    """What it answers; ids that were no Message-IDs (a mail that came without one) are left out."""
    answered = message_ids([outgoing.in_reply_to])
    ids = message_ids([*outgoing.references, *answered])
    ids = [one for one in ids if one != outgoing.external_id]
    _set(message, "In-Reply-To", f"<{answered[0]}>" if answered else "")
    kept = ids if len(ids) <= MAX_REFERENCES else [ids[0], *ids[-(MAX_REFERENCES - 1) :]]
    _set(message, "References", " ".join(f"<{one}>" for one in kept))


def message_ids(ids: Sequence[str]) -> list[str]:
    """Those that may stand in a header, each once."""
    return list(dict.fromkeys(one for one in ids if MESSAGE_ID.fullmatch(one)))


def _add_body(message: EmailMessage, outgoing: Outgoing) -> None:
    signature = signature_of(outgoing.account)
    text = clean_text(outgoing.text).rstrip()
    if signature:
        text = f"{text}\n\n-- \n{clean_text(signature)}"
    message.set_content(text + "\n", charset="utf-8")
    message.add_alternative(outgoing.html or html_of(text), subtype="html", charset="utf-8")
    for file in outgoing.files:
        kind = file.content_type if CONTENT_TYPE.fullmatch(file.content_type) else ""
        kind = kind or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        main, _, sub = kind.partition("/")
        if main in ("multipart", "message", "text"):
            main, sub = "application", "octet-stream"
        name = LINE_BREAK.sub(" ", file.name)[:150] or "file"
        message.add_attachment(file.content, maintype=main, subtype=sub, filename=name)
