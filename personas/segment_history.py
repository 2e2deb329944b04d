"""How a segment grew and shrank: its size by day, and who entered and left."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber, TruncDate
from django.utils.translation import gettext as _

from core.models import Workspace
from personas.models import Segment, SegmentChange, SegmentSize

DAYS = 90
"""Days that are told; a year of nights would be too narrow to point at."""


@dataclass(frozen=True)
class Day:
    """One local day; `size` is None where nothing was built that day."""

    day: date
    size: int | None
    entered: int
    left: int


def days_of(segment: Segment, *, days: int = DAYS) -> list[Day]:
    """From the first day that is known, at most `days` ago, to today, each day once."""
    workspace = Workspace.current()
    today = workspace.today()
    since = today - timedelta(days=days - 1)
    sizes = dict(segment.sizes.filter(day__gte=since).values_list("day", "size"))
    moves = {
        row["on"]: (row["came"], row["gone"])
        for row in changes_of(segment, first=since)
        .annotate(on=TruncDate("at", tzinfo=workspace.tz))
        .values("on")
        .annotate(came=Count("pk", filter=Q(entered=True)), gone=Count("pk", filter=Q(entered=False)))
        .order_by("on")
    }
    first = min([*sizes, *moves], default=None)
    if first is None:
        return []
    told = [first + timedelta(days=n) for n in range((today - first).days + 1)]
    return [Day(day, sizes.get(day), *moves.get(day, (0, 0))) for day in told]


def last_sizes(segments: Collection[Segment], most: int) -> dict[int, list[int]]:
    """The sizes of each segment on its last days, the oldest first; one statement."""
    place = Window(RowNumber(), partition_by="segment_id", order_by=F("day").desc())
    newest = SegmentSize.objects.filter(segment__in=segments).annotate(place=place).filter(place__lte=most)
    found: dict[int, list[int]] = {one.pk: [] for one in segments}
    for segment_id, size in newest.order_by("segment_id", "day").values_list("segment_id", "size"):
        found[segment_id].append(size)
    return found


def changes_of(
    segment: Segment, *, first: date | None = None, last: date | None = None, entered: bool | None = None
) -> QuerySet[SegmentChange]:
    """Who came and went within these local days; all of them where none is named."""
    found = SegmentChange.objects.filter(segment=segment)
    if first is not None:
        found = found.filter(at__gte=_start(first))
    if last is not None and last < date.max:
        found = found.filter(at__lt=_start(last + timedelta(days=1)))
    return found if entered is None else found.filter(entered=entered)


def _start(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=Workspace.current().tz)


def chart_of(days: Sequence[Day], currency: str) -> dict[str, object]:
    """What `charts.js` draws: the size as a line, entering above and leaving below the zero line."""
    return {
        "days": [one.day.isoformat() for one in days],
        "currency": currency,
        "size": {"name": _("Customers"), "values": [one.size for one in days]},
        "moves": {
            "names": [_("Entered"), _("Left")],
            "entered": [one.entered for one in days],
            "left": [one.left for one in days],
        },
    }
