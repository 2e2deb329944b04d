"""An account that is silent against its own hours: told once, ended by whatever comes, seldom by chance."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.core.cache import cache

from engagement import silence
from engagement.ingest import ingest
from engagement.models import ChannelAccount, Interaction
from engagement.silence import Habit, habit_of, look_for_silence
from tests.engagement.desk import general
from tests.engagement.harbour import Harbour, connected, event_of, harbour

__all__ = ["general", "harbour"]
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def counts(hours: range = range(9, 17), each: int = 2, days: int = 28) -> dict[tuple[date, int], int]:
    """So many in each of these hours of each working day."""
    every = ((MONDAY + timedelta(days=number)).date() for number in range(days))
    return {(day, hour): each for day in every if day.weekday() < 5 for hour in hours}


def test_expected_follows_the_hours_of_the_week() -> None:
    habit = habit_of(counts())
    assert habit is not None and habit.burst == 1.0
    noon, night = MONDAY + timedelta(hours=12), MONDAY + timedelta(hours=20)
    assert habit.expected(noon, noon + timedelta(hours=2), UTC) == pytest.approx(4)
    assert habit.expected(night, night + timedelta(hours=10), UTC) == 0
    saturday = MONDAY + timedelta(days=5)
    assert habit.expected(saturday, saturday + timedelta(days=2), UTC) == 0
    assert habit.expected(noon, noon + timedelta(minutes=30), UTC) == pytest.approx(1)


def test_a_quiet_weekend_is_no_silence_and_a_quiet_morning_is() -> None:
    habit = habit_of(counts(each=4))
    assert habit is not None
    friday, monday = MONDAY + timedelta(days=4, hours=17), MONDAY + timedelta(days=7, hours=9)
    assert not silence.is_silent(habit, friday, monday, UTC)
    assert silence.is_silent(habit, friday, monday + timedelta(hours=4), UTC)


def test_too_little_says_nothing() -> None:
    assert habit_of({(MONDAY.date(), 9): silence.FEWEST - 1}) is None


def test_bursts_raise_the_limit() -> None:
    once_in_four = {key: 8 for key in counts() if (key[0].toordinal() + key[1]) % 4 == 0}
    smooth, bursty = habit_of(counts()), habit_of(once_in_four)
    assert smooth is not None and bursty is not None
    assert bursty.burst > 2 > smooth.burst == 1
    assert bursty.limit > smooth.limit


def false_alarms(a_week: float, *, years: float, seed: int) -> float:
    """Alarms a year where messages come independently of each other, by a day's and a week's shape."""
    chance = random.Random(seed)
    shape = [
        (0.1 if hour < 7 else 1.0 if hour < 20 else 0.4) * (0.3 if day > 4 else 1.0)
        for day in range(7)
        for hour in range(24)
    ]
    scale = a_week / sum(shape)
    at, times = MONDAY, []
    for number in range(int((years * 365 + 28) * 24)):
        rate, moment = shape[number % 168] * scale, 0.0
        while (moment := moment + chance.expovariate(rate)) < 1:
            times.append(at + timedelta(hours=number + moment))
    return _alarms(times) / years


def _alarms(times: list[datetime]) -> int:
    alarms, habit, known = 0, None, None
    for last, following in pairwise(times):
        if last < MONDAY + timedelta(days=28) or following - last < timedelta(hours=2):
            continue
        if last.date() != known:
            known, habit = last.date(), _habit_at(times, last)
        alarms += bool(habit and silence.is_silent(habit, last, following, UTC))
    return alarms


def _habit_at(times: list[datetime], last: datetime) -> Habit | None:
    found: dict[tuple[date, int], int] = {}
    for at in times:
        if last - timedelta(days=28) < at <= last:
            found[at.date(), at.hour] = found.get((at.date(), at.hour), 0) + 1
    return habit_of(found)


@pytest.mark.parametrize("a_week", [20, 70])
def test_chance_calls_an_account_silent_twice_a_year_at_most(a_week: int) -> None:
    assert false_alarms(a_week, years=1.5, seed=a_week) <= 2


# Accounts


@pytest.fixture
def account(general: Any, harbour: Harbour) -> ChannelAccount:
    """Heard from twice an hour in the day, for four weeks until Friday evening."""
    account = connected(general)
    for number in range(26 * 24):
        at = MONDAY + timedelta(hours=number)
        if at.weekday() < 5 and 9 <= at.hour < 17:
            for half in (5, 35):
                harbour.say(number * 60 + half, at + timedelta(minutes=half))
    ingest(account, [event_of(one) for one in harbour.messages.values()])
    Interaction.objects.update(received_at=MONDAY)
    return account


def look(at: datetime, time_machine: Any) -> bool:
    time_machine.move_to(at, tick=False)
    cache.clear()
    return bool(look_for_silence())


@pytest.mark.django_db
def test_silence_is_told_once_and_ends_when_something_comes(
    account: ChannelAccount, harbour: Harbour, time_machine: Any
) -> None:
    monday = MONDAY + timedelta(days=28)
    assert not look(monday + timedelta(hours=9), time_machine)
    assert look(monday + timedelta(hours=16), time_machine)
    account.refresh_from_db()
    assert account.silent_since == monday + timedelta(hours=16)
    assert not look(monday + timedelta(hours=17), time_machine)
    time_machine.move_to(monday + timedelta(hours=18), tick=False)
    # late: it was said before the account was called silent
    harbour.say(999_999, monday + timedelta(hours=15))
    ingest(account, [event_of(harbour.messages["m999999"])])
    assert not look(monday + timedelta(hours=18, minutes=5), time_machine)
    account.refresh_from_db()
    assert account.silent_since is None


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["paused", "needs_login", "failing"])
def test_an_account_whose_trouble_is_known_is_not_called_silent(
    account: ChannelAccount, time_machine: Any, state: str
) -> None:
    ChannelAccount.objects.update(health=state)
    assert not look(MONDAY + timedelta(days=40), time_machine)


@pytest.mark.django_db
def test_an_account_that_is_new_is_left_alone(general: Any, harbour: Harbour, time_machine: Any) -> None:
    account = connected(general)
    for number in range(100):
        harbour.say(number, MONDAY + timedelta(minutes=10 * number))
    ingest(account, [event_of(one) for one in harbour.messages.values()])
    assert not look(MONDAY + timedelta(days=14), time_machine)
