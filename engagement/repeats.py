"""What comes again under its id with other words, on networks where people edit what they wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from core.text import clean_text
from engagement.channels import connector
from engagement.channels.base import Change, Event
from engagement.ingest.prepare import MAX_TEXT
from engagement.models import ChannelAccount, Interaction


@dataclass(frozen=True)
class Version:
    """An event as somebody told it, and when its words were last changed there; None where nobody said."""

    event: Event
    edited_at: datetime | None = None


def adapted(account: ChannelAccount, versions: Sequence[Version]) -> list[Event | Change]:
    """The versions as this account takes them in, one for one: an event, or the edit of one that is known.

    Without a time of its edit, what is told last is the newest.
    """
    link = connector(account.connector)
    whole = [Version(link.adapt(account, one.event), one.edited_at) for one in versions]
    if not link.repeats_are_edits:
        return [one.event for one in whole]
    known = _known(account, [one.event.external_id for one in whole])
    found: list[Event | Change] = []
    for one in whole:
        before = known.get(one.event.external_id)
        words = _words(one.event, before)
        is_edit = before is not None and before != words
        found.append(_edit(one) if is_edit else one.event)
        known[one.event.external_id] = words
    return found


def edits_of(account: ChannelAccount, versions: Sequence[Version]) -> list[Change]:
    """Beside new events: that their words are not the first, so that an older version cannot replace them."""
    if not connector(account.connector).repeats_are_edits:
        return []
    return [_edit(one) for one in versions if one.edited_at and one.edited_at > one.event.occurred_at]


def _known(account: ChannelAccount, ids: Sequence[str]) -> dict[str, tuple[str, int | None]]:
    rows = Interaction.objects.filter(account=account, external_id__in=set(ids), deleted_at__isnull=True)
    return {row[0]: row[1:] for row in rows.values_list("external_id", "text", "rating")}


def _words(event: Event, before: tuple[str, int | None] | None) -> tuple[str, int | None]:
    """Text and rating; a rating that is not told is the one before."""
    rating = before[1] if event.rating is None and before else event.rating
    return clean_text(event.text, limit=MAX_TEXT), rating


def _edit(one: Version) -> Change:
    event = one.event
    at = one.edited_at or timezone.now()
    return Change(event.external_id, "edit", at, text=event.text, rating=event.rating)
