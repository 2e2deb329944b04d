"""Walks through a folder by UID, a page at a time.

The cursor is {uidvalidity, uid, history_until, since, ignored}: the folder's UID validity, the last UID
that was read, up to which UID mails are older than the connection, when we connected, and how many mails
were our own or reports without consequence. Dates and seen flags decide nothing, with one exception: when a
folder is made anew (its UID validity changes) everything is read again and recognized by Message-ID, and an
account that wanted only new mail then leaves out what arrived before it was connected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from engagement.channels.base import Bad, Change, Event, Page
from engagement.channels.email import client_imap
from engagement.channels.email.access import access_of
from engagement.channels.email.client_imap import Entry, Folder, Mailbox, NotGiven
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
    """Where we are in the folder, and which mails the page in the making holds."""

    account: ChannelAccount
    max_file: int
    cursor: dict[str, Any]
    waiting: list[Entry] = field(default_factory=list)

    def ends_before(self, following: Entry) -> bool:
        """Whether the page is full, or would mix what is older than the connection with news."""
        if not self.waiting:
            return False
        size = sum(_fetched_size(entry) for entry in self.waiting)
        until = self.cursor.get("history_until", 0)
        return (
            len(self.waiting) >= PAGE_MAILS
            or size + _fetched_size(following) > PAGE_BYTES
            or self.waiting[-1].uid <= until < following.uid
        )

    def page(self, mailbox: Mailbox, *, more: bool) -> Page:
        """Fetch and read the mails that wait; those that cannot be understood are parked."""
        entries, self.waiting = self.waiting, []
        events: list[Event | Change] = []
        bad: list[Bad] = []
        bodies = self._fetch(mailbox, entries, bad)
        for entry in entries:
            raw = bodies.get(entry.uid, b"")
            if raw:
                self._read(entry, raw, events, bad)
        if entries:
            self.cursor["uid"] = entries[-1].uid
        history = bool(entries) and entries[-1].uid <= self.cursor.get("history_until", 0)
        return Page(tuple(events), dict(self.cursor), tuple(bad), more=more, history=history)

    def _fetch(self, mailbox: Mailbox, entries: Sequence[Entry], bad: list[Bad]) -> dict[int, bytes]:
        """The mails' bytes by UID: all that are fetched whole at once, of each huge one its beginning."""
        try:
            found = mailbox.fetch([entry.uid for entry in entries if not _is_cut(entry)])
            alone = [entry for entry in entries if _is_cut(entry)]
        except NotGiven:
            found, alone = {}, list(entries)
        for entry in alone:
            try:
                found |= mailbox.fetch([entry.uid], beginning=BEGINNING if _is_cut(entry) else 0)
            except NotGiven as error:
                bad.append(self._bad(entry, f"The server does not hand it over: {error}"))
        return found

    def _bad(self, entry: Entry, error: str, raw: bytes = b"") -> Bad:
        return Bad(delivery_key=f"{self.cursor['uidvalidity']}:{entry.uid}", error=error, body=raw)

    def _read(self, entry: Entry, raw: bytes, events: list[Event | Change], bad: list[Bad]) -> None:
        try:
            mail = read_mail(raw, max_file=self.max_file, cut=entry.size if _is_cut(entry) else 0)
            found = events_of(self.account, mail, arrived_at=entry.arrived_at)
        except Exception as error:
            bad.append(self._bad(entry, f"{type(error).__name__}: {error}", raw))
            return
        events.extend(found)
        self.cursor["ignored"] = self.cursor.get("ignored", 0) + (not found)


def _is_cut(entry: Entry) -> bool:
    return entry.size > WHOLE_UP_TO


def _fetched_size(entry: Entry) -> int:
    return BEGINNING if _is_cut(entry) else entry.size


def pages(account: ChannelAccount, *, max_file: int) -> Iterator[Page]:
    """Pages since the account's cursor; the last one has `more=False`."""
    access = access_of("imap", account.settings, account.credentials)
    with client_imap.opened(access, str(account.settings.get("folder") or "INBOX")) as mailbox:
        walk = _Walk(account, max_file, start(account.cursor, mailbox.folder, account.settings))
        uids = mailbox.uids_after(walk.cursor["uid"])
        for position in range(0, len(uids), ASKED_AT_ONCE):
            for entry in mailbox.entries(uids[position : position + ASKED_AT_ONCE]):
                if is_left_out(walk.cursor, entry):
                    continue
                if walk.ends_before(entry):
                    yield walk.page(mailbox, more=True)
                walk.waiting.append(entry)
        last = walk.page(mailbox, more=False)
        yield replace(last, cursor=_at_the_end(last.cursor, uids))


def _at_the_end(cursor: Mapping[str, Any], uids: Sequence[int]) -> dict[str, Any]:
    """Everything that was asked for has been read, left out, or is gone."""
    done = {name: value for name, value in cursor.items() if name != "resync_since"}
    return {**done, "uid": max([cursor["uid"], *uids[-1:]])}


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
