"""What a mailbox says it has of some days, for comparing it with what is stored here.

Listed are mails that would become interactions: our own mails coming back and delivery reports are left out,
as a pull leaves them out. What is missing on the server is no sign of anything: people move and delete mail
that was answered, and the conversation keeps what was said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from engagement.channels.base import Event, Listed, Page
from engagement.channels.email import client_imap
from engagement.channels.email.access import access_of
from engagement.channels.email.automatic import may_be_report
from engagement.channels.email.client_imap import Entry, Mailbox, NotGiven
from engagement.channels.email.events import events_of, is_from_us, is_our_copy
from engagement.channels.email.mime import Mail, NotAMail, read_mail
from engagement.channels.email.pulling import (
    ASKED_AT_ONCE,
    BEGINNING,
    WHOLE_UP_TO,
    Place,
    is_left_out,
    places_of,
    whole_cursor,
)
from engagement.models import ChannelAccount


def list_window(
    account: ChannelAccount, since: datetime, until: datetime, *, max_file: int
) -> Iterator[Sequence[Listed]]:
    """What arrived in [since, until), each mail once; servers search by whole days, so more is looked at."""
    access = access_of("imap", account.settings, account.credentials)
    seen: set[str] = set()
    with client_imap.logged_in(access) as client, client_imap.plain_words(access):
        places = places_of(client, account.settings)
        cursor = whole_cursor(account.cursor, places)
        for place in places:
            mailbox = Mailbox(client, place.folder)
            inside = cursor["folders"].get(place.folder, {})
            uids = mailbox.uids_arrived(_day(since, -1), _day(until, 2))
            for position in range(0, len(uids), ASKED_AT_ONCE):
                entries = [
                    entry
                    for entry in mailbox.entries(uids[position : position + ASKED_AT_ONCE])
                    if since <= entry.arrived_at < until and _is_wanted(account, inside, mailbox, entry)
                ]
                found = {one.external_id: one for one in _listed(account, mailbox, place, entries, max_file)}
                yield [one for one in found.values() if one.external_id not in seen]
                seen |= found.keys()


def _day(at: datetime, more: int) -> datetime:
    """A day around this moment, in whatever zone the server counts."""
    return at.astimezone(UTC) + timedelta(days=more)


def _is_wanted(account: ChannelAccount, inside: Mapping[str, object], mailbox: Mailbox, entry: Entry) -> bool:
    """Whether a pull has passed it by now and did not leave it out as older than the connection."""
    if not inside or inside.get("uidvalidity") != mailbox.folder.uidvalidity:
        return False
    if entry.uid > int(str(inside.get("uid", 0))):
        return False
    if not account.settings.get("only_new"):
        return True
    if entry.uid <= int(str(inside.get("history_until", 0))):
        return False
    return not is_left_out({"resync_since": inside.get("since", "")}, entry)


def _listed(
    account: ChannelAccount, mailbox: Mailbox, place: Place, entries: Sequence[Entry], max_file: int
) -> list[Listed]:
    heads = mailbox.heads([entry.uid for entry in entries])
    found = []
    for entry in entries:
        head = _head(heads.get(entry.uid, b""), max_file)
        if head is None or (is_our_copy if place.is_sent else is_from_us)(account, head):
            continue
        if head.message_id and (place.is_sent or not may_be_report(head)):
            found.append(Listed(head.external_id, entry.arrived_at))
        else:
            events = _events(account, mailbox, place, entry, max_file)
            found += [Listed(one.external_id, entry.arrived_at, one) for one in events]
    return found


def _head(raw: bytes, max_file: int) -> Mail | None:
    """The headers as a mail; None for what is gone, or waits parked because it is none."""
    try:
        return read_mail(raw, max_file=max_file) if raw else None
    except NotAMail:
        return None


def _events(
    account: ChannelAccount, mailbox: Mailbox, place: Place, entry: Entry, max_file: int
) -> list[Event]:
    """What one mail means, read whole; nothing where the server keeps it or it cannot be understood."""
    cut = entry.size if entry.size > WHOLE_UP_TO else 0
    try:
        raw = mailbox.fetch([entry.uid], beginning=BEGINNING if cut else 0).get(entry.uid, b"")
        mail = read_mail(raw, max_file=max_file, cut=cut)
    except (NotGiven, NotAMail):
        return []
    found = events_of(account, mail, arrived_at=entry.arrived_at, from_us=place.is_sent)
    return [one for one in found if isinstance(one, Event)]


def fetch(account: ChannelAccount, external_ids: Sequence[str], *, max_file: int) -> Page:
    """The mails with these Message-IDs, wherever they lie now; those that are gone are left out."""
    access = access_of("imap", account.settings, account.credentials)
    waiting, found = set(external_ids), []
    with client_imap.logged_in(access) as client, client_imap.plain_words(access):
        for place in places_of(client, account.settings):
            if not waiting:
                break
            mailbox = Mailbox(client, place.folder)
            for external_id in sorted(waiting):
                for entry in mailbox.entries(mailbox.uids_of(external_id)):
                    events = _events(account, mailbox, place, entry, max_file)
                    found += [one for one in events if one.external_id in waiting]
                    waiting -= {one.external_id for one in events}
    return Page(tuple(found), dict(account.cursor))
