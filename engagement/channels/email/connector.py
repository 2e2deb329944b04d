"""The email connector: a mailbox read by IMAP, answered by SMTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import structlog

from crm.identities import EMAIL
from engagement.channels.base import (
    AuthFailure,
    Change,
    Connector,
    Event,
    Finding,
    Fresh,
    Limits,
    Listed,
    Login,
    Lookup,
    Offer,
    Outgoing,
    Page,
    Parcel,
    Rate,
    SendFailed,
    Sent,
    TransientFailure,
)
from engagement.channels.email import (
    client_imap,
    client_smtp,
    comparing,
    examining,
    idling,
    login,
    tokens,
)
from engagement.channels.email.access import access_of, is_login
from engagement.channels.email.admission import admit
from engagement.channels.email.composing import compose
from engagement.channels.email.events import events_of, thread_key
from engagement.channels.email.forms import MailboxForm
from engagement.channels.email.mime import read_mail
from engagement.channels.email.providers import PASSWORD
from engagement.channels.email.pulling import SENT_MARK, folders_of, pages
from engagement.models import ChannelAccount, RawEvent

log = structlog.get_logger(__name__)


class EmailConnector(Connector):
    """One mailbox. Identities are mail addresses, which are world-wide, so the issuer is ''."""

    name = "email"
    label = "Email"
    icon = "ti-mail"
    hue = "email"
    about = "Mail comes in from the folders you choose, and answers leave from the mailbox's own address."
    needs: ClassVar[tuple[str, ...]] = (
        "The mailbox's address, with IMAP and SMTP allowed by its provider.",
        "A password or app password; or, for Google and Microsoft, a login there and the operator's own app.",
    )
    networks = (EMAIL,)
    can_pull = True
    can_reply = True
    can_start = True
    has_subject = True
    has_cc = True
    takes_our_id = True
    takes_files = True
    reconciles = True
    reads_history = True
    logs_in = True
    refreshes = True
    watches = True
    rates: ClassVar[tuple[Rate, ...]] = (Rate("send", 30, 60.0),)
    max_length = 100_000
    max_attachment_bytes = 25 * 1024 * 1024
    pull_every_seconds = 60
    settings_form = MailboxForm
    secret_fields: ClassVar[tuple[str, ...]] = ("imap_password", "smtp_password")
    sent_to: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "imap_host": ("imap_password",),
        "smtp_host": ("smtp_password",),
    }

    # Connecting

    def fill_account(self, account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
        """Also the address, by which the account is known; another mailbox is read from its beginning."""
        address = cleaned["address"] or account.external_id
        cleaned = {**cleaned, "address": address}
        if is_login(cleaned):
            cleaned |= {"imap_user": address, "smtp_user": address}
        moved = {name for name in cleaned if account.settings.get(name) not in (None, cleaned[name])}
        super().fill_account(account, cleaned)
        account.network = EMAIL
        account.external_id = address
        account.name = account.name or address
        other_folder = "folder" in moved and "uidvalidity" in account.cursor
        if other_folder or moved & {"address", "imap_host"}:
            account.cursor = {}

    def wants_login(self, cleaned: Mapping[str, Any]) -> bool:
        return is_login(cleaned)

    def begin_login(self, cleaned: Mapping[str, Any], *, state: str, back_to: str) -> Login:
        return login.begin(cleaned, state=state, back_to=back_to)

    def finish_login(
        self, query: Mapping[str, str], remembered: Mapping[str, Any], *, back_to: str
    ) -> Sequence[Offer]:
        return login.finish(query, remembered, back_to=back_to)

    def refresh(self, account: ChannelAccount) -> Fresh:
        return login.refresh(str(account.settings.get("sign_in", PASSWORD)), account.credentials)

    def check(self, account: ChannelAccount) -> None:
        """Log in to both servers and open the folders."""
        for kind, attempt in (("IMAP", examining.try_imap), ("SMTP", examining.try_smtp)):
            try:
                attempt(account)
            except AuthFailure as error:
                raise type(error)(f"{kind}: {error}") from None
            except SendFailed as error:
                raise TransientFailure(f"{kind}: {error}") from None

    def examine(self, account: ChannelAccount) -> Sequence[Finding]:
        return examining.findings(account)

    # In

    def pull(self, account: ChannelAccount) -> Iterator[Page]:
        """Pages of mails that came after the cursor, by UID."""
        return pages(account, max_file=self.max_attachment_bytes)

    def watch_places(self, account: ChannelAccount) -> Sequence[str]:
        """The folders of customers' mail, where the account wants that."""
        return folders_of(account.settings) if account.settings.get("watch") else ()

    def watch(
        self, account: ChannelAccount, place: str, *, tell: Callable[[], None], ended: Callable[[], bool]
    ) -> None:
        idling.idle(access_of("imap", account.settings, account.credentials), place, tell=tell, ended=ended)

    def parse(self, raw: RawEvent) -> Sequence[Parcel]:
        """A parked mail, once more. Raises ValueError where it belongs to no mailbox."""
        if raw.account is None:
            raise ValueError("The mail belongs to no mailbox.")
        mail = read_mail(bytes(raw.body), max_file=self.max_attachment_bytes)
        from_us = raw.delivery_key.startswith(SENT_MARK)
        return [Parcel(events_of(raw.account, mail, arrived_at=raw.received_at, from_us=from_us))]

    def admit(
        self, account: ChannelAccount, events: Sequence[Event | Change], lookup: Lookup
    ) -> Sequence[Event | Change]:
        return admit(account, events, lookup)

    def list_window(
        self, account: ChannelAccount, since: datetime, until: datetime
    ) -> Iterator[Sequence[Listed]]:
        return comparing.list_window(account, since, until, max_file=self.max_attachment_bytes)

    def fetch(self, account: ChannelAccount, external_ids: Sequence[str]) -> Page:
        return comparing.fetch(account, external_ids, max_file=self.max_attachment_bytes)

    # Out

    def send(self, outgoing: Outgoing) -> Sent:
        """Hand the mail to the SMTP server, then put it into the Sent folder where the account wants that.

        A mail that left is sent, whatever becomes of the copy.
        """
        account = outgoing.account
        mail = compose(outgoing, plus_addressing=bool(account.settings.get("plus_addressing")))
        smtp = access_of("smtp", account.settings, account.credentials)
        client_smtp.send(smtp, sender=mail.sender, recipients=mail.recipients, raw=mail.raw, utf8=mail.utf8)
        if account.settings.get("save_sent"):
            _keep_copy(outgoing, mail.raw, mail.at)
        return Sent(external_id=outgoing.external_id)

    def limits(self, account: ChannelAccount, *, public: bool) -> Limits:
        """A mail may be answered for ever; servers refuse what is much larger than this."""
        return Limits(length=self.max_length, files=20, file_bytes=self.max_attachment_bytes)

    def new_external_id(self, account: ChannelAccount, delivery_key: str) -> str:
        """The Message-ID, so that our mail coming back is recognized."""
        return tokens.own_message_id(account, delivery_key)

    def thread_key_for(self, account: ChannelAccount, identity_external_id: str, external_id: str) -> str:
        """Each mail we begin with is a thread of its own."""
        return thread_key(external_id)

    def answer_keys(self, account: ChannelAccount, external_id: str) -> tuple[str, ...]:
        return (thread_key(external_id),)


def _keep_copy(outgoing: Outgoing, raw: bytes, at: datetime) -> None:
    account = outgoing.account
    imap = access_of("imap", account.settings, account.credentials)
    folder = str(account.settings.get("sent_folder") or "")
    try:
        client_imap.append_sent(imap, folder, raw, at, message_id=outgoing.external_id)
    except SendFailed as error:
        log.warning("sent mail not copied to the Sent folder", account=account.pk, reason=str(error))
