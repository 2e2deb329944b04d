"""Reading the lists of messages and calls of one number, from where the last reading ended.

One reading is a walk over four lists. Its cursor holds where it began and which page comes next, so a walk
that was cut off goes on; the next one begins an hour before this one began, because a message may be listed
late.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from core import http
from core.text import parse_when
from engagement.channels.base import Bad, Change, Event, File, Listed, Page
from engagement.channels.twilio.client import client, get, pages
from engagement.channels.twilio.events import (
    MOST_FILES,
    media_file,
    of_call,
    of_message,
    recording_file,
    refusals_of,
)

if TYPE_CHECKING:
    from engagement.models import ChannelAccount

OVERLAP = timedelta(hours=1)
HISTORY = timedelta(days=30)


@dataclass(frozen=True)
class Source:
    """One list: its address, the name of its items, and the fields that it is asked by."""

    path: str
    name: str
    whose: str
    when: str


SOURCES = (
    Source("Messages.json", "messages", "To", "DateSent"),
    Source("Messages.json", "messages", "From", "DateSent"),
    Source("Calls.json", "calls", "To", "StartTime"),
    Source("Calls.json", "calls", "From", "StartTime"),
)
INBOUND = (SOURCES[0], SOURCES[2])


def read(account: ChannelAccount) -> Iterator[Page]:
    """Pages since the cursor."""
    cursor = dict(account.cursor)
    since = _when(cursor.get("since")) or _beginning(account)
    walk = dict(cursor.get("walk") or {"started": _written(timezone.now()), "list": 0, "next": ""})
    with client(account) as link:
        for index in range(int(walk["list"]), len(SOURCES)):
            source = SOURCES[index]
            params = {source.whose: account.external_id, f"{source.when}>": _written(since)}
            begin = str(walk["next"]) if index == int(walk["list"]) else ""
            for items, following in pages(link, source.path, source.name, params, begin=begin):
                ended = not following and index == len(SOURCES) - 1
                place = {"list": index, "next": following} if following else {"list": index + 1, "next": ""}
                kept: dict[str, Any] = {
                    "since": cursor.get("since"),
                    "walk": {"started": walk["started"], **place},
                }
                if ended:
                    kept = {"since": _written(_started(walk) - OVERLAP), "walk": None}
                yield _page(link, source, items, kept, more=not ended, history="since" not in cursor)


def _started(walk: Mapping[str, Any]) -> datetime:
    return _when(walk.get("started")) or timezone.now()


def _beginning(account: ChannelAccount) -> datetime:
    """Where the first reading starts: a month before the connection, or with it."""
    return account.created_at if account.settings.get("only_new") else account.created_at - HISTORY


def _when(value: Any) -> datetime | None:
    return parse_when(value) if isinstance(value, str) else None


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _page(
    link: http.Client,
    source: Source,
    items: Sequence[Mapping[str, Any]],
    cursor: Mapping[str, Any],
    *,
    more: bool,
    history: bool,
) -> Page:
    events: list[Event | Change] = []
    bad: list[Bad] = []
    for item in items:
        try:
            events += understood(link, source, item)
        except ValueError as error:
            bad.append(Bad(str(item.get("sid") or ""), str(error), json.dumps(item).encode()))
    return Page(events, cursor, bad, more=more, history=history, refusals=refusals_of(events))


def understood(link: http.Client, source: Source, item: Mapping[str, Any]) -> list[Event | Change]:
    """One item with what hangs on it. Raises ValueError where it cannot be understood."""
    if source.name == "calls":
        return of_call(item, recordings(link, str(item.get("sid") or "")))
    count = str(item.get("num_media") or "0")
    return of_message(item, media(link, str(item.get("sid") or "")) if count != "0" else ())


def media(link: http.Client, sid: str) -> tuple[File, ...]:
    """The files of one message."""
    found = get(link, f"Messages/{sid}/Media.json", {"PageSize": MOST_FILES}).get("media_list") or ()
    return tuple(
        media_file(sid, index, _absolute(link, item), str(item.get("content_type") or ""))
        for index, item in enumerate(found)
        if item.get("uri")
    )


def recordings(link: http.Client, sid: str) -> list[File]:
    """The recordings of one call that are ready."""
    found = get(link, f"Calls/{sid}/Recordings.json", {"PageSize": MOST_FILES}).get("recordings") or ()
    return [
        recording_file(str(item["sid"]), _absolute(link, item))
        for item in found
        if item.get("sid") and item.get("uri") and item.get("status", "completed") == "completed"
    ]


def _absolute(link: http.Client, item: Mapping[str, Any]) -> str:
    """Where a file is: `uri` names its description, which ends in .json."""
    host = link.base_url.partition("/2010-04-01/")[0]
    return f"{host}{str(item['uri']).removesuffix('.json')}"


def listed(account: ChannelAccount, since: datetime, until: datetime) -> Iterator[Sequence[Listed]]:
    """What was sent or called to this number in the window, with its event; what cannot be understood stands
    there by its id alone."""
    with client(account) as link:
        for source in INBOUND:
            params = {
                source.whose: account.external_id,
                f"{source.when}>": _written(since),
                f"{source.when}<": _written(until),
            }
            for items, _next in pages(link, source.path, source.name, params):
                found = [_listed(link, source, item) for item in items]
                yield [one for one in found if one is not None and since <= one.at < until]


def _listed(link: http.Client, source: Source, item: Mapping[str, Any]) -> Listed | None:
    try:
        events = understood(link, source, item)
    except ValueError:
        return None
    event = next(one for one in events if isinstance(one, Event))
    return Listed(event.external_id, event.occurred_at, event)
