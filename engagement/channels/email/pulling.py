"""Walks through folders by UID, a page at a time, each folder from where it was left.

The cursor is {folders: {name: place}, next}, `next` being the folder to begin with after a pull that stopped
in the middle. A place is {uidvalidity, uid, history_until, since, ignored}: the folder's UID validity, the
last UID that was read, up to which UID mails are older than the connection, when we connected, and how many
mails were our own or reports without consequence. Dates and seen flags decide nothing, with one exception:
when a folder is made anew (its UID validity changes) everything is read again and recognized by Message-ID,
and an account that wanted only new mail then leaves out what arrived before it was connected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from imapclient import IMAPClient

from engagement.channels.base import Bad, Change, Event, Page, TransientFailure
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
SENT_MARK = "sent:"
"""Begins the key under which a mail of ours is parked, so that it is known as ours when it is read again."""


@dataclass(frozen=True)
class Place:
    """A folder that is read; what lies in the Sent folder was written by us."""

    folder: str
    is_sent: bool = False


@dataclass
class Reading:
    """What one page of mails means."""

    events: list[Event | Change] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    history: bool = False
    is_last: bool = False
    """Nothing of its folder is left."""


@dataclass
class _Walk:
    """Where we are in the folder, and which mails the page in the making holds."""

    account: ChannelAccount
    max_file: int
    place: Place
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

    def read(self, mailbox: Mailbox) -> Reading:
        """Fetch and read the mails that wait; those that cannot be understood are parked."""
        entries, self.waiting = self.waiting, []
        reading = Reading(history=bool(entries) and entries[-1].uid <= self.cursor.get("history_until", 0))
        bodies = self._fetch(mailbox, entries, reading.bad)
        for entry in entries:
            raw = bodies.get(entry.uid, b"")
            if raw:
                self._read(entry, raw, reading)
        if entries:
            self.cursor["uid"] = entries[-1].uid
        return reading

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
        mark = SENT_MARK if self.place.is_sent else ""
        key = f"{mark}{self.cursor['uidvalidity']}:{entry.uid}:{self.place.folder}"
        return Bad(delivery_key=key, error=error, body=raw)

    def _read(self, entry: Entry, raw: bytes, reading: Reading) -> None:
        try:
            mail = read_mail(raw, max_file=self.max_file, cut=entry.size if _is_cut(entry) else 0)
            found = events_of(self.account, mail, arrived_at=entry.arrived_at, from_us=self.place.is_sent)
        except Exception as error:
            reading.bad.append(self._bad(entry, f"{type(error).__name__}: {error}", raw))
            return
        reading.events.extend(found)
        self.cursor["ignored"] = self.cursor.get("ignored", 0) + (not found)


def _is_cut(entry: Entry) -> bool:
    return entry.size > WHOLE_UP_TO


def _fetched_size(entry: Entry) -> int:
    return BEGINNING if _is_cut(entry) else entry.size


def pages(account: ChannelAccount, *, max_file: int) -> Iterator[Page]:
    """Pages since the account's cursor, folder after folder; the last one has `more=False`.

    A folder that cannot be opened does not keep the others from being read; it is told of at the end.
    """
    access = access_of("imap", account.settings, account.credentials)
    with client_imap.logged_in(access) as client, client_imap.plain_words(access):
        found = places_of(client, account.settings)
        cursor = whole_cursor(account.cursor, found)
        turns = in_turn(found, str(cursor.pop("next", "")))
        failures: list[TransientFailure] = []
        is_done = False
        for position, place in enumerate(turns):
            is_done, following = False, turns[(position + 1) % len(turns)]
            mailbox = _open(client, place, failures)
            for reading in _readings(account, mailbox, place, cursor, max_file) if mailbox else ():
                is_done = reading.is_last and following is turns[0]
                yield _page(
                    reading, cursor if is_done else {**cursor, "next": following.folder}, more=not is_done
                )
        if not is_done:
            yield Page((), dict(cursor))
        if failures:
            raise failures[0]


def _page(reading: Reading, cursor: Mapping[str, Any], *, more: bool) -> Page:
    return Page(tuple(reading.events), dict(cursor), tuple(reading.bad), more=more, history=reading.history)


def _open(client: IMAPClient, place: Place, failures: list[TransientFailure]) -> Mailbox | None:
    try:
        return Mailbox(client, place.folder)
    except TransientFailure as error:
        failures.append(error)
        return None


def _readings(
    account: ChannelAccount, mailbox: Mailbox, place: Place, cursor: dict[str, Any], max_file: int
) -> Iterator[Reading]:
    """Page after page of one folder; the cursor stands behind each when it is given out."""
    begin = start(cursor["folders"].get(place.folder, {}), mailbox.folder, account.settings)
    walk = _Walk(account, max_file, place, begin)
    uids = mailbox.uids_after(begin["uid"])
    for position in range(0, len(uids), ASKED_AT_ONCE):
        for entry in mailbox.entries(uids[position : position + ASKED_AT_ONCE]):
            if is_left_out(walk.cursor, entry):
                continue
            if walk.ends_before(entry):
                reading = walk.read(mailbox)
                _stand(cursor, place, walk.cursor)
                yield reading
            walk.waiting.append(entry)
    if walk.waiting:
        reading = replace(walk.read(mailbox), is_last=True)
        _stand(cursor, place, _at_the_end(walk.cursor, uids))
        yield reading
    _stand(cursor, place, _at_the_end(walk.cursor, uids))


def _stand(cursor: dict[str, Any], place: Place, inside: Mapping[str, Any]) -> None:
    """Keep where a folder was left; a new mapping each time, because pages hold the earlier ones."""
    cursor["folders"] = {**cursor["folders"], place.folder: dict(inside)}


def _at_the_end(cursor: Mapping[str, Any], uids: Sequence[int]) -> dict[str, Any]:
    """Everything that was asked for has been read, left out, or is gone."""
    done = {name: value for name, value in cursor.items() if name != "resync_since"}
    return {**done, "uid": max([cursor["uid"], *uids[-1:]])}


# Which folders, and where to begin


def folders_of(settings: Mapping[str, Any]) -> list[str]:
    """The folders that customers' mail comes into, one a line in the settings."""
    named = [line.strip() for line in str(settings.get("folder") or "").splitlines()]
    return list(dict.fromkeys(name for name in named if name)) or ["INBOX"]


def places_of(client: IMAPClient, settings: Mapping[str, Any]) -> list[Place]:
    """Every folder that is read: those of customers' mail, then the Sent folder where that is wanted."""
    wanted = str(settings.get("sent_folder") or "")
    sent = client_imap.sent_folder(client, wanted) if settings.get("read_sent") else ""
    found = [Place(name) for name in folders_of(settings) if name != sent]
    return [*found, Place(sent, is_sent=True)] if sent else found


def whole_cursor(cursor: Mapping[str, Any], places: Sequence[Place]) -> dict[str, Any]:
    """The cursor by folder; one without folders is about the first of them.

    A folder that is not read at the moment keeps its place: it may only have been hidden for a while.
    """
    if "uidvalidity" in cursor and places:
        return {"folders": {places[0].folder: dict(cursor)}}
    return {"folders": {}, **cursor}


def in_turn(places: Sequence[Place], first: str) -> list[Place]:
    """The same folders, beginning with this one, so that a large folder never keeps the others waiting."""
    position = next((at for at, place in enumerate(places) if place.folder == first), 0)
    return [*places[position:], *places[:position]]


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
