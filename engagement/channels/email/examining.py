"""The self-test of a mailbox: each server, each folder and each ability tried alone."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _
from imapclient import IMAPClient

from engagement.channels.base import Finding, SendFailed
from engagement.channels.email import client_imap, client_smtp
from engagement.channels.email.access import access_of
from engagement.channels.email.client_imap import Mailbox
from engagement.channels.email.pulling import folders_of
from engagement.models import ChannelAccount


def try_imap(account: ChannelAccount) -> None:
    """Sign in and open every folder of customers' mail. Raises SendFailed."""
    access = access_of("imap", account.settings, account.credentials)
    with client_imap.logged_in(access) as client, client_imap.plain_words(access):
        for name in folders_of(account.settings):
            Mailbox(client, name)


def try_smtp(account: ChannelAccount) -> str:
    """Sign in where mail is sent from; what the server says of a mail's size. Raises SendFailed."""
    with client_smtp.logged_in(access_of("smtp", account.settings, account.credentials)) as server:
        size = server.esmtp_features.get("size", "").strip()
    if not size.isdigit() or int(size) == 0:
        return ""
    return _("Takes mails up to %(size)d MB.") % {"size": int(size) // 1_000_000}


def findings(account: ChannelAccount) -> list[Finding]:
    """One line for each thing that must work, and why it does not."""
    access = access_of("imap", account.settings, account.credentials)
    found: list[Finding] = []
    try:
        with client_imap.logged_in(access) as client:
            found.append(Finding("IMAP", works=True, text=access.place))
            for name in folders_of(account.settings):
                found.append(_folder(account, client, name))
            found.append(_sent(account, client))
            found.append(_push(client))
    except SendFailed as failure:
        found.append(_failed("IMAP", failure))
    try:
        found.append(Finding("SMTP", works=True, text=try_smtp(account)))
    except SendFailed as failure:
        found.append(_failed("SMTP", failure))
    return found


def _failed(name: str, failure: SendFailed, remedy: str = "") -> Finding:
    return Finding(name, works=False, text=str(failure), remedy=failure.advice or remedy)


def _tried(account: ChannelAccount, attempt: Callable[[], object]) -> SendFailed | None:
    access = access_of("imap", account.settings, account.credentials)
    try:
        with client_imap.plain_words(access):
            attempt()
    except SendFailed as failure:
        return failure
    return None


def _folder(account: ChannelAccount, client: IMAPClient, name: str) -> Finding:
    title = _("Folder %s") % name
    failure = _tried(account, lambda: Mailbox(client, name))
    if failure is not None:
        return _failed(title, failure, _("Write its name as the mail program's folder settings show it."))
    return Finding(title, works=True)


def _sent(account: ChannelAccount, client: IMAPClient) -> Finding:
    wanted = str(account.settings.get("sent_folder") or "")
    title = _("Sent folder")
    if not (account.settings.get("read_sent") or account.settings.get("save_sent")):
        return Finding(title, works=True, text=_("Neither read nor written, as you chose."))
    names: list[str] = []
    failure = _tried(account, lambda: names.append(client_imap.sent_folder(client, wanted)))
    if failure is None and not names[0]:
        remedy = _("Name it in the settings, or switch both of its uses off.")
        return Finding(title, works=False, text=_("The server marks no folder as Sent."), remedy=remedy)
    failure = failure or _tried(account, lambda: Mailbox(client, names[0]))
    return _failed(title, failure) if failure else Finding(title, works=True, text=names[0])


def _push(client: IMAPClient) -> Finding:
    """No fault where it is missing: mail is then asked for every minute."""
    if client.has_capability("IDLE"):
        return Finding(_("New mail at once (IDLE)"), works=True)
    told = _("This server does not offer it, so new mail is asked for every minute.")
    return Finding(_("New mail at once (IDLE)"), works=True, text=told)
