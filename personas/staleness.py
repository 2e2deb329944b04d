"""How old the members on a page are, and what they do not know yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from core.models import Workspace
from personas.models import Rebuild, Segment


@dataclass(frozen=True)
class Staleness:
    """When members were computed, how long it took, and in a few words each what makes them old."""

    at: datetime | None
    seconds: float | None
    warnings: tuple[str, ...]


def staleness(segment: Segment | None = None) -> Staleness:
    """Of a segment's members, or of what the last rebuild computed: personas, traits, predictions."""
    newest = Rebuild.objects.filter(finished_at__isnull=False).select_related("job").order_by("-pk").first()
    late = tuple(_late(newest))
    if segment is None:
        return Staleness(newest.finished_at if newest else None, newest.job.seconds if newest else None, late)
    own = tuple(_behind(segment, newest))
    return Staleness(segment.built_at, segment.build_seconds, own + (() if segment.is_frozen else late))


def _late(newest: Rebuild | None) -> Iterator[str]:
    if newest is None or newest.finished_at is None:
        yield _("The nightly rebuild has never run")
        return
    workspace = Workspace.current()
    day = newest.finished_at.astimezone(workspace.tz).date()
    if day < workspace.today() - timedelta(days=1):
        yield _("The nightly rebuild has not run since %(day)s") % {"day": date_format(day, "j M Y")}


def _behind(segment: Segment, newest: Rebuild | None) -> Iterator[str]:
    if segment.is_frozen:
        yield _("Frozen: members stay as they are")
        return
    if segment.built_at is None:
        yield _("Not counted yet")
        return
    if segment.version != segment.built_version:
        yield _("The rule is newer than its members")
    if newest and newest.customers_changed and newest.job.created_at > segment.built_at:
        yield _("Older than the last rebuild")
