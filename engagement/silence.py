"""Accounts that are silent against their own usual hours.

The rule: from the last 28 days before an account's newest message, each of the 168 hours of a week has a
rate. The rates of the hours since that message add up to how many messages were to be expected by now. If
messages came independently of each other, a gap that should have held x of them has the probability exp(-x),
so with n messages in 28 days a limit of ln(n * 365 / 28 / f) is passed f times a year by chance. Messages
come in bursts, so both n and x are divided by how much the counts of the same hour differ from week to week
(variance over mean, at least 1). Accounts with fewer than 56 messages in those 28 days, or with nothing in
the first week of them, are left alone: their rates say too little.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from django.core.cache import cache
from django.db.models import QuerySet
from django.utils import timezone

from core import sql
from core.events import emit
from core.models import Workspace
from engagement.models import ChannelAccount, Health, Interaction

WEEKS = 4
WINDOW = timedelta(weeks=WEEKS)
FEWEST = 56
FALSE_ALARMS_A_YEAR = 0.4
"""By the formula; rates known only from four weeks bring it to about one a year in simulations."""
HOURS = 7 * 24
KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Habit:
    """How many messages an account receives in each hour of a week, Monday's first hour first."""

    rates: tuple[float, ...]
    n: int
    burst: float
    """Variance over mean of the same hour's counts, at least 1."""

    @property
    def limit(self) -> float:
        """So many expected messages must be missing until it counts as silent."""
        yearly = self.n / self.burst * 365 / WINDOW.days
        return self.burst * math.log(max(yearly / FALSE_ALARMS_A_YEAR, math.e))

    def expected(self, since: datetime, until: datetime, zone: tzinfo) -> float:
        """How many messages usually come between two moments; a month at most is looked at."""
        total, at = 0.0, max(since, until - WINDOW)
        while at < until:
            following = min(at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1), until)
            local = at.astimezone(zone)
            total += self.rates[local.weekday() * 24 + local.hour] * (following - at).total_seconds() / 3600
            at = following
        return total


def habit_of(counts: Mapping[tuple[date, int], int]) -> Habit | None:
    """The habit behind the counts by local day and hour of 28 days; None where they say too little."""
    n = sum(counts.values())
    if n < FEWEST:
        return None
    weeks: dict[int, list[int]] = defaultdict(list)
    for (day, hour), count in counts.items():
        weeks[day.weekday() * 24 + hour].append(count)
    rates = tuple(sum(weeks.get(slot, ())) / WEEKS for slot in range(HOURS))
    return Habit(rates, n, max(1.0, _burst(weeks, rates)))


def _burst(weeks: Mapping[int, list[int]], rates: tuple[float, ...]) -> float:
    """Pearson's statistic over its degrees of freedom; an hour without a count is a zero among four."""
    spread, freedom = 0.0, 0
    for slot, counts in weeks.items():
        zeros = WEEKS - min(len(counts), WEEKS)
        squares = sum((count - rates[slot]) ** 2 for count in counts) + zeros * rates[slot] ** 2
        spread += squares / rates[slot]
        freedom += WEEKS - 1
    return spread / freedom if freedom else 1.0


def is_silent(habit: Habit, last: datetime, now: datetime, zone: tzinfo) -> bool:
    """Whether a gap since this moment is longer than chance explains once a year."""
    return habit.expected(last, now, zone) >= habit.limit


# Accounts


def look_for_silence(now: datetime | None = None) -> list[int]:
    """Mark accounts that fell silent and unmark those that came back; ids of the newly silent ones."""
    at = now or timezone.now()
    zone = Workspace.current().tz
    rows = ChannelAccount.objects.active().filter(health=Health.HEALTHY)
    return [account.pk for account in rows.order_by("pk") if _look_at(account, at, zone)]


def _look_at(account: ChannelAccount, now: datetime, zone: tzinfo) -> bool:
    last = _newest(account)
    if account.silent_since is not None:
        if last is None or _came_after(account):
            _mark(account, None)
        return False
    habit = _habit(account, last, zone) if last else None
    if habit is None or last is None or not is_silent(habit, last, now, zone):
        return False
    _mark(account, now)
    emit("channel.silent", channels=["role:admin", "role:manager"], account=account.pk)
    return True


def _newest(account: ChannelAccount) -> datetime | None:
    return _heard(account).order_by("-occurred_at").values_list("occurred_at", flat=True).first()


def _heard(account: ChannelAccount) -> QuerySet[Interaction]:
    return Interaction.objects.filter(account=account, direction="inbound").exclude(kind="visit")


def _came_after(account: ChannelAccount) -> bool:
    """Something came since it was called silent, be it late."""
    since = account.silent_since
    if since is None:
        return False
    late = _heard(account).filter(occurred_at__gt=since - WINDOW, received_at__gt=since)
    return bool(late.exists())


def _mark(account: ChannelAccount, since: datetime | None) -> None:
    ChannelAccount.objects.filter(pk=account.pk).update(silent_since=since)


def _habit(account: ChannelAccount, last: datetime, zone: tzinfo) -> Habit | None:
    """The account's habit, computed once a day."""
    key = f"habit:{account.pk}:{last.date()}"
    known = cache.get(key)
    if known is None:
        known = _read_habit(account, last, str(zone)) or "too little"
        cache.set(key, known, KEPT_SECONDS)
    return known if isinstance(known, Habit) else None


def _read_habit(account: ChannelAccount, last: datetime, zone: str) -> Habit | None:
    since = last - WINDOW
    values = {"account": account.pk, "since": since, "until": last, "zone": zone}
    counts = {
        (row["day"], row["hour"]): row["n"] for row in sql.rows("engagement", "hourly_received", values)
    }
    first_week = (since + timedelta(days=8)).date()
    if not _any_before(counts, first_week):
        return None
    return habit_of(counts)


def _any_before(counts: Iterable[tuple[date, int]], day: date) -> bool:
    return any(counted < day for counted, _hour in counts)
