"""X's ids are numbers whose upper bits are the time at which they were given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

EPOCH = 1_288_834_974_657
"""Milliseconds since 1970 at which these ids begin."""
FIRST_YEAR_OF_THEM = datetime(2011, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(minutes=10)


def id_at(moment: datetime) -> str:
    """The least id of that moment."""
    return str(max(0, int(moment.timestamp() * 1000) - EPOCH) << 22)


def moment_of(post_id: str) -> datetime:
    """When this id was given."""
    return datetime.fromtimestamp(((int(post_id) >> 22) + EPOCH) / 1000, UTC)


def with_overlap(since: str) -> str:
    """An id a little before this one; "1" for one of X's first years, which tells no time."""
    moment = moment_of(since)
    return id_at(moment - OVERLAP) if moment > FIRST_YEAR_OF_THEM else "1"


def newest_of(found: Sequence[str]) -> str:
    """The highest of these ids, '' of none; they are numbers of up to 19 digits."""
    return max((one for one in found if one.isdigit()), key=int, default="")
