"""What the server says it has of a window of time, and what is gone there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from engagement.channels.base import Event, Listed, TransientFailure
from engagement.channels.fields import maybe_mapping, maybe_text
from engagement.channels.mastodon.client import Client, Json
from engagement.channels.mastodon.events import Us, status_items
from engagement.channels.mastodon.pulling import (
    MOST_PAGES,
    ancestors_of,
    arrived_at,
    mentions,
    read_again,
)
from engagement.models import ChannelAccount

ASKED_AT_ONCE = 20


def list_window(account: ChannelAccount, since: datetime, until: datetime) -> Iterator[list[Listed]]:
    """Mentions said in the window, read backwards from the newest: their numbers tell no time."""
    last = ""
    with Client(account) as client:
        for _number in range(MOST_PAGES):
            found, _newer = mentions(client, *([("max_id", last)] if last else []))
            yield [one for item in found for one in _listed(account, client, item, since, until)]
            if not found or min(arrived_at(one) for one in found) < since:
                return
            if maybe_text(found[-1], "id") == last:
                raise TransientFailure(_("The server repeats a page: the same notifications came twice."))
            last = maybe_text(found[-1], "id")
    raise TransientFailure(_("The server gives more than %(n)s pages: there is no end.") % {"n": MOST_PAGES})


def _listed(
    account: ChannelAccount, client: Client, notification: Json, since: datetime, until: datetime
) -> list[Listed]:
    """The status of a notification, if it was said in the window; what is not understood was parked."""
    us, status = Us.of(account), maybe_mapping(notification, "status")
    try:
        event = next((one for one in status_items(us, status) if isinstance(one, Event)), None)
        if event is None or event.author is None or not since <= event.occurred_at < until:
            return []
        whole = status_items(us, status, ancestors_of(client, status))
    except ValueError:
        return []
    found = next(one for one in whole if isinstance(one, Event))
    return [Listed(found.external_id, found.occurred_at, event=found)]


def gone(account: ChannelAccount, external_ids: Sequence[str]) -> Sequence[str]:
    """Statuses of these that the server does not know any more."""
    ids = [one for one in external_ids if one.isalnum()]
    with Client(account) as client:
        parts = [ids[start : start + ASKED_AT_ONCE] for start in range(0, len(ids), ASKED_AT_ONCE)]
        return [one for part in parts for one, status in read_again(client, part) if status is None]
