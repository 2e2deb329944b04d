"""Walks through a folder by UID, a page at a time.

The cursor is {uidvalidity, uid, history_until, since, ignored}: the folder's UID validity, the last UID
that was read, up to which UID mails are older than the connection, when we connected, and how many mails
were our own or reports without consequence. Dates and seen flags decide nothing, with one exception: when a
folder is made anew (its UID validity changes) everything is read again and recognized by Message-ID, and an
account that wanted only new mail then leaves out what arrived before it was connected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from engagement.channels.base import Bad, Change, Event, Page
from engagement.channels.email import client_imap
from engagement.channels.email.access import access_of
from engagement.channels.email.client_imap import Entry, Folder, Mailbox
from engagement.channels.email.events import events_of
from engagement.channels.email.mime import read_mail
from engagement.models import ChannelAccount

PAGE_MAILS = 50
PAGE_BYTES = 8 * 1024 * 1024
WHOLE_UP_TO = 40 * 1024 * 1024
"""Of a larger mail only the beginning is fetched: its text stands there, and no file in it could be kept."""

BEGINNING = 2 * 1024 * 1024
ASKED_AT_ONCE = 500


@dataclass
class _Walk:
    """Where we are in the folder, and what the page in the making holds."""

    account: ChannelAccount
    max_file: int
    cursor: dict[str, Any]
    events: list[Event | Change] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    mails: int = 0
    size: int = 0

    def take(self, mailbox: Mailbox, entry: Entry) -> None:
        """Read one mail into the page; one that cannot be understood is parked and the next is read."""
        cut = entry.size > WHOLE_UP_TO
        raw = mailbox.fetch(entry.uid, beginning=BEGINNING if cut else 0)
        self.cursor["uid"] = entry.uid
        self.mails += 1
        self.size += len(raw)
        if not raw:
            return
        try:
            mail = read_mail(raw, max_file=self.max_file, cut=entry.size if cut else 0)
            found = events_of(self.account, mail, arrived_at=entry.arrived_at)
        except Exception as error:
            key = f"{self.cursor['uidvalidity']}:{entry.uid}"
            self.bad.append(Bad(delivery_key=key, error=f"{type(error).__name__}: {error}", body=raw))
            return
        self.events.extend(found)
        self.cursor["ignored"] = self.cursor.get("ignored", 0) + (not found)

    def is_full(self, following: Entry) -> bool:
        return self.mails >= PAGE_MAILS or (self.mails > 0 and self.size + following.size > PAGE_BYTES)

    def page(self, *, more: bool) -> Page:
        """The page as it stands; the next one begins empty."""
        history = self.cursor["uid"] <= self.cursor.get("history_until", 0)
        page = Page(tuple(self.events), dict(self.cursor), tuple(self.bad), more=more, history=history)
        self.events, self.bad, self.mails, self.size = [], [], 0, 0
        return page


def pages(account: ChannelAccount, *, max_file: int) -> Iterator[Page]:
    """Pages since the account's cursor; the last one has `more=False`."""
    access = access_of("imap", account.settings, account.credentials)
    with client_imap.opened(access, str(account.settings.get("folder") or "INBOX")) as mailbox:
        walk = _Walk(account, max_file, start(account.cursor, mailbox.folder, account.settings))
        uids = mailbox.uids_after(walk.cursor["uid"])
        for position in range(0, len(uids), ASKED_AT_ONCE):
            for entry in mailbox.entries(uids[position : position + ASKED_AT_ONCE]):
                if is_left_out(walk.cursor, entry):
                    walk.cursor["uid"] = entry.uid
                    continue
                if walk.is_full(entry) or ends_history(walk, entry):
                    yield walk.page(more=True)
                walk.take(mailbox, entry)
        walk.cursor.pop("resync_since", None)
        yield walk.page(more=False)


def start(cursor: Mapping[str, Any], folder: Folder, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Where to go on: at the stored cursor, or that of a new connection, or of a folder made anew."""
    if not cursor:
        before = max(folder.uidnext - 1, 0)
        return {
            "uidvalidity": folder.uidvalidity,
            "uid": before if settings.get("only_new") else 0,
            "history_until": before,
            "since": datetime.now(UTC).isoformat(),
        }
    if cursor.get("uidvalidity") == folder.uidvalidity:
        return dict(cursor)
    again = {**cursor, "uidvalidity": folder.uidvalidity, "uid": 0, "history_until": 0}
    if settings.get("only_new") and cursor.get("since"):
        again["resync_since"] = cursor["since"]
    return again


def is_left_out(cursor: Mapping[str, Any], entry: Entry) -> bool:
    """While a remade folder is read again: a mail that was there before we were connected."""
    since = str(cursor.get("resync_since", ""))
    return bool(since) and entry.arrived_at < datetime.fromisoformat(since).replace(microsecond=0)


def ends_history(walk: _Walk, following: Entry) -> bool:
    """A page holds either what is older than the connection, or what is news."""
    until = walk.cursor.get("history_until", 0)
    return walk.mails > 0 and walk.cursor["uid"] <= until < following.uid
