"""Text and times as they come from outside, made fit to be stored."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from django.utils import timezone

EARLIEST_YEAR, LATEST_YEAR = 1970, 9999
LATEST_EPOCH = 253_402_300_799
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?\S*", re.IGNORECASE
)
_LONG_YEAR = re.compile(r"[+-]?[0-9]{5,}-[0-9]{2}-")
HOW = "write it like 2026-11-22 or 2026-11-22T09:30:00Z"


def clean_text(value: str, limit: int | None = None) -> str:
    """Without NUL, control characters and lone surrogates; line ends are \\n; cut at `limit` characters.

    Halves of a surrogate pair that stand together become the character they mean.
    """
    if _SURROGATES.search(value):
        value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    text = _CONTROLS.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))
    return text if limit is None else text[:limit]


def parse_when(value: str, zone: tzinfo = UTC) -> datetime:
    """An aware time in UTC from ISO 8601; a date alone is its midnight, and no zone means `zone`.

    Numbers are refused: `parse_epoch` reads them where they are expected. Raises ValueError
    saying what is wrong.
    """
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]!r} is not a date; {HOW}")
    text = value.strip()
    shown = repr(text[:40])
    if _LONG_YEAR.match(text):
        raise ValueError(f"{shown} is after the year {LATEST_YEAR}")
    if not (_DAY.fullmatch(text) or _MOMENT.fullmatch(text)):
        raise ValueError(f"{shown} is not a date; {HOW}")
    try:
        found = datetime.fromisoformat(text.upper().replace(",", "."))
    except ValueError:
        raise ValueError(f"{shown} is not a date that exists; {HOW}") from None
    return _in_range(found if found.tzinfo else found.replace(tzinfo=zone), shown)


def parse_epoch(value: float | str) -> datetime:
    """An aware time from seconds since 1970. Raises ValueError saying what is wrong."""
    shown = repr(str(value)[:40])
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{shown} is not a number of seconds since 1970") from None
    if not 0 <= seconds <= LATEST_EPOCH:
        raise ValueError(f"{shown} seconds since 1970 is not in the years {EARLIEST_YEAR} to {LATEST_YEAR}")
    return datetime.fromtimestamp(seconds, UTC)


def _in_range(found: datetime, shown: str) -> datetime:
    try:
        moment = found.astimezone(UTC)
    except OverflowError:
        moment = found.replace(tzinfo=UTC)
        if found.year == LATEST_YEAR:
            raise ValueError(f"{shown} is after the year {LATEST_YEAR}") from None
    if moment.year < EARLIEST_YEAR:
        raise ValueError(f"{shown} is before {EARLIEST_YEAR}")
    return moment


def is_far_future(when: datetime) -> bool:
    """More than a day ahead, so that it cannot be a clock that is a little off."""
    return when > timezone.now() + timedelta(days=1)
