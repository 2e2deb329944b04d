"""A plan to take along: rows for a table, and a calendar file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from core import networks
from personas.models import ReachPlan
from personas.reach.telling import entry_reason, entry_title, kind_label

HEADER = ("day", "time", "zone", "network", "what", "kind", "people", "topic", "why")
LASTS = timedelta(minutes=30)


def rows(plan: ReachPlan) -> Iterator[tuple[Any, ...]]:
    """One row an entry."""
    for entry in plan.result.get("entries", []):
        at = datetime.fromisoformat(entry["at"])
        yield (
            entry["day"],
            f"{at:%H:%M}",
            plan.result.get("zone", ""),
            networks.get(entry["network"]).label,
            entry["what"],
            kind_label(entry["media"]) if entry["what"] == "post" else "",
            entry["people"] or "",
            entry.get("topic", ""),
            entry_reason(entry),
        )


def calendar(plan: ReachPlan) -> bytes:
    """The entries as events of half an hour (RFC 5545), in UTC, so that every calendar shows its own time."""
    from icalendar import Calendar, Event, vText

    host = urlsplit(settings.PUBLIC_URL).hostname or "rapport"
    found = Calendar()
    found.add("prodid", "-//Rapport//Reach planner//EN")
    found.add("version", "2.0")
    # What the library does not know as text it writes as it is: a line break would begin another property.
    found.add("x-wr-calname", vText(plan.name))
    for place, entry in enumerate(plan.result.get("entries", [])):
        event = Event()
        event.add("uid", f"plan-{plan.pk}-{place}@{host}")
        event.add("dtstamp", plan.created_at)
        event.add("dtstart", datetime.fromisoformat(entry["at"]).astimezone(UTC))
        event.add("duration", LASTS)
        event.add("summary", entry_title(entry))
        about = [_("About: %(topic)s") % {"topic": entry["topic"]}] if entry.get("topic") else []
        event.add("description", "\n".join([*about, entry_reason(entry), plan.name]))
        found.add_component(event)
    return bytes(found.to_ical())
