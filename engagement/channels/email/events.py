"""From a mail to what `ingest` takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from engagement.channels.base import Author, Change, Direction, Event, File, Kind
from engagement.channels.email import tokens
from engagement.channels.email.automatic import changes_of, is_automatic, report_of
from engagement.channels.email.html import MAX_HTML, clean_html
from engagement.channels.email.mime import Address, Mail, first_id
from engagement.channels.email.plain import text_of
from engagement.channels.email.quoting import split_quoted
from engagement.models import ChannelAccount

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
CLOCKS_DIFFER = timedelta(minutes=10)
KEPT_HEADERS = ("From", "To", "Cc", "Reply-To", "Date", "Subject", "Message-ID")


def events_of(
    account: ChannelAccount, mail: Mail, *, arrived_at: datetime, from_us: bool = False
) -> list[Event | Change]:
    """What a mail means for this account: an interaction, a delivery status, or nothing.

    Nothing are our own mails coming back (they are stored since we sent them) and reports of a mere delay.
    `from_us` is a mail of the Sent folder: one that staff wrote in their mail program is an answer like ours.
    """
    if from_us and is_our_copy(account, mail):
        return _copy_of_ours(account, mail, at=occurred_at(mail, arrived_at))
    if from_us:
        return [sent_event_of(account, mail, arrived_at=arrived_at)]
    if is_from_us(account, mail):
        return []
    report = report_of(account, mail)
    if report is not None:
        return list(changes_of(report, at=occurred_at(mail, arrived_at)))
    return [event_of(account, mail, arrived_at=arrived_at)]


def _copy_of_ours(account: ChannelAccount, mail: Mail, *, at: datetime) -> list[Event | Change]:
    """Nothing, but where Outlook gave it another id: our message goes by that one then, as its answers do."""
    key = tokens.key_in(account, _original_id(mail))
    if tokens.is_own(account, mail.message_id) or not key:
        return []
    return [Change(mail.external_id, "status", at, status="sent", our_key=key)]


def is_our_copy(account: ChannelAccount, mail: Mail) -> bool:
    """Whether Rapport sent it."""
    return any(tokens.is_own(account, one) for one in (mail.message_id, _original_id(mail)) if one)


def _original_id(mail: Mail) -> str:
    """Outlook gives mails an id of its own and keeps theirs here."""
    return first_id(mail.header("X-Microsoft-Original-Message-ID"))


def is_from_us(account: ChannelAccount, mail: Mail) -> bool:
    """Whether our own address wrote it; answering that would be a loop."""
    own = account.external_id.lower()
    local, _, domain = own.partition("@")
    sender, _, sender_domain = mail.sender.email.partition("@")
    return mail.sender.email == own or (sender_domain == domain and sender.partition("+")[0] == local)


def event_of(account: ChannelAccount, mail: Mail, *, arrived_at: datetime) -> Event:
    """One inbound interaction with its files, its HTML made safe and its quoted text apart."""
    return replace(
        _said(account, mail, arrived_at), direction=Direction.INBOUND, author=author_of(mail.sender)
    )


def sent_event_of(account: ChannelAccount, mail: Mail, *, arrived_at: datetime) -> Event:
    """One outbound interaction that staff wrote outside Rapport; its author is nobody, as for all of ours."""
    name = mail.sender.name if mail.sender.name != account.name else ""
    return replace(_said(account, mail, arrived_at), staff_name=name[:150])


def _said(account: ChannelAccount, mail: Mail, arrived_at: datetime) -> Event:
    text = mail.text.strip() or text_of(mail.html)
    split = split_quoted(text, subject=mail.subject)
    answered = (*mail.in_reply_to, *reversed(mail.references))
    return Event(
        external_id=mail.external_id,
        kind=Kind.MESSAGE,
        direction=Direction.OUTBOUND,
        occurred_at=occurred_at(mail, arrived_at),
        text=split.text,
        thread_keys=thread_keys(account, mail),
        subject=mail.subject[:300],
        html=clean_html(mail.html),
        in_reply_to=answered[0] if answered else "",
        object_key=f"email:{mail.external_id}",
        files=files_of(mail),
        participants=others(account, mail),
        is_automatic=is_automatic(mail),
        meta={"quoted": split.quoted, "headers": kept_headers(mail)},
    )


def files_of(mail: Mail) -> tuple[File, ...]:
    """The attachments; HTML too long to be shown is one of them, so that nothing is lost."""
    if len(mail.html) <= MAX_HTML:
        return mail.files
    content = mail.html.encode()
    whole = File("mail.html", "text/html", content=content, size=len(content), note="Too long to be shown")
    return (*mail.files, whole)


def occurred_at(mail: Mail, arrived_at: datetime) -> datetime:
    """The sender's date, unless it is absent, absurd, or later than the mail's arrival."""
    if mail.date is None or not EARLIEST <= mail.date <= arrived_at + CLOCKS_DIFFER:
        return arrived_at
    return mail.date


def thread_keys(account: ChannelAccount, mail: Mail) -> tuple[str, ...]:
    """In-Reply-To, then References from the newest, then our token in an address, then the mail itself."""
    addressed = [one.email for one in (*mail.to, *mail.cc, *mail.delivered_to)]
    ids = [
        *mail.in_reply_to,
        *reversed(mail.references),
        *tokens.ids_in_addresses(account, addressed),
        mail.external_id,
    ]
    return tuple(dict.fromkeys(thread_key(one) for one in ids))


def thread_key(message_id: str) -> str:
    """The thread that this mail begins or belongs to."""
    return f"mail:{message_id}"


def message_id_of(key: str) -> str:
    """The Message-ID in a thread key."""
    return key.removeprefix("mail:")


def author_of(address: Address) -> Author:
    """The person behind an address."""
    return Author(external_id=address.email, handle=address.email, name=address.name)


def others(account: ChannelAccount, mail: Mail) -> tuple[tuple[str, Author], ...]:
    """Who else got the mail: everybody in To and Cc but us and the sender."""
    own_local, _, own_domain = account.external_id.lower().partition("@")
    found: dict[str, tuple[str, Author]] = {}
    for role, addresses in (("other", mail.to), ("cc", mail.cc)):
        for address in addresses:
            local, _, domain = address.email.partition("@")
            is_us = domain == own_domain and local.partition("+")[0] == own_local
            if not is_us and address.email != mail.sender.email:
                found.setdefault(address.email, (role, author_of(address)))
    return tuple(found.values())


def kept_headers(mail: Mail) -> dict[str, str]:
    """The headers that are shown beside a mail and quoted when it is forwarded."""
    kept = {name.lower().replace("-", "_"): mail.header(name)[:2000] for name in KEPT_HEADERS}
    kept["references"] = " ".join(mail.references)
    return {name: value for name, value in kept.items() if value}
