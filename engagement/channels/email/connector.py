"""The email connector: a mailbox read by IMAP, answered by SMTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import structlog

from crm.identities import EMAIL
from engagement.channels.base import (
    AuthFailure,
    Change,
    Connector,
    Event,
    Lookup,
    Outgoing,
    Page,
    Parcel,
    SendFailed,
    Sent,
    TransientFailure,
)
from engagement.channels.email import client_imap, client_smtp, tokens
from engagement.channels.email.access import access_of
from engagement.channels.email.admission import admit
from engagement.channels.email.composing import compose
from engagement.channels.email.events import events_of, thread_key
from engagement.channels.email.forms import MailboxForm
from engagement.channels.email.mime import read_mail
from engagement.channels.email.pulling import pages
from engagement.models import ChannelAccount, RawEvent

log = structlog.get_logger(__name__)


class EmailConnector(Connector):
    """One mailbox. Identities are mail addresses, which are world-wide, so the issuer is ''."""

    name = "email"
    label = "Email"
    icon = "ti-mail"
    hue = "email"
    networks = (EMAIL,)
    can_pull = True
    can_reply = True
    can_start = True
    has_subject = True
    has_cc = True
    takes_our_id = True
    max_length = 100_000
    max_attachment_bytes = 25 * 1024 * 1024
    pull_every_seconds = 60
    settings_form = MailboxForm
    secret_fields: ClassVar[tuple[str, ...]] = ("imap_password", "smtp_password")

    def fill_account(self, account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
        """Also the address, by which the account is known; another folder is read from its beginning."""
        moved = {"address", "imap_host", "folder"} & {
            name for name, value in cleaned.items() if account.settings.get(name) not in (None, value)
        }
        super().fill_account(account, cleaned)
        account.network = EMAIL
        account.external_id = cleaned["address"]
        account.name = account.name or cleaned["address"]
        if moved:
            account.cursor = {}

    def check(self, account: ChannelAccount) -> None:
        """Log in to both servers and open the folder."""
        imap = access_of("imap", account.settings, account.credentials)
        smtp = access_of("smtp", account.settings, account.credentials)
        for kind, attempt in (
            ("IMAP", lambda: _open_folder(imap, account)),
            ("SMTP", lambda: _open_smtp(smtp)),
        ):
            try:
                attempt()
            except AuthFailure as error:
                raise AuthFailure(f"{kind}: {error}") from None
            except SendFailed as error:
                raise TransientFailure(f"{kind}: {error}") from None

    def pull(self, account: ChannelAccount) -> Iterator[Page]:
        """Pages of mails that came after the cursor, by UID."""
        return pages(account, max_file=self.max_attachment_bytes)

    def parse(self, raw: RawEvent) -> Sequence[Parcel]:
        """A parked mail, once more. Raises ValueError where it belongs to no mailbox."""
        if raw.account is None:
            raise ValueError("The mail belongs to no mailbox.")
        mail = read_mail(bytes(raw.body), max_file=self.max_attachment_bytes)
        return [Parcel(events_of(raw.account, mail, arrived_at=raw.received_at))]

    def admit(
        self, account: ChannelAccount, events: Sequence[Event | Change], lookup: Lookup
    ) -> Sequence[Event | Change]:
        return admit(account, events, lookup)

    def send(self, outgoing: Outgoing) -> Sent:
        """Hand the mail to the SMTP server, then put it into the Sent folder where the account wants that.

        A mail that left is sent, whatever becomes of the copy.
        """
        account = outgoing.account
        mail = compose(outgoing, plus_addressing=bool(account.settings.get("plus_addressing")))
        smtp = access_of("smtp", account.settings, account.credentials)
        client_smtp.send(smtp, sender=mail.sender, recipients=mail.recipients, raw=mail.raw, utf8=mail.utf8)
        if account.settings.get("save_sent"):
            _keep_copy(account, mail.raw, mail.at)
        return Sent(external_id=outgoing.external_id)

    def new_external_id(self, account: ChannelAccount, delivery_key: str) -> str:
        """The Message-ID, so that our mail coming back is recognized."""
        return tokens.own_message_id(account, delivery_key)

    def thread_key_for(self, account: ChannelAccount, identity_external_id: str, external_id: str) -> str:
        """Each mail we begin with is a thread of its own."""
        return thread_key(external_id)

    def answer_keys(self, account: ChannelAccount, external_id: str) -> tuple[str, ...]:
        return (thread_key(external_id),)


def _open_folder(access: client_imap.Access, account: ChannelAccount) -> None:
    with client_imap.opened(access, str(account.settings.get("folder") or "INBOX")):
        pass


def _open_smtp(access: client_imap.Access) -> None:
    with client_smtp.logged_in(access):
        pass


def _keep_copy(account: ChannelAccount, raw: bytes, at: datetime) -> None:
    imap = access_of("imap", account.settings, account.credentials)
    try:
        client_imap.append_sent(imap, str(account.settings.get("sent_folder") or ""), raw, at)
    except SendFailed as error:
        log.warning("sent mail not copied to the Sent folder", account=account.pk, reason=str(error))
