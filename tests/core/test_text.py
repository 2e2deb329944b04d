"""Text and times from outside: what is taken, what is changed, what is refused and why."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from core.text import clean_text, is_far_future, parse_epoch, parse_when


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("a\x00b", "ab"),
        ("a\r\nb\rc\n\td", "a\nb\nc\n\td"),
        ("bell\x07 esc\x1b[0m del\x7f", "bell esc[0m del"),
        ("half \ud83d of it", "half  of it"),
        ("\udc00\ud800", ""),
        ("both \ud83d\ude00 halves", "both 😀 halves"),
        ("kept: ünï 日本 👩‍👩‍👧 \u200b \x85", "kept: ünï 日本 👩‍👩‍👧 \u200b \x85"),
    ],
)
def test_text_is_made_storable_and_otherwise_left_alone(dirty: str, clean: str) -> None:
    assert clean_text(dirty) == clean


def test_text_is_cut_at_its_limit() -> None:
    assert clean_text("\x00abcdef", limit=3) == "abc"
    assert clean_text("abc", limit=3) == "abc"


@given(st.text(alphabet=st.characters(codec=None), max_size=60), st.integers(0, 60))
def test_whatever_comes_is_valid_utf_8_within_the_limit(value: str, limit: int) -> None:
    clean = clean_text(value, limit=limit)
    assert len(clean.encode()) >= len(clean) <= limit
    assert "\x00" not in clean and "\r" not in clean
    assert clean_text(clean, limit=limit) == clean


def test_every_character_that_is_left_can_be_stored(db: None) -> None:
    text = clean_text("".join(map(chr, range(0x11000))))
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text", [text])
        assert cursor.fetchone() == (text,)


NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2026-11-22T12:00:00Z", NOON),
        ("2026-11-22t12:00:00z", NOON),
        (" 2026-11-22 12:00 ", NOON),
        ("2026-11-22T13:00:00+01:00", NOON),
        ("2026-11-22T13:00:00+0100", NOON),
        ("2026-11-22T12:00:00.250Z", NOON + timedelta(milliseconds=250)),
        ("2026-11-22T12:00:00,250Z", NOON + timedelta(milliseconds=250)),
        ("2026-11-22T12:00:00.123456789Z", NOON + timedelta(microseconds=123456)),
        ("2026-11-22", NOON - timedelta(hours=12)),
        ("1997-01-01", datetime(1997, 1, 1, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_iso_dates_and_times_are_understood(text: str, when: datetime) -> None:
    assert parse_when(text) == when
    assert parse_when(text).tzinfo is UTC


def test_a_time_without_zone_is_in_the_zone_that_is_given() -> None:
    assert parse_when("2026-07-01", ZoneInfo("Europe/Berlin")) == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert parse_when("2026-07-01T00:00Z", ZoneInfo("Europe/Berlin")) == datetime(2026, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("20000-01-01", "after the year 9999"),
        ("+012026-01-01T00:00:00Z", "after the year 9999"),
        ("9999-12-31T23:59:59-12:00", "after the year 9999"),
        ("1969-12-31", "before 1970"),
        ("1970-01-01T00:00:00+01:00", "before 1970"),
        ("0001-01-01T00:00:00+14:00", "before 1970"),
        ("2026-02-30", "not a date that exists"),
        ("2026-11-22T25:00:00Z", "not a date that exists"),
        ("2026-11-22T12:00:00 nonsense", "not a date"),
        ("2026-11-22T12:00:00+99:00", "not a date that exists"),
        ("22.11.2026", "write it like 2026-11-22"),
        ("20121010112", "write it like 2026-11-22"),
        ("1763800000", "write it like 2026-11-22"),
        ("٢٠٢٦-١١-٢٢", "write it like"),
        ("", "write it like"),
        ("2026-11-22\x00", "write it like"),
        (1763800000, "write it like"),
        (None, "write it like"),
    ],
)
def test_what_is_no_usable_time_is_refused_with_a_reason(value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_when(value)  # type: ignore[arg-type]


@given(st.text(max_size=40))
def test_any_text_is_either_a_time_or_a_plain_refusal(value: str) -> None:
    try:
        assert parse_when(value).year >= 1970
    except ValueError as error:
        assert "not a date" in str(error) or "year" in str(error) or "before" in str(error)


def test_seconds_since_1970_are_read_where_they_are_expected() -> None:
    assert parse_epoch(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert parse_epoch("1763812800.5") == datetime(2025, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", [-1, "x", float("nan"), float("inf"), 1e300, 253_402_300_800, None, "1763812800000"]
)
def test_a_number_that_is_no_usable_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="1970"):
        parse_epoch(value)  # type: ignore[arg-type]


def test_more_than_a_day_ahead_is_the_far_future() -> None:
    assert is_far_future(timezone.now() + timedelta(hours=25))
    assert not is_far_future(timezone.now() + timedelta(hours=23))
